package engine

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/task"
)

// landStore has a task that landed.
type landStore struct {
	turnStore
	record approval.Record
}

func (s *landStore) InTx(_ context.Context, f func(Tx) error) error { return f(s) }

func (s *landStore) Approval(context.Context, string) (approval.Record, error) { return s.record, nil }

func (s *landStore) Proposal(context.Context, task.ID) (task.Proposal, error) {
	return task.Proposal{Carrier: "carrier"}, nil
}

// landForge shows the pull request and refuses, or fails, to change anything.
type landForge struct {
	Forge
	pr    forge.PullRequest
	unfit error
	asked int
}

func (f *landForge) PullRequest(context.Context, forge.RepositoryRef, int) (forge.PullRequest, error) {
	return f.pr, nil
}

func (f *landForge) SetGate(context.Context, forge.RepositoryRef, forge.GateCheck) error {
	f.asked++
	return f.unfit
}

func (f *landForge) UpsertComment(context.Context, forge.RepositoryRef, forge.Topic, string, string) (forge.Comment, error) {
	f.asked++
	return forge.Comment{}, f.unfit
}

type noManifests struct{}

func (noManifests) Manifests(context.Context) (*manifest.Set, error) { return &manifest.Set{}, nil }

func landedTask(now time.Time) *work {
	t := task.Task{ID: "aaaaaaaaaaaa", State: task.Landed, LandedCommit: "landed", PullRequest: 7, UpdatedAt: now}
	return &work{t: t, stored: t}
}

// An archived repository takes no comments. What landed has landed all the same, and
// who waits for it goes on.
func TestAForgeThatDoesNotShowALandingDoesNotHoldItUp(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tt := range map[string]struct {
		err  error
		ends bool
	}{
		"archived": {forge.ErrForbidden, true}, "gone": {forge.ErrNotFound, true},
		"refused": {&forge.RefusedError{Operation: "comment", Words: "the issue is locked"}, true},
		"outage":  {errors.New("502"), false},
	} {
		db := &landStore{record: approval.Record{Target: "release"}}
		f := &landForge{unfit: tt.err}
		e := New(Options{Store: db, Forge: f, Manifests: noManifests{}, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
		w := landedTask(now)
		err := e.arm(t.Context(), w)
		if (err == nil) != tt.ends || (w.t.State == task.Done) != tt.ends {
			t.Errorf("%s: the task is %s, error %v", name, w.t.State, err)
		}
		if tt.ends && f.asked != 2 {
			t.Errorf("%s: after the first refusal nothing else was tried", name)
		}
	}
}

// Somebody may ask for a deployment as soon as the commit is at the forge. Its run
// would block its environment if it waited for the end of a landing that has none.
func TestARequestDoesNotWaitForTheEndOfALanding(t *testing.T) {
	t.Parallel()
	now := time.Now()
	db := &landStore{record: approval.Record{Target: "release"}}
	db.runs = []deploy.Run{{ID: "asked", Task: "aaaaaaaaaaaa", State: deploy.Pending, Trigger: deploy.ByRequest, Environment: "staging"}}
	db.answer = map[string]deploy.Turn{"asked": {Behind: "other", Task: "bbbbbbbbbbbb"}}
	e := New(Options{Store: db, Forge: &landForge{unfit: errors.New("502")}, Manifests: noManifests{}, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	w := landedTask(now)
	if err := e.arm(t.Context(), w); err == nil || w.t.State != task.Landed || len(db.asked) != 1 {
		t.Errorf("%q asked for their turn, the task is %s, error %v", db.asked, w.t.State, err)
	}
	clear(db.answer) // the database fails
	e.Forge = &landForge{}
	if err := e.arm(t.Context(), w); err == nil || w.t.State != task.Done {
		t.Errorf("a run that fails holds up the landing: the task is %s, error %v", w.t.State, err)
	}
}

// A pull request may show the old head for a moment after the push, not for ever:
// whoever takes the branch back does not hold up the task.
func TestALandingWaitsForThePullRequestForAMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for since, state := range map[time.Duration]task.State{0: task.Landed, 4 * time.Minute: task.Landed, 6 * time.Minute: task.Deploying} {
		db := &landStore{record: approval.Record{ID: "approval", Armed: []approval.Arming{{Environment: "staging", Profile: "publish"}}}}
		e := New(Options{Store: db, Forge: &landForge{pr: forge.PullRequest{Open: true, Head: forge.Tip{Commit: "carrier"}}}, Manifests: noManifests{},
			Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
		w := landedTask(now.Add(-since))
		if err := e.arm(t.Context(), w); err != nil || w.t.State != state {
			t.Errorf("%s after the push: the task is %s, error %v", since, w.t.State, err)
		}
		if again := len(db.jobs) == 1; again != (state == task.Landed) {
			t.Errorf("%s after the push: jobs %q", since, db.jobs)
		}
	}
}
