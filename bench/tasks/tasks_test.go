// Package tasks measures lists and searches of tasks in both databases, at 10,000
// tasks whose requests are as long as real ones.
package tasks

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// count is how many tasks there are: 10,000, or TASKS.
func count() int {
	if n, err := strconv.Atoi(os.Getenv("TASKS")); err == nil && n >= 1000 {
		return n
	}
	return 10_000
}

// limit is what the slowest list may take.
const limit = 100 * time.Millisecond

func BenchmarkLists(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { measure(b, storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { measure(b, storetest.Postgres(b)) })
}

func measure(b *testing.B, s *store.Store) {
	middle := fill(b, s, count())
	mine := []string{"environment1", "environment2"}
	for _, q := range []struct {
		name   string
		filter store.TaskFilter
		before task.ID
		some   bool // it finds something
	}{
		{"newest", store.TaskFilter{}, "", true},
		{"next-page", store.TaskFilter{}, middle, true},
		{"two-environments", store.TaskFilter{Environments: mine}, "", true},
		{"rare-state", store.TaskFilter{Environments: mine, States: []task.State{task.Preparing}}, "", true},
		{"repository", store.TaskFilter{Repository: forge.RepositoryRef{Host: forge.GitHub, ID: "17"}}, "", true},
		{"requester", store.TaskFilter{Requester: "login33"}, "", true},
		{"word", store.TaskFilter{Text: "timeout"}, "", true},
		{"number", store.TaskFilter{Text: "#777"}, "", true},
		{"id", store.TaskFilter{Text: string(middle)}, "", true},
		{"nothing", store.TaskFilter{Text: "nowhere to be found", Environments: mine}, "", false},
	} {
		b.Run(q.name, func(b *testing.B) {
			q.filter.Limit = 50
			var longest time.Duration
			for b.Loop() {
				began := time.Now()
				page, err := s.TaskList(b.Context(), q.filter, q.before)
				if err != nil || (len(page) > 0) != q.some {
					b.Fatalf("%d tasks, %v", len(page), err)
				}
				longest = max(longest, time.Since(began))
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms/longest")
			bound.Below(b, "lists at 10,000 tasks, "+string(s.Dialect())+": "+q.name, "ms", float64((b.Elapsed()/time.Duration(b.N)).Microseconds())/1000, float64(limit.Milliseconds()))
		})
	}
}

// fill stores so many tasks and names the one in the middle.
func fill(b *testing.B, s *store.Store, n int) (middle task.ID) {
	const together = 500
	for from := 0; from < n; from += together {
		err := s.InTx(b.Context(), func(tx *store.Tx) error {
			for i := from; i < min(n, from+together); i++ {
				v := example(i)
				if i == n/2 {
					middle = v.ID
				}
				if _, err := tx.InsertTask(b.Context(), v); err != nil {
					return err
				}
				if i%1000 == 0 {
					v.State = task.Preparing
					if err := tx.SaveTask(b.Context(), &v); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return middle
}

var words = strings.Fields("login page slow timeout upload report crash export retry cache header column search build test release")

// example is a task as real ones are: a request of 6 kB.
func example(i int) task.Task {
	id := task.NewID()
	title := fmt.Sprintf("%s of the %s %d breaks %s", words[i%len(words)], words[i/7%len(words)], i, words[i/3%len(words)])
	return task.Task{
		ID: id, State: task.Queued, Environment: fmt.Sprintf("environment%d", i%7), Issue: i,
		Repository: forge.RepositoryRef{Host: forge.GitHub, ID: strconv.Itoa(i%31 + 1), Owner: "acme", Name: fmt.Sprintf("shop%d", i%31)},
		Requester:  forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: strconv.Itoa(i%97 + 1)}, Login: fmt.Sprintf("login%d", i%97), Kind: forge.Person},
		BaseBranch: "main", TriggerKey: "comment:" + string(id), PolicyVersion: "sha256:" + strings.Repeat("a", 64),
		Snapshot: task.Snapshot{Title: title, Body: strings.Repeat(title+"\n", 100), Comments: []task.Comment{{Body: strings.Repeat("me too ", 100)}}},
	}
}
