package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// Accept stores a verified delivery with its audit entry and its job in one
// transaction. A delivery id that is known already is no error. [ErrBusy] if too
// many wait to be stored.
func (e *Engine) Accept(ctx context.Context, d Delivery) error {
	if len(d.Events) == 0 { // nothing that CoderFlow acts on
		return nil
	}
	e.Failpoint(DeliveryReceived(d.Event))
	in := incoming{d, new(bool)}
	if err := e.arrivals.keep(ctx, in); err != nil {
		return err
	}
	e.Failpoint(DeliveryStored(d.Event))
	e.Observer.Accepted(ctx, d, *in.fresh)
	return nil
}

// incoming is a delivery that waits to be stored; fresh tells afterwards whether it was new.
type incoming struct {
	Delivery
	fresh *bool
}

// Busy reports whether Accept would answer [ErrBusy] now.
func (e *Engine) Busy() bool { return e.arrivals.full() }

// storeDeliveries stores all of them or none.
func (e *Engine) storeDeliveries(ctx context.Context, all []incoming) error {
	return e.Store.InTx(ctx, func(tx Tx) error {
		deliveries := make([]Delivery, len(all))
		for i, d := range all {
			deliveries[i] = d.Delivery
		}
		fresh, err := tx.InsertDeliveries(ctx, deliveries)
		if err != nil {
			return err
		}
		for i, d := range all {
			if *d.fresh = fresh[i]; !fresh[i] {
				continue
			}
			entry, err := audit.New(e.Now(), d.Host, audit.DeliveryAccepted, map[string]any{"delivery": d.ID, "event": d.Event})
			if err != nil {
				return err
			}
			if err := tx.Audit(ctx, entry); err != nil {
				return err
			}
			if err := tx.Enqueue(ctx, queue.Job{Kind: queue.Deliver, Key: d.ID, New: true}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Deliver handles an accepted delivery. It is the handler of queue.Deliver jobs.
func (e *Engine) Deliver(ctx context.Context, id string) (err error) {
	d, err := e.Store.Delivery(ctx, id)
	if err != nil {
		return fmt.Errorf("read delivery %s: %w", id, err)
	}
	if d.Outcome != "" {
		return nil
	}
	ctx, handled := e.Observer.Delivering(ctx, d)
	defer func() { handled(err) }()
	for _, told := range d.Events {
		events, err := e.Forge.Complete(ctx, told)
		if err != nil {
			return patient(fmt.Errorf("complete delivery %s (%s): %w", id, told.Kind, err))
		}
		for _, event := range events {
			if err := e.handle(ctx, event); err != nil {
				return patient(fmt.Errorf("delivery %s (%s): %w", id, event.Kind, err))
			}
		}
	}
	return e.finished.keep(ctx, id)
}

// finishDeliveries records that deliveries were handled.
func (e *Engine) finishDeliveries(ctx context.Context, ids []string) error {
	return e.Store.InTx(ctx, func(tx Tx) error { return tx.FinishDeliveries(ctx, ids, "handled") })
}

func (e *Engine) handle(ctx context.Context, event forge.Event) error {
	switch event.Kind {
	case forge.EventCommentCreated:
		return e.handleComment(ctx, event)
	case forge.EventIssueLabeled:
		return e.handleLabel(ctx, event)
	case forge.EventIssueClosed:
		return e.issueWasClosed(ctx, event)
	case forge.EventPullRequestPushed, forge.EventPullRequestClosed, forge.EventPullRequestEdited,
		forge.EventReviewSubmitted, forge.EventReviewDismissed:
		return e.wake(ctx, event)
	}
	return nil
}

// wake has the task of a pull request looked at. The event decides nothing.
func (e *Engine) wake(ctx context.Context, event forge.Event) error {
	if event.PullRequest == nil {
		return nil
	}
	id, ours := task.FromBranch(event.PullRequest.Head.Branch)
	if !ours {
		return nil
	}
	t, err := e.Store.Task(ctx, id)
	if errors.Is(err, task.ErrNotFound) || (err == nil && t.Repository.Key() != event.Repository.Key()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read task %s: %w", id, err)
	}
	e.Observer.Reached(ctx, t.ID)
	if err := e.pullWasClosed(ctx, t, event); err != nil {
		return err
	}
	return e.enqueue(ctx, afterEvent(t))
}

// afterEvent is what there is to look at after something happened to the pull
// request of a task.
func afterEvent(t task.Task) []queue.Job {
	jobs := advances([]task.Task{t})
	if t.State.HasLanded() {
		jobs = append(jobs, queue.Job{Kind: queue.Merge, Key: string(t.ID)})
	}
	return jobs
}

// once runs f unless the meaning was handled before, whatever delivery brought
// it, and remembers it in the transaction that f's caller hands to finish.
//
// f is repeated after a crash between its effects and the record; its effects
// (a comment with a marker, a task with a trigger key) are idempotent. What it
// hands over is written once, whoever else handles the same at the same time.
func (e *Engine) once(ctx context.Context, meaning string, f func() (finish func(Tx) error, err error)) error {
	_, err, _ := e.handling.Do(meaning, func() (any, error) { return nil, e.handleOnce(ctx, meaning, f) })
	return err
}

func (e *Engine) handleOnce(ctx context.Context, meaning string, f func() (finish func(Tx) error, err error)) error {
	name := "handled:" + meaning
	at, err := e.Store.Cursor(ctx, name)
	if err != nil {
		return fmt.Errorf("read whether %s was handled: %w", meaning, err)
	}
	if !at.IsZero() {
		return nil
	}
	finish, err := f()
	if err != nil {
		return err
	}
	e.Failpoint(RequestAnswered)
	err = e.Store.InTx(ctx, func(tx Tx) error {
		fresh, err := tx.InsertCursor(ctx, name, e.Now())
		if err != nil || !fresh || finish == nil {
			return err
		}
		return finish(tx)
	})
	if err == nil {
		e.Failpoint(RequestRecorded)
	}
	return err
}

// newTask is a task that was permitted and has yet to be stored.
type newTask struct {
	trigger     string // meaning of the cause
	triggerURL  string
	event       forge.Event
	at          time.Time // the snapshot's moment
	environment string
	base        string
	text        string
	policy      string
}

// create stores the task with its audit entry and first job.
func (e *Engine) create(ctx context.Context, tx Tx, t task.Task, decision any) error {
	frozen, err := tx.FreezesInForce(ctx) // after the decision: reading the forge took its time
	if err != nil {
		return err
	}
	if err := frozen.Refuse(t.Environment); err != nil {
		return err
	}
	fresh, err := tx.InsertTask(ctx, t)
	if err != nil || !fresh {
		return err
	}
	e.Observer.Reached(ctx, t.ID)
	detail := map[string]any{
		"trigger": t.TriggerKey, "url": t.TriggerURL, "repository": t.Repository.Key(), "issue": t.Issue, "decision": decision,
		"text": t.Snapshot.Digest(),
	}
	if t.Variant != "" {
		detail["agent"] = t.Variant
	}
	if t.Group != "" {
		detail["group"], detail["variant"] = t.Group, fmt.Sprintf("%d of %d", t.Place, t.Places)
	}
	err = e.audit(ctx, tx, &t, t.Requester.Subject.String(), audit.TaskCreated, detail)
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(t.ID)})
}

// build takes the snapshot and makes the task.
func (e *Engine) build(ctx context.Context, n newTask, canRun func(forge.User) bool) (task.Task, error) {
	issue := n.event.Issue
	snapshot, err := e.snapshot(ctx, n, canRun)
	if err != nil {
		return task.Task{}, err
	}
	now := e.Now()
	return task.Task{
		ID: task.NewID(), State: task.Queued, Environment: n.environment,
		Repository: n.event.Repository, Issue: issue.Number, BaseBranch: n.base,
		Requester: n.event.Actor, TriggerKey: n.event.Repository.Key() + "/" + n.trigger, TriggerURL: n.triggerURL,
		Snapshot: snapshot, PolicyVersion: n.policy, CreatedAt: now, UpdatedAt: now,
	}, nil
}

// Bounds of a snapshot.
const (
	maxSnapshotComments = 50
	maxSnapshotText     = 64 << 10 // bytes, each text
)

// snapshot keeps the request as it stood at the trigger. Title and body come
// from the event. Comments are read now, so those that were written or edited
// after the trigger are left out, and so are those of people who could not have
// made the request themselves.
func (e *Engine) snapshot(ctx context.Context, n newTask, canRun func(forge.User) bool) (task.Snapshot, error) {
	issue := n.event.Issue
	s := task.Snapshot{Title: cut(issue.Title), Body: cut(issue.Body), Instructions: cut(n.text)}
	comments, err := e.Forge.Comments(ctx, n.event.Repository, issue.Number)
	if err != nil {
		return s, fmt.Errorf("read the comments of issue %d: %w", issue.Number, err)
	}
	for _, c := range comments {
		switch {
		case n.event.Comment != nil && c.ID == n.event.Comment.ID, c.Author.Kind != forge.Person:
		case c.CreatedAt.After(n.at), c.UpdatedAt.After(n.at), !canRun(c.Author), len(s.Comments) >= maxSnapshotComments:
			s.CommentsOmitted++
		default:
			s.Comments = append(s.Comments, task.Comment{Author: c.Author, Body: cut(c.Body), At: c.CreatedAt})
		}
	}
	return s, nil
}

func cut(text string) string {
	if len(text) <= maxSnapshotText {
		return text
	}
	return text[:maxSnapshotText] + "\n[cut]"
}
