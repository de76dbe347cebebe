package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/task"
)

// restoredCursor keeps when the database was restored last. The gate takes no review
// from before then: what became of it is not known.
const restoredCursor = "restored"

// Restored is when the database was restored last; zero if it never was.
func (s *Store) Restored(ctx context.Context) (time.Time, error) {
	return s.Cursor(ctx, restoredCursor)
}

// Settled counts what a restore ended.
type Settled struct {
	Tasks       int   `json:"tasksFailed"`        // that were at work
	Deployments int   `json:"deploymentsUnknown"` // that had not ended
	Deliveries  int64 `json:"deliveriesDropped"`  // that had not been followed
}

// Settle makes the restored state one from which nothing is done a second time that
// was done between the backup, at taken, and now. What the forge proves is looked up
// there later; what nothing proves counts as perhaps done.
func (l *Loaded) Settle(ctx context.Context, taken, now time.Time) (Settled, error) {
	var done Settled
	since := taken.UTC().Format("2006-01-02 15:04 MST")
	const never = "lease_owner = '', lease_until = NULL"
	if _, err := l.exec(ctx, l.tx.NewUpdate().Model((*taskRow)(nil)).Set(never).Where("lease_owner <> ''")); err != nil {
		return done, fmt.Errorf("end the restored leases: %w", err)
	}
	var err error
	outcome := "not followed: the server was restored from a backup of " + since
	done.Deliveries, err = l.exec(ctx, l.tx.NewUpdate().Model((*deliveryRow)(nil)).Set("outcome = ?", outcome).Where("outcome = ''"))
	if err != nil {
		return done, fmt.Errorf("settle the restored deliveries: %w", err)
	}
	// What was asked for in between may have been followed, so it is history.
	_, err = l.exec(ctx, l.tx.NewUpdate().Model((*cursorRow)(nil)).Set("at = ?", at(now)).
		Where("name LIKE 'first-seen:%' OR name LIKE 'comments:%'"))
	if err != nil {
		return done, fmt.Errorf("settle what was read at the forge: %w", err)
	}
	if err := l.settleNodes(ctx); err != nil {
		return done, err
	}
	if done.Tasks, err = l.settleTasks(ctx, since, now); err != nil {
		return done, err
	}
	if done.Deployments, err = l.settleRuns(ctx, since, now); err != nil {
		return done, err
	}
	return done, l.SetCursor(ctx, restoredCursor, now)
}

// settleNodes takes every task, ended ones too, from the node that it was on: what is
// left of its place is what was restored, and that is the new node's.
func (l *Loaded) settleNodes(ctx context.Context) error {
	const batch = 200 // so that not all of a long history is held at once
	for last := int64(0); ; {
		var rows []taskRow
		err := l.scan(ctx, l.tx.NewSelect().Model(&rows).Column("number", "id", "run").Where("number > ?", last).Order("number").Limit(batch))
		if err != nil {
			return fmt.Errorf("read where the restored tasks were: %w", err)
		}
		for i := range rows {
			if err := l.settleNode(ctx, &rows[i]); err != nil {
				return err
			}
			last = rows[i].Number
		}
		if len(rows) < batch {
			return nil
		}
	}
}

// settleNode leaves the rest of the row as it is, the time of its last change too:
// nothing happened to the task.
func (l *Loaded) settleNode(ctx context.Context, row *taskRow) error {
	var run task.Run
	var d decoder
	if decode(&d, "run", row.Run, &run); d.err != nil {
		return fmt.Errorf("task %s: %w", row.ID, d.err)
	}
	if run.Node == "" {
		return nil
	}
	run.Node = ""
	var e encoder
	without := encode(&e, "the run", run)
	if e.err != nil {
		return fmt.Errorf("task %s: %w", row.ID, e.err)
	}
	if _, err := l.exec(ctx, l.tx.NewUpdate().Model((*taskRow)(nil)).Set("run = ?", without).Where("number = ?", row.Number)); err != nil {
		return fmt.Errorf("take task %s from its former node: %w", row.ID, err)
	}
	return nil
}

// settleTasks ends the tasks whose agent may have gone on: what it made then may be at
// the forge, under the same task.
func (l *Loaded) settleTasks(ctx context.Context, since string, now time.Time) (int, error) {
	var rows []taskRow
	atWork := []task.State{task.Queued, task.Preparing, task.Running, task.Collecting}
	if err := l.scan(ctx, l.tx.NewSelect().Model(&rows).Where("state IN (?)", bun.List(atWork)).Order("number")); err != nil {
		return 0, fmt.Errorf("read the restored tasks: %w", err)
	}
	list, err := tasks(rows)
	if err != nil {
		return 0, err
	}
	for i := range list {
		t := &list[i]
		from := t.State
		t.State, t.Failure = task.Failed, "the server was restored from a backup of "+since+", when this task was at work; ask for it again"
		if err := l.SaveTask(ctx, t); err != nil {
			return 0, err
		}
		err := l.note(ctx, now, audit.TaskMoved, string(t.ID), t.Environment, map[string]any{"from": from, "to": t.State, "why": t.Failure})
		if err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// settleRuns ends the deployments that had not ended, also those that waited for the
// merge: each may have run since.
func (l *Loaded) settleRuns(ctx context.Context, since string, now time.Time) (int, error) {
	var rows []runRow
	open := []deploy.RunState{deploy.Armed, deploy.Pending, deploy.Created, deploy.Running}
	if err := l.scan(ctx, l.tx.NewSelect().Model(&rows).Where("state IN (?)", bun.List(open)).Order("number")); err != nil {
		return 0, fmt.Errorf("read the restored deployments: %w", err)
	}
	for i := range rows {
		run, err := rows[i].run()
		if err != nil {
			return 0, err
		}
		from := run.State
		run.State, run.FinishedAt = deploy.Unknown, now
		run.Detail = "the server was restored from a backup of " + since + "; whether it ran since then cannot be learnt, so it is not started (again)"
		if err := l.SaveRun(ctx, run); err != nil {
			return 0, err
		}
		err = l.note(ctx, now, audit.DeployEnded, string(run.Task), run.Environment, map[string]any{
			"deployment": run.ID, "environment": run.Environment, "profile": run.Profile, "profileVersion": run.ProfileVersion,
			"approval": run.ApprovalID, "repository": run.Repository.Key(), "commit": run.Commit, "covers": run.Covers,
			"from": from, "state": run.State, "detail": run.Detail,
		})
		if err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}

func (l *Loaded) note(ctx context.Context, now time.Time, action audit.Action, id, environment string, detail any) error {
	entry, err := audit.New(now, audit.System, action, detail)
	if err != nil {
		return err
	}
	entry.Task, entry.Environment = id, environment
	return l.Audit(ctx, entry)
}
