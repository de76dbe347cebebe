package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// What the forge refuses is told in its words with what to do, and a new approval
// works once it was done: for the proposal's branch and for another one.
func TestThreat36ARefusalOfTheForgeIsToldAndTheNextApprovalWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withTargets(), withExtra(looksOften))
	w.branch("release/1")
	w.step("a protected target", func() {
		if err := w.hub.Protect(sampleRepo, "release/1", emulator.Protection{RequiredReviews: 1}); err != nil {
			w.t.Fatal(err)
		}
		proposed := w.proposed()
		w.approve(tom, proposed.PullRequest, "/coderflow target release/1")
		w.refusedPush(proposed, "GH006: Protected branch update failed for refs/heads/release/1.", "approve again without /coderflow target")
		if err := w.hub.Unprotect(sampleRepo, "release/1"); err != nil {
			w.t.Fatal(err)
		}
		w.approve(tom, proposed.PullRequest, "/coderflow target release/1")
		w.landedAfterRefusal(proposed, w.tip("main"), "release/1")
	})
	w.step("a ruleset on the proposal's branch", func() {
		proposed := w.proposed()
		if err := w.hub.SetRulesets(sampleRepo, emulator.Ruleset{Branches: []string{"coderflow/*"}, PullRequest: true, Signed: true}); err != nil {
			w.t.Fatal(err)
		}
		w.approve(tom, proposed.PullRequest, "")
		w.refusedPush(proposed, "GH013: Repository rule violations found for refs/heads/"+proposed.ID.Branch(), "Commits must have verified signatures.", "in that rule")
		if err := w.hub.SetRulesets(sampleRepo, emulator.Ruleset{Branches: []string{"coderflow/*"}, PullRequest: true, Signed: true, Bypass: []string{w.hub.Info().AppSlug}}); err != nil {
			w.t.Fatal(err)
		}
		w.approve(tom, proposed.PullRequest, "")
		done := w.taskOf(proposed.Issue, task.Done)
		w.landedExactly(done)
		w.auditHas(done.ID, map[audit.Action]int{audit.ApprovalRecorded: 2, audit.PushRefused: 1, audit.PushDone: 1})
	})
	w.step("a repository that was archived meanwhile", w.archivedMeanwhile)
	w.nothingMentioned()
}

// archivedMeanwhile: nothing can be said at the forge then, so it is told by the task.
func (w *world) archivedMeanwhile() {
	w.t.Helper()
	proposed := w.proposed()
	var once atomic.Bool
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		if r.URL.Query().Get("service") == "git-receive-pack" && once.CompareAndSwap(false, true) {
			if err := w.hub.Archive(sampleRepo, true); err != nil {
				w.t.Error(err)
			}
		}
		return nil
	})
	w.approve(tom, proposed.PullRequest, "")
	w.wait("the refusal", func(context.Context) (bool, error) {
		now := w.tasksOf(proposed.Issue)[0]
		return now.State == task.Proposed && strings.Contains(now.Failure, "archived so it is read-only") &&
			strings.Contains(now.Failure, "takes the repository out of the archive"), nil
	})
	if err := w.hub.Archive(sampleRepo, false); err != nil {
		w.t.Fatal(err)
	}
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "archived so it is")
	w.approve(tom, proposed.PullRequest, "")
	w.landedExactly(w.taskOf(proposed.Issue, task.Done))
}

func (w *world) refusedPush(proposed task.Task, says ...string) {
	w.t.Helper()
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "does not count")
	waiting := w.taskOf(proposed.Issue, task.Proposed)
	d := &desk{t: w.t, dir: w.dir, config: w.in.config}
	shown := d.must("tasks", "show", string(proposed.ID), "-c", w.in.config)
	comments, err := w.comments(w.t.Context(), forge.PullTopic(proposed.PullRequest))
	if err != nil {
		w.t.Fatal(err)
	}
	var told string
	for _, c := range comments {
		told += strings.ReplaceAll(c.Body, "`", "")
	}
	for _, want := range says {
		if !strings.Contains(waiting.Failure, want) || !strings.Contains(shown, want) || !strings.Contains(told, want) {
			w.t.Errorf("%q is not told everywhere:\n%s\n\n%s\n\n%s", want, waiting.Failure, shown, told)
		}
	}
	w.auditHas(proposed.ID, map[audit.Action]int{audit.PushIntent: 1, audit.PushRefused: 1, audit.PushDone: 0})
}

func (w *world) landedAfterRefusal(proposed task.Task, base, branch string) {
	w.t.Helper()
	done := w.taskOf(proposed.Issue, task.Done)
	commit, err := w.commit(w.t.Context(), w.tip(branch))
	if err != nil || w.tip(branch) != done.LandedCommit || commit.Parents[0] != base {
		w.t.Errorf("%s is at %s, %s landed on %s: %v", branch, w.tip(branch), done.LandedCommit, base, err)
	}
	w.auditHas(done.ID, map[audit.Action]int{audit.ApprovalRecorded: 2, audit.PushRefused: 1, audit.PushIntent: 2, audit.PushDone: 1})
}

// Two valid approvals at once that name different branches: one of them lands.
func TestThreat51TwoApprovalsAtOnceForDifferentBranchesLandOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withTargets(), withExtra(looksOften))
	w.branch("release/1")
	base := w.tip("release/1")
	proposed := w.proposed()
	var both sync.WaitGroup
	for _, text := range []string{"/coderflow target release/1", "/coderflow target --new release/2"} {
		both.Go(func() { w.approve(tom, proposed.PullRequest, text+"\n/coderflow deploy publish") })
	}
	both.Wait()
	done := w.taskOf(proposed.Issue, task.Done)
	w.redeliverAll()
	if pushed := w.ownPushes(); len(pushed) != 1 || !strings.HasSuffix(pushed[0], done.LandedCommit) {
		t.Errorf("pushed %q, want %s once", pushed, done.LandedCommit)
	}
	if first, second := w.tip("release/1"), w.tip("release/2"); (first == base) == (second == "") {
		t.Errorf("release/1 is at %s and release/2 at %q: want one of them to have landed", first, second)
	}
	w.deployedOnce(done.ID)
	w.auditHas(done.ID, map[audit.Action]int{audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1, audit.DeployStarted: 1})
}

// A commit that was taken off its branch again is not deployed.
func TestThreat46WhatWasTakenOffItsBranchIsNotDeployed(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withTargets())
	w.branch("release/1")
	w.startToDie("moved:landed")
	proposed := w.proposed()
	w.approve(tom, proposed.PullRequest, "/coderflow target release/1\n/coderflow deploy publish")
	w.died()
	w.pushAs(tom, "main", func(git func(...string) string) { git("push", "-q", "-f", "origin", "HEAD:refs/heads/release/1") })
	w.start()
	done := w.taskOf(proposed.Issue, task.Done)
	w.waitSaid(forge.IssueTopic(proposed.Issue), "no longer has the commit")
	w.auditHas(done.ID, map[audit.Action]int{audit.PushDone: 1, audit.DeployIntent: 0, audit.DeployStarted: 0, audit.DeployEnded: 1})
}

// A pipeline deploys what landed on another branch as long as that branch has it,
// and never a commit that was kept or a patch.
func TestThreat52APipelineDeploysOnlyWhatIsOnItsBranch(t *testing.T) {
	t.Parallel()
	w := newDeployWorld(t, `landing: {targets: ["release/*"]}`, "")
	w.branch("release/1")
	w.start()
	robot := w.robot()
	kept := w.proposed()
	w.approve(tom, kept.PullRequest, "/coderflow no-push")
	w.waitSaid(forge.PullTopic(kept.PullRequest), "nothing was pushed")
	keptCommit, carrier := w.onlyCommit(), w.head(kept.PullRequest)
	proposed := w.proposed()
	w.approve(tom, proposed.PullRequest, "/coderflow target release/1")
	done := w.taskOf(proposed.Issue, task.Done)
	asked := func(commit, refused string) {
		t.Helper()
		answer, d := w.ask(robot, "staging", "publish", commit, nil)
		if refused == "" {
			if answer.status != http.StatusAccepted {
				t.Fatalf("status %d: %s", answer.status, answer.body)
			}
			w.deployed(d.ID, deploy.Succeeded)
			return
		}
		if answer.status < 400 || !strings.Contains(answer.body, refused) {
			t.Errorf("status %d, want a refusal with %q: %s", answer.status, refused, answer.body)
		}
	}
	asked(done.LandedCommit, "")
	w.onTop("release/1")
	asked(done.LandedCommit, "")
	w.pushAs(tom, "main", func(git func(...string) string) { git("push", "-q", "-f", "origin", "HEAD:refs/heads/release/1") })
	asked(done.LandedCommit, "no longer has the commit")
	asked(keptCommit, "approv")
	asked(carrier, "approv")
}
