package engine

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// What a step that a freeze ended says of itself is no failure of its job: whoever
// thaws has it looked at. Where nobody can tell, the job asks again.
func TestAStepThatAFreezeEndsHasNotFailed(t *testing.T) {
	t.Parallel()
	db := &iceStore{}
	e := New(Options{Store: db, Freezes: NewFreezes(db, time.Now), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	killed := errors.New("git push: signal: killed")
	step := func(f func(context.Context)) error {
		return e.unlessFrozen(t.Context(), &work{t: task.Task{Environment: "staging"}}, func(ctx context.Context, _ *work) error {
			f(ctx)
			return killed
		})
	}
	if err := step(func(context.Context) {}); !errors.Is(err, killed) {
		t.Errorf("without a freeze: %v", err)
	}
	frozen := func(ctx context.Context) {
		db.put(nil, "environment/staging")
		_, _, _ = e.Freezes.Look(t.Context())
		if ctx.Err() == nil {
			t.Error("the step goes on")
		}
	}
	if err := step(frozen); err != nil {
		t.Errorf("frozen in the middle: %v", err)
	}
	if err := step(func(context.Context) { t.Error("a step began in what is frozen") }); err != nil {
		t.Errorf("frozen before: %v", err)
	}
	db.put(errors.New("no database"))
	again := (*queue.AgainError)(nil)
	if err := step(func(context.Context) { t.Error("a step began though nobody can tell") }); !errors.As(err, &again) {
		t.Errorf("unreadable: %v", err)
	}
}

// iceTx is a transaction that finds a freeze.
type iceTx struct {
	Tx
	set      freeze.Set
	inserted bool
}

func (x *iceTx) FreezesInForce(context.Context) (freeze.Set, error) { return x.set, nil }

func (x *iceTx) InsertTask(context.Context, task.Task) (bool, error) {
	x.inserted = true
	return false, nil
}

// The request was permitted before the freeze and is stored after it: it is not.
func TestNoTaskIsMadeAfterTheFreezeThatItDidNotSee(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string]bool{"environment/staging": false, freeze.Server: false, "environment/production": true} {
		tx := &iceTx{set: freeze.Set{{ID: "1", Resource: resource}}}
		err := New(Options{}).create(t.Context(), tx, task.Task{Environment: "staging"}, nil)
		if tx.inserted != want || (frozenBy(t.Context(), err) == nil) != want {
			t.Errorf("%s: inserted %v, %v", resource, tx.inserted, err)
		}
	}
}

// iceBox counts how often a container is stopped.
type iceBox struct {
	Sandbox
	stopped int
}

func (b *iceBox) Stop(context.Context, string) error { b.stopped++; return nil }

type noWays struct{ Models }

func (noWays) Close(context.Context, task.ID) error { return nil }

type noSecrets struct{ Secrets }

func (noSecrets) Tripwire(context.Context, string) (*secret.Tripwire, error) { return nil, nil }

func (s *iceStore) FreezesSince(context.Context, time.Time, ...string) ([]freeze.Freeze, error) {
	return s.set, nil
}

func (s *iceStore) InTx(context.Context, func(Tx) error) error { return nil }

func TestTheTimeOfAFreezeDoesNotMakeAContainerOverdue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	set := &manifest.Set{Environments: map[string]manifest.Environment{"staging": {Name: "staging"}}}
	longest := set.Environments["staging"].Limits.Sandbox().Longest() + stopMargin
	for name, row := range map[string]struct {
		past   time.Duration // beyond the deadline, by the clock
		frozen time.Duration // of that
		stops  int
	}{
		"in time": {-time.Minute, 0, 0}, "overdue": {time.Minute, 0, 1},
		"frozen for longer": {time.Hour, time.Hour + 5*time.Second, 0}, "frozen for less": {time.Hour, time.Minute, 1},
	} {
		db, box := &iceStore{}, &iceBox{}
		if row.frozen > 0 {
			db.set = freeze.Set{{ID: "1", Resource: freeze.Server, At: now.Add(-row.frozen - time.Second), ThawedAt: now.Add(-time.Second)}}
		}
		started := now.Add(-longest - row.past)
		e := New(Options{Store: db, Sandbox: box, Models: noWays{}, Secrets: noSecrets{}, Manifests: fixedManifests{set},
			Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
		err := e.stillRunning(t.Context(), &work{t: task.Task{ID: "aaaaaaaaaaaa", Environment: "staging"}}, sandbox.Status{State: sandbox.StateRunning, StartedAt: started})
		if err != nil || box.stopped != row.stops {
			t.Errorf("%s: stopped %d times, %v", name, box.stopped, err)
		}
	}
}

// Thawed while the server was down: the container is found paused, and has its time.
func TestAThawThatNobodyFollowedDoesNotMakeAContainerOverdue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	set := &manifest.Set{Environments: map[string]manifest.Environment{"staging": {Name: "staging"}}}
	longest := set.Environments["staging"].Limits.Sandbox().Longest() + stopMargin
	frozen := now.Add(-3 * time.Hour)
	db, box := &iceStore{}, &iceBox{}
	db.set = freeze.Set{{ID: "1", Resource: freeze.Server, At: frozen, ThawedAt: now.Add(-2 * time.Hour)}}
	pauser := &icePauser{}
	e := New(Options{Store: db, Pauser: pauser, Sandbox: box, Models: noWays{}, Secrets: noSecrets{}, Manifests: fixedManifests{set},
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	w := &work{t: task.Task{ID: "aaaaaaaaaaaa", Environment: "staging"}}
	w.t.Run.Container = "agent"
	status := sandbox.Status{Name: "agent", State: sandbox.StateRunning, Paused: true, StartedAt: frozen.Add(5*time.Second - longest)}
	look := func(stops int) {
		t.Helper()
		if err := e.stillRunning(t.Context(), w, status); err != nil || box.stopped != stops {
			t.Errorf("stopped %d times, want %d: %v", box.stopped, stops, err)
		}
	}
	pauser.broken = errors.New("no engine")
	if err := e.stillRunning(t.Context(), w, status); err == nil || box.stopped != 0 {
		t.Errorf("stays paused: stopped %d times, %v", box.stopped, err)
	}
	pauser.broken = nil
	now = now.Add(time.Hour)
	look(0)
	status.Paused = false
	now = now.Add(4 * time.Second)
	look(0)
	now = now.Add(2 * time.Second)
	look(1)
}
