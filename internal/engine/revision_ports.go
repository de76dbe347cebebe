package engine

import (
	"context"

	"github.com/coderflow/coderflow/internal/task"
)

// RevisionReader reads the rounds of tasks after their first proposal.
type RevisionReader interface {
	// ProposalBefore is the newest revision before the numbered one that was not
	// dropped, or task.ErrNotFound.
	ProposalBefore(ctx context.Context, id task.ID, number int) (task.Proposal, error)
	// Proposals are all revisions of the task's proposal, oldest first, dropped ones too.
	Proposals(ctx context.Context, id task.ID) ([]task.Proposal, error)
	// Feedback is what was asked of the task's proposals, oldest first.
	Feedback(ctx context.Context, id task.ID) ([]task.Feedback, error)
	// Revisions are the rounds with the feedback that each took up, oldest first.
	Revisions(ctx context.Context, id task.ID) ([]task.Revision, error)
}

// RevisionTx writes them.
type RevisionTx interface {
	// InsertFeedback reports false, and stores nothing, if its key is known.
	InsertFeedback(ctx context.Context, f task.Feedback) (fresh bool, err error)
	// HasFeedback reports whether there is feedback that no revision took up yet.
	HasFeedback(ctx context.Context, id task.ID) (bool, error)
	// StartRevision fails with task.ErrStale if one of the keys was taken up before.
	StartRevision(ctx context.Context, r task.Revision, keys []string) error
	EndRevision(ctx context.Context, id task.ID, number int, state task.RevisionState, outcome string) error
	// DropProposal makes the one before the newest again.
	DropProposal(ctx context.Context, id task.ID, revision int) error
}
