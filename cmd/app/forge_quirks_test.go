package main

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// Where drafts are refused, an ordinary pull request is opened, says so, and is
// kept from being merged by its check. The gate is the same.
func TestWhereDraftsAreRefusedAnOrdinaryPullRequestSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var refused atomic.Bool
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/pulls") || refused.Swap(true) {
			return nil
		}
		return &emulator.Fault{Status: http.StatusUnprocessableEntity, Message: "Draft pull requests are not supported in this repository."}
	})
	proposed := w.taskOf(w.run(maria).Number, task.Proposed)
	pr, err := w.pullRequest(t.Context(), proposed.PullRequest)
	if err != nil {
		t.Fatal(err)
	}
	if pr.Draft || !strings.Contains(pr.Body, "does not take drafts") {
		t.Errorf("draft %v; the description does not say why it is none:\n%s", pr.Draft, pr.Body)
	}
	err = until(t.Context(), longEnough, "the gate's check that asks for action", func(context.Context) (bool, error) {
		runs := w.hub.CheckRuns(sampleRepo, pr.Head.Commit)
		return len(runs) == 1 && runs[0].Conclusion == "action_required", nil
	})
	if err != nil {
		t.Error(err)
	}
	w.approve(maria, proposed.PullRequest, "")
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "cannot approve it")
	w.noCommit(proposed)
	w.approve(tom, proposed.PullRequest, "")
	w.landedExactly(w.taskOf(proposed.Issue, task.Done))
}

// A forge that dismisses approvals when a branch is pushed dismisses the one that
// landed, too. That withdraws nothing; a person's dismissal does.
func TestThreat44OnlyAPersonsDismissalWithholdsTheDeployment(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t)
	if err := w.hub.Protect(sampleRepo, "main", emulator.Protection{RequiredReviews: 1, DismissStaleReviews: true}); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.step("dismissed by its own landing", func() {
		proposed := w.proposed()
		review := w.approve(tom, proposed.PullRequest, "/coderflow deploy publish")
		done := w.taskOf(proposed.Issue, task.Done)
		w.landedExactly(done)
		w.auditHas(done.ID, map[audit.Action]int{audit.PushDone: 1, audit.DeployStarted: 1, audit.DeployEnded: 1})
		if now := w.lastReview(done.PullRequest); now.ID != review.ID || now.State != forge.ReviewDismissed {
			w.t.Errorf("the review is %s", now.State)
		}
	})
	w.server.kill()
	w.step("dismissed by a person", func() {
		if err := w.hub.Unprotect(sampleRepo, "main"); err != nil {
			w.t.Fatal(err)
		}
		w.startToDie("moved:landed")
		proposed := w.proposed()
		review := w.approve(tom, proposed.PullRequest, "/coderflow deploy publish")
		w.died()
		w.dismiss(proposed.PullRequest, review)
		w.start()
		done := w.taskOf(proposed.Issue, task.Done)
		w.waitSaid(forge.IssueTopic(proposed.Issue), "withheld")
		w.waitSaid(forge.IssueTopic(proposed.Issue), "dismissed")
		w.auditHas(done.ID, map[audit.Action]int{audit.PushDone: 1, audit.DeployStarted: 0, audit.DeployEnded: 1})
	})
}
