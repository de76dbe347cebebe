package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/web"
)

// Pages of the log together are the log: nothing twice, nothing left out, and
// of one environment nothing of another.
func TestThreat49PagesOfTheAuditLogAreOfOneEnvironment(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		const entries = 1025
		err := db.InTx(t.Context(), func(tx *store.Tx) error {
			for i := range entries {
				e := audit.Entry{At: time.Now(), Actor: "x", Action: "a.b", Environment: "production"}
				if i%500 == 7 || i == entries-1 {
					e.Environment = "staging"
				}
				if err := tx.Audit(t.Context(), e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for environment, want := range map[string]int{"": entries, "staging": 4, "production": entries - 4, "nowhere": 0} {
			seen := auditPages(t, db, environment)
			if len(seen) != want {
				t.Errorf("%d entries of %q, want %d", len(seen), environment, want)
			}
		}
	})
}

// auditPages reads every page and fails on what comes twice or does not belong.
func auditPages(t *testing.T, db *store.Store, environment string) map[int64]bool {
	t.Helper()
	seen := map[int64]bool{}
	q := web.AuditQuery{Environment: environment, Limit: 200}
	for range 50 {
		page, next, err := apiStore{db}.AuditPage(t.Context(), q)
		if err != nil || len(page) > q.Limit {
			t.Fatalf("%d entries, %v", len(page), err)
		}
		for _, e := range page {
			if seen[e.Seq] || environment != "" && e.Environment != environment {
				t.Fatalf("entry %d of %q comes twice or is of another environment than %q", e.Seq, e.Environment, environment)
			}
			seen[e.Seq] = true
		}
		if q.After = next; next == 0 {
			return seen
		}
	}
	t.Fatal("the pages do not end")
	return nil
}

func TestACancellationIsMarkedAndAuditedOrNeither(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		id := task.NewID()
		v := storetest.TaskIn(t, db, task.Task{ID: id, Environment: "staging", TriggerKey: "comment:" + string(id)}, task.Running)
		c := web.Cancellation{Task: v, By: forge.Subject{Host: forge.GitHub, ID: "7"}, Token: "k", Request: "r"}
		if err := (apiStore{db}).CancelTask(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		got, err := db.Task(t.Context(), id)
		entries, errAudit := db.AuditEntries(t.Context(), store.AuditFilter{Task: string(id)})
		if err := errors.Join(err, errAudit); err != nil {
			t.Fatal(err)
		}
		if !got.CancelRequested || len(entries) != 1 || entries[0].Actor != "github:7" || entries[0].Environment != "staging" {
			t.Errorf("%t, %+v", got.CancelRequested, entries)
		}
		c.Task.ID = task.NewID()
		if err := (apiStore{db}).CancelTask(t.Context(), c); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("an unknown task: %v", err)
		}
		if entries, err := db.AuditEntries(context.Background(), store.AuditFilter{Task: string(c.Task.ID)}); err != nil || len(entries) != 0 {
			t.Errorf("%s, %v", fmt.Sprint(entries), err)
		}
	})
}

// A page without environments is empty: no list stands for all of them.
func TestAPageOfTasksWithoutEnvironmentsIsEmpty(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	id := task.NewID()
	storetest.TaskIn(t, db, task.Task{ID: id, Environment: "staging", TriggerKey: "x"}, task.Running)
	for _, before := range []task.ID{"", id} {
		if page, err := (apiStore{db}).TaskPage(t.Context(), web.TaskQuery{Limit: 10, Before: before}); err != nil || len(page) != 0 {
			t.Errorf("%d tasks, %v", len(page), err)
		}
	}
}
