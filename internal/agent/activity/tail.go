package activity

import (
	"slices"
	"strings"
)

// MaxSummary bounds a summary, in bytes.
const MaxSummary = 4 << 10

// Tail keeps what matters at the end of a run, in little memory, while events come by.
type Tail struct {
	message string
	end     *Event
	problem string
	lines   []string // the last that are no events
	size    int      // of lines
}

// Add takes the next events.
func (t *Tail) Add(events ...Event) {
	for _, event := range events {
		switch event.Kind {
		case Message:
			t.message = event.Text
		case Problem:
			t.problem = event.Text
		case End:
			t.end = &event
		case Output:
			t.addLines(event.Text)
		case ToolUse, Result:
			t.end = nil // it goes on after all
		}
	}
}

func (t *Tail) addLines(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) != "" {
			t.lines = append(t.lines, line)
			t.size += len(line) + 1
		}
	}
	drop := 0
	for t.size > MaxSummary && drop < len(t.lines)-1 {
		t.size -= len(t.lines[drop]) + 1
		drop++
	}
	t.lines = slices.Delete(t.lines, 0, drop)
}

// Summary is what the agent says at its end about what it did, for the pull request: its last message, or the last
// lines of an output without structure. It may be empty.
func (t *Tail) Summary() string {
	text := t.message
	if t.end != nil && !t.end.Failed && t.end.Text != "" {
		text = t.end.Text
	}
	if text == "" {
		text = strings.Join(t.lines, "\n")
	}
	return shorten(strings.TrimSpace(text), MaxSummary, 0)
}

// Verdict is how an agent says that it ended.
type Verdict string

// The verdicts.
const (
	Done   Verdict = "done"   // it reports success
	Failed Verdict = "failed" // it reports an error, whatever its exit status
	Unsaid Verdict = "unsaid" // it never came to its end, or its output has no structure
)

// Outcome is what the agent's last event says. An exit status of 0 is no proof of work: agents end so after an error
// of the model too.
type Outcome struct {
	Verdict Verdict
	Reason  string // of a failure, in the agent's words
}

// Outcome returns what the last event says.
func (t *Tail) Outcome() Outcome {
	switch {
	case t.end == nil:
		return Outcome{Verdict: Unsaid, Reason: t.problem}
	case !t.end.Failed:
		return Outcome{Verdict: Done}
	case t.end.Text != "":
		return Outcome{Verdict: Failed, Reason: t.end.Text}
	}
	return Outcome{Verdict: Failed, Reason: t.problem}
}

// Summary is Tail.Summary of a whole run.
func Summary(events []Event) string {
	var tail Tail
	tail.Add(events...)
	return tail.Summary()
}

// Conclude is Tail.Outcome of a whole run.
func Conclude(events []Event) Outcome {
	var tail Tail
	tail.Add(events...)
	return tail.Outcome()
}
