package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func advanceJob(id task.ID) queue.Job { return queue.Job{Kind: queue.Advance, Key: string(id)} }

// presence is what of a task a test finds in the database.
type presence struct {
	task        bool
	jobs, audit int
}

func contents(t *testing.T, s *store.Store, id task.ID) (p presence) {
	t.Helper()
	_, err := s.Task(t.Context(), id)
	if err != nil && !errors.Is(err, task.ErrNotFound) {
		t.Fatal(err)
	}
	p.task = err == nil
	entries, err := s.AuditEntries(t.Context(), store.AuditFilter{Task: string(id)})
	p.audit = len(result(t, entries, err))
	p.jobs = jobs(t, s)
	return p
}

// jobs counts the jobs in the database.
func jobs(t *testing.T, s *store.Store) (n int) {
	t.Helper()
	if err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM river_job").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestThreat02OneDeliveryAHundredTimesAtOnceIsStoredOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := forge.Delivery{ID: "72d3162e-cc78-11e3-81ab-4c9367dc0958", Host: forge.GitHub, Event: "issue_comment"}
		stored, errs := together(t, 100, func(int) (fresh bool, err error) {
			err = s.InTx(t.Context(), func(tx *store.Tx) error {
				if fresh, err = insertDelivery(t.Context(), tx, d); err != nil || !fresh {
					return err
				}
				if err := tx.Enqueue(t.Context(), queue.Job{Kind: queue.Deliver, Key: d.ID}); err != nil {
					return err
				}
				return tx.Audit(t.Context(), entry(t, audit.DeliveryAccepted, ""))
			})
			return fresh, err
		})
		if stored != 1 || len(errs) > 0 {
			t.Errorf("stored %d times, errors %v", stored, errs)
		}
		if n := jobs(t, s); n != 1 {
			t.Errorf("%d jobs, want 1", n)
		}
	})
}

func TestThreat03OneCauseUnderManyDeliveriesMakesOneTask(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		made, errs := together(t, 20, func(int) (fresh bool, err error) {
			v := newTask()
			v.TriggerKey = "comment:42"
			err = s.InTx(t.Context(), func(tx *store.Tx) error {
				fresh, err = tx.InsertTask(t.Context(), v)
				return err
			})
			return fresh, err
		})
		all, err := s.Tasks(t.Context(), store.TaskFilter{})
		if made != 1 || len(errs) > 0 || len(result(t, all, err)) != 1 {
			t.Errorf("%d tasks made, %d stored, errors %v", made, len(all), errs)
		}
	})
}

func TestThreat51OfTwoApprovalsOfOneRevisionAtOnceOneIsInForce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, p := proposed(t, s)
		approved, errs := together(t, 10, func(i int) (bool, error) {
			mine, record := v, newApproval(p, fmt.Sprint("review-", i))
			mine.State, mine.ApprovalID = task.Approved, record.ID
			err := s.InTx(t.Context(), func(tx *store.Tx) error {
				if err := tx.SaveTask(t.Context(), &mine); err != nil {
					return err
				}
				_, err := tx.InsertApproval(t.Context(), record)
				return err
			})
			return err == nil, err
		})
		for _, err := range errs {
			if !errors.Is(err, task.ErrStale) {
				t.Errorf("a loser's error: %v", err)
			}
		}
		records, err := s.Approvals(t.Context(), v.ID)
		if approved != 1 || len(result(t, records, err)) != 1 {
			t.Errorf("%d approved, %d stored", approved, len(records))
		}
	})
}

// Even without the task's own guard there is one approval in force.
func TestThreat51TheTableHoldsOneApprovalInForce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, p := proposed(t, s)
		stored, errs := together(t, 10, func(i int) (bool, error) {
			return insertApproval(t, s, newApproval(p, fmt.Sprint("review-", i%3)))
		})
		if stored != 1 || len(errs) > 0 {
			t.Errorf("stored %d, errors %v", stored, errs)
		}
	})
}

func insertApproval(t *testing.T, s *store.Store, r approval.Record) (fresh bool, err error) {
	t.Helper()
	err = s.InTx(t.Context(), func(tx *store.Tx) error {
		fresh, err = tx.InsertApproval(t.Context(), r)
		return err
	})
	return fresh, err
}

func TestThreat44AnApprovalThatFellStaysVoidAndMakesRoomForANewOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, p := proposed(t, s)
		first, second := newApproval(p, "first"), newApproval(p, "second")
		move := func(to task.State, id string) {
			t.Helper()
			v.State, v.ApprovalID = to, id
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &v) })
		}
		store1, err := insertApproval(t, s, first)
		if !result(t, store1, err) {
			t.Fatal("the first approval was not stored")
		}
		move(task.Approved, first.ID)
		if fresh, err := insertApproval(t, s, second); fresh || err != nil {
			t.Fatalf("a second approval beside the one in force: %t, %v", fresh, err)
		}
		move(task.Proposed, "") // the first one was dismissed
		if fresh, err := insertApproval(t, s, first); fresh || err != nil {
			t.Errorf("the void approval came back: %t, %v", fresh, err)
		}
		if fresh, err := insertApproval(t, s, second); !fresh || err != nil {
			t.Errorf("a new approval after the first fell: %t, %v", fresh, err)
		}
		records, err := s.Approvals(t.Context(), v.ID)
		if len(result(t, records, err)) != 2 {
			t.Errorf("%d approvals are kept, want 2", len(records))
		}
	})
}

// At becomes both dates of the commit: a retry must make the same commit id.
func TestTheTimeOfAnApprovalComesBackExactly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, p := proposed(t, s)
		r := newApproval(p, "review")
		r.At = time.Date(2026, 10, 25, 2, 30, 59, 0, time.FixedZone("CEST", 7200)).Truncate(time.Second)
		if _, err := insertApproval(t, s, r); err != nil {
			t.Fatal(err)
		}
		got, err := s.Approval(t.Context(), r.ID)
		if at := result(t, got, err).At; !at.Equal(r.At) || at.Location() != time.UTC || at.Nanosecond() != 0 {
			t.Errorf("%s came back as %s", r.At, at)
		}
	})
}

func TestAProposalIsStoredOnceAndItsCarrierSetOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, p := proposed(t, s)
		changed := p
		changed.Tree = "t1"
		changed.Digest = changed.ComputeDigest()
		forged := p
		forged.Tree = "t2"
		insert := func(p task.Proposal) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertProposal(ctx, p) })
		}
		if err := insert(p); err != nil {
			t.Errorf("the same proposal again: %v", err)
		}
		if err := insert(changed); !errors.Is(err, task.ErrStale) {
			t.Errorf("another proposal under the same revision: %v", err)
		}
		if err := insert(forged); !errors.Is(err, task.ErrDigest) {
			t.Errorf("a proposal without its digest: %v", err)
		}
		carrier := func(revision int, commit string) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SetCarrier(ctx, v.ID, revision, commit) })
		}
		if err := errors.Join(carrier(1, "c0"), carrier(1, "c0")); err != nil {
			t.Errorf("the same carrier twice: %v", err)
		}
		if err := carrier(1, "c1"); !errors.Is(err, task.ErrStale) {
			t.Errorf("another carrier: %v", err)
		}
		if err := carrier(2, "c0"); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("the carrier of an unknown revision: %v", err)
		}
		if err := insert(newProposal(v.ID, 2)); err != nil {
			t.Fatal(err)
		}
		newest, err := s.Proposal(t.Context(), v.ID)
		if result(t, newest, err).Revision != 2 {
			t.Errorf("the newest revision is %d", newest.Revision)
		}
		all, err := s.Proposals(t.Context(), v.ID)
		if len(result(t, all, err)) != 2 || all[0].Carrier != "c0" {
			t.Errorf("the revisions are %+v", all)
		}
	})
}
