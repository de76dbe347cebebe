package main

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// Landing on a branch that the review names, raced at one place after
// another, each with a task of its own: one push, or none and it says so.
func TestFault14And15LandingOnAnotherBranchSurvivesRaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withTargets())
	for _, n := range []string{"3", "4", "5", "6"} {
		w.branch("release/" + n)
	}
	w.step("Fault14AnswerToThePushLost", func() { w.targetAnswerLost("release/2", "--new ") })
	w.step("Fault14OthersPushOnTopWhileTheServerIsDown", w.targetPushedOnTop)
	w.step("Fault14ApprovalFallsAfterThePush", w.targetApprovalFell)
	w.server.kill()
	w.step("Fault15SomebodyMovesTheTargetWhileTheServerIsDown", w.targetMovedWhileDown)
	w.step("Fault15SomebodyPushesBetweenTheLastLookAndThePush", w.targetRaced)
}

// targetPushes are the commits that CoderFlow set the branch to.
func (w *world) targetPushes(branch string) []string {
	var commits []string
	for _, push := range w.hub.Pushes(sampleRepo) {
		if push.Ref == "refs/heads/"+branch && push.Actor == w.ownLogin() {
			commits = append(commits, push.New)
		}
	}
	return commits
}

func (w *world) landedOnceOn(proposed task.Task, branch string, more map[audit.Action]int) {
	w.t.Helper()
	done := w.taskOf(proposed.Issue, task.Done)
	if pushes := w.targetPushes(branch); !slices.Equal(pushes, []string{done.LandedCommit}) {
		w.t.Errorf("CoderFlow's pushes to %s: %q, want %s once", branch, pushes, done.LandedCommit)
	}
	want := map[audit.Action]int{audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1, audit.PushRefused: 0}
	for action, n := range more {
		want[action] = n
	}
	w.auditHas(done.ID, want)
}

func (w *world) targetAnswerLost(branch, fresh string) {
	w.t.Helper()
	proposed := w.proposed()
	sent := w.loseAnswer(http.MethodPost, "/git-receive-pack")
	w.approve(tom, proposed.PullRequest, "/coderflow target "+fresh+branch)
	w.landedOnceOn(proposed, branch, nil)
	if sent() == 0 || sent() > 2 { // curl itself repeats a request whose connection closed without a byte
		w.t.Errorf("pushed %d times", sent())
	}
	w.server.kill()
}

func (w *world) targetPushedOnTop() {
	w.t.Helper()
	w.startToDie("pushed")
	proposed := w.proposed()
	w.approve(tom, proposed.PullRequest, "/coderflow target release/3\n/coderflow deploy publish")
	w.died()
	w.onTop("release/3")
	w.start()
	w.landedOnceOn(proposed, "release/3", map[audit.Action]int{audit.ApprovalVoid: 0, audit.DeployStarted: 1})
	w.deployedOnce(proposed.ID)
	w.server.kill()
}

// onTop pushes an empty commit of maria's to a branch.
func (w *world) onTop(branch string) (commit string) {
	w.t.Helper()
	w.pushAs(maria, branch, func(git func(...string) string) {
		git("commit", "-q", "--allow-empty", "-m", "On top")
		git("push", "-q", "origin", "HEAD")
		commit = git("rev-parse", "HEAD")
	})
	return commit
}

// What was pushed is told as pushed, whatever became of the approval meanwhile.
func (w *world) targetApprovalFell() {
	w.t.Helper()
	w.startToDie("pushed")
	proposed := w.proposed()
	review := w.approve(tom, proposed.PullRequest, "/coderflow target release/4\n/coderflow deploy publish")
	w.died()
	w.dismiss(proposed.PullRequest, review)
	w.start()
	w.landedOnceOn(proposed, "release/4", map[audit.Action]int{audit.DeployStarted: 0, audit.DeployEnded: 1})
	w.waitSaid(forge.IssueTopic(proposed.Issue), "withheld")
}

func (w *world) targetMovedWhileDown() {
	w.t.Helper()
	w.startToDie("moved:approved")
	proposed := w.proposed()
	w.approve(tom, proposed.PullRequest, "/coderflow target release/5")
	w.died()
	theirs := w.onTop("release/5")
	w.start()
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "run it again with that branch as its base")
	w.targetUntouched(proposed, "release/5", theirs, 0)
	w.approve(tom, proposed.PullRequest, "") // the proposal itself still stands
	w.landedExactly(w.taskOf(proposed.Issue, task.Done))
}

func (w *world) targetRaced() {
	w.t.Helper()
	proposed := w.proposed()
	var raced atomic.Bool
	var theirs atomic.Value
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		if user, _, _ := r.BasicAuth(); user == "x-access-token" && r.URL.Query().Get("service") == "git-receive-pack" && raced.CompareAndSwap(false, true) {
			theirs.Store(w.onTop("release/6"))
		}
		return nil
	})
	w.approve(tom, proposed.PullRequest, "/coderflow target release/6")
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "moved, made or deleted branch release/6 before the push")
	w.targetUntouched(proposed, "release/6", theirs.Load().(string), 1)
}

func (w *world) targetUntouched(proposed task.Task, branch, theirs string, intents int) {
	w.t.Helper()
	w.taskOf(proposed.Issue, task.Proposed)
	if tip := w.tip(branch); tip != theirs || len(w.targetPushes(branch)) != 0 {
		w.t.Errorf("%s is at %s, want maria's %s", branch, tip, theirs)
	}
	w.auditHas(proposed.ID, map[audit.Action]int{audit.ApprovalRecorded: 1, audit.ApprovalVoid: 1, audit.PushIntent: intents, audit.PushDone: 0})
}
