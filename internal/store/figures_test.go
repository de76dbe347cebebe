package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestProposalsThatWaitAreCountedByEnvironmentSinceTheirNewestRevision(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
		if waiting, err := s.WaitingProposals(t.Context()); err != nil || len(waiting) != 0 {
			t.Fatalf("of an empty database: %+v, %v", waiting, err)
		}
		wait := func(environment string, state task.State, revisions int) (newest time.Time) {
			t.Helper()
			v := newTask()
			v.Environment = environment
			v = storetest.TaskIn(t, s, v, state)
			for n := range revisions {
				c.jump(time.Hour)
				newest = c.Now()
				p := newProposal(v.ID, n+1)
				p.CreatedAt = newest
				inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertProposal(ctx, p) })
			}
			return newest
		}
		revised := wait("staging", task.Proposed, 3)
		wait("staging", task.Proposed, 1)
		alone := wait("production", task.Proposed, 1)
		wait("production", task.Approved, 1) // waits for nobody
		wait("staging", task.Running, 0)

		waiting, err := s.WaitingProposals(t.Context())
		if err != nil || len(waiting) != 2 {
			t.Fatalf("%+v, %v", waiting, err)
		}
		for i, want := range []store.WaitingCount{{Environment: "production", Proposals: 1, Oldest: alone}, {Environment: "staging", Proposals: 2, Oldest: revised}} {
			if got := waiting[i]; got.Environment != want.Environment || got.Proposals != want.Proposals || !got.Oldest.Equal(want.Oldest) {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
	})
}

func TestHowFarTheLogIsPublishedIsOfTheBranchThatHasMost(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
		for _, p := range []store.Published{
			{Repository: "github:1", Branch: "coderflow-audit", Head: "a", Size: 3, Note: []byte("n")},
			{Repository: "github:1", Branch: "coderflow-audit", Head: "b", Size: 9, Note: []byte("n")},
			{Repository: "github:2", Branch: "coderflow-audit", Head: "c", Size: 5, Note: []byte("n")},
		} {
			c.jump(time.Hour)
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SavePublished(ctx, p) })
		}
		state, err := s.AuditState(t.Context())
		if err != nil || state.Published != 9 || !state.PublishedAt.Equal(c.Now().Add(-time.Hour)) || !state.SignedAt.IsZero() || state.Signed != 0 {
			t.Errorf("%+v, %v", state, err)
		}
	})
}
