package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// cancelDetail is what the audit log says about a request to cancel. To and Why are
// set where it came from a closed issue or pull request.
type cancelDetail struct {
	To  task.State `json:"to,omitempty"`
	Why string     `json:"why,omitempty"`
}

// Why a task was stopped by closing something.
const (
	issueClosed = "its issue was closed"
	pullClosed  = "the pull request was closed"
)

// stopped ends the task if somebody asked for it, or if another one took its place.
// Every step before landing begins with it.
func (e *Engine) stopped(ctx context.Context, t *task.Task) error {
	if t.ReplacedBy != "" {
		return ended(task.Superseded, "%s", e.whyReplaced(ctx, t))
	}
	if !t.CancelRequested {
		return nil
	}
	to, why, err := e.whyCancelled(ctx, t)
	if err != nil {
		return err
	}
	return ended(to, "%s", why)
}

// wanted reports whether nobody asked to stop the task.
func wanted(t *task.Task) bool { return !t.CancelRequested && t.ReplacedBy == "" }

func (e *Engine) whyReplaced(ctx context.Context, t *task.Task) string {
	by, err := e.Store.Task(ctx, t.ReplacedBy)
	if err == nil && by.Group != "" && by.Group == t.Group {
		return fmt.Sprintf("variant %d of %d (%s) was approved instead", by.Place, by.Places, by.Variant)
	}
	return fmt.Sprintf("a newer request took its place: task %s", t.ReplacedBy)
}

// whyCancelled finds the first request to cancel, which says where the task ends.
func (e *Engine) whyCancelled(ctx context.Context, t *task.Task) (task.State, string, error) {
	entries, err := e.Store.TaskLog(ctx, t.ID)
	if err != nil {
		return "", "", fmt.Errorf("read why task %s was cancelled: %w", t.ID, err)
	}
	i := slices.IndexFunc(entries, func(e audit.Entry) bool { return e.Action == audit.TaskCancelWanted })
	if i < 0 {
		return task.Cancelled, "cancelled on request", nil
	}
	var d cancelDetail
	_ = json.Unmarshal(entries[i].Detail, &d) // other ways to cancel say other things
	switch {
	case d.Why == "":
		return task.Cancelled, "cancelled on request", nil
	case d.To == task.Rejected && task.CanMove(t.State, task.Rejected):
		return task.Rejected, d.Why, nil
	}
	return task.Cancelled, d.Why, nil
}

// issueWasClosed stops every task of an issue that began before it was closed. The
// delivery's word is enough: stopping is the safe side, and an issue that was reopened
// meanwhile was closed all the same.
func (e *Engine) issueWasClosed(ctx context.Context, event forge.Event) error {
	if event.Issue == nil {
		return nil
	}
	open, err := e.openTasks(ctx, func(t task.Task) bool {
		return t.Repository.Key() == event.Repository.Key() && t.Issue == event.Issue.Number && stoppable(t) && !t.CreatedAt.Truncate(time.Second).After(event.At)
	})
	if err != nil {
		return err
	}
	return e.stopAll(ctx, open, actorOf(event), cancelDetail{Why: issueClosed})
}

// pullWasClosed stops a task whose pull request was closed, also if it was reopened
// meanwhile. One that is proposed needs no asking: its step reads at the forge whether it
// ever was closed, whatever delivery told.
func (e *Engine) pullWasClosed(ctx context.Context, t task.Task, event forge.Event) error {
	if event.Kind != forge.EventPullRequestClosed || !stoppable(t) || t.State == task.Proposed || t.PullRequest != event.PullRequest.Number {
		return nil
	}
	return e.stopAll(ctx, []task.Task{t}, actorOf(event), cancelDetail{To: task.Rejected, Why: pullClosed})
}

// neverClosed rejects the proposal of a pull request that was closed, also if it is open
// again and no delivery told: an approval from before does not come back with it.
func (e *Engine) neverClosed(ctx context.Context, t *task.Task) error {
	closings, err := e.Forge.Closings(ctx, t.Repository, t.PullRequest)
	if err != nil {
		return fmt.Errorf("read whether pull request %d was closed: %w", t.PullRequest, err)
	}
	if len(closings) > 0 {
		return ended(task.Rejected, pullClosed)
	}
	return nil
}

func actorOf(event forge.Event) string {
	if event.Actor.Subject.IsZero() {
		return audit.System
	}
	return event.Actor.Subject.String()
}

// stopAll asks to cancel each task, once.
func (e *Engine) stopAll(ctx context.Context, tasks []task.Task, by string, detail cancelDetail) error {
	for _, t := range tasks {
		if t.CancelRequested {
			continue
		}
		err := e.Store.InTx(ctx, func(tx Tx) error { return RequestCancel(ctx, tx, e.Now(), t, by, detail) })
		if err != nil {
			return fmt.Errorf("cancel task %s: %w", t.ID, err)
		}
	}
	return nil
}

// missedClosings stops the tasks whose issue is closed, which no delivery told.
func (e *Engine) missedClosings(ctx context.Context) error {
	open, err := e.openTasks(ctx, func(t task.Task) bool { return stoppable(t) && wanted(&t) })
	if err != nil {
		return err
	}
	type place struct {
		repository string
		issue      int
	}
	closed := map[place]bool{}
	var errs []error
	for _, t := range open {
		at := place{t.Repository.Key(), t.Issue}
		if _, asked := closed[at]; !asked {
			issue, err := e.Forge.Issue(ctx, t.Repository, forge.IssueTopic(t.Issue))
			if err != nil && !errors.Is(err, forge.ErrNotFound) { // one that was moved or hidden is not closed
				errs = append(errs, fmt.Errorf("read issue %d: %w", t.Issue, err))
			}
			closed[at] = err == nil && !issue.Open
		}
		if closed[at] {
			errs = append(errs, e.stopAll(ctx, []task.Task{t}, audit.System, cancelDetail{Why: issueClosed}))
		}
	}
	return errors.Join(errs...)
}

// expiryOf is how long proposals of the environment wait for a decision. Where the
// environment was removed, it is the default.
func (e *Engine) expiryOf(ctx context.Context, t *task.Task) (time.Duration, error) {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the manifests: %w", err)
	}
	if env, known := set.Environments[t.Environment]; known && env.Proposal.ExpiresAfter > 0 {
		return time.Duration(env.Proposal.ExpiresAfter), nil
	}
	return manifest.DefaultExpiry, nil
}

// maxNotice is the longest time before the end at which people are reminded; it is a
// quarter of a shorter life.
const maxNotice = 3 * 24 * time.Hour

// expire ends a proposal that nobody decided in time, and reminds of it before.
func (e *Engine) expire(ctx context.Context, w *work, p task.Proposal) error {
	life, err := e.expiryOf(ctx, &w.t)
	if err != nil {
		return err
	}
	end := p.CreatedAt.Add(life)
	switch now := e.Now(); {
	case now.After(end):
		return ended(task.Expired, "nobody approved the proposal within %s", present.Span(life))
	case now.After(end.Add(-min(maxNotice, life/4))):
		return e.remind(ctx, w, p, end)
	}
	return nil
}

// remind says once for each revision when the proposal expires.
func (e *Engine) remind(ctx context.Context, w *work, p task.Proposal, end time.Time) error {
	name := fmt.Sprintf("reminded:%s/%d", w.t.ID, p.Revision)
	if at, err := e.Store.Cursor(ctx, name); err != nil || !at.IsZero() {
		return err
	}
	marker := fmt.Sprintf("<!-- coderflow:reminder=%s/%d -->", w.t.ID, p.Revision)
	body := marker + "\n" + present.Reminder(w.t, end)
	if _, err := e.Forge.UpsertComment(ctx, w.t.Repository, forge.PullTopic(w.t.PullRequest), marker, body); err != nil {
		return fmt.Errorf("remind of the proposal: %w", err)
	}
	return e.Store.InTx(ctx, func(tx Tx) error {
		_, err := tx.InsertCursor(ctx, name, e.Now())
		return err
	})
}

// closes reports whether the end of the task leaves a proposal that nobody can decide on
// any more. A task that failed in a revision does; one that failed with an approval is
// left to its people.
func closes(t task.Task) bool {
	switch t.State {
	case task.Cancelled, task.Expired:
		return true
	case task.Superseded:
		return t.ReplacedBy != ""
	case task.Failed, task.Refused:
		return t.ApprovalID == ""
	}
	return false
}

// closeEnded says on the pull request of a task that ended without a decision on it
// why, and closes it. Where somebody else pushed to its branch, it stays as it is:
// that work is not ours.
func (e *Engine) closeEnded(ctx context.Context, w *work) error {
	t := w.t
	if t.PullRequest == 0 || !closes(t) {
		return nil
	}
	marker := "<!-- coderflow:closed=" + string(t.ID) + " -->"
	if _, err := e.Forge.UpsertComment(ctx, t.Repository, forge.PullTopic(t.PullRequest), marker, marker+"\n"+present.Closed(t)); err != nil {
		return fmt.Errorf("say why pull request %d is closed: %w", t.PullRequest, err)
	}
	if err := e.unlessRefused(ctx, w, e.Forge.ClosePullRequest(ctx, t.Repository, t.PullRequest)); err != nil {
		return fmt.Errorf("close pull request %d: %w", t.PullRequest, err)
	}
	return nil
}
