package main

import (
	"context"
	"net/http"
	"strings"
	"testing"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// onMergeOnly deploys what is merged, with a script that waits.
const onMergeOnly = `deployments:
    onMerge:
      - {profile: publish}`

// stays is a script that prints a line that no second start prints again.
var stays = once("deployment") + "\n" + untilReleased

// Rows 16 to 18 for a deployment that waited for the merge, of a task that is done
// since long: killed at one place after another, it starts once.
func TestFault16To18ADeploymentAfterTheMergeSurvivesEveryKill(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, func(_ *emulator.Options, s *settings) { s.Spec, s.Script, s.Extra = onMergeOnly, stays, looksOften })
	w.start()
	proposed := w.taskOf(w.run(maria).GetNumber(), task.Proposed)
	w.approve(tom, proposed.PullRequest, "Count every item")
	done := w.taskOf(proposed.Issue, task.Done)
	waiting := w.runOf(done.ID, "publish", deploy.OnMerge)
	if waiting.State != deploy.Armed {
		t.Fatalf("before the merge: %+v", waiting)
	}
	var merge string
	w.step("Fault03TheMergeIsToldToNobody", func() {
		w.server.kill()
		merge = w.mergeBy(tom, done.PullRequest)
		w.settle()
		w.auditHas(done.ID, map[audit.Action]int{audit.DeployMerged: 0})
	})
	w.killedAllTheWay(done, waiting.ID)
	if run := w.deployed(waiting.ID, deploy.Succeeded); run.Commit != merge {
		t.Errorf("it deployed %s, merged was %s", run.Commit, merge)
	}
	w.auditHas(done.ID, map[audit.Action]int{audit.DeployMerged: 1, audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1})
	w.redeliverAll()
	w.auditHas(done.ID, map[audit.Action]int{audit.DeployMerged: 1, audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1})
}

// The same for one that was asked for.
func TestFault16To18ARequestedDeploymentSurvivesEveryKill(t *testing.T) {
	t.Parallel()
	w := newDeployWorld(t, "", stays)
	w.startToDie("deployment-created")
	robot := w.robot()
	proposed := w.taskOf(w.run(maria).GetNumber(), task.Proposed)
	w.approve(tom, proposed.PullRequest, "Count every item")
	done := w.taskOf(proposed.Issue, task.Done)
	answer, d := w.ask(robot, "staging", "publish", done.LandedCommit, nil, "key", "pipeline-1")
	if answer.status != http.StatusAccepted {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	w.died()
	w.killedAllTheWay(done, d.ID)
	w.deployed(d.ID, deploy.Succeeded)
	if answer, again := w.ask(robot, "staging", "publish", done.LandedCommit, nil, "key", "pipeline-1"); answer.status != http.StatusOK || again.ID != d.ID {
		t.Errorf("the pipeline asks again: %d %+v", answer.status, again)
	}
	w.auditHas(done.ID, map[audit.Action]int{audit.DeployRequested: 1, audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1})
}

// killedAllTheWay kills the server at every place of a deployment's way and starts it
// for good in the end.
func (w *world) killedAllTheWay(done task.Task, id string) {
	w.t.Helper()
	var made container
	w.step("Fault16KilledBeforeItStarts", func() {
		if len(w.containers("deploy")) == 0 {
			w.diesAt("deployment-created")
		}
		if made = w.only("deploy"); made.Running || !strings.HasPrefix(made.Started, "0001-") {
			w.t.Errorf("the container is %+v, want one that was never started", made)
		}
	})
	w.step("Fault17KilledWhileItRuns", func() {
		w.diesAt("deployment-started")
		running := w.only("deploy")
		if running.ID != made.ID || !running.Running {
			w.t.Errorf("the container is %+v, want %s started", running, made.ID)
		}
		made = running
	})
	w.step("Fault18KilledAfterItExited", func() {
		w.startToDie("deployment-exited")
		w.release(made)
		w.died()
		w.auditHas(done.ID, map[audit.Action]int{audit.DeployStarted: 1, audit.DeployEnded: 0})
	})
	w.start()
	w.deployed(id, deploy.Succeeded)
	if now := w.only("deploy"); now.ID != made.ID || now.Started != made.Started {
		w.t.Errorf("the container is %+v, it was %+v", now, made)
	}
	if output := w.output("deploy/" + id); strings.Count(output, "deployment ") != 1 {
		w.t.Errorf("the output is not there once: %q", output)
	}
	if now := w.taskOf(done.Issue, task.Done); now.ID != done.ID {
		w.t.Errorf("the task is %+v", now)
	}
}

// A deployment whose container somebody removed is unknown, is not started again, and
// does not hold up the next one; meanwhile the next one says what it waits for.
func TestFault17ADeploymentWithoutItsContainerIsUnknownAndLetsOthersGo(t *testing.T) {
	t.Parallel()
	w := newDeployWorld(t, "", stays)
	w.start()
	robot := w.robot()
	proposed := w.taskOf(w.run(maria).GetNumber(), task.Proposed)
	w.approve(tom, proposed.PullRequest, "Count every item")
	done := w.taskOf(proposed.Issue, task.Done)
	_, first := w.ask(robot, "staging", "publish", done.LandedCommit, nil)
	w.deployed(first.ID, deploy.Running)
	_, second := w.ask(robot, "staging", "announce", done.LandedCommit, map[string]string{"text": "next"})
	db := w.db()
	w.wait("the second to say what it waits for", func(ctx context.Context) (bool, error) {
		run, err := db.Deployment(ctx, second.ID)
		return run.State == deploy.Pending && run.Detail == "waits for deployment "+first.ID, err
	})
	w.docker("rm", "-f", w.only("deploy").ID)
	lost := w.deployed(first.ID, deploy.Unknown)
	if lost.Detail == "" {
		t.Error("it does not say why")
	}
	if run := w.deployed(second.ID, deploy.Succeeded); run.Detail != "" {
		t.Errorf("the second still says %q", run.Detail)
	}
	w.auditHas(done.ID, map[audit.Action]int{audit.DeployStarted: 2, audit.DeployEnded: 2})
}

// What was armed for the merge is withheld, in words, when no merge of exactly that
// commit will come.
func TestThreat43And46WhatWaitsForTheMergeIsWithheldWithoutIt(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, func(_ *emulator.Options, s *settings) { s.Spec, s.Script = onMergeOnly, saysWhat })
	w.start()
	for _, row := range []struct {
		name string
		act  func(done task.Task)
		want string
	}{
		{"closed", func(done task.Task) { w.closes(done.PullRequest) }, "closed without being merged"},
		{"moved", func(done task.Task) {
			w.pushAs(maria, done.ID.Branch(), func(git func(arguments ...string) string) {
				git("commit", "-q", "--allow-empty", "-m", "more")
				git("push", "-q", "origin", "HEAD")
			})
		}, "which is not the commit that was approved"},
		{"dismissed and merged", func(done task.Task) {
			w.dismiss(done.PullRequest, w.lastReview(done.PullRequest))
			w.mergeBy(tom, done.PullRequest)
		}, "the review was dismissed"},
	} {
		proposed := w.taskOf(w.run(maria).GetNumber(), task.Proposed)
		w.approve(tom, proposed.PullRequest, "Count every item")
		done := w.taskOf(proposed.Issue, task.Done)
		row.act(done)
		run := w.deployed(w.runOf(done.ID, "publish", deploy.OnMerge).ID, deploy.Withheld)
		if !strings.Contains(run.Detail, row.want) {
			t.Errorf("%s: withheld because %q", row.name, run.Detail)
		}
		w.auditHas(done.ID, map[audit.Action]int{audit.DeployStarted: 0})
	}
	if all := w.containers("deploy"); len(all) != 0 {
		t.Errorf("containers were made: %+v", all)
	}
}

func (w *world) closes(number int) {
	w.t.Helper()
	state := "closed"
	if _, _, err := w.as(tom).PullRequests.Edit(w.t.Context(), sampleOwner, sampleName, number, &gh.PullRequest{State: &state}); err != nil {
		w.t.Fatal(err)
	}
}
