package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// auditTrail waits until the task is done and shows what was written down.
func (t *story) auditTrail(ctx context.Context, db *store.Store) error {
	var id task.ID
	err := until(ctx, time.Minute, "the end of the task", func(ctx context.Context) (bool, error) {
		tasks, err := db.Tasks(ctx, store.TaskFilter{Limit: 10})
		if err != nil || len(tasks) == 0 {
			return false, err
		}
		id = tasks[0].ID
		if tasks[0].State.Ended() && tasks[0].State != task.Done {
			return false, fmt.Errorf("the task is %s: %s", tasks[0].State, tasks[0].Failure)
		}
		return tasks[0].State == task.Done, nil
	})
	if err != nil {
		return err
	}
	entries, err := db.AuditEntries(ctx, store.AuditFilter{Task: string(id), Limit: 1000})
	if err != nil {
		return err
	}
	count := map[audit.Action]int{}
	for _, e := range entries {
		count[e.Action]++
	}
	for action, want := range map[audit.Action]int{
		audit.TaskCreated: 1, audit.ApprovalRefused: 2, audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1,
		audit.DeployIntent: 1, audit.DeployEnded: 1,
	} {
		if count[action] != want {
			return fmt.Errorf("the audit log has %d entries %s, want %d", count[action], action, want)
		}
	}
	t.line("✓", "task %s is done; the audit log has %d entries about it:", id, len(entries))
	for _, e := range entries {
		if e.Action != audit.TaskMoved {
			t.more("%-4d %-26s by %s", e.Seq, e.Action, t.nameOf(e.Actor))
		}
	}
	return nil
}

// nameOf shows who a subject of the log is: the log has numbers, because logins change.
func (t *story) nameOf(actor string) string {
	for _, u := range t.hub.Info().Users {
		if actor == t.subject(u.Login) {
			return actor + ", " + u.Login
		}
	}
	return actor
}
