package activity

import (
	"strings"
	"testing"
)

func TestEventsAreBriefForPeople(t *testing.T) {
	t.Parallel()
	for want, event := range map[string]Event{
		"▸ Bash: ls\n  pwd": {Kind: ToolUse, Tool: "Bash", Text: "ls\npwd"},
		"  ✗ no":            {Kind: Result, Failed: true, Text: "no\n"},
		"  a\n  b":          {Kind: Result, Text: "a\nb"},
		"":                  {Kind: Reasoning, Text: "hm"},
		"1\n2\n3 […]":       {Kind: Message, Text: "1\n2\n3" + strings.Repeat("\n", 20) + "x"},
		"✗ overloaded":      {Kind: Problem, Text: "overloaded"},
		"plain  output":     {Kind: Output, Text: "plain  output"},
	} {
		if got := event.Line(); got != want {
			t.Errorf("%+v: %q, want %q", event, got, want)
		}
	}
	if got := Brief(strings.Repeat("ä", 1000)); len(got) > briefBytes+10 || strings.ContainsRune(got, '\ufffd') || !strings.HasSuffix(got, " […]") {
		t.Errorf("a long text: %d bytes", len(got))
	}
}
