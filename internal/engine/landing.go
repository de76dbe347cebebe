package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// keepCommit ends an approval that asked for the commit alone: the commit stays in
// the mirror, and the task waits for another approval. Its reviews were answered
// for good, so they are not taken again.
func (e *Engine) keepCommit(ctx context.Context, w *work, grant approval.Grant, commit string) error {
	w.t.Judged = keptIn(w.t.Judged, commit)
	w.t.ApprovalID, w.t.LandedCommit, w.t.Failure = "", "", present.CommitKeptFailure(commit)
	return e.move(ctx, w, task.Proposed, func(tx Tx) error {
		return e.audit(ctx, tx, &w.t, audit.System, audit.CommitKept, map[string]any{
			"approval": grant.ApprovalID(), "commit": commit, "tree": grant.Tree(), "parent": grant.Base(),
			"author": grant.Author().Subject, "outcome": "nothing was pushed",
		})
	})
}

// keptIn notes the commit with every judgement behind the approval that made it.
func keptIn(judged []task.Judgement, commit string) []task.Judgement {
	judged = slices.Clone(judged)
	for i := range judged {
		if judged[i].Allowed && judged[i].Kept == "" {
			judged[i].Kept, judged[i].Told = commit, false
		}
	}
	return judged
}

// pushFound records a push whose response was lost and which the forge proves.
// What the approval armed is decided anew before each deployment.
func (e *Engine) pushFound(ctx context.Context, w *work) error {
	record, err := e.Store.Approval(ctx, w.t.ApprovalID)
	if err != nil {
		return fmt.Errorf("read approval %s: %w", w.t.ApprovalID, err)
	}
	return e.move(ctx, w, task.Landed, func(tx Tx) error {
		return e.audit(ctx, tx, &w.t, audit.System, audit.PushDone, map[string]any{
			"approval": record.ID, "commit": w.t.LandedCommit, "ref": record.Ref(), "outcome": "found at the forge",
		})
	})
}

// pushFailed tells a moved branch and a refusal of the forge from an error that
// is worth another try.
func (e *Engine) pushFailed(ctx context.Context, w *work, grant approval.Grant, err error) error {
	moved, refused, unusable := (*gitops.MovedError)(nil), (*gitops.PushRefusedError)(nil), (*CredentialError)(nil)
	if errors.As(err, &unusable) {
		refused = &gitops.PushRefusedError{Words: unusable.Error()}
		err = refused
	}
	elsewhere := grant.Ref() != approval.Record{Task: w.t.ID}.Ref()
	branch := strings.TrimPrefix(grant.Ref(), "refs/heads/")
	switch {
	case errors.As(err, &moved) && elsewhere:
		return e.targetMoved(ctx, w, grant, branch, moved)
	case errors.As(err, &moved):
		return ended(task.Superseded, "somebody else moved the branch %s before the push; nothing was pushed", w.t.ID.Branch())
	case errors.As(err, &refused):
		why, decision := present.PushRefused(branch, refused.Words, elsewhere)
		return e.notCarriedOut(ctx, w, why, decision, audit.PushRefused, map[string]any{
			"approval": grant.ApprovalID(), "ref": grant.Ref(), "expected": grant.ExpectedOld(), "words": refused.Words,
			"kind": present.RefusalOf(refused.Words).Name,
		})
	}
	return fmt.Errorf("push: %w", err)
}

// targetMoved stops a landing on a branch that is elsewhere now. If others pushed on
// top of what was pushed before, it is there.
func (e *Engine) targetMoved(ctx context.Context, w *work, grant approval.Grant, branch string, moved *gitops.MovedError) error {
	has, err := e.History().Contains(ctx, w.t.Repository, branch, w.t.LandedCommit)
	if err != nil {
		return fmt.Errorf("look for commit %.12s on branch %s: %w", w.t.LandedCommit, branch, err)
	}
	if has {
		return e.pushFound(ctx, w)
	}
	why, decision := present.TargetMoved(branch)
	return e.notCarriedOut(ctx, w, why, decision, audit.ApprovalVoid, map[string]any{
		"approval": grant.ApprovalID(), "ref": grant.Ref(), "expected": moved.Expected, "found": moved.Found, "decision": decision,
	})
}

// notCarriedOut takes a task back to where it waits for an approval. Nothing was
// pushed under the one that it had, which falls.
func (e *Engine) notCarriedOut(ctx context.Context, w *work, why string, d policy.Decision, action audit.Action, detail map[string]any) error {
	w.t.Failure = why
	w.t.Judged = voided(w.t.Judged, d)
	w.t.ApprovalID, w.t.LandedCommit = "", ""
	return e.move(ctx, w, task.Proposed, func(tx Tx) error {
		return e.audit(ctx, tx, &w.t, audit.System, action, detail)
	})
}

// showElsewhere closes a pull request whose change landed on another branch: it
// holds the patch alone. Nothing is deleted.
func (e *Engine) showElsewhere(ctx context.Context, w *work, p task.Proposal, pr forge.PullRequest, record approval.Record) error {
	approvers := record.Approvers()
	check := present.GateElsewhere(w.t.LandedCommit, record.Target)
	check.ExternalID, check.Commit, check.PullRequest, check.DetailsURL = string(w.t.ID), p.Carrier, w.t.PullRequest, e.PublicURL
	if err := e.unlessRefused(ctx, w, e.Forge.SetGate(ctx, w.t.Repository, check)); err != nil {
		return fmt.Errorf("set the gate's check on the patch of task %s: %w", w.t.ID, err)
	}
	marker := "<!-- coderflow:landed=" + string(w.t.ID) + " -->"
	body := marker + "\n" + present.LandedElsewhere(w.t.LandedCommit, record.Target, approvers, record.ReviewURL)
	_, err := e.Forge.UpsertComment(ctx, w.t.Repository, forge.PullTopic(pr.Number), marker, body)
	if err := e.unlessRefused(ctx, w, err); err != nil {
		return fmt.Errorf("say where task %s landed: %w", w.t.ID, err)
	}
	e.Failpoint(LandedElsewhereShown)
	if !pr.Open {
		return nil
	}
	view, err := e.reviewView(ctx, w, p, false)
	if err != nil {
		return err
	}
	body = present.LandedElsewhereBody(view, approvers, record.ReviewURL, record.Target) + present.Receipt(e.receiptURL(record.ID), w.t.LandedCommit) + present.Chain(e.chainURL(w.t.ID))
	if err := e.unlessRefused(ctx, w, e.Forge.UpdatePullRequest(ctx, w.t.Repository, pr.Number, present.PullRequestTitle(w.t), body)); err != nil {
		return fmt.Errorf("describe pull request %d: %w", pr.Number, err)
	}
	if err := e.unlessRefused(ctx, w, e.Forge.ClosePullRequest(ctx, w.t.Repository, pr.Number)); err != nil {
		return fmt.Errorf("close pull request %d: %w", pr.Number, err)
	}
	return nil
}

// unlessRefused drops an error with which the forge refuses to show what was done: an
// archived repository takes no comments. What was pushed is pushed all the same, so
// that is said in the server's log. Other errors are worth another try.
func (e *Engine) unlessRefused(ctx context.Context, w *work, err error) error {
	refused := (*forge.RefusedError)(nil)
	if errors.Is(err, forge.ErrForbidden) || errors.Is(err, forge.ErrNotFound) || errors.As(err, &refused) {
		e.Logger.WarnContext(ctx, "the forge does not show what landed", "task", w.t.ID, "error", err)
		return nil
	}
	return err
}

// History tells the gate what is on a branch, by the mirror, which it brings up to
// date first.
func (e *Engine) History() approval.History { return history{e} }

type history struct{ e *Engine }

// Contains implements [approval.History].
func (h history) Contains(ctx context.Context, ref forge.RepositoryRef, branch, commit string) (bool, error) {
	token, err := source{e: h.e}.ReadToken(ctx, ref)
	if err != nil {
		return false, fmt.Errorf("get a token to read %s: %w", ref.FullName(), err)
	}
	tip, err := h.e.Git.Fetch(ctx, gitops.Remote{Repository: ref, URL: h.e.Forge.GitURL(ref), Token: token}, branch)
	if errors.Is(err, gitops.ErrNoBranch) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	has, err := h.e.Git.IsAncestor(ctx, ref, commit, tip)
	if errors.Is(err, gitops.ErrObjectMissing) { // all that the branch has was just fetched
		return false, nil
	}
	return has, err
}
