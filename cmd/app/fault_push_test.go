package main

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// Pushes and deployments whose fate the server cannot know from its own
// records, each with a task of its own on one server.
func TestFault11To17WhatWasNotSeenIsLookedUpNeverRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withScript(untilReleased))
	w.step("Fault11AnswerToThePullRequestLost", w.pullRequestAnswerLost)
	w.step("Fault14AnswerToThePushLost", w.pushAnswerLost)
	w.step("Fault15SomebodyPushesBetweenTheLastLookAndThePush", w.pushRaced)
	w.server.kill()
	w.step("Fault15SomebodyPushesWhileTheServerIsDown", w.pushedWhileDown)
	w.server.kill()
	w.step("Fault17ContainerOfAStartedDeploymentIsGone", w.deploymentGone)
}

func (w *world) proposed() task.Task {
	w.t.Helper()
	return w.taskOf(w.run(maria).Number, task.Proposed)
}

func (w *world) pullRequestAnswerLost() {
	w.t.Helper()
	asked := w.loseAnswer(http.MethodPost, "/repos/"+sampleRepo+"/pulls")
	proposed := w.proposed()
	if pulls := w.hub.PullRequests(sampleRepo); asked() != 1 || len(pulls) != 1 || pulls[0].Number != proposed.PullRequest {
		w.t.Errorf("a pull request was asked for %d times: %+v", asked(), pulls)
	}
}

func (w *world) pushAnswerLost() {
	w.t.Helper()
	proposed := w.proposed()
	sent := w.loseAnswer(http.MethodPost, "/git-receive-pack")
	w.approve(tom, proposed.PullRequest, "")
	done := w.taskOf(proposed.Issue, task.Done)
	w.landedExactly(done)
	// curl itself repeats a request whose connection closed without a byte; the
	// forge refuses that one, because the branch is no longer where it says.
	if sent() == 0 || sent() > 2 {
		w.t.Errorf("pushed %d times", sent())
	}
	w.auditHas(done.ID, map[audit.Action]int{audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1, audit.ApprovalVoid: 0})
}

// rival is a commit on the task's branch in maria's clone, ready to be pushed.
func (w *world) rival(id task.ID) (dir, commit string) {
	w.t.Helper()
	w.pushAs(maria, id.Branch(), func(git func(arguments ...string) string) {
		git("commit", "-q", "--allow-empty", "-m", "Mine")
		dir, commit = git("rev-parse", "--show-toplevel"), git("rev-parse", "HEAD")
	})
	return dir, commit
}

func (w *world) pushRaced() {
	w.t.Helper()
	proposed := w.proposed()
	dir, commit := w.rival(proposed.ID)
	var raced atomic.Bool
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		if r.URL.Query().Get("service") == "git-receive-pack" && raced.CompareAndSwap(false, true) {
			if out, err := gitIn(dir, "push", "--quiet", "origin", "HEAD"); err != nil {
				w.t.Errorf("maria's push: %v: %s", err, out)
			}
		}
		return nil
	})
	w.approve(tom, proposed.PullRequest, "")
	w.supersededBy(proposed, commit)
	w.auditHas(proposed.ID, map[audit.Action]int{audit.PushIntent: 1})
}

func (w *world) pushedWhileDown() {
	w.t.Helper()
	w.startToDie("moved:approved")
	proposed := w.proposed()
	dir, commit := w.rival(proposed.ID)
	w.approve(tom, proposed.PullRequest, "")
	w.died()
	w.git(dir, "push", "--quiet", "origin", "HEAD")
	w.start()
	w.supersededBy(proposed, commit)
	w.auditHas(proposed.ID, map[audit.Action]int{audit.PushIntent: 0})
}

// supersededBy proves that the task stopped, said so, and overwrote nothing.
func (w *world) supersededBy(proposed task.Task, commit string) {
	w.t.Helper()
	w.taskOf(proposed.Issue, task.Superseded)
	w.waitSaid(forge.IssueTopic(proposed.Issue), "somebody else")
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "somebody else")
	proposal, err := w.db().Proposal(w.t.Context(), proposed.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	if pushes := w.branchPushes(proposed.ID); !slices.Equal(pushes, []string{proposal.Carrier, commit}) {
		w.t.Errorf("pushes to the branch: %q, want the carrier %s and maria's %s", pushes, proposal.Carrier, commit)
	}
	w.auditHas(proposed.ID, map[audit.Action]int{audit.ApprovalRecorded: 1, audit.PushDone: 0, audit.DeployStarted: 0})
}

func (w *world) deploymentGone() {
	w.t.Helper()
	w.startToDie("deployment-started")
	proposed := w.proposed()
	w.approve(tom, proposed.PullRequest, "/coderflow deploy publish")
	w.died()
	w.docker("rm", "--force", w.only("deploy").ID)
	w.start()
	done := w.taskOf(proposed.Issue, task.Done)
	runs, err := w.db().DeployRuns(w.t.Context(), done.ID)
	if err != nil || len(runs) != 1 || runs[0].State != deploy.Unknown {
		w.t.Errorf("deployments %+v, want one whose outcome is unknown: %v", runs, err)
	}
	if again := w.containers("deploy"); len(again) != 0 {
		w.t.Errorf("a deployment that may have run was made again: %+v", again)
	}
	w.wait("the forge to show the deployment's end", func(context.Context) (bool, error) {
		shown := w.hub.Deployments(sampleRepo)
		return len(shown) == 1 && slices.Equal(shown[0].States, []string{"in_progress", "error"}), nil
	})
	w.auditHas(done.ID, map[audit.Action]int{audit.DeployIntent: 1, audit.DeployEnded: 1})
}
