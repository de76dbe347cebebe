package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/prompt"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// makeProposal makes the proposal of the revision: of what the container left or, for a rebase,
// of the proposal before.
func (e *Engine) makeProposal(ctx context.Context, w *work, env manifest.Environment, former task.Proposal) (task.Proposal, error) {
	r, err := e.round(ctx, &w.t)
	if err != nil {
		return task.Proposal{}, err
	}
	if r.Kind == task.FeedbackRebase {
		return e.rebase(ctx, w, env, former)
	}
	return e.collect(ctx, w, env, former)
}

// revisionProposed ends the revision in the transaction that puts it up for review.
func (e *Engine) revisionProposed(ctx context.Context, tx Tx, w *work, p, former task.Proposal) error {
	if p.Revision == 1 {
		return nil
	}
	if err := tx.EndRevision(ctx, w.t.ID, p.Revision, task.RevisionProposed, ""); err != nil {
		return err
	}
	return e.audit(ctx, tx, &w.t, audit.System, audit.RevisionEnded, map[string]any{
		"revision": p.Revision, "state": task.RevisionProposed, "after": former.Revision, "digest": p.Digest, "replaces": former.Digest,
	})
}

// errFeedback is an approval that a revision was asked for before it could be carried out.
var errFeedback = fmt.Errorf("a revision was asked for: %w", task.ErrStale)

// unlessFeedback fails with errFeedback if a revision was asked for: whoever asks before
// an approval is recorded, or carried out, is heard.
func unlessFeedback(ctx context.Context, tx Tx, id task.ID) error {
	asked, err := tx.HasFeedback(ctx, id)
	if err == nil && asked {
		err = errFeedback
	}
	return err
}

// revisedMeanwhile takes back an approval that was recorded and not carried out yet.
func (e *Engine) revisedMeanwhile(ctx context.Context, w *work) error {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	return e.approvalFell(ctx, w, &approval.RefusedError{Decision: policy.Decision{
		Reason: policy.No("a revision was asked for before the approval was carried out"), PolicyVersion: set.Version,
	}})
}

// promptOf is what the agent is told: the request or, for a revision, also what was
// proposed before and what people said of it.
func (e *Engine) promptOf(ctx context.Context, t *task.Task, c prompt.Conventions) (string, error) {
	r, err := e.round(ctx, t)
	if err != nil || r.Number == 1 {
		return prompt.Build(*t, c), err
	}
	former, err := e.Store.ProposalBefore(ctx, t.ID, t.Round())
	if err != nil {
		return "", fmt.Errorf("read the proposal before revision %d: %w", t.Round(), err)
	}
	return prompt.Revise(*t, c, former, r.Feedback), nil
}

// rebase makes the same change on the tip of the base branch. No agent runs for it.
func (e *Engine) rebase(ctx context.Context, w *work, env manifest.Environment, former task.Proposal) (task.Proposal, error) {
	if err := e.bring(ctx, &w.t, w.t.Requester, former); err != nil {
		return task.Proposal{}, err
	}
	tip, err := e.tipOf(ctx, w)
	if err != nil {
		return task.Proposal{}, err
	}
	if tip == former.BaseCommit {
		return task.Proposal{}, ended(task.NoChange, "it is on the tip of %s already: commit %.12s", former.BaseBranch, tip)
	}
	forward, err := e.Git.IsAncestor(ctx, w.t.Repository, former.BaseCommit, tip)
	if err != nil && !errors.Is(err, gitops.ErrObjectMissing) {
		return task.Proposal{}, fmt.Errorf("compare the bases: %w", err)
	}
	if !forward {
		return task.Proposal{}, failed(nil, "the branch %s was rewritten: commit %.12s, which this change was made of, is not on it any more", former.BaseBranch, former.BaseCommit)
	}
	return e.rebaseOn(ctx, w, env, former, tip)
}

// rebaseOn holds the result to what a first proposal is held to: a value may have become
// a secret since.
func (e *Engine) rebaseOn(ctx context.Context, w *work, env manifest.Environment, former task.Proposal, tip string) (task.Proposal, error) {
	look, err := e.leaksOf(ctx, env.Name)
	if err != nil {
		return task.Proposal{}, err
	}
	result, err := e.Git.Rebase(ctx, gitops.RebaseRequest{From: former.BaseCommit, Tree: former.Tree, Build: gitops.BuildRequest{
		Repository: w.t.Repository, Base: tip, Task: w.t.ID, Revision: w.t.Round(), Limits: env.Proposal.Build(),
		Watch: look.over, AllowSecrets: env.Proposal.SecretPatterns.Allows,
	}})
	if look.finish(); look.canary != nil {
		return task.Proposal{}, e.changeTripped(ctx, w, env.Name, look.canary)
	}
	if conflict := (*gitops.ConflictError)(nil); errors.As(err, &conflict) {
		return task.Proposal{}, failed(nil, "the change does not fit on commit %.12s of %s:\n%s", tip, former.BaseBranch, conflict.Error())
	}
	if err != nil {
		return task.Proposal{}, rebaseFailed(err, look.redactor)
	}
	return e.recordProposal(ctx, w, tip, result, former)
}

func rebaseFailed(err error, r *secret.Redactor) error {
	if errors.Is(err, gitops.ErrNoChange) {
		return ended(task.NoChange, "the base branch has this change already")
	}
	return collectFailed(err, r)
}

// tipOf fetches the tip of the base branch.
func (e *Engine) tipOf(ctx context.Context, w *work) (string, error) {
	remote, err := e.remote(ctx, w.t.Repository, w.t.Requester)
	if refused := (*CredentialError)(nil); errors.As(err, &refused) {
		return "", failed(err, "%v; whoever looks after the server can renew it", refused)
	}
	if err != nil {
		return "", err
	}
	tip, err := e.Git.Fetch(ctx, remote, w.t.BaseBranch)
	if errors.Is(err, gitops.ErrNoBranch) {
		return "", failed(err, "the repository has no branch %q any more", w.t.BaseBranch)
	}
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", w.t.BaseBranch, err)
	}
	return tip, e.note(ctx, &w.t, audit.BaseFetched, map[string]any{
		"branch": w.t.BaseBranch, "commit": tip, "credential": remote.Token.Source, "revision": w.t.Round(),
	})
}

// maxRemark bounds the text of one remark, in bytes.
const maxRemark = 4 << 10

// remarks are what a review says of lines of the patch, as lines of the files.
func (e *Engine) remarks(ctx context.Context, t *task.Task, r forge.Review, p task.Proposal) ([]task.Remark, error) {
	comments, err := e.Forge.ReviewComments(ctx, t.Repository, t.PullRequest, r.ID)
	if err != nil {
		return nil, fmt.Errorf("read what review %s says of lines: %w", r.ID, err)
	}
	lines := gitops.PatchLines(p.Diff)
	var list []task.Remark
	for _, c := range comments[:min(len(comments), maxRemarks)] {
		if c.Author.Subject != r.Author.Subject {
			continue
		}
		remark := task.Remark{Text: c.Body[:min(len(c.Body), maxRemark)]}
		if c.Path == task.ProposalPath(t.ID) {
			if path, line, removed, ok := lines.Place(c.Line); ok {
				remark.Path, remark.Line, remark.Removed = path, line, removed
			}
		}
		list = append(list, remark)
	}
	return list, nil
}
