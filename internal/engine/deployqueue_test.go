package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// turnStore answers claims of turns.
type turnStore struct {
	Store
	Tx
	runs   []deploy.Run
	answer map[string]deploy.Turn // a run without one: the database fails
	asked  []string
	jobs   []string
}

func (s *turnStore) InTx(_ context.Context, f func(Tx) error) error { return f(s) }

func (s *turnStore) DeployRuns(context.Context, task.ID) ([]deploy.Run, error) { return s.runs, nil }

func (s *turnStore) ClaimTurn(_ context.Context, id string) (deploy.Turn, error) {
	s.asked = append(s.asked, id)
	turn, is := s.answer[id]
	if !is {
		return turn, errors.New("out of order")
	}
	return turn, nil
}

func (s *turnStore) Enqueue(_ context.Context, j queue.Job) error {
	s.jobs = append(s.jobs, string(j.Kind)+" "+j.Key)
	return nil
}

// A run that fails to go on, or waits, does not hold up those of other environments;
// a task whose only runs wait for the merge has nothing to wait for.
func TestOneDeploymentDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	db := &turnStore{
		runs: []deploy.Run{
			{ID: "merge", State: deploy.Armed, Trigger: deploy.OnMerge, Environment: "staging"},
			{ID: "fails", State: deploy.Pending, Trigger: deploy.ByReview, Environment: "staging"},
			{ID: "waits", State: deploy.Pending, Trigger: deploy.OnApproval, Environment: "production"},
			{ID: "queued", State: deploy.Pending, Trigger: deploy.ByRequest, Environment: "test"},
			{ID: "ended", State: deploy.Withheld, Trigger: deploy.ByReview, Environment: "test"},
		},
		answer: map[string]deploy.Turn{
			"waits":  {Behind: "other", Task: "bbbbbbbbbbbb"},
			"queued": {Behind: "older", Task: "cccccccccccc", Queued: true},
		},
	}
	e := New(Options{Store: db, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	open, err := e.advanceRuns(t.Context(), &work{t: task.Task{ID: "aaaaaaaaaaaa"}})
	if err == nil || open != 3 {
		t.Errorf("%d open, error %v", open, err)
	}
	if !slices.Equal(db.asked, []string{"fails", "waits", "queued"}) {
		t.Errorf("looked at %q", db.asked)
	}
	if !slices.Equal(db.jobs, []string{"advance cccccccccccc"}) { // who waits is woken by an end, not by looking again
		t.Errorf("jobs %q", db.jobs)
	}
	db.runs = db.runs[:1]
	if open, err := e.advanceRuns(t.Context(), &work{}); open != 0 || err != nil {
		t.Errorf("waiting for the merge: %d open, error %v", open, err)
	}
}
