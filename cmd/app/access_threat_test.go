package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/task"
)

// subject is a sample user's HOST:ID.
func (w *world) subject(login string) string {
	return fmt.Sprintf("github:%d", userID(w.hub.Info(), login))
}

// production is a second environment for the sample repository, where maria has
// the role.
func (w *world) production(role string) {
	w.t.Helper()
	demo, err := os.ReadFile(filepath.Join(w.dir, "manifests", "demo.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	environment, _, _ := strings.Cut(string(demo), "\n---\n")
	text := strings.Replace(environment, "name: staging", "name: production", 1) + "\n---\n" +
		binding("maria-in-production", w.subject(maria)+" (maria)", role, "environment/production")
	if err := os.WriteFile(filepath.Join(w.dir, "manifests", "production.yaml"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// One person is developer in one environment and viewer in another, on one
// repository, until somebody who may changes it, which counts at once.
func TestThreat49DeveloperInStagingIsViewerInProduction(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t)
	w.production("viewer")
	w.start()
	d := &desk{t: t, dir: w.dir, config: w.in.config}

	refused := w.issue(maria)
	w.say(maria, refused.GetNumber(), "/coderflow run --env production")
	w.waitSaid(refused.GetNumber(), "which does not include")
	w.waitSaid(refused.GetNumber(), "can grant it")
	staging := w.issue(maria)
	w.say(maria, staging.GetNumber(), "/coderflow run --env staging")
	proposed := w.taskOf(staging.GetNumber(), task.Proposed)
	if proposed.Environment != "staging" {
		t.Errorf("the task is in %s", proposed.Environment)
	}

	// A review that does not count is explained by /coderflow why.
	w.approve(eve, proposed.PullRequest, "ship it")
	w.waitSaid(proposed.PullRequest, "has no role in environment")
	w.say(maria, staging.GetNumber(), "/coderflow why")
	w.waitSaid(staging.GetNumber(), "can grant it")
	w.noCommit(proposed)

	// She cannot make herself a developer of production; the server's owner can.
	w.production("developer")
	manifests := filepath.Join(w.dir, "manifests")
	if out, code := d.run("apply", "-f", manifests, "--as", w.subject(maria)); code != refusedStatus {
		t.Errorf("exit status %d: %s", code, out)
	}
	again := w.issue(maria)
	w.say(maria, again.GetNumber(), "/coderflow run --env production")
	w.waitSaid(again.GetNumber(), "which does not include")
	d.must("apply", "-f", manifests)
	last := w.issue(maria)
	w.say(maria, last.GetNumber(), "/coderflow run --env production")
	if permitted := w.taskOf(last.GetNumber(), task.Proposed); permitted.Environment != "production" {
		t.Errorf("the task is in %s", permitted.Environment)
	}
	if n := len(w.tasks()); n != 2 {
		t.Errorf("%d tasks, want 2", n)
	}
	w.nothingMentioned()
}
