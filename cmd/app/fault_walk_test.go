package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// elsewhere are places that another test comes to.
var elsewhere = map[engine.Failpoint]string{
	engine.CanaryStopped:    "TestFault07ACanaryIsNotForgottenByARestart",
	engine.PipelineIntended: "TestFault16AKillBeforeThePipelineIsAskedStartsNothing",
	engine.PipelineStopped:  "TestFault17AKillBeforeARunIsCancelledLeavesTheOrder",
}

// One day's work, three times: nobody disturbs the first server; the second, and the
// third on PostgreSQL, are killed with SIGKILL and started again, each at every second
// of the named places, in turn. (With TEST_SOAK, as in make soak, each at every one.)
// What all three leave behind, at the forge, in the database, in the audit log and on
// the Docker engine, is the same.
func TestFault01To18AKillAtEveryPlaceLeavesNoTrace(t *testing.T) {
	t.Parallel()
	var undisturbed, sqlite, postgres []string
	one, other := share{every: 2}, share{every: 2, from: 1}
	if os.Getenv("TEST_SOAK") != "" {
		one, other = share{every: 1}, share{every: 1}
	}
	t.Run("day", func(t *testing.T) {
		t.Run("undisturbed", func(t *testing.T) {
			t.Parallel()
			undisturbed = aDay(t, "", share{})
		})
		t.Run("sqlite", func(t *testing.T) {
			t.Parallel()
			sqlite = aDay(t, "", one)
		})
		t.Run("postgres", func(t *testing.T) {
			t.Parallel()
			postgres = aDay(t, "database: "+storetest.PostgresOptions(t).DSN, other)
		})
	})
	if t.Failed() {
		return // there is nothing to compare
	}
	for name, killed := range map[string][]string{"sqlite": sqlite, "postgres": postgres} {
		for _, line := range missing(undisturbed, killed) {
			t.Errorf("%s: lost: %s", name, line)
		}
		for _, line := range missing(killed, undisturbed) {
			t.Errorf("%s: one too many: %s", name, line)
		}
	}
}

// missing are the lines of want that have has not, or not as often.
func missing(want, have []string) (lines []string) {
	count := map[string]int{}
	for _, line := range have {
		count[line]++
	}
	for _, line := range want {
		if count[line]--; count[line] < 0 {
			lines = append(lines, line)
		}
	}
	return lines
}

// daysAgent does what the issue's title says.
const daysAgent = `echo "agent $(cat /proc/sys/kernel/random/uuid)"
case "$(cat "$CODERFLOW_PROMPT_FILE")" in
*"leave it alone"*) exit 0 ;;
*"break down"*) exit 3 ;;
*"reach out"*) ln -s /etc/passwd out ;;
esac
echo more >> notes.txt
sleep 1
` + quickAgent

// daysSpec deploys what is merged and lands where a review says.
const daysSpec = `landing: {targets: ["release/*"]}
` + onMergeOnly

// aDay plays the day and says what it left behind.
func aDay(t *testing.T, database string, killed share) []string {
	w := newStoppedWorld(t, withExtra(looksOften+"\n"+database), func(_ *emulator.Options, s *settings) {
		s.Agent, s.Script, s.Spec = daysAgent, once("deployment"), daysSpec
	})
	w.manifests("robot.yaml", robotText+binding("robot-deploys", "service:robot", "deployer", "environment/staging")+"---\n"+announce("staging"))
	k := w.keep(killed)
	began := time.Now()
	w.shipped(k)
	k.again("moved:approved", "moved:land", engine.Committed, engine.PushIntended, engine.Pushed, engine.ReviewJudged, engine.ReviewAnswered)
	w.ended()
	w.handled()
	w.atRest()
	trace := w.trace()
	w.cleaned()
	w.everyPlace(k)
	trace = append(trace, w.auditTrace()...)
	k.stop()
	if out, said, err := w.cli("audit", "verify", "-c", w.in.config); err != nil {
		t.Errorf("the audit log: %v: %s%s", err, out, said)
	}
	if killed != (share{}) {
		t.Logf("%d kills at %d of %d places in %s, nothing was lost or doubled", k.kills.Load(), k.visited(), len(engine.Failpoints())-len(elsewhere), time.Since(began).Round(time.Second))
	}
	return trace
}

// deploying are the places of one deployment's way.
var deploying = []engine.Failpoint{
	engine.TurnTaken, engine.DeploymentPrepared, engine.DeploymentCreated, engine.DeploymentMirrored,
	engine.DeploymentStarted, engine.DeploymentExited, engine.DeploymentEnded,
}

// titled opens an issue that tells the agent what to do.
func (w *world) titled(title string) int {
	w.t.Helper()
	issue, err := w.openIssue(w.t.Context(), maria, title, "It forgets the quantity.")
	if err != nil {
		w.t.Fatal(err)
	}
	return issue.GetNumber()
}

// shipped is the whole way: refused once, approved, landed, deployed by the review,
// on request, and after the merge.
func (w *world) shipped(k *keeper) {
	w.t.Helper()
	issue := w.titled("The total is wrong")
	w.say(maria, issue, "/coderflow run")
	proposed := w.taskOf(issue, task.Proposed)
	w.approve(maria, proposed.PullRequest, "")
	w.waitSaid(proposed.PullRequest, "cannot approve it")
	w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow deploy publish channel=stable")
	done := w.taskOf(issue, task.Done)
	k.again(deploying...)
	w.deployed(w.asksUntilAnswered(w.robot(), done.LandedCommit).ID, deploy.Succeeded)
	k.again(deploying...)
	w.mergeBy(tom, done.PullRequest)
	w.deployed(w.runOf(done.ID, "publish", deploy.OnMerge).ID, deploy.Succeeded)
}

// asksUntilAnswered asks for one deployment as often as a pipeline has to.
func (w *world) asksUntilAnswered(secret, commit string) (d client.Deployment) {
	w.t.Helper()
	text, err := json.Marshal(map[string]any{"environment": "staging", "profile": "announce", "commit": commit,
		"parameters": map[string]string{"text": "hello"}, "key": "pipeline-1"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.wait("an answer to the pipeline", func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.address+"/api/v1/deployments", strings.NewReader(string(text)))
		if err != nil {
			return false, err
		}
		request.Header.Set("Authorization", "Bearer "+secret)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, nil //nolint:nilerr // the server is away
		}
		defer response.Body.Close() //nolint:errcheck // it is read
		if response.StatusCode >= http.StatusMultipleChoices {
			return false, fmt.Errorf("status %d", response.StatusCode)
		}
		return true, json.NewDecoder(response.Body).Decode(&d)
	})
	return d
}

// ended are tasks that come to each of the other ends, and one that is kept first and
// then lands on another branch.
func (w *world) ended() {
	w.t.Helper()
	ends := []struct {
		title string
		end   task.State
		act   func(proposed task.Task) // nil: it comes there by itself
	}{
		{"Look and leave it alone", task.NoChange, nil},
		{"Just break down", task.Failed, nil},
		{"Try to reach out", task.Refused, nil},
		{"To be cancelled", task.Cancelled, func(p task.Task) { w.say(maria, p.Issue, "/coderflow cancel") }},
		{"To be closed", task.Rejected, func(p task.Task) { w.closes(p.PullRequest) }},
		{"To be overwritten", task.Superseded, func(p task.Task) { w.onTop(p.ID.Branch()) }},
		{"To be forgotten", task.Expired, w.forgotten},
		{"To be kept", task.Done, func(p task.Task) {
			w.approve(tom, p.PullRequest, "/coderflow no-push")
			w.waitSaid(p.PullRequest, "nothing was pushed")
			w.approve(tom, p.PullRequest, "/coderflow target --new release/1")
		}},
	}
	var issues []int
	for i, end := range ends {
		issue := w.titled(end.title)
		if issues = append(issues, issue); i == 0 {
			w.label(maria, issue)
			continue
		}
		w.say(maria, issue, "/coderflow run")
	}
	for i, end := range ends {
		if end.act != nil {
			end.act(w.taskOf(issues[i], task.Proposed))
		}
	}
	for i, end := range ends {
		w.taskOf(issues[i], end.end)
	}
}

// forgotten makes a proposal older than one waits for a decision.
func (w *world) forgotten(p task.Task) {
	w.t.Helper()
	long := time.Now().UTC().Add(-31 * 24 * time.Hour).Format("2006-01-02T15:04:05.000000Z")
	if _, err := w.db().DB().ExecContext(w.t.Context(), "UPDATE proposals SET created_at = '"+long+"' WHERE task = '"+string(p.ID)+"'"); err != nil { //nolint:gosec // both are ours
		w.t.Fatal(err)
	}
}

// atRest waits until everything that ended was told.
func (w *world) atRest() {
	w.t.Helper()
	db := w.db()
	w.wait("everything to be told", func(ctx context.Context) (bool, error) {
		tasks, err := db.Tasks(ctx, store.TaskFilter{Limit: 1000})
		for _, d := range w.hub.Deployments(sampleRepo) {
			if !slices.Contains(d.States, "success") { // the forge makes it inactive after the next one
				return false, err
			}
		}
		return !slices.ContainsFunc(tasks, func(t task.Task) bool { return t.Reported != t.State }), err
	})
}

// cleaned has the environment keep nothing, and waits until nothing is kept.
func (w *world) cleaned() {
	w.t.Helper()
	path := filepath.Join(w.dir, "manifests", "demo.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	less := strings.NewReplacer("landing: {", "retention: {workspace: 1s, output: 1s}\n  landing: {", "deployments:\n", "deployments:\n      keep: 1\n")
	if err := os.WriteFile(path, []byte(less.Replace(string(text))), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if out, said, err := w.cli("apply", "-c", w.in.config, "-f", filepath.Dir(path)); err != nil {
		w.t.Fatalf("apply: %v: %s%s", err, out, said)
	}
	db, mine := w.db(), "label=dev.coderflow.instance="+w.node()
	w.wait("everything to be removed", func(ctx context.Context) (bool, error) {
		outputs, errOutputs := db.EndedWithLogs(ctx, time.Now(), 1)
		runs, errRuns := db.SurplusRuns(ctx, "staging", 1, 1)
		begun, errBegun := db.CursorsOf(ctx, "removing:")
		volumes := w.docker("volume", "ls", "-q", "--filter", mine, "--filter", "label=dev.coderflow.kind=workspace")
		return len(outputs)+len(runs)+len(begun) == 0 && w.docker("ps", "-aq", "--filter", mine)+volumes == "",
			errors.Join(errOutputs, errRuns, errBegun)
	})
}

// everyPlace waits until a server was killed at every place of its share. What was lost
// on the way is delivered again, and then everything is once more.
func (w *world) everyPlace(k *keeper) {
	w.t.Helper()
	if k.share == (share{}) {
		return
	}
	var left []engine.Failpoint
	w.wait("a server at every place", func(context.Context) (bool, error) {
		left = slices.DeleteFunc(k.missed(w.t), func(p engine.Failpoint) bool { return elsewhere[p] != "" })
		if len(left) > 0 {
			w.redeliverAll()
		}
		return len(left) == 0, nil
	})
	w.redeliverAll()
}
