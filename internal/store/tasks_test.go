package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// Every pair of states is tried, so that the UPDATE's guard is exactly the table.
func TestAStateIsReachedOnlyAlongTheTable(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, from := range task.States() {
			for _, to := range append(task.States(), "", "invented") {
				err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tryMove(ctx, tx, from, to) })
				if errors.Is(err, errAbort) {
					err = nil // moved; undone to save time
				}
				permitted := from == to || task.CanMove(from, to)
				var refused *task.TransitionError
				if permitted && err != nil {
					t.Errorf("%s → %s is in the table and fails: %v", from, to, err)
				}
				if !permitted && (!errors.As(err, &refused) || refused.From != from || refused.To != to) {
					t.Errorf("%s → %s is not in the table and ends with: %v", from, to, err)
				}
			}
		}
	})
}

// tryMove takes a new task to a state and from there to another.
func tryMove(ctx context.Context, tx *store.Tx, from, to task.State) error {
	v := newTask()
	if _, err := tx.InsertTask(ctx, v); err != nil {
		return err
	}
	for _, next := range append(storetest.Way(from), to) {
		v.State = next
		if err := tx.SaveTask(ctx, &v); err != nil {
			return err
		}
	}
	return errAbort
}

func TestATaskBeginsQueued(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, state := range task.States()[1:] {
			v := newTask()
			v.State = state
			err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.InsertTask(ctx, v)
				return err
			})
			var refused *task.TransitionError
			if !errors.As(err, &refused) {
				t.Errorf("a new task in state %s: %v", state, err)
			}
		}
	})
}

func TestFault28AWriteUnderAnOldEpochIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		mine := insertTask(t, s, newTask())
		theirs := mine
		save := func(v *task.Task) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, v) })
		}
		theirs.State = task.Preparing
		if err := save(&theirs); err != nil {
			t.Fatal(err)
		}
		if theirs.Epoch != mine.Epoch+1 {
			t.Errorf("the epoch went from %d to %d", mine.Epoch, theirs.Epoch)
		}
		mine.State = task.Cancelled // in the table from both states
		if err := save(&mine); !errors.Is(err, task.ErrStale) {
			t.Errorf("the old epoch's write ended with %v", err)
		}
		missing := newTask()
		if err := save(&missing); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("saving an unknown task ended with %v", err)
		}
	})
}

func TestFault28OfManyWritersOfOneEpochOneWins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v := insertTask(t, s, newTask())
		won, errs := together(t, 20, func(int) (bool, error) {
			mine := v
			mine.State = task.Preparing
			err := s.InTx(t.Context(), func(tx *store.Tx) error { return tx.SaveTask(t.Context(), &mine) })
			return err == nil, err
		})
		for _, err := range errs {
			if !errors.Is(err, task.ErrStale) {
				t.Errorf("a loser's error: %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d writers won", won)
		}
	})
}

func TestARequestToCancelDisturbsNobodyAndIsNeverLost(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		held := insertTask(t, s, newTask())
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.RequestCancel(ctx, held.ID) })
		held.State = task.Preparing // by the holder, who does not know yet
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &held) })
		if !held.CancelRequested {
			t.Error("the holder does not learn of the request when it saves")
		}
		got, err := s.Task(t.Context(), held.ID)
		if !result(t, got, err).CancelRequested {
			t.Error("saving the task lost the request")
		}
		err = try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.RequestCancel(ctx, "unknown") })
		if !errors.Is(err, task.ErrNotFound) {
			t.Errorf("cancelling an unknown task: %v", err)
		}
	})
}

func TestListsOfTasks(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, _ *clock) { // all in the same microsecond
		other := newTask()
		other.Repository.ID = "99"
		first, running := insertTask(t, s, newTask()), newTask()
		running.PullRequest = 8
		running = storetest.TaskIn(t, s, running, task.Running)
		reported := newTask()
		reported.Reported = task.Done
		storetest.TaskIn(t, s, reported, task.Done)
		unreported := storetest.TaskIn(t, s, newTask(), task.Failed)
		other = insertTask(t, s, other)

		open, err := s.OpenTasks(t.Context())
		wantIDs(t, "open tasks", result(t, open, err), first.ID, running.ID, unreported.ID, other.ID)

		byIssue, err := s.LatestTask(t.Context(), repository, forge.IssueTopic(7))
		wantIDs(t, "latest of the issue", []task.Task{result(t, byIssue, err)}, unreported.ID)
		byPull, err := s.LatestTask(t.Context(), repository, forge.PullTopic(8))
		wantIDs(t, "latest of the pull request", []task.Task{result(t, byPull, err)}, running.ID)
		for _, nothing := range []forge.Topic{{}, forge.PullTopic(0), forge.IssueTopic(9), forge.IssueTopic(8), forge.PullTopic(7)} {
			if _, err := s.LatestTask(t.Context(), repository, nothing); !errors.Is(err, task.ErrNotFound) {
				t.Errorf("latest task of %s: %v", nothing, err)
			}
		}
		renamed := forge.RepositoryRef{Host: repository.Host, ID: repository.ID, Owner: "new", Name: "name"}
		if _, err := s.LatestTask(t.Context(), renamed, forge.IssueTopic(7)); err != nil {
			t.Errorf("after the repository was renamed: %v", err)
		}

		for name, c := range map[string]struct {
			filter store.TaskFilter
			want   []task.ID
		}{
			"all, newest first": {store.TaskFilter{}, []task.ID{other.ID, unreported.ID, reported.ID, running.ID, first.ID}},
			"by state":          {store.TaskFilter{States: []task.State{task.Running, task.Done}}, []task.ID{reported.ID, running.ID}},
			"by repository":     {store.TaskFilter{Repository: other.Repository}, []task.ID{other.ID}},
			"by environment":    {store.TaskFilter{Environments: []string{"production"}}, nil},
			"no environment":    {store.TaskFilter{Environments: []string{}}, nil},
			"a page":            {store.TaskFilter{Limit: 2, Offset: 1}, []task.ID{unreported.ID, reported.ID}},
		} {
			got, err := s.Tasks(t.Context(), c.filter)
			wantIDs(t, name, result(t, got, err), c.want...)
		}
	})
}

func wantIDs(t *testing.T, what string, got []task.Task, want ...task.ID) {
	t.Helper()
	ids := make([]task.ID, 0, len(got))
	for _, v := range got {
		ids = append(ids, v.ID)
	}
	if len(ids) != len(want) {
		t.Errorf("%s: %v, want %v", what, ids, want)
		return
	}
	for i := range ids {
		if ids[i] != want[i] {
			t.Errorf("%s: %v, want %v", what, ids, want)
			return
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, errTask := s.Task(ctx, "x")
		_, errProposal := s.Proposal(ctx, "x")
		_, errApproval := s.Approval(ctx, "x")
		_, errDelivery := s.Delivery(ctx, "x")
		_, errActive := s.ActiveManifest(ctx)
		_, errVersion := s.ManifestVersion(ctx, "x")
		for name, err := range map[string]error{
			"task": errTask, "proposal": errProposal, "approval": errApproval, "delivery": errDelivery,
			"manifest": errActive, "manifest version": errVersion,
		} {
			if !errors.Is(err, task.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAFailedTransactionLeavesNeitherRowNorJobNorAuditEntry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v := newTask()
		everything := func(ctx context.Context, tx *store.Tx) error {
			if _, err := tx.InsertTask(ctx, v); err != nil {
				return err
			}
			if err := tx.Enqueue(ctx, advanceJob(v.ID)); err != nil {
				return err
			}
			return tx.Audit(ctx, entry(t, audit.TaskCreated, v.ID))
		}
		err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(everything(ctx, tx), errAbort)
		})
		if !errors.Is(err, errAbort) {
			t.Fatal(err)
		}
		if got := contents(t, s, v.ID); got != (presence{}) {
			t.Errorf("after a rollback: %+v", got)
		}
		inTx(t, s, everything)
		if got := contents(t, s, v.ID); got != (presence{task: true, jobs: 1, audit: 1}) {
			t.Errorf("after a commit: %+v", got)
		}
	})
}

func TestAPanicInATransactionLeavesNothingAndTheStoreUsable(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v := newTask()
		func() {
			defer func() { _ = recover() }()
			_ = s.InTx(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.InsertTask(t.Context(), v); err != nil {
					t.Error(err)
				}
				panic("a bug")
			})
		}()
		if got := contents(t, s, v.ID); got != (presence{}) {
			t.Errorf("after a panic: %+v", got)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
