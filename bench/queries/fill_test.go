package queries

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// open are the tasks that have not ended.
const open = 20

// together is how many rows one transaction writes.
const together = 500

// fill stores so many tasks, all but the newest ended, and so many audit entries; it names the task in the middle.
func fill(b *testing.B, s *store.Store, tasks, entries int) (middle task.ID) {
	b.Helper()
	ctx := b.Context()
	for from := 0; from < tasks; from += together {
		inTx(b, s, func(tx *store.Tx) error {
			for i := from; i < min(tasks, from+together); i++ {
				v := example(i)
				if i == tasks/2 {
					middle = v.ID
				}
				if _, err := tx.InsertTask(ctx, v); err != nil {
					return err
				}
			}
			return nil
		})
	}
	ended := fmt.Sprintf("UPDATE tasks SET state = 'done', reported = 'done' WHERE number <= %d", tasks-open)
	if _, err := s.DB().ExecContext(ctx, ended); err != nil {
		b.Fatal(err)
	}
	for from := 0; from < entries; from += together {
		inTx(b, s, func(tx *store.Tx) error {
			for i := from; i < min(entries, from+together); i++ {
				if err := tx.Audit(ctx, entry(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	statistics := "ANALYZE" // and the rows of before, which a database in use drops by itself
	if s.Dialect() == queue.Postgres {
		statistics = "VACUUM ANALYZE"
	}
	if _, err := s.DB().ExecContext(ctx, statistics); err != nil {
		b.Fatal(err)
	}
	return middle
}

func inTx(b *testing.B, s *store.Store, f func(*store.Tx) error) {
	b.Helper()
	if err := s.InTx(b.Context(), f); err != nil {
		b.Fatal(err)
	}
}

var words = strings.Fields("login page slow timeout upload report crash export retry cache header column search build test release")

// example is a task with a request of 2 kB.
func example(i int) task.Task {
	id := task.NewID()
	title := fmt.Sprintf("%s of the %s %d breaks %s", words[i%len(words)], words[i/7%len(words)], i, words[i/3%len(words)])
	return task.Task{
		ID: id, State: task.Queued, Environment: fmt.Sprintf("environment%d", i%7), Issue: i,
		Repository: forge.RepositoryRef{Host: forge.GitHub, ID: strconv.Itoa(i%31 + 1), Owner: "acme", Name: fmt.Sprintf("shop%d", i%31)},
		Requester:  forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: strconv.Itoa(i%97 + 1)}, Login: fmt.Sprintf("login%d", i%97), Kind: forge.Person},
		BaseBranch: "main", TriggerKey: "comment:" + string(id), PolicyVersion: "sha256:" + strings.Repeat("a", 64),
		Snapshot: task.Snapshot{Title: title, Body: strings.Repeat(title+"\n", 40)},
	}
}

// entry is like one of an approval, with the reasons of its decision.
func entry(n int) audit.Entry {
	detail := json.RawMessage(fmt.Sprintf(`{"decision":{"allowed":true,"reason":{"ok":true,"text":"github:%d may approve","because":[{"ok":true,"text":"has role developer on environment/staging"}]}},"policy":"sha256:%064d"}`, n%977, n))
	return audit.Entry{
		At: time.Unix(1_700_000_000+int64(n), 0), Actor: fmt.Sprintf("github:%d", n%977), Action: audit.TaskMoved,
		Task: fmt.Sprintf("task%08d", n/40), Environment: fmt.Sprintf("environment%d", n%7), Detail: detail,
	}
}
