package task_test

import (
	"testing"

	"github.com/coderflow/coderflow/internal/task"
)

// No agent runs for a rebase: it adds nothing to what a task may spend.
func TestRebasesAreNoRoundsOfTheAgent(t *testing.T) {
	t.Parallel()
	for want, kinds := range map[int][]task.FeedbackKind{
		1: {task.FeedbackRebase, task.FeedbackRebase}, 2: {task.FeedbackRebase, task.FeedbackRevise}, 3: {task.FeedbackRevise, task.FeedbackRebase, task.FeedbackRevise},
	} {
		var made []task.Revision
		for _, kind := range kinds {
			made = append(made, task.Revision{Kind: kind})
		}
		if got := task.AgentRounds(made); got != want {
			t.Errorf("%q: %d rounds, want %d", kinds, got, want)
		}
	}
	if task.AgentRounds(nil) != 1 {
		t.Error("the first round is one")
	}
}
