package engine

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// mirrorForge answers what is shown at the forge with an error.
type mirrorForge struct {
	Forge
	err   error
	calls int
}

func (f *mirrorForge) EnsureDeployment(_ context.Context, _ forge.RepositoryRef, d forge.Deployment) (forge.Deployment, error) {
	f.calls++
	d.ID = "1"
	return d, f.err
}

func (f *mirrorForge) SetDeploymentState(context.Context, forge.RepositoryRef, string, forge.DeploymentState, string, string) error {
	return nil
}

// runStore keeps the last run that was saved.
type runStore struct {
	Store
	Tx
	saved deploy.Run
}

func (s *runStore) InTx(_ context.Context, f func(Tx) error) error { return f(s) }

func (s *runStore) SaveRun(_ context.Context, r deploy.Run) error {
	s.saved = r
	return nil
}

// The forge's deployments are a view: its refusal to show a run decides nothing, and
// an outage holds up the start, but not for ever.
func TestAForgeThatDoesNotShowADeploymentDoesNotStopIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	outage := errors.New("502")
	for name, row := range map[string]struct {
		state   deploy.RunState
		err     error
		claimed time.Duration // before now
		stops   bool
		shown   deploy.RunState
	}{
		"shown":                              {deploy.Created, nil, 0, false, deploy.Created},
		"not permitted":                      {deploy.Created, forge.ErrForbidden, 0, false, deploy.Created},
		"not found":                          {deploy.Created, forge.ErrNotFound, 0, false, deploy.Created},
		"refused":                            {deploy.Created, &forge.RefusedError{Words: "no such ref"}, 0, false, deploy.Created},
		"an outage":                          {deploy.Created, outage, time.Minute, true, ""},
		"a long outage":                      {deploy.Created, outage, mirrorPatience + time.Second, false, ""},
		"an outage at the end":               {deploy.Succeeded, outage, time.Hour, true, ""},
		"nothing to show":                    {deploy.Pending, outage, 0, false, ""},
		"waiting for the merge":              {deploy.Armed, outage, 0, false, ""},
		"withheld before it was in progress": {deploy.Withheld, outage, 0, false, ""},
	} {
		hub, db := &mirrorForge{err: row.err}, &runStore{}
		e := New(Options{Forge: hub, Store: db, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
		run := deploy.Run{ID: "r", State: row.state, ClaimedAt: now.Add(-row.claimed)}
		if err := e.mirrorDeployment(t.Context(), &work{}, &run); (err != nil) != row.stops {
			t.Errorf("%s: %v", name, err)
		}
		if run.Shown != row.shown || db.saved.Shown != row.shown {
			t.Errorf("%s: shown as %q, stored %q", name, run.Shown, db.saved.Shown)
		}
	}
}

func TestNoMergeIsWaitedForThatWillNotCome(t *testing.T) {
	t.Parallel()
	stands := forge.PullRequest{Open: true, Head: forge.Tip{Commit: "landed"}, Base: forge.Tip{Branch: "main"}}
	for name, row := range map[string]struct {
		change func(*forge.PullRequest)
		waits  bool
	}{
		"open":                {func(*forge.PullRequest) {}, true},
		"closed":              {func(pr *forge.PullRequest) { pr.Open = false }, false},
		"another head":        {func(pr *forge.PullRequest) { pr.Head.Commit = "other" }, false},
		"merged elsewhere":    {func(pr *forge.PullRequest) { pr.Open, pr.Merged, pr.Base.Branch = false, true, "other" }, false},
		"merged with another": {func(pr *forge.PullRequest) { pr.Open, pr.Merged, pr.Head.Commit = false, true, "other" }, false},
	} {
		pr := stands
		row.change(&pr)
		why := noMerge(taskThatLanded(), pr)
		if (why == "") != row.waits {
			t.Errorf("%s: %q", name, why)
		}
	}
}

func taskThatLanded() task.Task { return task.Task{BaseBranch: "main", LandedCommit: "landed"} }
