package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// stillUp ends a task whose pull request a revision must not be published to any more,
// and does so before the push: what is on the branch cannot be taken back.
func (e *Engine) stillUp(ctx context.Context, t *task.Task) error {
	if !t.Revising() {
		return nil
	}
	pr, err := e.Forge.PullRequest(ctx, t.Repository, t.PullRequest)
	if err != nil {
		return fmt.Errorf("read pull request %d: %w", t.PullRequest, err)
	}
	switch {
	case !pr.Open:
		return ended(task.Cancelled, pullClosed)
	case pr.Base.Branch != t.BaseBranch:
		return ended(task.Superseded, voidByBase)
	}
	if err := e.Forge.HoldReviews(ctx, t.Repository, pr); err != nil {
		return fmt.Errorf("hold the reviews of pull request %d: %w", t.PullRequest, err)
	}
	return nil
}

// openToReview makes a draft ready where drafts cannot be reviewed, once everything that
// examines the proposal has ended: whoever reviews sees what it said.
func (e *Engine) openToReview(ctx context.Context, w *work, pr forge.PullRequest) error {
	if !pr.Draft || !e.Forge.Traits(w.t.Repository.Host).ReviewsWaitForReady {
		return nil
	}
	if ended, err := e.examinationsEnded(ctx, &w.t); err != nil || !ended {
		return err
	}
	if err := e.Forge.MarkReady(ctx, w.t.Repository, pr); err != nil {
		return fmt.Errorf("make pull request %d ready for review: %w", pr.Number, err)
	}
	return nil
}

// pullRequest is what is known of a task's pull request before its branch is pushed: a revision's is there, and so is
// one that was opened by a step that was killed.
type pullRequest struct {
	there bool
	forge.PullRequest
	view present.PullRequestView // what one that is not there will show
}

// askPullRequest looks for the task's pull request by its head branch.
func (e *Engine) askPullRequest(ctx context.Context, w *work, p task.Proposal) (asked pullRequest, err error) {
	asked.PullRequest, err = e.Forge.PullRequestByHead(ctx, w.t.Repository, w.t.ID.Branch())
	switch {
	case errors.Is(err, forge.ErrNotFound):
		asked.view, err = e.reviewView(ctx, w, p, false)
	case err != nil:
		err = fmt.Errorf("look for the pull request: %w", err)
	default:
		asked.there = true
	}
	return asked, err
}

// openPullRequest opens the task's pull request, if it is not there, and describes it.
func (e *Engine) openPullRequest(ctx context.Context, w *work, p task.Proposal, asked pullRequest) (pr forge.PullRequest, err error) {
	if pr = asked.PullRequest; !asked.there {
		if pr, err = e.newPullRequest(ctx, w, asked.view); err != nil {
			return pr, fmt.Errorf("open the pull request: %w", err)
		}
	}
	e.Failpoint(PullRequestAsked)
	self, err := e.Forge.Self(ctx, w.t.Repository.Host)
	if err != nil {
		return pr, fmt.Errorf("read who CoderFlow is at the forge: %w", err)
	}
	if pr.Author.Subject != self.Subject || pr.Base.Branch != w.t.BaseBranch {
		return pr, &failure{to: task.Failed, why: fmt.Sprintf("somebody else opened pull request %d from the proposal branch", pr.Number), final: true}
	}
	view, err := e.reviewView(ctx, w, p, !pr.Draft)
	if err != nil {
		return pr, err
	}
	parts := present.PullRequestBody(view)
	if err := e.Forge.UpdatePullRequest(ctx, w.t.Repository, pr.Number, present.PullRequestTitle(w.t), parts[0]); err != nil {
		return pr, fmt.Errorf("describe pull request %d: %w", pr.Number, err)
	}
	for i, part := range parts[1:] {
		marker := fmt.Sprintf("<!-- coderflow:manifest=%s/%d -->", w.t.ID, i+2)
		if _, err := e.Forge.UpsertComment(ctx, w.t.Repository, forge.PullTopic(pr.Number), marker, marker+"\n"+part); err != nil {
			return pr, fmt.Errorf("post part %d of the description: %w", i+2, err)
		}
	}
	return pr, e.dropParts(ctx, w, view, pr.Number, len(parts))
}

func (e *Engine) newPullRequest(ctx context.Context, w *work, view present.PullRequestView) (forge.PullRequest, error) {
	request := forge.NewPullRequest{
		Title: present.PullRequestTitle(w.t), Body: present.PullRequestBody(view)[0],
		Head: w.t.ID.Branch(), Base: w.t.BaseBranch, Draft: true, Issue: w.t.Issue,
	}
	pr, err := e.Forge.OpenPullRequest(ctx, w.t.Repository, request)
	if errors.Is(err, forge.ErrDraftsUnsupported) {
		request.Draft = false
		pr, err = e.Forge.OpenPullRequest(ctx, w.t.Repository, request)
	}
	return pr, err
}

// reviewView gathers what a reviewer is shown.
func (e *Engine) reviewView(ctx context.Context, w *work, p task.Proposal, draftRefused bool) (present.PullRequestView, error) {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return present.PullRequestView{}, fmt.Errorf("read the manifests: %w", err)
	}
	env := set.Environments[w.t.Environment]
	issueURL, _, _ := strings.Cut(w.t.TriggerURL, "#")
	v := present.PullRequestView{
		Task: w.t, Proposal: p, IssueURL: issueURL, DraftRefused: draftRefused, MessageRule: env.Gate.CommitMessage,
		Targets: env.Landing.Targets, ReviseOnReview: env.Proposal.ReviseOnReview,
		Traits:      e.Forge.Traits(w.t.Repository.Host),
		Requirement: env.Gate.Policy().Require(policy.ChangeOf(p)),
	}
	told, err := e.account(ctx, &w.t)
	if err != nil {
		return v, err
	}
	v.Output, v.Summary = told.feed, told.summary
	if v.Revisions, err = e.revisionsUntil(ctx, p); err != nil {
		return v, err
	}
	if v.Models, err = e.modelView(ctx, w.t.ID); err != nil {
		return v, err
	}
	for _, name := range slices.Sorted(maps.Keys(set.Profiles[w.t.Environment])) {
		v.Profiles = append(v.Profiles, set.Profiles[w.t.Environment][name])
	}
	return v, nil
}
