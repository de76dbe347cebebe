package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/task"
)

// goesBack reports whether a failure leaves a proposal that is up for review, to which
// the task goes back. Once the pull request shows the revision that is made, there is none.
func (e *Engine) goesBack(ctx context.Context, w *work, f *failure) (bool, error) {
	if !w.t.Revising() || f.final || !slices.Contains([]task.State{task.Failed, task.NoChange, task.Refused}, f.to) {
		return false, nil
	}
	newest, err := e.Store.Proposal(ctx, w.t.ID)
	if err != nil {
		return false, fmt.Errorf("read the proposal: %w", err)
	}
	if newest.Revision != w.t.Round() || newest.Carrier == "" {
		return true, nil
	}
	pr, err := e.Forge.PullRequest(ctx, w.t.Repository, w.t.PullRequest)
	if err != nil {
		return false, fmt.Errorf("read pull request %d: %w", w.t.PullRequest, err)
	}
	return pr.Head.Commit != newest.Carrier, nil
}

// revisionEnded ends the revision that is made in the transaction that ends its task.
func (e *Engine) revisionEnded(ctx context.Context, tx Tx, t *task.Task) error {
	why := fmt.Sprintf("the task ended meanwhile: %s", t.State)
	if t.Failure != "" {
		why = t.Failure
	}
	if err := tx.EndRevision(ctx, t.ID, t.Round(), task.RevisionNothing, why); err != nil {
		return err
	}
	return e.audit(ctx, tx, t, audit.System, audit.RevisionEnded, map[string]any{
		"revision": t.Round(), "state": task.RevisionNothing, "why": why, "task": t.State,
	})
}

// revisionFell goes back to the proposal that stands. Reviews that approved it while the
// revision was made are void too: it was about to be replaced then.
func (e *Engine) revisionFell(ctx context.Context, w *work, why string, also func(Tx) error) error {
	number := w.t.Round()
	former, err := e.Store.ProposalBefore(ctx, w.t.ID, number)
	if err != nil {
		return fmt.Errorf("read the proposal before revision %d: %w", number, err)
	}
	reviews, err := e.Forge.Reviews(ctx, w.t.Repository, w.t.PullRequest)
	if err != nil {
		return fmt.Errorf("read the reviews: %w", err)
	}
	newest, err := e.Store.Proposal(ctx, w.t.ID)
	if err != nil {
		return fmt.Errorf("read the proposal: %w", err)
	}
	w.t.Run.Tree = "" // whatever the agent left in the workspace is not what stands
	w.t.Failure = fmt.Sprintf("Revision %d came to nothing: %s\nThe proposal of revision %d stands as it was.", number, why, former.Revision)
	void, err := e.voidReviews(ctx, w, reviews, fmt.Sprintf("it was given while revision %d was being made, which came to nothing; it takes a new review of what stands", number))
	if err != nil {
		return err
	}
	return e.move(ctx, w, task.Proposed, func(tx Tx) error {
		if newest.Revision == number {
			if err := tx.DropProposal(ctx, w.t.ID, number); err != nil {
				return err
			}
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		if err := tx.EndRevision(ctx, w.t.ID, number, task.RevisionNothing, why); err != nil {
			return err
		}
		detail := map[string]any{"revision": number, "state": task.RevisionNothing, "why": why, "stands": former.Revision, "digest": former.Digest}
		if newest.Revision == number {
			detail["dropped"] = newest.Digest
		}
		err := e.audit(ctx, tx, &w.t, audit.System, audit.RevisionEnded, detail)
		return errors.Join(err, e.auditVoid(ctx, tx, &w.t, former.Digest, void))
	})
}
