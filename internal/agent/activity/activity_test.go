package activity

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the golden files")

// recorded returns the recorded outputs of the real agents: a task that ends well, and one whose model refuses to go
// on ("-refused"). internal/agent/agenttest records them (-record).
func recorded(t testing.TB) map[string]Format {
	t.Helper()
	found := map[string]Format{}
	names, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(names) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, name := range names {
		format, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(name), ".jsonl"), "-")
		found[name] = Format(format)
	}
	return found
}

func parse(t testing.TB, format Format, output []byte) []Event {
	t.Helper()
	events, err := Parse(format, bytes.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func render(events []Event) string {
	var text strings.Builder
	for _, e := range events {
		fmt.Fprintf(&text, "%s", e.Kind)
		if e.Tool != "" {
			fmt.Fprintf(&text, " %s", e.Tool)
		}
		if e.Failed {
			text.WriteString(" FAILED")
		}
		if !e.At.IsZero() {
			fmt.Fprintf(&text, " at %s", e.At.UTC().Format("15:04:05.000"))
		}
		fmt.Fprintf(&text, ": %q\n", e.Text)
	}
	fmt.Fprintf(&text, "summary: %q\noutcome: %+q\n", Summary(events), Conclude(events))
	return text.String()
}

func TestRecordedOutputsOfTheRealAgentsAreRead(t *testing.T) {
	t.Parallel()
	for name, format := range recorded(t) {
		output, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got := render(parse(t, format, output))
		golden := strings.TrimSuffix(name, ".jsonl") + ".events"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestTheSummaryIsTheLastMessageAndTheOutcomeTheLastEventsWord(t *testing.T) {
	t.Parallel()
	for name, format := range recorded(t) {
		output, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		events := parse(t, format, output)
		refused := strings.Contains(name, "-refused")
		outcome := Conclude(events)
		if refused && (outcome.Verdict != Failed || !strings.Contains(outcome.Reason, "the budget of this task is spent")) {
			t.Errorf("%s: %+v", name, outcome)
		}
		if !refused && (outcome.Verdict != Done || Summary(events) != "I made made.txt.\n\nIt holds one line.") {
			t.Errorf("%s: %+v, summary %q", name, outcome, Summary(events))
		}
		// Cut before its end, the agent has not said how it ended.
		last := bytes.LastIndexByte(bytes.TrimSpace(output), '\n')
		if cut := Conclude(parse(t, format, output[:last])); cut.Verdict != Unsaid {
			t.Errorf("%s without its last line: %+v", name, cut)
		}
	}
}

func TestPortionsMayEndAnywhere(t *testing.T) {
	t.Parallel()
	for name, format := range recorded(t) {
		output, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		whole := noOutput(parse(t, format, output))
		for _, size := range []int{1, 7, 1000} {
			parser := NewParser(format)
			var events []Event
			for rest := output; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				events = append(events, parser.Feed(rest[:min(size, len(rest))])...)
			}
			events = append(events, parser.Close()...)
			if got := noOutput(events); !reflect.DeepEqual(got, whole) {
				t.Errorf("%s in portions of %d: %v", name, size, got)
			}
		}
	}
}

// noOutput leaves out plain lines, which are joined within a portion.
func noOutput(events []Event) []Event {
	var rest []Event
	for _, e := range events {
		if e.Kind != Output {
			rest = append(rest, e)
		}
	}
	return rest
}

func TestAnEventBehindAnotherProgramsTextIsFound(t *testing.T) {
	t.Parallel()
	events := parse(t, Codex, []byte(`warning: {x} {"type":"turn.failed","error":{"message":"no"}}`+"\n"))
	want := []Event{{Kind: Output, Text: "warning: {x} "}, {Kind: End, Text: "no", Failed: true}}
	if !reflect.DeepEqual(events, want) {
		t.Errorf("%+v", events)
	}
}

func TestWhatIsNotUnderstoodIsKept(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"plain", "{", `{"type":"tomorrow","x":1}`, `{"type":5}`, `[]`, `{"type":"assistant","message":5}`,
		`{"type":"item.completed","item":{"type":"dance"}}`, `null`, strings.Repeat(`{"a":`, 20_000),
	} {
		for _, format := range []Format{Claude, Codex, Gemini, OpenCode, Qwen, Text, "unknown"} {
			events := parse(t, format, []byte(line))
			if len(events) != 1 || events[0].Kind != Output || !strings.HasPrefix(events[0].Text, line[:min(len(line), 1000)]) {
				t.Errorf("%s: %.40q became %.200v", format, line, events)
			}
		}
	}
}

func TestTheSummaryOfPlainOutputIsItsEnd(t *testing.T) {
	t.Parallel()
	var output strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&output, "line %d\n\n", i)
	}
	events := parse(t, Text, []byte(output.String()))
	summary := Summary(events)
	if !strings.HasSuffix(summary, "line 4998\nline 4999") || len(summary) > MaxSummary || len(summary) < MaxSummary/2 {
		t.Errorf("%d bytes: %.50q … %q", len(summary), summary, summary[max(0, len(summary)-50):])
	}
	if outcome := Conclude(events); outcome.Verdict != Unsaid {
		t.Errorf("%+v", outcome)
	}
}

func TestAnAgentThatGoesOnAfterItsEndHasNotEnded(t *testing.T) {
	t.Parallel()
	lines := `{"type":"turn.completed","usage":{}}` + "\n" +
		`{"type":"item.started","item":{"type":"command_execution","command":"rm -r ."}}` + "\n"
	if outcome := Conclude(parse(t, Codex, []byte(lines))); outcome.Verdict != Unsaid {
		t.Errorf("%+v", outcome)
	}
}

// THREATS.md row 18.
func TestThreat18AnEndlessLineCostsLittle(t *testing.T) {
	t.Parallel()
	for _, format := range []Format{Claude, Text} {
		parser := NewParser(format)
		chunk := bytes.Repeat([]byte(`{"type":"assistant"`), 4096)
		for range 400 { // 30 MB
			if events := parser.Feed(chunk); len(events) > 0 {
				t.Fatalf("%v", events)
			}
		}
		if cap(parser.line) > 12<<20 {
			t.Errorf("%s: %d bytes are held", format, cap(parser.line))
		}
		events := append(parser.Feed([]byte("\n")), parser.Close()...)
		if len(events) != 1 || len(events[0].Text) > MaxText+100 || !strings.Contains(events[0].Text, "more bytes)") {
			t.Errorf("%s: %d events", format, len(events))
		}
	}
}

// THREATS.md row 18.
func TestThreat18EventsWithoutEndAreBounded(t *testing.T) {
	t.Parallel()
	line := `{"type":"item.completed","item":{"type":"agent_message","text":"x"}}` + "\n"
	last := `{"type":"item.completed","item":{"type":"agent_message","text":"the end"}}` + "\n"
	events := parse(t, Codex, []byte(strings.Repeat(line, 3*MaxEvents)+last))
	if len(events) > MaxEvents+1 || Summary(events) != "the end" {
		t.Errorf("%d events, summary %q", len(events), Summary(events))
	}
	missing := fmt.Sprintf("… (%d events left out)", 3*MaxEvents+1-MaxEvents)
	if events[MaxEvents/2].Text != missing {
		t.Errorf("%q, want %q", events[MaxEvents/2].Text, missing)
	}
}

// THREATS.md row 39.
func TestThreat39NothingThatMovesATerminalOrHidesTextIsLeft(t *testing.T) {
	t.Parallel()
	for hostile, want := range map[string]string{
		"\x1b[31mred\x1b[0m":                      "red",
		"\x1b]0;title\x07a\x1b]8;;x\x1b\\b":       "ab",
		"a\x1b]0;never ended\nb":                  "a0;never ended\nb",
		"\u009b31mx\x00\x08\x7f":                  "31mx",
		"a\u202eb\u2066c\u200bd\U000E0041e\ufeff": "abcde",
		"one\r\ntwo\rthree\u2028four":             "one\ntwo\nthree\nfour",
		"\xff\xfe ok":                             "\uFFFD ok",
		"\x1b\x1b[2Jx":                            "x",
	} {
		if got := clean(hostile, MaxText); got != want {
			t.Errorf("%q became %q, want %q", hostile, got, want)
		}
	}
}

// FuzzParser feeds anything, in two portions, and checks what THREATS.md rows 18 and 39 demand of every text.
func FuzzParser(f *testing.F) {
	formats := []Format{Claude, Codex, Gemini, OpenCode, Qwen, Text}
	for name := range recorded(f) {
		output, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(output, uint(len(output)/2))
	}
	f.Add([]byte("{\"type\":\"text\",\"part\":{\"text\":\"\\u001b[31m\xff\"}}\n"), uint(3))
	f.Fuzz(func(t *testing.T, output []byte, at uint) {
		at %= uint(len(output)) + 1
		for _, format := range formats {
			parser := NewParser(format)
			events := append(parser.Feed(output[:at]), parser.Feed(output[at:])...)
			events = append(events, parser.Close()...)
			for _, e := range events {
				for _, text := range []string{e.Text, e.Tool} {
					if !utf8.ValidString(text) || len(text) > MaxText+64 || strings.ContainsAny(text, "\x00\x07\x08\x1b\x7f\u009b\u202e\u200b") {
						t.Fatalf("%s: %q", format, text)
					}
				}
			}
			if summary := Summary(events); len(summary) > MaxSummary+64 || !utf8.ValidString(summary) {
				t.Fatalf("%s: summary %q", format, summary)
			}
		}
	})
}
