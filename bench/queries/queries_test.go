// Package queries measures what people and the server ask of a database with 100,000 tasks and a million audit entries,
// beside the same query of one with a thousand and ten thousand.
package queries

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

const (
	fewTasks, fewEntries = 1000, 10_000
	// mostGrowth is how much longer a query may take at a hundred times the rows; what reads all of them has a limit instead.
	mostGrowth = 10
	// least is the floor's least time: below it a query is lost in a request's own cost.
	least = 1.0 // ms
	times = 15
)

// large is a hundred times as many as few, or a part of it where TASKS says how many tasks.
func large() (tasks, entries int) {
	if n, err := strconv.Atoi(os.Getenv("TASKS")); err == nil && n > fewTasks {
		return n, 10 * n
	}
	return 100 * fewTasks, 100 * fewEntries
}

// query is asked of both databases.
type query struct {
	name string
	ask  func(ctx context.Context, s *store.Store, middle task.ID, entries int) error
	// most is the limit of one that reads everything, in ms; 0: it is held to its growth.
	most float64
}

func list(f store.TaskFilter, next bool) func(context.Context, *store.Store, task.ID, int) error {
	return func(ctx context.Context, s *store.Store, middle task.ID, _ int) error {
		f.Limit = 50
		before := task.ID("")
		if next {
			before = middle
		}
		_, err := s.TaskList(ctx, f, before)
		return err
	}
}

func entriesBy(f store.AuditFilter) func(context.Context, *store.Store, task.ID, int) error {
	return func(ctx context.Context, s *store.Store, _ task.ID, _ int) error {
		_, err := s.AuditEntries(ctx, f)
		return err
	}
}

var queries = []query{
	{"tasks, newest page", list(store.TaskFilter{}, false), 0},
	{"tasks, page in the middle", list(store.TaskFilter{}, true), 0},
	{"tasks of two environments", list(store.TaskFilter{Environments: []string{"environment1", "environment2"}}, false), 0},
	{"tasks, search of a word", list(store.TaskFilter{Text: "timeout"}, false), 0},
	{"tasks, search of a number", list(store.TaskFilter{Text: "#777"}, false), 1000},
	{"tasks, search that finds nothing", list(store.TaskFilter{Text: "nowhere to be found"}, false), 1000},
	{"tasks, by state for the overview", func(ctx context.Context, s *store.Store, _ task.ID, _ int) error {
		_, err := s.TasksByState(ctx, nil)
		return err
	}, 1000},
	{"task page", func(ctx context.Context, s *store.Store, middle task.ID, _ int) error {
		if _, err := s.Task(ctx, middle); err != nil {
			return err
		}
		_, err := s.AuditEntries(ctx, store.AuditFilter{Task: "task00000007"})
		return err
	}, 0},
	{"open tasks, for the sweep and a free place", func(ctx context.Context, s *store.Store, _ task.ID, _ int) error {
		found, err := s.OpenTasks(ctx)
		if err == nil && len(found) != open {
			err = fmt.Errorf("%d tasks are open", len(found))
		}
		return err
	}, 0},
	{"sweep of deliveries and deployments", func(ctx context.Context, s *store.Store, _ task.ID, _ int) error {
		if _, err := s.UnhandledDeliveries(ctx, time.Minute); err != nil {
			return err
		}
		_, err := s.TasksToDeploy(ctx)
		return err
	}, 0},
	{"audit, newest page", entriesBy(store.AuditFilter{Newest: true}), 0},
	{"audit, newest of an actor", entriesBy(store.AuditFilter{Actor: "github:5", Newest: true}), 0},
	{"audit, of two environments", entriesBy(store.AuditFilter{Environments: []string{"environment1", "environment2"}, Newest: true}), 0},
	{"audit, of nobody", entriesBy(store.AuditFilter{Actor: "github:99999"}), 0},
	{"audit, head to sign", func(ctx context.Context, s *store.Store, _ task.ID, _ int) error {
		_, _, err := s.AuditHead(ctx)
		return err
	}, 0},
	{"audit, proof of an entry", func(ctx context.Context, s *store.Store, _ task.ID, entries int) error {
		_, err := audit.ProveInclusion(s.AuditTree(ctx), int64(entries/3), int64(entries))
		return err
	}, 0},
	{"audit, start of a verification", func(ctx context.Context, s *store.Store, _ task.ID, _ int) error {
		last, err := s.AuditExtent(ctx)
		if err != nil {
			return err
		}
		for _, err := range s.AuditLog(ctx, last) { // its first page
			return err
		}
		return nil
	}, 0},
	{"audit, append of one entry", func(ctx context.Context, s *store.Store, _ task.ID, _ int) error {
		return s.InTx(ctx, func(tx *store.Tx) error { return tx.Audit(ctx, entry(1)) })
	}, 0},
}

func BenchmarkQueries(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { compare(b, "SQLite", storetest.SQLite(b), storetest.SQLite(b)) })
	b.Run("PostgreSQL", func(b *testing.B) { compare(b, "PostgreSQL", storetest.Postgres(b), storetest.Postgres(b)) })
}

func compare(b *testing.B, kind string, few, many *store.Store) {
	tasks, entries := large()
	middleOfFew, middleOfMany := fill(b, few, fewTasks, fewEntries), fill(b, many, tasks, entries)
	for _, q := range queries {
		floor := max(took(b, q, few, middleOfFew, fewEntries), least)
		measured := took(b, q, many, middleOfMany, entries)
		name := "queries " + kind + ": " + q.name
		if q.most > 0 {
			bound.Below(b, name, "ms", measured, q.most)
			continue
		}
		bound.AtMost(b, name, "ms", measured, floor, mostGrowth)
	}
	began := time.Now()
	if size, root, err := many.AuditHead(b.Context()); err != nil || size < int64(entries) || root == (tlog.Hash{}) {
		b.Fatalf("the log is %d entries long: %v (after %s)", size, err, time.Since(began))
	}
}

func took(b *testing.B, q query, s *store.Store, middle task.ID, entries int) float64 {
	b.Helper()
	var all bound.Times
	for range times {
		began := time.Now()
		if err := q.ask(b.Context(), s, middle, entries); err != nil {
			b.Fatalf("%s: %v", q.name, err)
		}
		all = append(all, time.Since(began))
	}
	return all.Median()
}
