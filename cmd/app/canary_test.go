package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

const (
	decoy     = "wJalrXUtnFEMI7K7MDENG0bPxRfiCYdecoy"
	decoyName = "AWS_SECRET_ACCESS_KEY"
)

// plant stores the decoy as a canary of the context.
func (w *world) plant(context string) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "decoy")
	if err := os.WriteFile(file, []byte(decoy), 0o600); err != nil {
		w.t.Fatal(err)
	}
	out, said, code := w.command("", "secrets", "set", "staging/"+decoyName, "--for", context, "--canary", "-f", file)
	if code != 0 || !strings.Contains(out, "as a canary") {
		w.t.Fatalf("plant the canary: %s%s", out, said)
	}
}

// told wants the canary named, and its value nowhere: in the failure, at the
// forge, in the audit log, in what is stored, in the metrics.
func (w *world) told(issue int, of task.Task, failure, place string) {
	w.t.Helper()
	if !strings.Contains(failure, "canary "+decoyName+" appeared in "+strings.ToUpper(place)+" at ") {
		w.t.Errorf("the failure is %q", failure)
	}
	w.waitSaid(forge.IssueTopic(issue), "appeared in "+strings.ToUpper(place))
	entries, err := w.db().AuditEntries(w.t.Context(), store.AuditFilter{Task: string(of.ID), Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	trips := 0
	for _, e := range entries {
		if e.Action == audit.CanaryTripped {
			trips++
			if !strings.Contains(string(e.Detail), `"canary":"`+decoyName+`"`) || !strings.Contains(string(e.Detail), `"place":"`+place+`"`) {
				w.t.Errorf("the audit log says %s", e.Detail)
			}
		}
	}
	if trips != 1 {
		w.t.Errorf("%d audit entries of the canary", trips)
	}
	if figures := w.metrics(); !strings.Contains(figures, fmt.Sprintf(`coderflow_canaries_total{environment="staging",place=%q} 1`, place)) {
		w.t.Errorf("the metrics do not count it:\n%s", figures)
	}
	if shown, said, code := w.command("", "tasks", "show", string(of.ID)); code != 0 || of.State.Ended() && of.State != task.Done && !strings.Contains(shown, "appeared in") {
		w.t.Errorf("tasks show: %s%s", shown, said)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(decoy))[:40]
	if said := w.everythingAtTheForge(forge.IssueTopic(issue)); strings.Contains(said, decoy) || strings.Contains(said, encoded) {
		w.t.Errorf("the forge shows the canary:\n%s", said)
	}
	if out, err := exec.Command("grep", "-rlaF", "-e", decoy, "-e", encoded, w.dir).CombinedOutput(); err == nil {
		w.t.Errorf("it lies in %s", out)
	}
}

// An agent that prints a canary, in whatever spelling, is stopped in the middle:
// its change is not looked at, and its way out is closed.
func TestThreat25ACanaryInTheOutputStopsTheTask(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withAgent(`echo changed >> README.md; echo looking around; sleep 3; base64 -w0 /run/secrets/`+decoyName+`; echo; sleep 600`))
	w.start()
	w.plant("task")
	issue := w.run(maria)
	failed := w.taskOf(issue.Number, task.Failed)
	w.told(issue.Number, failed, failed.Failure, "output")
	if said := w.output("task/" + string(failed.ID)); !strings.HasPrefix(said, "looking around\n[redacted:"+decoyName) {
		t.Errorf("the output kept for people is\n%s", said)
	}
	if out, err := exec.Command("docker", "ps", "-q", "--filter", "name="+failed.Run.Container).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("its container runs: %s %v", out, err)
	}
}

// What an agent prints with its last breath counts like everything before.
func TestThreat25ACanaryInTheLastWordsStopsTheTask(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withAgent(`echo changed >> README.md; cat /run/secrets/`+decoyName))
	w.start()
	w.plant("task")
	issue := w.run(maria)
	failed := w.taskOf(issue.Number, task.Failed)
	w.told(issue.Number, failed, failed.Failure, "output")
}

// A request to the model that has a canary is not sent, and the task is stopped.
func TestThreat25ACanaryInARequestStopsTheTask(t *testing.T) {
	t.Parallel()
	model := startModel(t, modeltest.Script{})
	w := newWorld(t, withModel(t, model, ""), bashAgent(`
		post /v1/messages "$hello" | head -1
		post /v1/messages "${hello/hello/$(cat /run/secrets/`+decoyName+`)}" | head -1
		post /v1/messages "$hello" | head -1
		echo changed >> README.md
		sleep 600
	`))
	w.plant("task")
	issue := w.run(maria)
	failed := w.taskOf(issue.Number, task.Failed)
	w.told(issue.Number, failed, failed.Failure, "request")
	if requests := model.Requests(); len(requests) != 1 {
		t.Errorf("the model got %d requests", len(requests))
	}
	for _, r := range model.Requests() {
		if r.Method != http.MethodPost || strings.Contains(string(r.Body), decoy) || strings.Contains(string(r.Body), "redacted") {
			t.Errorf("the model got %s", r.Body)
		}
	}
}

// A change with a canary is refused, even where git would refuse it for another
// reason.
func TestThreat25ACanaryInTheChangeRefusesIt(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withAgent(`mkdir conf; gzip -c /run/secrets/`+decoyName+` > /dev/null; base64 /run/secrets/`+decoyName+` > conf/aws.txt`))
	w.start()
	w.plant("task")
	issue := w.run(maria)
	refused := w.taskOf(issue.Number, task.Refused)
	w.told(issue.Number, refused, refused.Failure, "change")
	if !strings.Contains(refused.Failure, "conf/aws.txt") {
		t.Errorf("the failure is %q", refused.Failure)
	}
}

// A deployment that prints a canary of its environment is stopped and has failed.
func TestThreat53ACanaryInADeploymentStopsIt(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, func(_ *emulator.Options, s *settings) {
		s.Agent, s.Script, s.Secrets = quickAgent, "echo begin; cat /run/secrets/"+decoyName+"; echo; sleep 600", decoyName
	})
	w.start()
	w.plant("deploy")
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "ship it\n\n/coderflow deploy publish")
	done := w.taskOf(issue.Number, task.Done)
	runs, err := w.db().DeployRuns(t.Context(), done.ID)
	if err != nil || len(runs) != 1 || runs[0].State != "failed" {
		t.Fatalf("deployments: %+v, %v", runs, err)
	}
	w.told(issue.Number, done, runs[0].Detail, "output")
	if said := w.output("deploy/" + runs[0].ID); !strings.HasPrefix(said, "begin\n[redacted:"+decoyName) {
		t.Errorf("the output kept for people is\n%s", said)
	}
}

// A server that is killed between the container's end and the task's finds the
// canary again.
func TestFault07ACanaryIsNotForgottenByARestart(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withAgent(`echo changed >> README.md; cat /run/secrets/`+decoyName+`; sleep 600`))
	w.start("CODERFLOW_FAILPOINT=canary-stopped@" + filepath.Join(w.dir, "once"))
	w.plant("task")
	issue := w.run(maria)
	w.awaitDeath()
	w.start()
	failed := w.taskOf(issue.Number, task.Failed)
	w.told(issue.Number, failed, failed.Failure, "output")
}
