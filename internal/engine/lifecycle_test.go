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
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/queue"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
	"github.com/coderflow/coderflow/internal/task"
)

// lifeForge is the part of a forge that shows issues and takes comments and labels.
type lifeForge struct {
	Forge
	closed   map[int]bool
	hidden   map[int]bool
	comments []string
	labels   []string
	refuses  error
}

func (f *lifeForge) Issue(_ context.Context, _ forge.RepositoryRef, topic forge.Topic) (forge.Issue, error) {
	if f.hidden[topic.Number] {
		return forge.Issue{}, forge.ErrNotFound
	}
	return forge.Issue{Number: topic.Number, Open: !f.closed[topic.Number]}, nil
}

func (f *lifeForge) UpsertComment(_ context.Context, _ forge.RepositoryRef, _ forge.Topic, _, body string) (forge.Comment, error) {
	f.comments = append(f.comments, body)
	return forge.Comment{}, nil
}

func (f *lifeForge) SetStateLabel(_ context.Context, _ forge.RepositoryRef, _ int, want forge.Label, _ []string) error {
	f.labels = append(f.labels, want.Name)
	return f.refuses
}

// lifeStore keeps tasks, their log, and who asked to cancel them.
type lifeStore struct {
	onceStore
	tasks     []task.Task
	log       []audit.Entry
	cancelled []task.ID
}

func (s *lifeStore) OpenTasks(context.Context) ([]task.Task, error) {
	return slices.Clone(s.tasks), nil
}
func (s *lifeStore) TaskLog(context.Context, task.ID) ([]audit.Entry, error) { return s.log, nil }
func (s *lifeStore) LatestTask(context.Context, forge.RepositoryRef, forge.Topic) (task.Task, error) {
	return s.tasks[len(s.tasks)-1], nil
}
func (s *lifeStore) InTx(_ context.Context, f func(Tx) error) error { return f(s) }
func (s *lifeStore) RequestCancel(_ context.Context, id task.ID) error {
	s.cancelled = append(s.cancelled, id)
	return nil
}
func (s *lifeStore) Audit(_ context.Context, e audit.Entry) error {
	s.log = append(s.log, e)
	return nil
}
func (s *lifeStore) Enqueue(context.Context, queue.Job) error { return nil }

type fixed struct{ set *manifest.Set }

func (f fixed) Manifests(context.Context) (*manifest.Set, error) { return f.set, nil }

// life is an engine at noon with one environment.
func life(env manifest.Environment, tasks ...task.Task) (*Engine, *lifeStore, *lifeForge, time.Time) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	store, at := &lifeStore{onceStore: onceStore{cursors: map[string]time.Time{}}, tasks: tasks}, &lifeForge{}
	e := New(Options{
		Store: store, Forge: at, Manifests: fixed{&manifest.Set{Environments: map[string]manifest.Environment{"staging": env}}},
		Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler),
	})
	return e, store, at, noon
}

func TestAProposalExpiresAfterItsTimeAndItsPeopleAreRemindedOnce(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, tt := range map[string]struct {
		life, age time.Duration
		reminds   bool
		expires   string
	}{
		"young":                {30 * day, 20 * day, false, ""},
		"three days before":    {30 * day, 27*day + time.Hour, true, ""},
		"a quarter before":     {4 * time.Hour, 3*time.Hour + time.Minute, true, ""},
		"over":                 {48 * time.Hour, 48*time.Hour + time.Second, false, "within 2 days"},
		"nothing said: 30":     {0, 29 * day, true, ""},
		"nothing said, over":   {0, 31 * day, false, "within 30 days"},
		"before a short end":   {4 * time.Hour, 2 * time.Hour, false, ""},
		"exactly at its last":  {48 * time.Hour, 48 * time.Hour, true, ""},
		"an hour of a quarter": {4 * time.Hour, 3 * time.Hour, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, _, at, noon := life(manifest.Environment{Proposal: manifest.Proposal{ExpiresAfter: sy.Duration(tt.life)}})
			w := &work{t: task.Task{ID: "aaaaaaaaaaaa", Environment: "staging", PullRequest: 8, State: task.Proposed}}
			for range 2 {
				err := e.expire(t.Context(), w, task.Proposal{Revision: 1, CreatedAt: noon.Add(-tt.age)})
				end := (*failure)(nil)
				if errors.As(err, &end) != (tt.expires != "") || end != nil && (end.to != task.Expired || !strings.Contains(end.why, tt.expires)) {
					t.Fatalf("it ends with %v", err)
				}
			}
			if want := map[bool]int{true: 1}[tt.reminds]; len(at.comments) != want {
				t.Errorf("%d reminders, want %d: %q", len(at.comments), want, at.comments)
			}
			if !tt.reminds {
				return
			}
			if err := e.expire(t.Context(), w, task.Proposal{Revision: 2, CreatedAt: noon.Add(-tt.age)}); err != nil || len(at.comments) != 2 {
				t.Errorf("a new revision: %d reminders, %v", len(at.comments), err)
			}
		})
	}
}

// The reconciler finds what no delivery told. An issue that is not shown is not closed.
func TestAClosedIssueStopsWhatCanStillBeStopped(t *testing.T) {
	t.Parallel()
	states := map[task.ID]task.Task{
		"running": {Issue: 1, State: task.Running}, "proposed": {Issue: 1, State: task.Proposed}, "landing": {Issue: 1, State: task.Landing},
		"over": {Issue: 1, State: task.Failed}, "asked": {Issue: 1, State: task.Running, CancelRequested: true},
		"open": {Issue: 2, State: task.Running}, "hidden": {Issue: 3, State: task.Running},
	}
	var all []task.Task
	for id, v := range states {
		v.ID = id
		all = append(all, v)
	}
	e, store, at, noon := life(manifest.Environment{}, all...)
	at.closed, at.hidden = map[int]bool{1: true}, map[int]bool{3: true}
	if err := e.missedClosings(t.Context()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(store.cancelled)
	if want := []task.ID{"proposed", "running"}; !slices.Equal(store.cancelled, want) {
		t.Errorf("stopped %q, want %q", store.cancelled, want)
	}

	// The word of a delivery counts for what began before, also if the issue is open again.
	e, store, at, _ = life(manifest.Environment{},
		task.Task{ID: "before", Issue: 1, State: task.Running, CreatedAt: noon}, task.Task{ID: "after", Issue: 1, State: task.Running, CreatedAt: noon.Add(time.Minute)},
		task.Task{ID: "other", Issue: 2, State: task.Running, CreatedAt: noon})
	err := e.handle(t.Context(), forge.Event{Kind: forge.EventIssueClosed, Issue: &forge.Issue{Number: 1}, At: noon.Add(time.Second)})
	if err != nil || !slices.Equal(store.cancelled, []task.ID{"before"}) || at.comments != nil {
		t.Errorf("stopped %q, %v", store.cancelled, err)
	}
}

func TestWhoAskedSaysWhereAStoppedTaskEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		task   task.Task
		detail any
		to     task.State
		why    string
	}{
		"goes on":                      {task.Task{State: task.Running}, nil, "", ""},
		"a command":                    {task.Task{State: task.Proposed, CancelRequested: true}, nil, task.Cancelled, "cancelled on request"},
		"the API":                      {task.Task{State: task.Running, CancelRequested: true}, map[string]string{"by": "token"}, task.Cancelled, "cancelled on request"},
		"its issue":                    {task.Task{State: task.Running, CancelRequested: true}, cancelDetail{Why: issueClosed}, task.Cancelled, issueClosed},
		"its pull request":             {task.Task{State: task.Approved, CancelRequested: true}, cancelDetail{To: task.Rejected, Why: pullClosed}, task.Rejected, pullClosed},
		"while a revision is made":     {task.Task{State: task.Running, CancelRequested: true}, cancelDetail{To: task.Rejected, Why: pullClosed}, task.Cancelled, pullClosed},
		"another state is not invited": {task.Task{State: task.Proposed, CancelRequested: true}, cancelDetail{To: task.Approved, Why: "x"}, task.Cancelled, "x"},
	} {
		e, store, _, noon := life(manifest.Environment{})
		entry, err := audit.New(noon, audit.System, audit.TaskCancelWanted, tt.detail)
		if err != nil {
			t.Fatal(err)
		}
		store.log = []audit.Entry{entry}
		end := (*failure)(nil)
		if errors.As(e.stopped(t.Context(), &tt.task), &end); tt.to == "" != (end == nil) || end != nil && (end.to != tt.to || end.why != tt.why) {
			t.Errorf("%s: %+v", name, end)
		}
	}
}

// A label is a courtesy, shown once, by the newest request alone, and where it is wanted.
func TestALabelKeepsNoTaskFromGoingOn(t *testing.T) {
	t.Parallel()
	old := task.Task{ID: "old", Environment: "staging", Issue: 1, State: task.Failed}
	now := task.Task{ID: "now", Environment: "staging", Issue: 1, State: task.Running}
	e, _, at, _ := life(manifest.Environment{StateLabels: true}, old, now)
	e.showLabel(t.Context(), &old)
	e.showLabel(t.Context(), &now)
	e.showLabel(t.Context(), &now)
	if want := []string{"coderflow: working"}; !slices.Equal(at.labels, want) {
		t.Errorf("labels %q, want %q", at.labels, want)
	}
	at.refuses = forge.ErrForbidden
	now.State = task.Proposed
	e.showLabel(t.Context(), &now) // and it is tried again
	e.showLabel(t.Context(), &now)
	if len(at.labels) != 3 {
		t.Errorf("labels %q", at.labels)
	}
	e, _, at, _ = life(manifest.Environment{}, now)
	if e.showLabel(t.Context(), &now); at.labels != nil {
		t.Errorf("an environment without labels got %q", at.labels)
	}
}
