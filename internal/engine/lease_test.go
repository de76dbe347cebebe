package engine

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// leased is a database with one task's lease, which can be away.
type leased struct {
	Store
	owner string
	away  error
	lost  error // of the answer to the next Lease, which is done
}

func (l *leased) Lease(_ context.Context, id task.ID, owner string, _ time.Duration) (task.Task, error) {
	switch {
	case l.away != nil:
		return task.Task{}, l.away
	case l.owner != "":
		return task.Task{}, task.ErrLeased
	}
	l.owner = owner
	lost := l.lost
	l.lost = nil
	return task.Task{ID: id}, lost
}

func (l *leased) Release(_ context.Context, _ task.ID, owner string) error {
	if l.away == nil && l.owner == owner {
		l.owner = ""
	}
	return l.away
}

func (l *leased) FreezesSince(context.Context, time.Time, ...string) ([]freeze.Freeze, error) {
	return nil, l.away
}

func (l *leased) engine() *Engine {
	return New(Options{Store: l, Node: "n1", Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
}

var errAway = errors.New("the database is away")

const leasedTask task.ID = "aaaaaaaaaaaa"

func TestALeaseThatCouldNotBeGivenBackIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	l := &leased{}
	e := l.engine()
	if err := e.withTask(t.Context(), leasedTask, func(context.Context, *work) error { l.away = errAway; return errAway }); !errors.Is(err, errAway) {
		t.Fatal(err)
	}
	if l.owner == "" {
		t.Fatal("the lease was given back to a database that is away")
	}
	done := false
	work := func(context.Context, *work) error { done = true; return nil }
	if err := e.withTask(t.Context(), leasedTask, work); !errors.Is(err, errAway) || done {
		t.Errorf("while the database is away: %v, done %t", err, done)
	}
	l.away = nil
	if err := e.withTask(t.Context(), leasedTask, work); err != nil || !done || l.owner != "" {
		t.Errorf("when it is back: %v, done %t, leased by %q", err, done, l.owner)
	}
}

func TestALeaseWhoseAnswerWasLostIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	l := &leased{lost: errAway}
	e := l.engine()
	nothing := func(context.Context, *work) error { return nil }
	if err := e.withTask(t.Context(), leasedTask, nothing); !errors.Is(err, errAway) || l.owner == "" {
		t.Fatalf("%v, leased by %q", err, l.owner)
	}
	if err := e.withTask(t.Context(), leasedTask, nothing); err != nil || l.owner != "" {
		t.Errorf("%v, leased by %q", err, l.owner)
	}
}

// A worker that was too slow ends, and with it no lease but its own, now or later.
func TestALeaseThatRanOutIsNotGivenBackForTheNextOwner(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]error{"at once": nil, "when the database is back": errAway} {
		l := &leased{}
		e := l.engine()
		var next string
		err := e.withTask(t.Context(), leasedTask, func(ctx context.Context, _ *work) (err error) {
			l.owner = "" // it ran out
			_, next, err = e.lease(ctx, leasedTask)
			l.away = away
			return err
		})
		l.away = nil
		busy := (*queue.AgainError)(nil)
		third := e.withTask(t.Context(), leasedTask, func(context.Context, *work) error { return nil })
		if err != nil || !errors.As(third, &busy) || next == "" || l.owner != next {
			t.Errorf("%s: %v; a third worker beside the second: %v; leased by %q, not %q", name, err, third, l.owner, next)
		}
	}
}
