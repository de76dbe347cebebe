package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// Merged looks at the pull request of a task that landed: was it merged, and are
// there deployments that waited for that? It is the handler of queue.Merge jobs; a
// delivery of the forge enqueues one, and the reconciler does as long as something
// waits. What the forge said is only where to look: the gate reads it again before
// anything is deployed.
func (e *Engine) Merged(ctx context.Context, key string) error {
	id, err := task.ParseID(key)
	if err != nil {
		return err
	}
	return e.withTask(ctx, id, func(ctx context.Context, w *work) error {
		if !w.t.State.HasLanded() || w.t.PullRequest == 0 || w.t.LandedCommit == "" {
			return nil
		}
		pr, err := e.Forge.PullRequest(ctx, w.t.Repository, w.t.PullRequest)
		if err != nil {
			return fmt.Errorf("read pull request %d: %w", w.t.PullRequest, err)
		}
		return e.seeMerge(ctx, w, pr)
	})
}

func (e *Engine) seeMerge(ctx context.Context, w *work, pr forge.PullRequest) error {
	if pr.Merged && pr.MergedAs == "" { // the forge tells a moment later
		return nil
	}
	merged := pr.Merged && pr.Head.Commit == w.t.LandedCommit && pr.Base.Branch == w.t.BaseBranch
	if merged {
		if err := e.Store.InTx(ctx, func(tx Tx) error { return tx.SaveMerge(ctx, w.t, pr.MergedAs) }); err != nil {
			return err
		}
		e.Failpoint(MergeSeen)
	}
	runs, err := e.Store.DeployRuns(ctx, w.t.ID)
	if err != nil {
		return fmt.Errorf("read the deployments: %w", err)
	}
	if !slices.ContainsFunc(runs, func(r deploy.Run) bool { return r.State == deploy.Armed }) {
		return nil
	}
	p, err := e.Store.Proposal(ctx, w.t.ID)
	if err != nil {
		return fmt.Errorf("read the proposal: %w", err)
	}
	if pr.Open && pr.Head.Commit == p.Carrier { // forges update the pull request a moment after the push
		return nil
	}
	var errs []error
	for i := range runs {
		run := &runs[i]
		switch why := noMerge(w.t, pr); {
		case run.State != deploy.Armed:
		case merged:
			errs = append(errs, e.mergeSeen(ctx, run, w.t, pr))
		case why != "":
			errs = append(errs, e.withhold(ctx, w, run, why))
		}
	}
	return errors.Join(errs...)
}

// noMerge says why the merge that was waited for will not come, or "".
func noMerge(t task.Task, pr forge.PullRequest) string {
	switch {
	case pr.Merged && pr.Base.Branch != t.BaseBranch:
		return fmt.Sprintf("the pull request was merged into %s, the proposal was made for %s", pr.Base.Branch, t.BaseBranch)
	case pr.Merged:
		return fmt.Sprintf("the pull request was merged with the head %.12s, which is not the commit that was approved", pr.Head.Commit)
	case !pr.Open:
		return "the pull request was closed without being merged"
	case pr.Head.Commit != t.LandedCommit:
		return fmt.Sprintf("the head of the pull request is %.12s now, which is not the commit that was approved", pr.Head.Commit)
	}
	return ""
}

// mergeSeen gives a run that waited its commit.
func (e *Engine) mergeSeen(ctx context.Context, run *deploy.Run, t task.Task, pr forge.PullRequest) error {
	run.State, run.Commit, run.Covers = deploy.Pending, pr.MergedAs, deploy.CoversMerge
	if pr.MergedAs == t.LandedCommit {
		run.Covers = deploy.CoversLanded
	}
	return e.Store.InTx(ctx, func(tx Tx) error {
		fresh, err := tx.Merged(ctx, run.ID, run.Commit, run.Covers)
		if err != nil || !fresh {
			return err
		}
		if err := e.auditRun(ctx, tx, run, audit.System, audit.DeployMerged, nil); err != nil {
			return err
		}
		return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(t.ID)})
	})
}

// errNotOnBranch is a commit that the forge reports and that no fetch brings.
var errNotOnBranch = errors.New("the commit is not on the branch")

// fetchMerge brings the commit of a merge into the mirror.
func (e *Engine) fetchMerge(ctx context.Context, w *work, run *deploy.Run) error {
	if run.Covers != deploy.CoversMerge {
		return nil
	}
	remote, err := e.remote(ctx, run.Repository, w.t.Requester)
	if err != nil {
		return err
	}
	_, err = e.Git.Fetch(ctx, remote, w.t.BaseBranch)
	if errors.Is(err, gitops.ErrNoBranch) {
		return errNotOnBranch
	}
	if err != nil {
		return fmt.Errorf("fetch %s: %w", w.t.BaseBranch, err)
	}
	return nil
}
