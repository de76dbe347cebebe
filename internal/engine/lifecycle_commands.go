package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/command"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// retry starts the same again, with the issue as it stands now: on the issue all variants
// of the newest request, on a pull request the one of its task.
func (c *conversation) retry(ctx context.Context) error {
	tasks, err := c.newest(ctx)
	if err != nil || len(tasks) == 0 {
		return err
	}
	t, o := tasks[0], command.Options{Env: tasks[0].Environment, Base: tasks[0].BaseBranch}
	for _, v := range tasks {
		if !v.State.Ended() {
			c.say(present.CommandProblem(fmt.Sprintf(
				"task %s is still %s; /coderflow cancel ends it, and /coderflow run --supersede on the issue starts anew in its place", v.ID, v.State)))
			return nil
		}
		if v.Variant != "" {
			o.Agents = append(o.Agents, v.Variant)
		}
	}
	issue, err := c.e.Forge.Issue(ctx, c.event.Repository, forge.IssueTopic(t.Issue))
	if err != nil {
		return fmt.Errorf("read issue %d: %w", t.Issue, err)
	}
	c.event.Issue = &issue
	started, err := c.start(ctx, o, t.Snapshot.Instructions)
	if err == nil && started > 0 {
		c.say(present.Retrying(tasks, started))
	}
	return err
}

// newest are the tasks of the newest request: on an issue every variant of it.
func (c *conversation) newest(ctx context.Context) ([]task.Task, error) {
	t, found, err := c.latest(ctx)
	if err != nil || !found {
		return nil, err
	}
	if t.Group == "" || c.topic.PullRequest {
		return []task.Task{t}, nil
	}
	all, err := c.e.Store.Variants(ctx, t.Group)
	if err != nil {
		return nil, fmt.Errorf("read the variants of the request: %w", err)
	}
	return all, nil
}

// groupStatus shows all variants of a request.
func (c *conversation) groupStatus(ctx context.Context, t task.Task) error {
	view, err := c.e.groupView(ctx, &t)
	if err != nil {
		return err
	}
	c.say(present.Group(view))
	return c.noteFreeze(ctx, t)
}

// cancelNewest cancels what is open of the newest request.
func (c *conversation) cancelNewest(ctx context.Context) error {
	tasks, err := c.newest(ctx)
	if err != nil {
		return err
	}
	open := slices.DeleteFunc(slices.Clone(tasks), func(t task.Task) bool { return !stoppable(t) })
	if len(open) == 0 && len(tasks) > 0 {
		open = tasks[:1] // to say what became of it
	}
	for _, t := range open {
		if err := c.cancel(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (c *conversation) cancel(ctx context.Context, t task.Task) error {
	own := c.event.Actor.Subject == t.Requester.Subject
	if d := c.rules.Decide(c.event.Actor, policy.TasksCancel, t.Environment); !own && !d.Allowed {
		c.refuse(ctx, d)
		return nil
	}
	if t.State.Ended() {
		c.say(present.CommandProblem(fmt.Sprintf("task %s has ended already: %s", t.ID, t.State)))
		return nil
	}
	if t.State.CarriedOut() {
		c.say(present.CommandProblem(fmt.Sprintf("task %s is %s: what was approved is being carried out and cannot be cancelled", t.ID, t.State)))
		return nil
	}
	if free, err := c.unfrozen(ctx, t.Environment, "comment again"); err != nil || !free {
		return err
	}
	c.say(present.Cancelling(t))
	c.write(func(tx Tx) error {
		return RequestCancel(ctx, tx, c.e.Now(), t, c.event.Actor.Subject.String(), nil)
	})
	return nil
}

// RequestCancel marks the task and has it looked at, audited. Whoever asks is
// permitted already. detail says by which way it was asked; it may be nil.
func RequestCancel(ctx context.Context, tx Tx, now time.Time, t task.Task, by string, detail any) error {
	if err := tx.RequestCancel(ctx, t.ID); err != nil {
		return err
	}
	entry, err := audit.New(now, by, audit.TaskCancelWanted, detail)
	if err != nil {
		return err
	}
	entry.Task, entry.Environment = string(t.ID), t.Environment
	if err := tx.Audit(ctx, entry); err != nil {
		return err
	}
	return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(t.ID)})
}
