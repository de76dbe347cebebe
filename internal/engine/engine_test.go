package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// The steps are tested end to end in cmd/app, on real Docker, git and databases;
// here is what can be said without them.

func TestEveryStateOnTheWayHasAStep(t *testing.T) {
	t.Parallel()
	steps := New(Options{}).steps()
	for _, s := range task.States() {
		later := s == task.Done // deployments that somebody asks for, or that wait for the merge
		if _, has := steps[s]; has != (!s.Ended() || later) {
			t.Errorf("state %s: step %v, end %v", s, has, s.Ended())
		}
	}
}

func TestErrorsThatTimeMendsAreNoFailedAttempts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err   error
		after time.Duration // 0: an ordinary error
	}{
		"forge asks to wait": {fmt.Errorf("x: %w", &forge.RateLimitError{RetryAfter: time.Minute, Cause: io.EOF}), time.Minute},
		"forge says nothing": {&forge.RateLimitError{Cause: io.EOF}, time.Second},
		"lost a race":        {fmt.Errorf("x: %w", task.ErrStale), time.Second},
		"forge fails":        {errors.New("502"), 0},
		"nothing":            {nil, 0},
	} {
		again := (*queue.AgainError)(nil)
		waits := errors.As(patient(tt.err), &again)
		if waits != (tt.after > 0) || (waits && again.After != tt.after) {
			t.Errorf("%s: %v", name, patient(tt.err))
		}
	}
}

type records struct {
	list []guestproto.Record
	end  error
}

func (r *records) Next() (guestproto.Record, error) {
	if len(r.list) == 0 {
		return guestproto.Record{}, r.end
	}
	next := r.list[0]
	r.list = r.list[1:]
	return next, nil
}

func (r *records) Close() error { return nil }

// A collection that ends early must never look like one that is complete, and a
// kind that is not known must never look like a file.
func TestCollectionReachesGitWholeOrWithItsError(t *testing.T) {
	t.Parallel()
	list := []guestproto.Record{
		{Path: "a", Kind: guestproto.KindFile, Content: strings.NewReader("x")},
		{Path: "p", Kind: guestproto.KindFIFO},
		{Path: "q", Kind: guestproto.Kind(99)},
	}
	for _, end := range []error{io.EOF, guestproto.ErrTruncated} {
		var kinds []gitops.ChangeKind
		var failed error
		for change, err := range (&leaks{}).over(New(Options{}).collected((&records{list: list, end: end}).Next)) {
			if err != nil {
				failed = err
				break
			}
			kinds = append(kinds, change.Kind)
		}
		if len(kinds) != 3 || kinds[0] != gitops.Regular || kinds[1] != gitops.Special || kinds[2] != gitops.Special {
			t.Errorf("kinds %v", kinds)
		}
		if (failed == nil) != errors.Is(end, io.EOF) {
			t.Errorf("ended by %v, seen %v", end, failed)
		}
	}
}

func TestLabelsStartTasksOnlyWhereTheRepositoryIsListed(t *testing.T) {
	t.Parallel()
	listed := []manifest.Repository{{Host: forge.GitHub, ID: "1", Name: "acme/shop"}}
	set := &manifest.Set{Environments: map[string]manifest.Environment{
		"staging":    {Name: "staging", Label: "coderflow", Repositories: listed},
		"production": {Name: "production", Label: "coderflow", Repositories: listed},
		"other":      {Name: "other", Label: "robot"},
	}}
	shop := forge.RepositoryRef{Host: forge.GitHub, ID: "1"}
	for label, want := range map[string]struct {
		environment string
		triggers    bool
	}{
		"coderflow": {"", true}, "coderflow:staging": {"staging", true}, "coderflow:other": {"", false}, "robot": {"", false}, "bug": {"", false},
	} {
		environment, triggers := triggerEnvironment(set, shop, label)
		if environment != want.environment || triggers != want.triggers {
			t.Errorf("%s: %q %v", label, environment, triggers)
		}
	}
	if labels := triggerLabels(set, forge.RepositoryRef{Host: forge.GitHub, ID: "2"}); len(labels) != 0 {
		t.Errorf("labels %q start tasks in a repository that is not listed", labels)
	}
}

func TestVoidingTakesTheLastAllowedJudgementBack(t *testing.T) {
	t.Parallel()
	judged := []task.Judgement{{Review: "1", Told: true}, {Review: "2", Allowed: true, Told: true}}
	after := voided(judged, policy.Decision{Reason: policy.No("dismissed")})
	if after[1].Allowed || after[1].Told || decisionOf(after[1]).Reason.Text != "dismissed" {
		t.Errorf("%+v", after[1])
	}
	if !judged[1].Allowed {
		t.Error("the stored judgement was changed in place")
	}
}

// brokenStore is a database that takes nothing.
type brokenStore struct{ Store }

func (brokenStore) InTx(context.Context, func(Tx) error) error              { return errors.New("disk I/O error") }
func (brokenStore) TaskLog(context.Context, task.ID) ([]audit.Entry, error) { return nil, nil }

// What a step meant to do and could not write is neither reported nor saved.
func TestAStepThatCannotBeWrittenLeavesTheTaskAsItIsStored(t *testing.T) {
	t.Parallel()
	e := New(Options{Store: brokenStore{}, Now: time.Now})
	stored := task.Task{ID: "aaaaaaaaaaaa", State: task.Proposed, CancelRequested: true}
	w := &work{t: stored, stored: stored}
	moved, err := e.step(t.Context(), w)
	if err == nil || moved {
		t.Fatalf("moved %v, %v", moved, err)
	}
	if w.t.Failure != "" || w.t.State != task.Proposed {
		t.Errorf("the task is %s with %q", w.t.State, w.t.Failure)
	}
}

// onceStore is the part of a store that once uses.
type onceStore struct {
	Store
	Tx
	mu      sync.Mutex
	cursors map[string]time.Time
}

func (s *onceStore) Cursor(_ context.Context, name string) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[name], nil
}

func (s *onceStore) InsertCursor(_ context.Context, name string, at time.Time) (bool, error) {
	if _, known := s.cursors[name]; known {
		return false, nil
	}
	s.cursors[name] = at
	return true, nil
}

func (s *onceStore) InTx(_ context.Context, f func(Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(s)
}

// A comment is told by its delivery and found by the reconciler at the same time,
// by one process or by two: one process answers once, and both write once.
func TestWhatIsToldTwiceAtOnceIsHandledOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &onceStore{cursors: map[string]time.Time{}}
		var answered, written atomic.Int64
		var all sync.WaitGroup
		for range 2 {
			e := New(Options{Store: store, Now: time.Now})
			for range 3 {
				all.Go(func() {
					err := e.once(t.Context(), "comment:1", func() (func(Tx) error, error) {
						answered.Add(1)
						time.Sleep(time.Second) // the forge takes its time
						return func(Tx) error { written.Add(1); return nil }, nil
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		if answered.Load() != 2 || written.Load() != 1 {
			t.Errorf("answered %d times by two processes, written %d times", answered.Load(), written.Load())
		}
	})
}
