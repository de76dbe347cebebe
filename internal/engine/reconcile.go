package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// overlap is how far the reconciler looks back behind its last look, for
// clocks that differ and comments that appear late.
const overlap = 5 * time.Minute

// Sweep has every task at work and every unhandled delivery looked at again. It
// is what continues after a restart, and after any event that was lost. Of several
// processes each looks after what is on its node, and the one that leads after the rest. Tasks
// that wait for a human cost several reads of the forge each; those are left to
// [Engine.Reconcile], which comes less often.
func (e *Engine) Sweep(ctx context.Context) error {
	leads := e.Leads()
	tasks, err := e.openTasks(ctx, func(t task.Task) bool { return t.State != task.Proposed && (leads || t.Run.Node == e.Node) })
	if err != nil {
		return err
	}
	waiting, err := e.sweepExaminations(ctx)
	if err != nil {
		return err
	}
	jobs := append(advances(tasks), each(queue.Advance, waiting)...)
	if !leads {
		return errors.Join(e.enqueue(ctx, jobs), e.keepObjects(ctx))
	}
	deliveries, err := e.Store.UnhandledDeliveries(ctx, time.Minute)
	if err != nil {
		return fmt.Errorf("list unhandled deliveries: %w", err)
	}
	deploying, err := e.Store.TasksToDeploy(ctx)
	if err != nil {
		return err
	}
	jobs = append(jobs, each(queue.Advance, deploying)...)
	for _, id := range deliveries {
		jobs = append(jobs, queue.Job{Kind: queue.Deliver, Key: id})
	}
	return errors.Join(e.enqueue(ctx, jobs), e.keepObjects(ctx))
}

func (e *Engine) openTasks(ctx context.Context, wanted func(task.Task) bool) ([]task.Task, error) {
	tasks, err := e.Store.OpenTasks(ctx)
	if err != nil {
		return nil, fmt.Errorf("list open tasks: %w", err)
	}
	return slices.DeleteFunc(tasks, func(t task.Task) bool { return !wanted(t) }), nil
}

func advances(tasks []task.Task) []queue.Job {
	var jobs []queue.Job
	for _, t := range tasks {
		jobs = append(jobs, queue.Job{Kind: queue.Advance, Key: string(t.ID)})
	}
	return jobs
}

func each(kind queue.Kind, ids []task.ID) []queue.Job {
	var jobs []queue.Job
	for _, id := range ids {
		jobs = append(jobs, queue.Job{Kind: kind, Key: string(id)})
	}
	return jobs
}

func (e *Engine) enqueue(ctx context.Context, jobs []queue.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	return e.Store.InTx(ctx, func(tx Tx) error {
		for _, j := range jobs {
			if err := tx.Enqueue(ctx, j); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reconcile finds what no delivery told: comments, labels, and whatever happened
// to the pull requests of proposals.
func (e *Engine) Reconcile(ctx context.Context) error {
	waiting, err := e.openTasks(ctx, func(t task.Task) bool { return t.State == task.Proposed })
	if err != nil {
		return err
	}
	merging, err := e.Store.TasksToMerge(ctx)
	if err != nil {
		return err
	}
	if err := e.enqueue(ctx, append(advances(waiting), each(queue.Merge, merging)...)); err != nil {
		return err
	}
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	seen := map[string]bool{}
	errs := []error{e.missedClosings(ctx)}
	if teams := set.ForgeTeams(); e.Teams != nil && len(teams) > 0 {
		errs = append(errs, e.Teams.Refresh(ctx, teams))
	}
	for _, name := range slices.Sorted(maps.Keys(set.Environments)) {
		for _, repository := range set.Environments[name].Repositories {
			ref := repository.Ref()
			if seen[ref.Key()] {
				continue
			}
			seen[ref.Key()] = true
			if err := e.reconcileRepository(ctx, ref); err != nil {
				errs = append(errs, fmt.Errorf("reconcile %s: %w", ref.FullName(), err))
			}
		}
	}
	return errors.Join(errs...)
}

// reconcileRepository looks at one repository. What happened before CoderFlow
// first saw the repository is history and starts nothing.
func (e *Engine) reconcileRepository(ctx context.Context, ref forge.RepositoryRef) error {
	now := e.Now()
	first, err := e.firstSeen(ctx, ref, now)
	if err != nil {
		return err
	}
	cursor := "comments:" + ref.Key()
	since, err := e.Store.Cursor(ctx, cursor)
	if err != nil {
		return fmt.Errorf("read the cursor: %w", err)
	}
	// One in the future was set when this machine's clock was ahead.
	if since = since.Add(-overlap); since.Before(first) || since.After(now) {
		since = first
	}
	if err := e.missedComments(ctx, ref, since); err != nil {
		return err
	}
	if err := e.missedLabels(ctx, ref, first); err != nil {
		return err
	}
	return e.Store.InTx(ctx, func(tx Tx) error { return tx.SetCursor(ctx, cursor, now) })
}

func firstSeenCursor(ref forge.RepositoryRef) string { return "first-seen:" + ref.Key() }

func (e *Engine) firstSeen(ctx context.Context, ref forge.RepositoryRef, now time.Time) (time.Time, error) {
	name := firstSeenCursor(ref)
	first, err := e.Store.Cursor(ctx, name)
	if err != nil || !first.IsZero() && !first.After(now) {
		return first, err
	}
	// The forge's times have whole seconds.
	first = now.Truncate(time.Second)
	return first, e.Store.InTx(ctx, func(tx Tx) error { return tx.SetCursor(ctx, name, first) })
}

func (e *Engine) missedComments(ctx context.Context, ref forge.RepositoryRef, since time.Time) error {
	comments, err := e.Forge.CommentsSince(ctx, ref, since)
	if err != nil {
		return fmt.Errorf("list comments: %w", err)
	}
	for _, c := range comments {
		// An edited comment no longer shows what was first posted, and an edit is no command.
		if c.CreatedAt.Before(since) || c.Edited() || !mayCommand(c.Author, c.Body) {
			continue
		}
		issue, err := e.Forge.Issue(ctx, ref, c.Topic)
		if err != nil {
			return fmt.Errorf("read %s: %w", c.Topic, err)
		}
		event := forge.Event{
			Kind: forge.EventCommentCreated, Repository: ref, Actor: c.Author,
			Issue: &issue, Comment: &c, At: c.CreatedAt,
		}
		if err := e.handleComment(ctx, event); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) missedLabels(ctx context.Context, ref forge.RepositoryRef, first time.Time) error {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	for _, label := range triggerLabels(set, ref) {
		issues, err := e.Forge.LabeledIssues(ctx, ref, label)
		if err != nil {
			return fmt.Errorf("list issues labelled %q: %w", label, err)
		}
		for _, issue := range issues {
			if issue.UpdatedAt.Before(first) {
				continue
			}
			event := forge.Event{Kind: forge.EventIssueLabeled, Repository: ref, Issue: &issue, Label: label}
			if err := e.handleLabel(ctx, event); err != nil {
				return err
			}
		}
	}
	return nil
}
