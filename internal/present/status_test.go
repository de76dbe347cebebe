package present

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/task"
)

// A task whose node is gone would otherwise wait without a word.
func TestAStatusNamesTheNodeThatTheTaskWaitsFor(t *testing.T) {
	t.Parallel()
	v := sampleStatus()
	if text := Status(v); strings.Contains(text, "no sign of life") {
		t.Error(text)
	}
	v.LostNode = "runner-1"
	if text := Status(v); !strings.Contains(text, "Its agent ran on the node `runner-1`, which gives no sign of life or runs no containers any more.") {
		t.Error(text)
	}
}

func TestAStatusSaysWhereATaskStandsInLine(t *testing.T) {
	t.Parallel()
	for want, in := range map[string]task.InLine{
		"It is next in line.":                                                    {Place: 1, Waiting: 3},
		"One task is before it in line.":                                         {Place: 2},
		"5 tasks are before it in line.":                                         {Place: 6},
		"About 10 tasks are before it in line.":                                  {Place: 7},
		"About 30 tasks are before it in line.":                                  {Place: 35},
		"About 200 tasks are before it in line.":                                 {Place: 181},
		"It is next in line. What it waits for: environment `<b>x</b>` is full.": {Place: 1, Why: "environment <b>x</b> is full"},
		"The revision that was asked for waits: `no node takes tasks now`.":      {Why: "no node takes tasks now"},
	} {
		v := sampleStatus()
		v.InLine = in
		if text := Status(v); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if text := Status(sampleStatus()); strings.Contains(text, "in line") {
		t.Error(text)
	}
}
