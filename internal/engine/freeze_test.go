package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// iceStore is a database with freezes, and with two tasks and a deployment.
type iceStore struct {
	Store
	mu   sync.Mutex
	set  freeze.Set
	err  error
	seen func() // called while the freezes are read, before they are given
}

func (s *iceStore) Freezes(context.Context) (freeze.Set, error) {
	s.mu.Lock()
	set, err, seen := s.set, s.err, s.seen
	s.seen = nil
	s.mu.Unlock()
	if seen != nil {
		seen()
	}
	return set, err
}

func (s *iceStore) put(err error, resources ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set, s.err = nil, err
	for _, r := range resources {
		s.set = append(s.set, freeze.Freeze{ID: r, Resource: r, Reason: "why", By: "github:1"})
	}
}

func (s *iceStore) Task(_ context.Context, id task.ID) (task.Task, error) {
	for name, environment := range map[task.ID]string{"aaaaaaaaaaaa": "staging", "bbbbbbbbbbbb": "production"} {
		if id == name {
			return task.Task{ID: id, Environment: environment}, nil
		}
	}
	return task.Task{}, task.ErrNotFound
}

func (s *iceStore) Deployment(_ context.Context, id string) (deploy.Run, error) {
	if id == "run" {
		return deploy.Run{ID: id, Task: "bbbbbbbbbbbb", Environment: "staging"}, nil
	}
	return deploy.Run{}, task.ErrNotFound
}

// Examination is one of the task of staging.
func (s *iceStore) Examination(_ context.Context, id string) (task.Examination, error) {
	if id != "eeeeeeeeeeee" {
		return task.Examination{}, task.ErrNotFound
	}
	return task.Examination{ID: id, Task: "aaaaaaaaaaaa", Kind: task.Check, State: task.ExaminationRunning}, nil
}

func (s *iceStore) Trips(context.Context, task.ID) ([]secret.Trip, error) { return nil, nil }

func frozenCause(ctx context.Context) bool {
	frozen := (*freeze.Error)(nil)
	return errors.As(context.Cause(ctx), &frozen)
}

func TestAFreezeEndsTheStepsInItsScope(t *testing.T) {
	t.Parallel()
	db := &iceStore{}
	f := NewFreezes(db, time.Now)
	inside, leave, err := f.Hold(t.Context(), "staging")
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	outside, leaveToo, err := f.Hold(t.Context(), "production")
	if err != nil {
		t.Fatal(err)
	}
	defer leaveToo()
	gone, left, _ := f.Hold(t.Context(), "staging")
	left()
	db.put(nil, "environment/staging")
	came, lifted, err := f.Look(t.Context())
	if err != nil || len(came) != 1 || len(lifted) != 0 {
		t.Errorf("came %v, lifted %v, %v", came, lifted, err)
	}
	if !frozenCause(inside) || outside.Err() != nil || frozenCause(gone) {
		t.Errorf("inside: %v, outside: %v", context.Cause(inside), outside.Err())
	}
	if _, _, err := f.Hold(t.Context(), "staging"); frozenBy(t.Context(), err) == nil {
		t.Errorf("a step began in what is frozen: %v", err)
	}
	if err := f.Unfrozen(inside, "production"); frozenBy(t.Context(), err) == nil {
		t.Errorf("a step that was ended asks on: %v", err)
	}
	db.put(nil)
	if _, lifted, _ = f.Look(t.Context()); len(lifted) != 1 || f.Known("staging") != nil {
		t.Errorf("lifted %v", lifted)
	}
}

// The freeze comes after the database was asked and before it is told: the step
// ends all the same, because it was known before it asked.
func TestNoFreezeFallsBetweenTheQuestionAndTheStep(t *testing.T) {
	t.Parallel()
	db := &iceStore{}
	f := NewFreezes(db, time.Now)
	db.seen = func() {
		db.put(nil, freeze.Server)
		if _, _, err := f.Look(t.Context()); err != nil {
			t.Error(err)
		}
	}
	ctx, leave, _ := f.Hold(t.Context(), "staging")
	defer leave()
	if !frozenCause(ctx) {
		t.Error("the step goes on after the freeze")
	}
}

func TestANodeThatCannotReadFreezesActsAsFrozen(t *testing.T) {
	t.Parallel()
	now := time.Now()
	db := &iceStore{}
	f := NewFreezes(db, func() time.Time { return now })
	if f.Known("staging") == nil {
		t.Error("before anything was read, nothing is frozen")
	}
	if _, _, err := f.Look(t.Context()); err != nil || f.Known("staging") != nil {
		t.Fatalf("%v, %v", err, f.Known("staging"))
	}
	ctx, leave, err := f.Hold(t.Context(), "staging")
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	db.put(errors.New("no database"))
	if err := f.Unfrozen(t.Context(), "staging"); err == nil {
		t.Error("what must not happen after a freeze happens without knowing")
	}
	for range 2 {
		if _, _, err := f.Look(t.Context()); err == nil || ctx.Err() != nil || f.Known() != nil {
			t.Errorf("at once: %v, %v, %v", err, ctx.Err(), f.Known())
		}
	}
	now = now.Add(freezeBlind + time.Second)
	if _, _, err := f.Look(t.Context()); err == nil || !frozenCause(ctx) || f.Known() == nil {
		t.Errorf("after some seconds: %v, %v, %v", err, ctx.Err(), f.Known())
	}
	db.put(nil)
	if _, _, err := f.Look(t.Context()); err != nil || f.Known("staging") != nil {
		t.Errorf("when it can read again: %v, %v", err, f.Known("staging"))
	}
}

// icePauser is an engine that hangs on one container.
type icePauser struct {
	mu    sync.Mutex
	list  []sandbox.Status
	hangs string
	// broken is what the engine answers, if anything.
	broken error
}

func (p *icePauser) List(context.Context) ([]sandbox.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list), nil
}

func (p *icePauser) set(ctx context.Context, name string, paused bool) error {
	if name == p.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.list {
		if p.list[i].Name == name {
			p.list[i].Paused = paused
		}
	}
	return p.broken
}

func (p *icePauser) Pause(ctx context.Context, name string) error   { return p.set(ctx, name, true) }
func (p *icePauser) Unpause(ctx context.Context, name string) error { return p.set(ctx, name, false) }

func (p *icePauser) paused() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.list {
		if c.Paused {
			names = append(names, c.Name)
		}
	}
	return names
}

// Containers follow what is frozen: also one that starts at the last moment, and
// while the engine hangs on another. A deployment stands still with its own
// environment and with its approval's, and when nobody can tell.
func TestContainersFollowWhatIsFrozen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := func(name, id, purpose string) sandbox.Status {
			return sandbox.Status{Name: name, State: sandbox.StateRunning, Labels: sandbox.Labels{Task: id, Purpose: purpose}}
		}
		pauser := &icePauser{hangs: "hangs", list: []sandbox.Status{
			c("a", "aaaaaaaaaaaa", "task"), c("b", "bbbbbbbbbbbb", "task"), c("run", "run", "deploy"), c("hangs", "aaaaaaaaaaaa", "task"),
			c("collect", "aaaaaaaaaaaa", "collect"), c("check", "eeeeeeeeeeee", "check"), c("judge", "eeeeeeeeeeee", "judge"),
		}}
		pauser.list = append(pauser.list, sandbox.Status{Name: "ended", State: sandbox.StateExited, Labels: sandbox.Labels{Task: "aaaaaaaaaaaa", Purpose: "task"}})
		db := &iceStore{}
		e := New(Options{Store: db, Pauser: pauser, Freezes: NewFreezes(db, time.Now), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
		e.Manifests = failingManifests{errors.New("unreadable")} // nothing is opened again; containers go on all the same
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); e.pauseAndResume(ctx) }()
		after := func(d time.Duration, want ...string) {
			t.Helper()
			for range int(d / freezeLook) {
				_, _, _ = e.Freezes.Look(ctx)
				time.Sleep(freezeLook)
			}
			synctest.Wait()
			if got := pauser.paused(); !slices.Equal(got, want) {
				t.Errorf("paused %q, want %q", got, want)
			}
		}
		after(time.Second)
		db.put(nil, "environment/staging")
		after(time.Second, "a", "run", "check", "judge")
		pauser.mu.Lock()
		pauser.list = append(pauser.list, c("late", "aaaaaaaaaaaa", "task"))
		pauser.mu.Unlock()
		after(time.Second, "a", "run", "check", "judge", "late")
		db.put(nil, "environment/production")
		after(time.Second, "b", "run")
		db.put(nil)
		after(time.Second)
		db.put(errors.New("no database"))
		after(freezeBlind+2*time.Second, "run")
		db.put(nil)
		after(time.Second)
		cancel()
		<-done
	})
}
