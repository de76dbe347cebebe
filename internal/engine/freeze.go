package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderflow/coderflow/internal/freeze"
)

// Times of following freezes. Somebody who froze something is told so when the
// database has it; every node has seen it one look later.
const (
	freezeLook = 250 * time.Millisecond
	freezeRead = 2 * time.Second // for one reading
	// freezeBlind is how long freezes may be unreadable until this node acts as if
	// everything was frozen: another node may have been told to stop.
	freezeBlind = 5 * time.Second
)

// FreezeReader reads what is frozen.
type FreezeReader interface {
	Freezes(ctx context.Context) (freeze.Set, error)
}

// Freezes knows what is frozen, and stops what is under way when that changes. What
// must not happen after a freeze asks the database itself, with [Freezes.Unfrozen];
// what is remembered here only makes what is in flight end soon.
type Freezes struct {
	store FreezeReader
	now   func() time.Time

	mu    sync.Mutex
	set   freeze.Set
	at    time.Time // of the last reading that worked; of the beginning, before there was one
	blind error     // why the freezes cannot be read, once that is so for too long
	holds map[*freezeHold]bool

	// resumed are the moments at which containers of this node were let go on, by their
	// names. A process that starts knows none of those before.
	resumed map[string][]time.Time

	environments sync.Map     // whose freeze covers a task or deployment, by its id
	paused       atomic.Int64 // containers of this node, at the last look
	failing      atomic.Bool  // the last look; for the log
}

// errUnread is that nobody has read yet what is frozen.
var errUnread = errors.New("it was not read yet what is frozen")

// freezeHold is one step that is under way.
type freezeHold struct {
	environments []string
	cancel       context.CancelCauseFunc
}

// NewFreezes knows nothing yet, so that everything counts as frozen; [Freezes.Look]
// reads what is.
func NewFreezes(store FreezeReader, now func() time.Time) *Freezes {
	return &Freezes{store: store, now: now, at: now(), blind: errUnread, holds: map[*freezeHold]bool{}, resumed: map[string][]time.Time{}}
}

// nothingFrozen is for an engine that was given nothing to ask.
type nothingFrozen struct{}

func (nothingFrozen) Freezes(context.Context) (freeze.Set, error) { return nil, nil }

func neverFrozen() *Freezes {
	return &Freezes{store: nothingFrozen{}, now: time.Now, holds: map[*freezeHold]bool{}, resumed: map[string][]time.Time{}}
}

// Unfrozen asks the database. It fails with a *freeze.Error if one of the
// environments, or the whole server, is frozen, or if that cannot be read.
func (f *Freezes) Unfrozen(ctx context.Context, environments ...string) error {
	set, err := f.read(ctx)
	if stopped := (*freeze.Error)(nil); errors.As(context.Cause(ctx), &stopped) {
		return stopped
	}
	if err != nil {
		return &freeze.Error{Cause: err}
	}
	return set.Refuse(environments...)
}

func (f *Freezes) read(ctx context.Context) (freeze.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, freezeRead)
	defer cancel()
	return f.store.Freezes(ctx)
}

// Hold begins a step in the environments. Its context ends, with a *freeze.Error as
// the cause, when one of them is frozen. It fails with one if that is so already:
// the step is known here before the database is asked, so that no freeze falls
// between the two.
func (f *Freezes) Hold(ctx context.Context, environments ...string) (context.Context, func(), error) {
	ctx, cancel := context.WithCancelCause(ctx)
	hold := &freezeHold{environments: environments, cancel: cancel}
	f.mu.Lock()
	f.holds[hold] = true
	f.mu.Unlock()
	release := func() {
		f.mu.Lock()
		delete(f.holds, hold)
		f.mu.Unlock()
		cancel(nil)
	}
	if err := f.Unfrozen(ctx, environments...); err != nil {
		release()
		return ctx, func() {}, err
	}
	return ctx, release, nil
}

// Known is what was read last. It fails with a *freeze.Error if an environment is
// frozen, or if that could not be read for too long.
func (f *Freezes) Known(environments ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blind != nil {
		return &freeze.Error{Cause: f.blind}
	}
	return f.set.Refuse(environments...)
}

// InForce is every freeze that is known; an error if they could not be read for too long.
func (f *Freezes) InForce() (freeze.Set, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blind != nil {
		return slices.Clone(f.set), &freeze.Error{Cause: f.blind}
	}
	return slices.Clone(f.set), nil
}

// Containers is how many containers of this node are in the scope of a freeze.
func (f *Freezes) Containers() int64 { return f.paused.Load() }

// Look reads what is frozen, and ends the steps that are under way there. It returns
// what came into force and what was lifted since the last look that worked.
func (f *Freezes) Look(ctx context.Context) (came, lifted freeze.Set, err error) {
	set, err := f.read(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if f.now().Sub(f.at) > freezeBlind && ctx.Err() == nil {
			f.blind = err
			f.end(func(*freezeHold) error { return &freeze.Error{Cause: err} })
		}
		return nil, nil, fmt.Errorf("read what is frozen: %w", err)
	}
	came, lifted = without(set, f.set), without(f.set, set)
	f.set, f.at, f.blind = set, f.now(), nil
	f.end(func(h *freezeHold) error { return set.Refuse(h.environments...) })
	return came, lifted, nil
}

func without(set, other freeze.Set) freeze.Set {
	return slices.DeleteFunc(slices.Clone(set), func(f freeze.Freeze) bool {
		return slices.ContainsFunc(other, func(o freeze.Freeze) bool { return o.ID == f.ID })
	})
}

// end ends the steps for which there is a reason.
func (f *Freezes) end(why func(*freezeHold) error) {
	for _, hold := range slices.Collect(maps.Keys(f.holds)) {
		if err := why(hold); err != nil {
			hold.cancel(err)
			delete(f.holds, hold)
		}
	}
}

// frozenBy finds the freeze that ended a step, if one did: in its error, or in what
// ended its context.
func frozenBy(ctx context.Context, err error) *freeze.Error {
	frozen := (*freeze.Error)(nil)
	if err != nil && (errors.As(err, &frozen) || errors.As(context.Cause(ctx), &frozen)) {
		return frozen
	}
	return nil
}
