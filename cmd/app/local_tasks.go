package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// noTask says in one way that there is no such task, here or at a server.
func noTask(id string, err error) error {
	switch {
	case errors.Is(err, task.ErrNotFound):
		return notFound("there is no task %s; `coderflow tasks` lists them", id)
	case client.IsStatus(err, http.StatusNotFound):
		return fmt.Errorf("task %s: %w\n`coderflow tasks` lists those that you see", id, err)
	}
	return err
}

// findTask finds a task by what a person typed.
func findTask(ctx context.Context, db *store.Store, id string) (task.Task, error) {
	parsed, err := task.ParseID(id)
	if err != nil {
		return task.Task{}, err
	}
	t, err := db.Task(ctx, parsed)
	return t, noTask(id, err)
}

// askTask is ask about one task.
func askTask[T any](ctx context.Context, f whereFlags, s streams, id string,
	here func(local, task.Task) (T, error), there func(*client.Client) (T, error),
) (T, error) {
	if _, err := task.ParseID(id); err != nil {
		var none T
		return none, notFound("there is no task %q: %w", id, err)
	}
	answer, err := ask(ctx, f, s, func(l local) (answer T, err error) {
		t, err := findTask(ctx, l.Store, id)
		if err != nil {
			return answer, err
		}
		return here(l, t)
	}, there)
	return answer, noTask(id, err)
}

// reportTask is a task as the API gives it.
func reportTask(t task.Task) client.Task {
	r := client.Task{
		ID: string(t.ID), State: string(t.State), Ended: t.State.Ended(), CancelRequested: t.CancelRequested, Environment: t.Environment,
		Repository: client.Repository{Key: t.Repository.Key(), Name: t.Repository.FullName()}, Title: t.Snapshot.Title, Issue: t.Issue,
		TriggerURL: t.TriggerURL, PullRequest: t.PullRequest, PullRequestURL: t.PullRequestURL, BaseBranch: t.BaseBranch,
		BaseCommit: t.BaseCommit, LandedCommit: t.LandedCommit, Failure: t.Failure, PolicyVersion: t.PolicyVersion,
		Variant: t.Variant, Group: string(t.Group), Place: t.Place, Places: t.Places, ReplacedBy: string(t.ReplacedBy),
		Requester: client.User{Subject: t.Requester.Subject.String(), Login: t.Requester.Login},
		CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(),
	}
	r.Run = client.Run{
		Node: t.Run.Node, Agent: t.Run.Agent, Model: t.Run.Model, Reason: t.Run.Reason, Truncated: t.Run.Truncated,
		StartedAt: moment(t.Run.StartedAt), FinishedAt: moment(t.Run.FinishedAt),
	}
	if r.Run.FinishedAt != nil {
		r.Run.ExitCode = &t.Run.ExitCode
	}
	return r
}

// moment is a time that may not have come; absent then.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (l local) tasks(ctx context.Context, f client.TaskFilter) ([]client.Task, error) {
	filter := store.TaskFilter{Requester: f.Requester, Text: f.Text, Limit: f.Limit}
	if f.Environment != "" {
		filter.Environments = []string{f.Environment}
	}
	if f.State != "" {
		for state := range strings.SplitSeq(f.State, ",") {
			if !task.State(state).Valid() {
				return nil, usage("there is no state %q; there are %s", state, joined(task.States()))
			}
			filter.States = append(filter.States, task.State(state))
		}
	}
	if f.Repository != "" {
		ref, err := forge.ParseSubject(f.Repository) // a repository's id has the same form
		if err != nil {
			return nil, usage("--repository: want HOST:ID with the repository's own id, for example github:1296269")
		}
		filter.Repository = forge.RepositoryRef{Host: ref.Host, ID: ref.ID}
	}
	tasks, err := l.Tasks(ctx, filter)
	if err != nil {
		return nil, err
	}
	reports := []client.Task{}
	for _, t := range tasks {
		reports = append(reports, reportTask(t))
	}
	return reports, nil
}

// cancel asks the engine to end a task, in the name of whoever runs the server.
func (l local) cancel(ctx context.Context, t task.Task) (client.Task, error) {
	switch {
	case t.State == task.Cancelled || t.CancelRequested:
		return reportTask(t), nil
	case t.State.Ended():
		return client.Task{}, fmt.Errorf("the task has ended already: %s", t.State)
	case t.State.CarriedOut():
		return client.Task{}, fmt.Errorf("the task is %s: what was approved is being carried out and cannot be cancelled", t.State)
	}
	err := l.InTx(ctx, func(tx *store.Tx) error {
		return engine.RequestCancel(ctx, tx, time.Now(), t, operator(), map[string]any{"by": "command line"})
	})
	t.CancelRequested = err == nil
	return reportTask(t), err
}

func (l local) diff(ctx context.Context, t task.Task, revision, against int) (client.Diff, error) {
	p, err := l.revisionOf(ctx, t, revision)
	if err != nil || against == 0 {
		return client.Diff{Bytes: p.Diff, Digest: p.Digest}, err
	}
	from, err := l.revisionOf(ctx, t, against)
	if err != nil {
		return client.Diff{}, err
	}
	bytes, err := l.between(ctx, from, p)
	return client.Diff{Bytes: bytes, Digest: p.Digest}, err
}

// logPiece is how much of a log is read at once, in bytes.
const logPiece = 64 << 10

// readLog reads a piece that ends with a whole character.
func (l local) readLog(ctx context.Context, id task.ID, from int64) (text []byte, end bool, err error) {
	t, err := l.Task(ctx, id) // before the log: what is written after it is seen the next time
	if err != nil {
		return nil, false, err
	}
	text, err = l.ReadLog(ctx, "task/"+string(id), from, logPiece)
	over := !slices.Contains([]task.State{task.Queued, task.Preparing, task.Running, task.Collecting}, t.State)
	if over && len(text) < logPiece {
		return text, true, err
	}
	return whole(text), false, err
}

func (l local) logPiece(ctx context.Context, id task.ID, from int64) (client.LogPiece, error) {
	text, end, err := l.readLog(ctx, id, from)
	return client.LogPiece{Text: string(text), Next: from + int64(len(text)), End: end}, err
}

func (l local) models(ctx context.Context, t task.Task) (client.Models, error) {
	r := client.Models{Agent: t.Run.Agent, Model: t.Run.Model, Refusals: []client.Refusal{}, Hosts: []client.HostUse{}}
	var err error
	if r.Usage, err = l.ModelUsage(ctx, t.ID); err != nil {
		return r, err
	}
	refusals, err := l.ModelRefusals(ctx, t.ID)
	if err != nil {
		return r, err
	}
	for _, refused := range refusals {
		r.Refusals = append(r.Refusals, client.Refusal(refused))
	}
	hosts, err := l.HostUses(ctx, t.ID)
	for _, host := range hosts {
		r.Hosts = append(r.Hosts, client.HostUse(host))
	}
	return r, err
}

// activity hands over the events of a task's agent so far.
func (l local) activity(ctx context.Context, t task.Task, each func(activity.Event) error) error {
	parser := activity.NewParser(formatOf(t))
	for offset, more := int64(0), true; more; {
		piece, err := l.ReadLog(ctx, "task/"+string(t.ID), offset, logPiece)
		if err != nil {
			return err
		}
		offset += int64(len(piece))
		events := parser.Feed(piece)
		if more = len(piece) > 0; !more {
			events = parser.Close()
		}
		for _, event := range events {
			if err := each(event); err != nil {
				return err
			}
		}
	}
	return nil
}
