package main

import (
	"context"
	"strings"
	"testing"

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

// A deployment whose container somebody removed is unknown, is not started again, and
// does not hold up the next one; meanwhile the next one says what it waits for.
func TestFault17ADeploymentWithoutItsContainerIsUnknownAndLetsOthersGo(t *testing.T) {
	t.Parallel()
	w := newDeployWorld(t, "", stays)
	w.start()
	robot := w.robot()
	proposed := w.taskOf(w.run(maria).Number, task.Proposed)
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
		proposed := w.taskOf(w.run(maria).Number, task.Proposed)
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
	if err := w.setPullRequestOpen(w.t.Context(), tom, number, false); err != nil {
		w.t.Fatal(err)
	}
}
