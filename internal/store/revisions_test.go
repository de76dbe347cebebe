package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestFeedbackIsKeptOnceAndTakenUpOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, _ := proposed(t, s)
		asked := filled[task.Feedback]()
		asked.Task, asked.Key, asked.Revision = v.ID, "comment:1", 0
		again := asked
		again.Text = "another text under the same key"
		var fresh, known, before bool
		inTx(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
			if before, err = tx.HasFeedback(ctx, v.ID); err != nil {
				return err
			}
			if fresh, err = tx.InsertFeedback(ctx, asked); err != nil {
				return err
			}
			known, err = tx.InsertFeedback(ctx, again)
			return err
		})
		if before || !fresh || known {
			t.Errorf("before %v, first %v, second %v", before, fresh, known)
		}
		list, err := s.Feedback(t.Context(), v.ID)
		same(t, "the feedback", result(t, list, err), []task.Feedback{asked})

		made := filled[task.Revision]()
		made.Task, made.Number, made.State, made.Feedback = v.ID, 2, task.RevisionMaking, nil
		start := func(number int, keys ...string) error {
			made.Number = number
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.StartRevision(ctx, made, keys) })
		}
		if err := start(2, "comment:1"); err != nil {
			t.Fatal(err)
		}
		if err := start(3, "comment:1"); !errors.Is(err, task.ErrStale) {
			t.Errorf("the same feedback was taken up twice: %v", err)
		}
		asked.Revision = 2
		made.Number, made.Feedback = 2, []task.Feedback{asked}
		revisions, err := s.Revisions(t.Context(), v.ID)
		same(t, "the revisions", result(t, revisions, err), []task.Revision{made})
		end := func(state task.RevisionState) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.EndRevision(ctx, v.ID, 2, state, "because") })
		}
		if err := end(task.RevisionNothing); err != nil {
			t.Fatal(err)
		}
		if err := end(task.RevisionProposed); !errors.Is(err, task.ErrStale) {
			t.Errorf("a revision that ended ended again: %v", err)
		}
	})
}

// What was dropped is the newest no more; what was approved is never dropped.
func TestADroppedProposalLeavesTheOneBefore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, first := proposed(t, s)
		second := newProposal(v.ID, 2)
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertProposal(ctx, second) })
		drop := func(revision int) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.DropProposal(ctx, v.ID, revision) })
		}
		if err := drop(2); err != nil {
			t.Fatal(err)
		}
		newest, err := s.Proposal(t.Context(), v.ID)
		if result(t, newest, err).Digest != first.Digest {
			t.Error("the dropped proposal is still the newest")
		}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.InsertApproval(ctx, newApproval(first, "1"))
			return err
		})
		if err := drop(1); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("an approved proposal was dropped: %v", err)
		}
		third := newProposal(v.ID, 3)
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertProposal(ctx, third) })
		before, err := s.ProposalBefore(t.Context(), v.ID, 3)
		if result(t, before, err).Revision != 1 {
			t.Errorf("before revision 3 stands revision %d", before.Revision)
		}
		if _, err := s.ProposalBefore(t.Context(), v.ID, 1); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("before revision 1: %v", err)
		}
	})
}
