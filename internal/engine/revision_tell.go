package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// roundsTold is how many of the last revisions are told again after a restart.
const roundsTold = 2

// tellRevisions keeps one comment for each revision on the pull request.
func (e *Engine) tellRevisions(ctx context.Context, w *work) error {
	if w.t.Round() == 1 {
		return nil
	}
	all, err := e.Store.Revisions(ctx, w.t.ID)
	if err != nil {
		return err
	}
	for _, r := range all[max(0, len(all)-roundsTold):] {
		marker := present.RevisionMarker(w.t.ID, r.Number)
		if last, ok := e.said.Load(marker); ok && last == r.State {
			continue
		}
		view, err := e.revisionView(ctx, &w.t, r)
		if err != nil {
			return err
		}
		if _, err := e.Forge.UpsertComment(ctx, w.t.Repository, forge.PullTopic(w.t.PullRequest), marker, present.RevisionComment(view)); err != nil {
			return fmt.Errorf("tell of revision %d of task %s: %w", r.Number, w.t.ID, err)
		}
		e.said.Store(marker, r.State)
	}
	return nil
}

// tellTooLate answers feedback that came while what stands was being approved, and that
// no revision will take up any more.
func (e *Engine) tellTooLate(ctx context.Context, w *work) error {
	if w.t.PullRequest == 0 || !w.t.State.Ended() && !w.t.State.HasLanded() {
		return nil
	}
	all, err := e.Store.Feedback(ctx, w.t.ID)
	if err != nil {
		return err
	}
	late := task.Pending(all)
	if len(late) == 0 {
		return nil
	}
	marker := "<!-- coderflow:late=" + string(w.t.ID) + " -->"
	if _, err := e.Forge.UpsertComment(ctx, w.t.Repository, forge.PullTopic(w.t.PullRequest), marker, marker+"\n"+present.TooLate(w.t, late)); err != nil {
		return fmt.Errorf("say that feedback on task %s came too late: %w", w.t.ID, err)
	}
	return nil
}

func (e *Engine) revisionView(ctx context.Context, t *task.Task, r task.Revision) (present.RevisionView, error) {
	v := present.RevisionView{Task: *t, Revision: r, Voided: voidedBy(t, r)}
	if r.State != task.RevisionProposed {
		return v, nil
	}
	proposals, err := e.Store.Proposals(ctx, t.ID)
	if err != nil {
		return v, err
	}
	for _, p := range proposals {
		switch p.Revision {
		case r.Number:
			v.Proposal = p
		case r.After:
			v.Former = p
		}
	}
	between, err := e.between(ctx, t, t.Requester, v.Former, v.Proposal)
	if err != nil {
		return v, fmt.Errorf("compare revision %d with %d: %w", r.Number, r.After, err)
	}
	v.Between = between.Manifest
	return v, nil
}

// voidedBy are whose approvals fell when the revision began: what was refused since and
// before its end.
func voidedBy(t *task.Task, r task.Revision) []forge.User {
	var who []forge.User
	for _, j := range t.Judged {
		during := !j.At.Before(r.StartedAt) && (r.EndedAt.IsZero() || !j.At.After(r.EndedAt))
		known := slices.ContainsFunc(who, func(u forge.User) bool { return u.Subject == j.Reviewer.Subject })
		if during && !j.Allowed && !j.Counted && !known {
			who = append(who, j.Reviewer)
		}
	}
	return who
}

// revisionsUntil is the history of a proposal that is being put up, or is up.
func (e *Engine) revisionsUntil(ctx context.Context, p task.Proposal) ([]task.Revision, error) {
	all, err := e.Store.Revisions(ctx, p.Task)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Number == p.Revision { // its end is recorded once everybody can see it
			all[i].State = task.RevisionProposed
		}
	}
	return slices.DeleteFunc(all, func(r task.Revision) bool { return r.Number > p.Revision }), nil
}

// dropParts says of parts of the former revision's description that nobody needs them
// any more: the present one has fewer.
func (e *Engine) dropParts(ctx context.Context, w *work, view present.PullRequestView, number, parts int) error {
	if view.Proposal.Revision == 1 {
		return nil
	}
	former, err := e.Store.ProposalBefore(ctx, w.t.ID, view.Proposal.Revision)
	if err != nil {
		return fmt.Errorf("read the proposal before revision %d: %w", view.Proposal.Revision, err)
	}
	view.Proposal = former
	for part := parts + 1; part <= len(present.PullRequestBody(view)); part++ {
		marker := fmt.Sprintf("<!-- coderflow:manifest=%s/%d -->", w.t.ID, part)
		if _, err := e.Forge.UpsertComment(ctx, w.t.Repository, forge.PullTopic(number), marker, marker+"\n"+present.PartGone); err != nil {
			return fmt.Errorf("drop part %d of the description: %w", part, err)
		}
	}
	return nil
}
