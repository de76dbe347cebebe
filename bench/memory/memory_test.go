// Package memory measures what `coderflow serve` keeps in memory at rest, and what each running task adds to it.
package memory

import (
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/bench/world"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

const (
	mostAtRest = 80 // MiB
	mostEach   = 5  // MiB
	tasks      = 20
	rest       = time.Minute
	settle     = 10 * time.Second
)

func BenchmarkMemory(b *testing.B) {
	w := world.New(b, world.Options{Concurrency: tasks, Agent: "echo working; exec sleep 300"})
	time.Sleep(rest)
	resident, proportional := w.Memory()
	bound.Below(b, "memory: server at rest, resident", "MiB", resident, mostAtRest)
	bound.Tell(b, "memory: server at rest, proportional", "MiB", proportional, 0)
	for range tasks {
		ask(b, w)
	}
	db := w.Store()
	w.Until("all tasks run", func() bool {
		running, err := db.Tasks(b.Context(), store.TaskFilter{States: []task.State{task.Running}, Limit: tasks})
		return err == nil && len(running) == tasks
	})
	time.Sleep(settle)
	busy, proportionalBusy := w.Memory()
	bound.Below(b, "memory: each of 20 running tasks adds, resident", "MiB", (busy-resident)/tasks, mostEach)
	bound.Tell(b, "memory: each of 20 running tasks adds, proportional", "MiB", (proportionalBusy-proportional)/tasks, 0)
	bound.Tell(b, "memory: server's most, starting them", "MiB", w.PeakMemory(), 0)
}

func ask(b *testing.B, w *world.World) {
	b.Helper()
	title, body, run := "Wait", "Please.", "/coderflow run"
	maria := w.As(world.Developer)
	issue, _, err := maria.Issues.Create(b.Context(), world.Owner, world.Name, &gh.IssueRequest{Title: &title, Body: &body})
	if err == nil {
		_, _, err = maria.Issues.CreateComment(b.Context(), world.Owner, world.Name, issue.GetNumber(), &gh.IssueComment{Body: &run})
	}
	if err != nil {
		b.Fatal(err)
	}
}
