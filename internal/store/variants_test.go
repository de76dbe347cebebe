package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// group stores n variants of one request, each proposed.
func group(t *testing.T, s *store.Store, n int) []task.Task {
	t.Helper()
	var all []task.Task
	for i := range n {
		v := newTask()
		if i == 0 {
			v.Group = v.ID
		} else {
			v.Group = all[0].ID
		}
		v.Variant, v.Place, v.Places = string(rune('a'+i)), i+1, n
		all = append(all, storetest.TaskIn(t, s, v, task.Proposed))
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertProposal(ctx, newProposal(v.ID, 1)) })
	}
	return all
}

func approve(ctx context.Context, s *store.Store, v task.Task) error {
	return s.InTx(ctx, func(tx *store.Tx) error {
		v.State = task.Approved
		if err := tx.SaveTask(ctx, &v); err != nil {
			return err
		}
		_, err := tx.InsertApproval(ctx, newApproval(newProposal(v.ID, 1), "1"))
		return err
	})
}

// Threats 44: of several variants that are approved at the same moment, one is.
func TestThreat44OfVariantsApprovedAtOnceOneIs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for range 5 {
			all := group(t, s, 4)
			won, errs := together(t, len(all), func(i int) (bool, error) {
				err := approve(t.Context(), s, all[i])
				return err == nil, err
			})
			for _, err := range errs {
				if !errors.Is(err, task.ErrReplaced) {
					t.Errorf("a loser's error: %v", err)
				}
			}
			if won != 1 {
				t.Fatalf("%d variants of one request were approved", won)
			}
			inForce, err := s.Variants(t.Context(), all[0].Group)
			if err != nil || len(inForce) != len(all) {
				t.Fatalf("%d variants, %v", len(inForce), err)
			}
			approvals, chosen := 0, task.ID("")
			for i, v := range inForce {
				if v.ID != all[i].ID {
					t.Errorf("place %d is that of %s", i+1, v.ID)
				}
				list, err := s.Approvals(t.Context(), v.ID)
				if approvals += len(list); err != nil {
					t.Fatal(err)
				}
				if v.State == task.Approved {
					chosen = v.ID
				}
			}
			for _, v := range inForce {
				if v.ID != chosen && v.ReplacedBy != chosen || v.ID == chosen && v.ReplacedBy != "" {
					t.Errorf("%s (%s) is replaced by %q, chosen is %s", v.ID, v.State, v.ReplacedBy, chosen)
				}
			}
			if approvals != 1 {
				t.Errorf("%d approvals", approvals)
			}
		}
	})
}

func TestATaskInWhosePlaceAnotherCameIsNotApproved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, _ := proposed(t, s)
		for i, want := range []bool{true, false} { // the first that took its place stays
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				fresh, err := tx.Replace(ctx, v.ID, []task.ID{"aaaaaaaaaaaa", "bbbbbbbbbbbb"}[i])
				if fresh != want {
					t.Errorf("replaced %t", fresh)
				}
				return err
			})
		}
		if err := approve(t.Context(), s, v); !errors.Is(err, task.ErrReplaced) {
			t.Errorf("approving it: %v", err)
		}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &v) })
		if v.ReplacedBy != "aaaaaaaaaaaa" {
			t.Errorf("its holder learns of %q", v.ReplacedBy)
		}
		v.State = task.Superseded
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &v) })
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { _, err := tx.Replace(ctx, v.ID, v.ID); return err }); err == nil {
			t.Error("a task took its own place")
		}
	})
}

// One whose approval was recorded before its place was taken can still be written
// until its next step ends it, and the approval that fell can come again.
func TestAnApprovedVariantGoesOn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		all := group(t, s, 2)
		v := all[0]
		save := func(state task.State) {
			v.State = state
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &v) })
		}
		save(task.Approved)
		save(task.Proposed) // its approval fell
		if err := approve(t.Context(), s, all[1]); !errors.Is(err, task.ErrReplaced) {
			t.Errorf("the other variant is approved: %v", err)
		}
		save(task.Approved)
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Replace(ctx, v.ID, "aaaaaaaaaaaa")
			return err
		})
		v.Reported = task.Approved
		save(task.Approved)
		save(task.Superseded)
	})
}
