package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
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
	later  []time.Time // when the jobs are due
	wait   []task.ID
	gave   []string // whose turn was given up, and why
	ended  []deploy.Run
}

func (s *turnStore) Waiting(context.Context, string) ([]task.ID, error) { return s.wait, nil }

func (s *turnStore) ReleaseTurn(_ context.Context, id, why string) error {
	s.gave = append(s.gave, id+": "+why)
	return nil
}

func (s *turnStore) SaveRun(_ context.Context, r deploy.Run) error {
	s.ended = append(s.ended, r)
	return nil
}

func (s *turnStore) InsertRun(context.Context, deploy.Run) (bool, error) { return true, nil }

func (s *turnStore) SaveTask(context.Context, *task.Task) error { return nil }

func (s *turnStore) Audit(context.Context, audit.Entry) error { return nil }

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
	s.jobs, s.later = append(s.jobs, string(j.Kind)+" "+j.Key), append(s.later, j.RunAt)
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

// failingManifests cannot be read, so that nothing can be prepared.
type failingManifests struct{ err error }

func (m failingManifests) Manifests(context.Context) (*manifest.Set, error) { return nil, m.err }

// noSandbox has no secrets to forget.
type noSandbox struct{ Sandbox }

func (noSandbox) ForgetSecrets(string) error { return nil }
func (noSandbox) DismissCollector(string)    {}

func queueEngine(db Store, unprepared error, now time.Time) *Engine {
	return New(Options{Store: db, Manifests: failingManifests{unprepared}, Sandbox: noSandbox{}, Forge: &mirrorForge{},
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
}

// The retry of a run that cannot be prepared is the retry of its job, which comes
// ever more seldom; others are woken, and not at once, for they may fail as well.
func TestARunThatCannotBePreparedDoesNotWakeItself(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for tried, pause := range map[time.Duration]time.Duration{0: wakePause, time.Second: wakePause, 5 * time.Minute: 30 * time.Second, time.Hour: maxWakePause} {
		run := deploy.Run{ID: "one", Task: "aaaaaaaaaaaa", State: deploy.Pending, Trigger: deploy.ByRequest, Environment: "staging"}
		if tried > 0 {
			run.TriedAt = now.Add(-tried)
		}
		db := &turnStore{runs: []deploy.Run{run}, answer: map[string]deploy.Turn{"one": {Own: true}}, wait: []task.ID{"aaaaaaaaaaaa", "bbbbbbbbbbbb"}}
		open, err := queueEngine(db, errors.New("the disk\nis full"), now).advanceRuns(t.Context(), &work{t: task.Task{ID: "aaaaaaaaaaaa"}})
		if err == nil || open != 1 {
			t.Errorf("%s: %d open, error %v", tried, open, err)
		}
		if !slices.Equal(db.jobs, []string{"advance bbbbbbbbbbbb"}) || !db.later[0].Equal(now.Add(pause)) {
			t.Errorf("%s: woke %q at %v", tried, db.jobs, db.later)
		}
		if len(db.gave) != 1 || !strings.HasSuffix(db.gave[0], "the disk is full") {
			t.Errorf("%s: gave up %q", tried, db.gave)
		}
	}
}

func TestARunThatCannotBePreparedEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tt := range map[string]struct {
		err   error
		tried time.Duration
		state deploy.RunState // empty: it goes on
		words string
	}{
		"for less than a day":     {errors.New("the disk is full"), 23 * time.Hour, "", ""},
		"for a day":               {errors.New("the disk is full"), 25 * time.Hour, deploy.Failed, "the disk is full"},
		"no repository":           {forge.ErrNotFound, 0, deploy.Withheld, "does not show the repository or the pull request"},
		"no credential":           {&CredentialError{Provider: "mirror", Why: "it has run out"}, 0, deploy.Withheld, "it has run out"},
		"the forge may grant it":  {forge.ErrForbidden, 0, "", ""},
		"an hour after its turn":  {errors.New("the disk is full"), time.Hour, "", ""},
		"not tried and a failure": {errors.New("the disk is full"), 0, "", ""},
	} {
		run := deploy.Run{ID: "one", Task: "aaaaaaaaaaaa", State: deploy.Pending, Trigger: deploy.OnMerge, Environment: "staging", CreatedAt: now.Add(-1000 * time.Hour)}
		if tt.tried > 0 {
			run.TriedAt = now.Add(-tt.tried)
		}
		db := &turnStore{runs: []deploy.Run{run}, answer: map[string]deploy.Turn{"one": {Own: true}}}
		open, err := queueEngine(db, tt.err, now).advanceRuns(t.Context(), &work{t: task.Task{ID: "aaaaaaaaaaaa"}})
		if tt.state == "" {
			if err == nil || open != 1 || len(db.ended) != 0 || len(db.gave) != 1 {
				t.Errorf("%s: %d open, error %v, saved %+v", name, open, err, db.ended)
			}
			continue
		}
		if err != nil || open != 0 || len(db.ended) == 0 {
			t.Fatalf("%s: %d open, error %v, saved %+v", name, open, err, db.ended)
		}
		if end := db.ended[0]; end.State != tt.state || !strings.Contains(end.Detail, tt.words) || end.FinishedAt.IsZero() {
			t.Errorf("%s: %s, %q", name, end.State, end.Detail)
		}
	}
}

// What one review armed begins in the order of its words, whatever keeps the first
// from beginning: its turn, or an error.
func TestDeploymentsOfOneReviewKeepTheirOrderWhileTheFirstWaits(t *testing.T) {
	t.Parallel()
	run := func(id, approval string, by deploy.Trigger) deploy.Run {
		return deploy.Run{ID: id, Task: "aaaaaaaaaaaa", ApprovalID: approval, State: deploy.Pending, Trigger: by, Environment: "staging"}
	}
	for name, answer := range map[string]map[string]deploy.Turn{
		"waits for its turn":     {"migrate": {Behind: "other", Task: "bbbbbbbbbbbb"}},
		"cannot be prepared":     {"migrate": {Own: true}},
		"the database is broken": {},
	} {
		for _, id := range []string{"always", "asked", "elsewhere"} {
			answer[id] = deploy.Turn{Behind: "other", Task: "bbbbbbbbbbbb"}
		}
		db := &turnStore{answer: answer, runs: []deploy.Run{
			run("migrate", "one", deploy.ByReview), run("app", "one", deploy.ByReview), run("always", "one", deploy.OnApproval),
			run("asked", "one", deploy.ByRequest), run("elsewhere", "two", deploy.ByReview), run("later", "one", deploy.ByReview),
		}}
		open, _ := queueEngine(db, errors.New("the disk is full"), time.Now()).advanceRuns(t.Context(), &work{t: task.Task{ID: "aaaaaaaaaaaa"}})
		if !slices.Equal(db.asked, []string{"migrate", "always", "asked", "elsewhere"}) || open != 6 {
			t.Errorf("%s: %q asked for their turns, %d open", name, db.asked, open)
		}
	}
}

// A run behind one of its own task that may not begin yet does not wake its task for
// ever.
func TestARunBehindAnotherOfItsTaskDoesNotWakeItsTask(t *testing.T) {
	t.Parallel()
	db := &turnStore{
		runs:   []deploy.Run{{ID: "asked", Task: "aaaaaaaaaaaa", State: deploy.Pending, Trigger: deploy.ByRequest, Environment: "staging"}},
		answer: map[string]deploy.Turn{"asked": {Behind: "app", Task: "aaaaaaaaaaaa", Queued: true}},
	}
	if _, err := queueEngine(db, nil, time.Now()).advanceRuns(t.Context(), &work{t: task.Task{ID: "aaaaaaaaaaaa"}}); err != nil || len(db.jobs) != 0 {
		t.Errorf("jobs %q, error %v", db.jobs, err)
	}
}
