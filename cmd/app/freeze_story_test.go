package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// ordered runs a command beside the server.
func (w *world) ordered(arguments ...string) string {
	w.t.Helper()
	var out, problems bytes.Buffer
	if code := run(w.t.Context(), append(arguments, "-c", w.in.config), streams{out: &out, err: &problems}); code != 0 {
		w.t.Fatalf("coderflow %q: status %d: %s", arguments, code, problems.String())
	}
	return out.String()
}

func (w *world) freezes(arguments ...string) {
	w.t.Helper()
	w.ordered(append([]string{"freeze", "--reason", "a key leaked"}, arguments...)...)
}

// waitPaused waits until the one container of the purpose is paused, or is not.
func (w *world) waitPaused(purpose string, want bool) {
	w.t.Helper()
	c := w.only(purpose)
	err := until(w.t.Context(), longEnough, purpose+" container paused or not", func(context.Context) (bool, error) {
		return (strings.TrimSpace(w.docker("inspect", "--format", "{{.State.Paused}}", c.ID)) == "true") == want, nil
	})
	if err != nil {
		w.t.Fatalf("want paused %v: %v\n%s", want, err, w.log)
	}
}

// One server is frozen and thawed again at each place of a task's way, once by the
// order of another server of the same database. Nothing gets out while it is, and
// everything that was asked for and approved happens once.
func TestAFrozenServerLetsNothingOutAndLosesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newStoppedWorld(t, at, withExtra(looksOften+"\ndatabase: "+storetest.PostgresOptions(t).DSN), withAgent(untilReleased+"\n"+quickAgent), withScript(once("deployment")+"\n"+untilReleased))
		w.start()
		issue := w.run(maria).Number
		running := w.taskOf(issue, task.Running)
		w.step("WhileTheAgentRuns", func() { w.frozenAgent(running) })
		w.step("BetweenApprovalAndPush", func() { w.frozenApproval(w.taskOf(issue, task.Proposed)) })
		w.step("WhileADeploymentRuns", func() { w.frozenDeployment(issue) })
		done := w.taskOf(issue, task.Done)
		w.landedExactly(done)
		w.auditHas(done.ID, map[audit.Action]int{
			audit.ContainerStarted: 1, audit.ApprovalRecorded: 1, audit.ApprovalVoid: 0, audit.PushIntent: 1, audit.PushDone: 1,
			audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1,
		})
		runs, err := w.db().DeployRuns(t.Context(), done.ID)
		if err != nil || len(runs) != 1 || runs[0].State != deploy.Succeeded {
			t.Errorf("deployments %+v: %v", runs, err)
		}
		if out := w.ordered("freezes"); strings.Contains(out, "leaked") {
			t.Errorf("still frozen: %s", out)
		}
	})
}

// A paused agent stays so over a restart, and is the same one afterwards.
func (w *world) frozenAgent(running task.Task) {
	w.freezes()
	w.waitPaused("task", true)
	refused := w.run(maria).Number
	w.waitSaid(forge.IssueTopic(refused), "CoderFlow is frozen here")
	w.waitSaid(forge.IssueTopic(refused), "a key leaked")
	labelled := w.issue(maria).Number
	w.label(maria, labelled)
	w.waitSaid(forge.IssueTopic(labelled), "remove the label and set it again")
	w.say(maria, forge.IssueTopic(running.Issue), "/coderflow cancel")
	w.say(maria, forge.IssueTopic(running.Issue), "/coderflow status")
	w.waitSaid(forge.IssueTopic(running.Issue), "What was approved stays approved")
	w.server.kill()
	w.start()
	w.waitPaused("task", true)
	w.settle()
	if all := append(w.tasksOf(refused), w.tasksOf(labelled)...); len(all) != 0 {
		w.t.Errorf("tasks were made while frozen: %+v", all)
	}
	w.ordered("thaw")
	w.waitPaused("task", false)
	w.release(w.only("task"))
}

// An approval that came while frozen is not looked at; a push that is on its way when
// the freeze comes does not arrive, and neither costs the approval.
func (w *world) frozenApproval(proposed task.Task) {
	w.reviewable(proposed)
	w.freezes("staging")
	w.freezes()
	w.ordered("thaw", "staging") // the server's freeze holds all the same
	w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow deploy publish channel=stable")
	w.settle()
	time.Sleep(time.Second) // it is a job or two until a server that is not frozen would have pushed
	w.noCommit(proposed)
	if now := w.tasksOf(proposed.Issue)[0]; now.State != task.Proposed {
		w.t.Errorf("a frozen task is %s", now.State)
	}
	pushing, ended := w.holdPush()
	w.ordered("thaw")
	<-pushing
	second := w.second()
	if status, out, said := second.ordered("freeze", "staging", "--reason", "a key leaked"); status != 0 || !strings.Contains(out, "environment staging is frozen") {
		w.t.Fatalf("%d %s %s", status, out, said)
	}
	select {
	case <-ended:
	case <-time.After(longEnough):
		w.t.Fatalf("a push that was in flight went on:\n%s", w.log)
	}
	w.hub.Fail(nil)
	w.settle()
	if n := w.pushes(proposed.ID); n != 1 {
		w.t.Errorf("%d pushes while frozen, want the patch's alone", n)
	}
	for _, address := range []string{w.address, second.address} {
		var ready struct{ Status, Frozen string }
		if status := readiness(w.t, "http://"+address+"/readyz", &ready); status != http.StatusOK || ready.Frozen != "frozen: one environment" {
			w.t.Errorf("%s: %d %+v", address, status, ready)
		}
	}
	for want, arguments := range map[string][]string{
		"was frozen already, by tom":  {"freeze", "staging", "--reason", "me too"},
		"a key leaked":                {"freezes"},
		"environment staging, by tom": {"tasks", "show", string(proposed.ID)},
		"frozen by ":                  {"tasks", "cancel", string(proposed.ID)},
		"environments:freeze":         {"thaw"},
		"no such environment":         {"thaw", "production"},
	} {
		status, out, said := second.ordered(arguments...)
		if failed := arguments[0] == "thaw" || arguments[1%len(arguments)] == "cancel"; (status != 0) != failed || !strings.Contains(out+said, want) {
			w.t.Errorf("%q: %d %s %s, want %q", arguments, status, out, said, want)
		}
	}
	if response, err := http.Get("http://" + w.address + "/metrics"); err != nil {
		w.t.Error(err)
	} else if text, _ := io.ReadAll(response.Body); !strings.Contains(string(text), `coderflow_frozen{resource="environment/staging"} 1`) {
		w.t.Error("no metric says that it is frozen")
	}
	second.kill() // it has none of the first one's mirrors
	w.ordered("thaw", "staging")
}

// sibling is another server of the same database, with the token of an
// environment-admin.
type sibling struct {
	*process
	w       *world
	address string
	token   string // file
}

func (w *world) second() sibling {
	w.t.Helper()
	data := filepath.Join(w.dir, "second")
	key, err := os.ReadFile(filepath.Join(w.dir, "data", auditKeyFile))
	if err == nil {
		err = errors.Join(os.Mkdir(data, 0o700), os.WriteFile(filepath.Join(data, auditKeyFile), key, 0o600))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	s := sibling{w: w, address: freeAddress(w.t), token: filepath.Join(w.dir, "token")}
	if err := os.WriteFile(s.token, []byte(w.ordered("tokens", "create", "--for", w.subject(tom), "--name", "stop")), 0o600); err != nil {
		w.t.Fatal(err)
	}
	first := w.server
	w.launch("CODERFLOW_DATADIR="+data, "CODERFLOW_LISTEN="+s.address)
	s.process, w.server = w.server, first
	w.t.Cleanup(s.kill)
	err = until(w.t.Context(), longEnough, "the second server", func(context.Context) (bool, error) {
		response, err := http.Get("http://" + s.address + "/healthz")
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet
		}
		return response.StatusCode == http.StatusOK, response.Body.Close()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// ordered runs a command at this server, as an environment-admin.
func (s sibling) ordered(arguments ...string) (status int, out, problems string) {
	var printed, said bytes.Buffer
	status = run(s.w.t.Context(), append(arguments, "--server", "http://"+s.address, "--token-file", s.token), streams{out: &printed, err: &said})
	return status, printed.String(), said.String()
}

func readiness(t *testing.T, address string, into any) int {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// holdPush keeps the first push at the forge until its sender gives it up.
func (w *world) holdPush() (pushing, ended chan struct{}) {
	pushing, ended = make(chan struct{}, 16), make(chan struct{}, 16)
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			return nil
		}
		pushing <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the sender is gone
		<-r.Context().Done()
		ended <- struct{}{}
		return &emulator.Fault{Status: http.StatusServiceUnavailable}
	})
	return pushing, ended
}

func (w *world) frozenDeployment(issue int) {
	t := w.taskOf(issue, task.Deploying)
	err := until(w.t.Context(), longEnough, "the deployment runs", func(ctx context.Context) (bool, error) {
		runs, err := w.db().DeployRuns(ctx, t.ID)
		return len(runs) == 1 && runs[0].State == deploy.Running, err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.freezes("staging")
	w.waitPaused("deploy", true)
	set, err := w.db().Freezes(w.t.Context())
	if err != nil || set.Refuse("production") != nil || set.Refuse("staging") == nil {
		w.t.Errorf("in force: %+v, %v", set, err)
	}
	if set[0].Resource != freeze.Environment("staging") || !strings.HasPrefix(set[0].By, "local:") {
		w.t.Errorf("who froze it: %+v", set[0])
	}
	w.ordered("thaw", "staging")
	w.waitPaused("deploy", false)
	w.release(w.only("deploy"))
}
