package task_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/task"
)

var update = flag.Bool("update", false, "rewrite docs/states.md")

const statesDoc = "../../docs/states.md"

// docs/states.md is drawn from the table; a change of the table changes it with
// `go test ./internal/task -update`.
func TestStatesAreDrawnFromTheTable(t *testing.T) {
	t.Parallel()
	want := draw()
	if *update {
		if err := os.WriteFile(statesDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(statesDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/states.md is not what the table says; run go test ./internal/task -update")
	}
}

func draw() string {
	var b strings.Builder
	b.WriteString(`# The states of a task

Drawn from ` + "`task.Transitions`" + `, which is the only definition: the store guards every transition with it in SQL
(` + "`UPDATE … WHERE epoch = ? AND state IN (…)`" + `), and each is an entry in the audit log.

` + "```mermaid\nstateDiagram-v2\n    [*] --> queued\n")
	for _, tr := range task.Transitions {
		fmt.Fprintf(&b, "    %s --> %s\n", tr.From, tr.To)
	}
	for _, s := range task.States() {
		if s.Ended() {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	b.WriteString("```\n\n| from | to | when |\n| --- | --- | --- |\n")
	for _, tr := range task.Transitions {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", tr.From, tr.To, tr.When)
	}
	return b.String()
}

func TestEveryStateIsReachableAndEnds(t *testing.T) {
	t.Parallel()
	reached := map[task.State]bool{task.Queued: true}
	for range task.States() {
		for _, tr := range task.Transitions {
			if reached[tr.From] {
				reached[tr.To] = true
			}
		}
	}
	for _, s := range task.States() {
		if !reached[s] {
			t.Errorf("%s cannot be reached", s)
		}
		if !s.Valid() {
			t.Errorf("%s is not valid", s)
		}
	}
	for _, s := range []task.State{task.Queued, task.Proposed, task.Landing, task.Deploying} {
		if s.Ended() {
			t.Errorf("%s ends", s)
		}
	}
}

// Invariant 1, as seen by the table: every way to a landed commit goes through
// an approval.
func TestNothingLandsWithoutApproved(t *testing.T) {
	t.Parallel()
	reached := map[task.State]bool{task.Queued: true}
	for range task.States() {
		for _, tr := range task.Transitions {
			if reached[tr.From] && tr.To != task.Approved {
				reached[tr.To] = true
			}
		}
	}
	for _, s := range []task.State{task.Landing, task.Landed, task.Deploying, task.Done} {
		if reached[s] {
			t.Errorf("%s is reached without an approval", s)
		}
	}
}
