package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

const ttl = time.Minute

func TestFault28OfTwentyWorkersOneGetsTheLease(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for name, owner := range map[string]func(int) string{
			"of different nodes": func(i int) string { return fmt.Sprint("node-", i) },
			"of one node":        func(int) string { return "node" },
		} {
			v := insertTask(t, s, newTask())
			got, errs := together(t, 20, func(i int) (bool, error) {
				_, err := s.Lease(t.Context(), v.ID, owner(i), ttl)
				return err == nil, err
			})
			for _, err := range errs {
				if !errors.Is(err, task.ErrLeased) {
					t.Errorf("%s: a loser's error: %v", name, err)
				}
			}
			if got != 1 {
				t.Errorf("%s: %d workers got the lease", name, got)
			}
		}
	})
}

func TestALeaseRaisesTheEpochAndFencesTheFormerOwner(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
		id := insertTask(t, s, newTask()).ID
		former, err := s.Lease(t.Context(), id, "one", ttl)
		if err != nil || former.Epoch != 1 {
			t.Fatalf("epoch %d, %v", former.Epoch, err)
		}
		c.jump(ttl + time.Second) // it was busy for too long
		if _, err := s.Lease(t.Context(), id, "two", ttl); err != nil {
			t.Fatalf("a lease that ran out was not given: %v", err)
		}
		former.State = task.Preparing
		err = try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &former) })
		if !errors.Is(err, task.ErrStale) {
			t.Errorf("the former owner's write: %v", err)
		}
		if err := s.Renew(t.Context(), id, "one", ttl); !errors.Is(err, task.ErrStale) {
			t.Errorf("the former owner renewed: %v", err)
		}
		if err := s.Release(t.Context(), id, "one"); err != nil {
			t.Errorf("the former owner's release: %v", err)
		}
		if _, err := s.Lease(t.Context(), id, "three", ttl); !errors.Is(err, task.ErrLeased) {
			t.Errorf("the former owner's release ended the new lease: %v", err)
		}
	})
}

func TestALeaseIsRenewedAndReleased(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
		id := insertTask(t, s, newTask()).ID
		if _, err := s.Lease(t.Context(), id, "one", ttl); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			c.jump(ttl * 2 / 3)
			if err := s.Renew(t.Context(), id, "one", ttl); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Lease(t.Context(), id, "two", ttl); !errors.Is(err, task.ErrLeased) {
				t.Fatalf("beside a renewed lease: %v", err)
			}
		}
		if err := s.Release(t.Context(), id, "one"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Lease(t.Context(), id, "two", ttl); err != nil {
			t.Errorf("after the release: %v", err)
		}
		if _, err := s.Lease(t.Context(), "unknown", "one", ttl); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("the lease of an unknown task: %v", err)
		}
	})
}

func TestFault27AClockThatJumpsADayNeitherBlocksATaskNorGivesItTwoOwners(t *testing.T) {
	t.Parallel()
	for name, day := range map[string]time.Duration{"forward": 24 * time.Hour, "back": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
				id := insertTask(t, s, newTask()).ID
				former, err := s.Lease(t.Context(), id, "one", ttl)
				if err != nil {
					t.Fatal(err)
				}
				c.jump(day)
				if _, err := s.Lease(t.Context(), id, "two", ttl); err != nil {
					t.Fatalf("the task is blocked: %v", err)
				}
				if _, err := s.Lease(t.Context(), id, "three", ttl); !errors.Is(err, task.ErrLeased) {
					t.Errorf("a third owner: %v", err)
				}
				former.State = task.Preparing
				err = try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &former) })
				if !errors.Is(err, task.ErrStale) {
					t.Errorf("the first owner still writes: %v", err)
				}
			})
		})
	}
}

// Two machines' clocks differ a little; that must not end leases.
func TestALeaseOfAMachineWhoseClockIsAheadHolds(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
		id := insertTask(t, s, newTask()).ID
		if _, err := s.Lease(t.Context(), id, "ahead", ttl); err != nil {
			t.Fatal(err)
		}
		c.jump(-30 * time.Second)
		if _, err := s.Lease(t.Context(), id, "behind", ttl); !errors.Is(err, task.ErrLeased) {
			t.Errorf("30 s behind: %v", err)
		}
	})
}

func TestReleaseAllEndsTheNodesLeasesOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		owners := []string{"node", "node/worker-1", "node-2", "nodes/1"}
		ids := map[string]task.ID{}
		for _, owner := range owners {
			ids[owner] = insertTask(t, s, newTask()).ID
			if _, err := s.Lease(t.Context(), ids[owner], owner, ttl); err != nil {
				t.Fatal(err)
			}
		}
		released, err := s.ReleaseAll(t.Context(), "node")
		if err != nil || released != 2 {
			t.Errorf("released %d, %v", released, err)
		}
		for _, owner := range owners {
			_, err := s.Lease(t.Context(), ids[owner], "other", ttl)
			if mine := owner == "node" || owner == "node/worker-1"; mine == errors.Is(err, task.ErrLeased) {
				t.Errorf("the lease of %s: %v", owner, err)
			}
		}
	})
}
