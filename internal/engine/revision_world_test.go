package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/task"
)

// pullForge shows one pull request with its reviews.
type pullForge struct {
	Forge
	pr      forge.PullRequest
	reviews []forge.Review
	asked   int // how often the forge was
	unread  error
	lines   int // how often comments on lines were read
	traits  forge.Traits
	held    int // how often reviews were
	readied int
}

func (f *pullForge) Traits(string) forge.Traits { return f.traits }
func (f *pullForge) HoldReviews(context.Context, forge.RepositoryRef, forge.PullRequest) error {
	f.held++
	return nil
}
func (f *pullForge) MarkReady(context.Context, forge.RepositoryRef, forge.PullRequest) error {
	f.readied++
	return nil
}

func (f *pullForge) ReviewComments(context.Context, forge.RepositoryRef, int, string) ([]forge.ReviewComment, error) {
	f.lines++
	return nil, nil
}
func (f *pullForge) ReadToken(context.Context, forge.RepositoryRef) (forge.Token, error) {
	return forge.Token{}, nil
}
func (f *pullForge) GitURL(forge.RepositoryRef) string { return "" }

func (f *pullForge) PullRequest(context.Context, forge.RepositoryRef, int) (forge.PullRequest, error) {
	f.asked++
	return f.pr, nil
}
func (f *pullForge) Reviews(context.Context, forge.RepositoryRef, int) ([]forge.Review, error) {
	f.asked++
	return f.reviews, f.unread
}

// remaking is a task that makes revision 2 of what pull request 7 shows.
type remaking struct {
	*lab
	at      *pullForge
	ends    []string // of revisions: number, state and why
	dropped []int

	feedback []task.Feedback
	started  []string // keys that a revision took up
	approved int
}

func (r *remaking) Fetch(context.Context, gitops.Remote, string) (string, error) { return "base", nil }
func (r *remaking) Line(context.Context) ([]task.Place, error) {
	return []task.Place{{Task: "bbbbbbbbbbbb", State: task.Running, Node: "n1"}}, nil
}
func (r *remaking) LockLine(ctx context.Context) ([]task.Place, error) { return r.Line(ctx) }
func (r *remaking) Proposals(context.Context, task.ID) ([]task.Proposal, error) {
	return []task.Proposal{r.p}, nil
}
func (r *remaking) Feedback(context.Context, task.ID) ([]task.Feedback, error) {
	return slices.Clone(r.feedback), nil
}
func (r *remaking) HasFeedback(context.Context, task.ID) (bool, error) {
	return len(task.Pending(r.feedback)) > 0, nil
}
func (r *remaking) InsertFeedback(_ context.Context, f task.Feedback) (bool, error) {
	r.feedback = append(r.feedback, f)
	return true, nil
}
func (r *remaking) StartRevision(_ context.Context, v task.Revision, keys []string) error {
	for i, f := range r.feedback {
		if slices.Contains(keys, f.Key) {
			r.feedback[i].Revision = v.Number
		}
	}
	r.started = append(r.started, keys...)
	return nil
}
func (r *remaking) InsertApproval(context.Context, approval.Record) (bool, error) {
	r.approved++
	return true, nil
}

func newRemaking() *remaking {
	r := &remaking{lab: newLab(), at: &pullForge{
		pr: forge.PullRequest{Number: 7, Open: true, Head: forge.Tip{Commit: "carrier1"}, Base: forge.Tip{Branch: "main"}},
	}}
	r.e.Store, r.e.Forge, r.e.Git = r, r.at, r
	r.p = task.Proposal{Task: r.w.t.ID, Revision: 1, Carrier: "carrier1", BaseBranch: "main"}
	r.w.t.Revision, r.w.t.PullRequest, r.w.t.BaseBranch, r.w.t.State = 2, 7, "main", task.Collecting
	r.w.stored = r.w.t
	return r
}

func (r *remaking) InTx(_ context.Context, f func(Tx) error) error { return f(r) }
func (r *remaking) SaveTask(context.Context, *task.Task) error     { return nil }
func (r *remaking) EndRevision(_ context.Context, _ task.ID, number int, state task.RevisionState, why string) error {
	r.ends = append(r.ends, fmt.Sprint(number, " ", state, " ", why))
	return nil
}
func (r *remaking) DropProposal(_ context.Context, _ task.ID, revision int) error {
	r.dropped = append(r.dropped, revision)
	return nil
}
func (r *remaking) ProposalBefore(context.Context, task.ID, int) (task.Proposal, error) {
	return task.Proposal{Task: r.w.t.ID, Revision: 1, Carrier: "carrier1"}, nil
}
