package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// productionYAML is a second environment of the sample repository, and a service
// that may deploy there and nothing else.
const productionYAML = `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: production}
spec:
  label: to-production
  repositories: [{name: ` + sampleRepo + `, id: REPOSITORY}]
  agent: {preset: exec, command: ["true"]}
---
apiVersion: coderflow.dev/v1
kind: DeploymentProfile
metadata: {name: publish, environment: production}
spec:
  description: Publishes the commit
  timeout: 2m
  parameters:
    - {name: channel, type: select, options: [beta, stable, broken], default: beta}
    - {name: note, type: string}
  script: |
    echo "begins with $CODERFLOW_COMMIT"
    echo "and waits." # the last letters before a wait are held back where a secret may begin with them
    test -z "$PARAM_NOTE" || { ` + untilReleased + `; }
    printf 'note: %s\n' "$PARAM_NOTE"
    test "$PARAM_CHANNEL" != broken || exit 9
    echo "published to $PARAM_CHANNEL"
---
apiVersion: coderflow.dev/v1
kind: Role
metadata: {name: deployer}
spec: {permissions: ["deployments:execute"]}
---
`

// newProductionWorld has staging, where tasks are approved, and production, into
// which the service ci may deploy.
func newProductionWorld(t *testing.T) *world {
	t.Helper()
	w := newStoppedWorld(t, func(_ *emulator.Options, s *settings) { s.Extra = looksOften })
	repository := fmt.Sprint(w.hub.Info().Repositories[0].ID)
	w.manifests("production.yaml", strings.ReplaceAll(productionYAML, "REPOSITORY", repository)+
		binding("ci-deploys", "service:ci", "deployer", "environment/production")+"---\n"+
		binding("tom-in-production", w.subject(tom), "environment-admin", "environment/production"))
	w.start()
	return w
}

// approved is a task of staging whose proposal tom approved; its commit landed.
func (w *world) approved() task.Task {
	w.t.Helper()
	issue := w.issue(maria)
	w.say(maria, issue.Topic(), "/coderflow run --env staging")
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "Count every item")
	return w.taskOf(issue.Number, task.Done)
}

// serviceAt is a seat with a token of the service ci.
func (w *world) serviceAt(more ...string) *seat {
	w.t.Helper()
	var out strings.Builder
	args := append([]string{"tokens", "create", "-c", w.in.config, "--for", "service:ci", "--name", "pipeline", "--expires", "1h"}, more...)
	if code := run(w.t.Context(), args, streams{&out, w.log}); code != 0 {
		w.t.Fatalf("no token for the service: %d", code)
	}
	return newSeat(w.t, "http://"+w.address, strings.TrimSpace(out.String()))
}

// A pipeline deploys what was approved, and nothing else, with the real program.
func TestAPipelineDeploysWhatWasApprovedAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newProductionWorld(t)
	first, second := w.approved(), w.approved()
	ci, tomAt := w.serviceAt(), newSeat(t, "http://"+w.address, firstOf(w.token(tom)))

	id := w.deploysLive(ci, tomAt, first.LandedCommit)
	w.deploysAgainAndBack(ci, id, first.LandedCommit, second.LandedCommit)
	w.refusesToDeploy(ci, first)
	w.deploysOnceByKey(ci, first.LandedCommit)
	w.readsHistory(tomAt, ci, id, first)
}

func firstOf(secret, _ string) string { return secret }

// deploysLive sees the output while the deployment runs, shell text in a parameter
// as what it is, and the outcome.
func (w *world) deploysLive(ci, tomAt *seat, commit string) string {
	w.t.Helper()
	const note = "$(touch /tmp/x); `id` \"'|&"
	cmd := exec.CommandContext(w.t.Context(), binary, "deploy", "production/publish", "--commit", commit, "--param", "channel=stable",
		"--param", "note="+note, "--reason", "the first one", "--wait", "--context", "work")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + ci.home, "XDG_CONFIG_HOME=" + filepath.Join(ci.home, ".config")}
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "begins with "+commit {
		w.t.Errorf("the first line is %q", lines.Text())
	}
	if list := tomAt.must("deployments", "list", "--state", "running", "--environment", "production"); !strings.Contains(list, commit[:12]) {
		w.t.Errorf("its output was seen when it did not run: %s", list)
	}
	w.releaseDeployment()
	var rest []string
	for lines.Scan() {
		rest = append(rest, lines.Text())
	}
	err = cmd.Wait()
	if got := strings.Join(rest, "\n"); err != nil || got != "and waits.\nnote: "+note+"\npublished to stable" {
		w.t.Errorf("%v\n%s\n%s", err, got, said.String())
	}
	_, id, _ := strings.Cut(said.String(), "coderflow: deployment ")
	id, _, _ = strings.Cut(id, ":")
	if !strings.Contains(said.String(), "deployment "+id+" succeeded with exit status 0") {
		w.t.Errorf("%s", said.String())
	}
	w.deployed(id, deploy.Succeeded)
	if list := tomAt.must("deployments", "list", "--state", "succeeded", "--environment", "production"); !strings.Contains(list, commit[:12]) {
		w.t.Errorf("the list has no %s: %s", commit, list)
	}
	return id
}

// releaseDeployment lets the deployment go on that waits by untilReleased.
func (w *world) releaseDeployment() {
	w.t.Helper()
	w.wait("a deployment that waits", func(context.Context) (bool, error) {
		for _, c := range w.containers("deploy") {
			if c.Running {
				w.release(c)
				return true, nil
			}
		}
		return false, nil
	})
}

func (w *world) deploysAgainAndBack(ci *seat, id, first, second string) {
	w.t.Helper()
	var out, said string
	var again sync.WaitGroup
	again.Go(func() { out, said, _ = ci.run("deploy", "--again", id, "--wait", "--context", "work") })
	w.releaseDeployment() // it has the note, too
	if again.Wait(); !strings.Contains(out, "published to stable") {
		w.t.Errorf("again: %s%s", out, said)
	}
	for _, commit := range []string{second, first} { // the newer one, and back
		if out := ci.must("deploy", "production/publish", "--commit", commit, "--wait", "--context", "work"); !strings.Contains(out, "begins with "+commit) ||
			!strings.Contains(out, "published to beta") {
			w.t.Errorf("%s: %s", commit, out)
		}
	}
	ci.fails(1, "failed with exit status 9", "deploy", "production/publish", "--commit", first, "--param", "channel=broken", "--wait", "--context", "work")
}

func (w *world) refusesToDeploy(ci *seat, approved task.Task) {
	w.t.Helper()
	deploy := []string{"deploy", "production/publish", "--context", "work", "--wait", "--commit"}
	ci.fails(notFoundStatus, "no approval covers commit "+approved.BaseCommit, append(deploy, approved.BaseCommit)...)
	with := append(deploy, approved.LandedCommit)
	ci.fails(1, `"channel" must be one of beta, stable, broken`, append(with, "--param", "channel=nightly")...)
	ci.fails(1, `"LD_PRELOAD" is not a parameter`, append(with, "--param", "LD_PRELOAD=x.so")...)
	ci.fails(notFoundStatus, "has no deployment profile", "deploy", "production/other", "--context", "work", "--commit", approved.LandedCommit)
	ci.fails(notFoundStatus, "there is no such environment, or you may not see it", "deploy", "staging/publish", "--context", "work", "--commit", approved.LandedCommit)
	narrowed := newSeat(w.t, "http://"+w.address, firstOf(w.token(tom, "--permission", "deployments:view")))
	narrowed.fails(refusedStatus, "the token is narrowed", with...)
	mariaAt := newSeat(w.t, "http://"+w.address, firstOf(w.token(maria)))
	mariaAt.fails(refusedStatus, `lacks "deployments:execute" in environment "staging"`, "deploy", "staging/publish", "--context", "work", "--commit", approved.LandedCommit)
	entries, err := w.db().AuditEntries(w.t.Context(), store.AuditFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	refused := map[string]int{}
	for _, e := range entries {
		if e.Action == audit.DeployRefused {
			refused[e.Actor]++
		}
	}
	if refused["service:ci"] < 5 || refused[w.subject(tom)] != 1 || refused[w.subject(maria)] != 1 {
		w.t.Errorf("the audit log has refusals of %v", refused)
	}
}

func (w *world) deploysOnceByKey(ci *seat, commit string) {
	w.t.Helper()
	args := []string{"deploy", "production/publish", "--commit", commit, "--key", "build-4711", "-o", "json", "--context", "work", "--wait"}
	var ids []string
	for range 2 {
		var d client.Deployment
		if err := json.Unmarshal([]byte(ci.must(args...)), &d); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, d.ID)
	}
	if ids[0] != ids[1] || ids[0] == "" {
		w.t.Errorf("one key made the deployments %q", ids)
	}
	ci.fails(1, "you used the key build-4711 before", append(args, "--param", "channel=stable")...)
}

// readsHistory asks in one command: who, what, when, with which parameters, from
// which approval, with which outcome; at the server and on its machine alike.
func (w *world) readsHistory(tomAt, ci *seat, id string, approved task.Task) {
	w.t.Helper()
	list := w.bothWays(tomAt, "deployments", "--environment", "production")
	for _, want := range []string{
		id, "succeeded", "failed (9)", "production/publish", "channel=stable note=$(touch", "service:ci", "request", " " + tom + " ", approved.PullRequestURL,
	} {
		if !strings.Contains(list, want) {
			w.t.Errorf("the history does not say %q:\n%s", want, list)
		}
	}
	if n := strings.Count(list, "production/publish"); n != 6 {
		w.t.Errorf("%d deployments, not 6:\n%s", n, list)
	}
	var all, page []client.Deployment
	for _, one := range []struct {
		into *[]client.Deployment
		args []string
	}{{&all, nil}, {&page, []string{"--limit", "2"}}} {
		if err := json.Unmarshal([]byte(w.bothWays(tomAt, append([]string{"deployments", "list", "-o", "json"}, one.args...)...)), one.into); err != nil {
			w.t.Fatal(err)
		}
	}
	rest := w.bothWays(tomAt, "deployments", "list", "--before", page[1].ID)
	if len(page) != 2 || page[0].ID != all[0].ID || strings.Contains(rest, page[1].ID) || !strings.Contains(rest, all[2].ID) {
		w.t.Errorf("after %s comes\n%s", page[1].ID, rest)
	}
	show := w.bothWays(tomAt, "deployments", "show", id)
	for _, want := range []string{"the first one", w.subject(tom), "service:ci", approved.PullRequestURL + "#pullrequestreview-", "a request", string(approved.ID)} {
		if !strings.Contains(show, want) {
			w.t.Errorf("it does not say %q:\n%s", want, show)
		}
	}
	for _, args := range [][]string{
		{"deployments", "show", id, "-o", "yaml"}, {"deployments", "logs", id}, {"deployments", "profiles", "production"}, {"deployments", "profiles", "-o", "json"},
		{"deployments", "list", "--commit", approved.LandedCommit, "--state", "failed"}, {"deployments", "--task", string(approved.ID), "--profile", "publish"},
	} {
		w.bothWays(tomAt, args...)
	}
	ci.must("deployments", "show", id, "--context", "work") // its own
	ci.fails(refusedStatus, "deployments:view", "deployments", "--context", "work")
	tomAt.fails(notFoundStatus, "`coderflow deployments` lists those that you see", "deployments", "show", "aaaaaaaaaaaaaaaa")
	tomAt.fails(notFoundStatus, "`coderflow deployments` lists them", "deployments", "logs", "aaaaaaaaaaaaaaaa", "-c", w.in.config)
}
