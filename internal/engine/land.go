package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// land makes the commit and pushes it. The forge is read before each of the two.
func (e *Engine) land(ctx context.Context, w *work) error {
	missing := e.bringNewest(ctx, w) // which may take a while: the gate is asked afterwards, whatever came of it
	grant, err := e.Gate.Redeem(ctx, w.t.ApprovalID, policy.ToLand)
	if err != nil {
		return e.approvalFell(ctx, w, err)
	}
	if missing != nil {
		return missing
	}
	commit, err := e.Git.Commit(ctx, grant)
	if err != nil {
		return fmt.Errorf("make the commit: %w", err)
	}
	e.Failpoint(Committed)
	if !grant.Push() {
		return e.keepCommit(ctx, w, grant, commit)
	}
	if err := e.intendPush(ctx, w, commit, grant); err != nil {
		return err
	}
	e.Failpoint(PushIntended)
	grant, err = e.Gate.Redeem(ctx, w.t.ApprovalID, policy.ToLand)
	if err != nil {
		return e.approvalFell(ctx, w, err)
	}
	credential, err := grant.Credential(ctx, source{e: e, who: grant.Author(), own: landsOn(grant)})
	if err != nil {
		return e.pushFailed(ctx, w, grant, err)
	}
	if err := e.Freezes.Unfrozen(ctx, w.t.Environment); err != nil { // the last moment at which that costs nothing
		return fmt.Errorf("push: %w", err)
	}
	outcome, err := e.Git.Land(ctx, grant, credential, e.Forge.GitURL(w.t.Repository))
	if err != nil {
		return e.pushFailed(ctx, w, grant, err)
	}
	e.Failpoint(Pushed)
	return e.move(ctx, w, task.Landed, func(tx Tx) error {
		return e.audit(ctx, tx, &w.t, audit.System, audit.PushDone, map[string]any{
			"approval": grant.ApprovalID(), "commit": commit, "ref": grant.Ref(), "expected": grant.ExpectedOld(), "outcome": outcome,
			"credential": credential.Source(),
		})
	})
}

// intendPush records the commit that is about to be pushed. It is the same on
// every pass, because the commit is deterministic.
func (e *Engine) intendPush(ctx context.Context, w *work, commit string, grant approval.Grant) error {
	switch w.t.LandedCommit {
	case commit:
		return nil
	case "":
		return e.save(ctx, w, func(t *task.Task) { t.LandedCommit = commit }, func(tx Tx) error {
			return e.audit(ctx, tx, &w.t, audit.System, audit.PushIntent, map[string]any{
				"approval": grant.ApprovalID(), "commit": commit, "tree": grant.Tree(), "parent": grant.Base(),
				"ref": grant.Ref(), "expected": grant.ExpectedOld(), "author": grant.Author().Subject,
			})
		})
	}
	return failed(nil, "the approval made commit %.12s before and %.12s now; nothing was pushed", w.t.LandedCommit, commit)
}

// arm ends a landing. What somebody asks to deploy as soon as the commit is at the
// forge has a place in its environment's queue, so it goes on, whatever keeps the
// landing from its end, and keeps it not.
func (e *Engine) arm(ctx context.Context, w *work) error {
	_, err := e.advanceRuns(ctx, w)
	return errors.Join(e.armRuns(ctx, w), err)
}

// headPatience is how long after the push a pull request may still show the head
// from before. A head that stays, because somebody took the branch back, is none of
// the approval: the gate withholds, in words, what was armed.
const headPatience = 5 * time.Minute

// armRuns waits until the forge shows the landed commit and makes the deployment
// runs that the approval armed.
func (e *Engine) armRuns(ctx context.Context, w *work) error {
	record, err := e.Store.Approval(ctx, w.t.ApprovalID)
	if err != nil {
		return fmt.Errorf("read approval %s: %w", w.t.ApprovalID, err)
	}
	pr, err := e.Forge.PullRequest(ctx, w.t.Repository, w.t.PullRequest)
	if err != nil {
		return fmt.Errorf("read pull request %d: %w", w.t.PullRequest, err)
	}
	p, err := e.Store.Proposal(ctx, w.t.ID)
	if err != nil {
		return fmt.Errorf("read the proposal: %w", err)
	}
	switch {
	case record.OnOtherBranch():
		err = e.showElsewhere(ctx, w, p, pr, record)
	case pr.Head.Commit == p.Carrier && e.Now().Before(w.t.UpdatedAt.Add(headPatience)): // forges update the pull request a moment after the push
		return e.again(ctx, &w.t, 2*time.Second)
	case pr.Open && pr.Head.Commit == w.t.LandedCommit:
		err = e.showLanded(ctx, w, p, pr, record)
	}
	if err != nil {
		return err
	}
	e.Failpoint(LandedShown)
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	next := task.Done // also if there is something to do after the merge
	if slices.ContainsFunc(record.Armed, func(a approval.Arming) bool { return a.By() != approval.OnMerge }) {
		next = task.Deploying
	}
	return e.move(ctx, w, next, func(tx Tx) error { return e.insertArmed(ctx, tx, w, record, set) })
}

// showLanded makes the pull request an ordinary one: its description no longer
// speaks of a patch, and it is no draft any more.
func (e *Engine) showLanded(ctx context.Context, w *work, p task.Proposal, pr forge.PullRequest, record approval.Record) error {
	view, err := e.reviewView(ctx, w, p, false)
	if err != nil {
		return err
	}
	body := present.LandedBody(view, record.Approvers(), record.ReviewURL) + present.Receipt(e.receiptURL(record.ID), w.t.LandedCommit) + present.Chain(e.chainURL(w.t.ID))
	if err := e.unlessRefused(ctx, w, e.Forge.UpdatePullRequest(ctx, w.t.Repository, pr.Number, present.PullRequestTitle(w.t), body)); err != nil {
		return fmt.Errorf("describe pull request %d: %w", pr.Number, err)
	}
	e.Failpoint(LandedDescribed)
	if !pr.Draft {
		return nil
	}
	if err := e.unlessRefused(ctx, w, e.Forge.MarkReady(ctx, w.t.Repository, pr)); err != nil {
		return fmt.Errorf("make pull request %d ready: %w", pr.Number, err)
	}
	return nil
}
