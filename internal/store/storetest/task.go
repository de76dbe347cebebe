package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// TaskIn stores t as a new task and takes it to the state, step by step along
// task.Transitions, which is the only way there.
func TaskIn(tb testing.TB, s *store.Store, t task.Task, state task.State) task.Task {
	tb.Helper()
	t.State = task.Queued
	ctx := context.Background()
	err := s.InTx(ctx, func(tx *store.Tx) error {
		if fresh, err := tx.InsertTask(ctx, t); err != nil || !fresh {
			tb.Fatalf("insert task %s: fresh %t, %v", t.ID, fresh, err)
		}
		for _, next := range Way(state) {
			t.State = next
			if err := tx.SaveTask(ctx, &t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatalf("take task %s to %s: %v", t.ID, state, err)
	}
	return t
}

// Way is the shortest way from queued to the state, without queued itself.
func Way(state task.State) []task.State {
	ways := map[task.State][]task.State{task.Queued: nil}
	for frontier := []task.State{task.Queued}; len(frontier) > 0; {
		here := frontier[0]
		frontier = frontier[1:]
		for _, tr := range task.Transitions {
			if _, seen := ways[tr.To]; tr.From == here && !seen {
				ways[tr.To] = append(slices.Clone(ways[here]), tr.To)
				frontier = append(frontier, tr.To)
			}
		}
	}
	return ways[state]
}
