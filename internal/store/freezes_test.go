package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func freezing(t *testing.T, s *store.Store, id, resource string) (stands freeze.Freeze, fresh bool) {
	t.Helper()
	inTx(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
		stands, fresh, err = tx.Freeze(ctx, freeze.Freeze{ID: id, Resource: resource, Reason: "why", By: "github:1", Login: "ann"})
		return err
	})
	return stands, fresh
}

func thawing(t *testing.T, s *store.Store, resource string) (f freeze.Freeze, was bool) {
	t.Helper()
	inTx(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
		f, was, err = tx.Thaw(ctx, resource)
		return err
	})
	return f, was
}

func TestAFreezeStandsOnceUntilItIsThawed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		began := time.Now().Add(-time.Second)
		first, fresh := freezing(t, s, "f1", freeze.Environment("staging"))
		if !fresh || first.ID != "f1" {
			t.Fatalf("%+v, %v", first, fresh)
		}
		if again, fresh := freezing(t, s, "f2", freeze.Environment("staging")); fresh || again.ID != "f1" {
			t.Errorf("again: %+v, %v", again, fresh)
		}
		freezing(t, s, "f3", freeze.Server)
		set, err := s.Freezes(t.Context())
		if err != nil || len(set) != 2 || set[0].Reason != "why" || set[0].Login != "ann" || set[0].At.Before(began) {
			t.Fatalf("%+v, %v", set, err)
		}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			within, err := tx.FreezesInForce(ctx)
			if !within.Same(set) {
				t.Errorf("in a transaction: %+v", within)
			}
			return err
		})
		if f, was := thawing(t, s, freeze.Environment("staging")); !was || f.ID != "f1" || f.ThawedAt.IsZero() {
			t.Errorf("thawed %+v, %v", f, was)
		}
		if _, was := thawing(t, s, freeze.Environment("staging")); was {
			t.Error("thawed twice")
		}
		if set, _ := s.Freezes(t.Context()); len(set) != 1 || set.Refuse("staging") == nil {
			t.Errorf("the server's freeze went with the environment's: %+v", set)
		}
		thawing(t, s, freeze.Server)
		if _, fresh := freezing(t, s, "f4", freeze.Environment("staging")); !fresh {
			t.Error("a thawed environment cannot be frozen again")
		}
		past, err := s.FreezesSince(t.Context(), began, "staging")
		if err != nil || len(past) != 3 {
			t.Errorf("since then %+v, %v", past, err)
		}
		if past, _ := s.FreezesSince(t.Context(), time.Now().Add(time.Hour), "staging"); len(past) != 1 {
			t.Errorf("later %+v", past)
		}
	})
}

// Whoever is in the middle of a step when the freeze comes changes no state any more;
// nobody else is disturbed.
func TestAFreezeTakesTheEpochOfWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		inside, elsewhere := newTask(), newTask()
		elsewhere.Environment = "production"
		deploys, approval := approvedTask(t, s) // in staging
		deployment(t, s, deploys, approval, deploy.Run{ID: "into", Environment: "test", Profile: "p"})
		held := func(id task.ID) task.Task {
			v, err := s.Lease(t.Context(), id, "node", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		save := func(v task.Task) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &v) })
		}
		a, b, c := held(insertTask(t, s, inside).ID), held(insertTask(t, s, elsewhere).ID), held(deploys.ID)
		freezing(t, s, "f1", freeze.Environment("test"))
		if err := save(a); err != nil {
			t.Errorf("another environment: %v", err)
		}
		if err := save(c); !errors.Is(err, task.ErrStale) {
			t.Errorf("the task of a deployment into it: %v", err)
		}
		a.Epoch++
		freezing(t, s, "f2", freeze.Environment("staging"))
		if err := save(a); !errors.Is(err, task.ErrStale) {
			t.Errorf("a step in it: %v", err)
		}
		if err := save(b); err != nil {
			t.Errorf("another environment: %v", err)
		}
		b.Epoch++
		freezing(t, s, "f3", freeze.Server)
		if err := save(b); !errors.Is(err, task.ErrStale) {
			t.Errorf("the whole server: %v", err)
		}
	})
}

// The hour that a deployment has for its start, and the day for being prepared, begin
// anew with the thaw.
func TestTimeStandsStillForDeploymentsThatWait(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		run := deployment(t, s, v, approval, deploy.Run{ID: "made", Environment: "production", Profile: "p"})
		claim(t, s, run.ID)
		run.State = deploy.Created
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveRun(ctx, run) })
		before, err := s.Deployment(t.Context(), run.ID)
		if err != nil {
			t.Fatal(err)
		}
		freezing(t, s, "f1", freeze.Environment("staging")) // the task's own: its deployments wait too
		time.Sleep(2 * time.Millisecond)
		thawing(t, s, freeze.Environment("staging"))
		after, err := s.Deployment(t.Context(), run.ID)
		if err != nil || !after.ClaimedAt.After(before.ClaimedAt) || !after.StartedAt.IsZero() {
			t.Errorf("claimed at %s, then %s: %v", before.ClaimedAt, after.ClaimedAt, err)
		}
		freezing(t, s, "f2", freeze.Environment("elsewhere"))
		thawing(t, s, freeze.Environment("elsewhere"))
		if last, _ := s.Deployment(t.Context(), run.ID); !last.ClaimedAt.Equal(after.ClaimedAt) {
			t.Error("a freeze elsewhere moved the clock")
		}
	})
}
