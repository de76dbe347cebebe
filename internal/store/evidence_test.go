package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// What differs keeps the time when it was found first, until a look does not find it.
func TestDifferencesAreKeptUntilTheyAreGone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first, later := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
		d := audit.Difference{Kind: audit.CommitGone, Repository: "github:1", Subject: "c", Task: "t", What: "it\x00 is gone", Scope: "task:t", FoundAt: first, SeenAt: first}
		look := audit.Look{Repository: "github:1", Name: "acme/shop", At: first, Tasks: 3, NotLooked: []string{"x"}, After: "aaaaaaaaaaaa"}
		save := func(look audit.Look, found, gone []audit.Difference) {
			t.Helper()
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveLook(ctx, look, found, gone) })
		}
		save(look, []audit.Difference{d}, nil)
		d.FoundAt, d.SeenAt, look.At = later, later, later
		save(look, []audit.Difference{d, {Kind: audit.BranchMoved, Repository: "github:1", Subject: "b", FoundAt: later, SeenAt: later}}, nil)
		list, err := s.EvidenceDifferences(t.Context(), "github:1")
		if len(result(t, list, err)) != 2 || !list[0].FoundAt.Equal(first) || !list[0].SeenAt.Equal(later) || list[0].Scope != "task:t" {
			t.Errorf("%+v", list)
		}
		counts, err := s.CountDifferences(t.Context())
		if err != nil || counts[audit.CommitGone] != 1 || counts[audit.BranchMoved] != 1 {
			t.Errorf("%v %v", counts, err)
		}
		kept, err := s.EvidenceLook(t.Context(), "github:1")
		if err != nil || kept.After != "aaaaaaaaaaaa" || kept.Tasks != 3 || !kept.At.Equal(later) || len(kept.NotLooked) != 1 {
			t.Errorf("%+v %v", kept, err)
		}
		save(look, nil, list[:1])
		list, err = s.EvidenceDifferences(t.Context(), "")
		if len(result(t, list, err)) != 1 || list[0].Subject != "b" {
			t.Errorf("%+v", list)
		}
		looks, err := s.EvidenceLooks(t.Context())
		if none, noErr := s.EvidenceLook(t.Context(), "github:2"); len(result(t, looks, err)) != 1 || noErr != nil || !none.At.IsZero() {
			t.Errorf("%+v %+v %v", looks, none, noErr)
		}
	})
}

// A push in the log whose task the database does not have is found from the log's side.
func TestPushesOfTasksWithoutARecordAreFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		have, _ := proposed(t, s)
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			if err := tx.Audit(ctx, entry(t, audit.PushDone, have.ID)); err != nil {
				return err
			}
			return tx.Audit(ctx, entry(t, audit.PushDone, "aaaaaaaaaaaa"))
		})
		list, err := s.TasksWithoutRecord(t.Context(), 10)
		if len(result(t, list, err)) != 1 || list[0].Task != "aaaaaaaaaaaa" {
			t.Errorf("%+v", list)
		}
		landed, err := s.LandedTasks(t.Context(), have.Repository.Key(), "", 10)
		if n, countErr := s.CountLandedTasks(t.Context(), have.Repository.Key()); err != nil || countErr != nil || n != len(landed) {
			t.Errorf("%d %d %v %v", n, len(landed), err, countErr)
		}
	})
}
