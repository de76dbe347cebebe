package web

import (
	"context"
	"fmt"

	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/task"
)

// taskBook is the part of the world that belongs to one task.
type taskBook struct {
	proposals    []task.Proposal // of the task here, oldest first; empty: one small one
	examinations []task.Examination
	revisions    []task.Revision
}

func (w *apiWorld) ProposalBefore(ctx context.Context, id task.ID, number int) (task.Proposal, error) {
	for i := len(w.book.proposals) - 1; i >= 0; i-- {
		if w.book.proposals[i].Revision < number {
			return w.book.proposals[i], nil
		}
	}
	return task.Proposal{}, task.ErrNotFound
}

func (w *apiWorld) Examinations(_ context.Context, id task.ID) ([]task.Examination, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.book.examinations, nil
}

func (w *apiWorld) Revisions(context.Context, task.ID) ([]task.Revision, error) {
	return w.book.revisions, nil
}

func (w *apiWorld) Variants(_ context.Context, group task.ID) ([]task.Task, error) {
	if group == "" {
		return nil, nil
	}
	return w.tasks, nil
}

// read is the stream that was read last.
func (w *apiWorld) read() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stream
}

// comparing differ in one line that names them.
type comparing struct{}

func (comparing) Between(_ context.Context, from, to task.Proposal) ([]byte, error) {
	return fmt.Appendf(nil, "diff --git a/a.go b/a.go\n--- a/a.go\n+++ b/a.go\n@@ -1 +1,2 @@\n package a\n+// between-%d-and-%d\n", from.Revision, to.Revision), nil
}

func (w *apiWorld) Measured(_ context.Context, _, name, _ string) (judge.Measured, error) {
	if name != "strict" {
		return judge.Measured{}, task.ErrNotFound
	}
	return judge.Measured{Judge: name, Seeded: 9, Found: 7, Clean: 10, Alarms: 1}, nil
}
