package engine

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/agent/activity"
)

func TestTheFeedKeepsItsEndInWholeLines(t *testing.T) {
	t.Parallel()
	feed := &lastBytes{most: 20}
	for _, line := range []string{"first", " ", "second", "third", "fourth"} {
		feed.add(line)
	}
	if got := feed.String(); got != "second\nthird\nfourth" {
		t.Errorf("%q", got)
	}
	feed.add(strings.Repeat("x", 50))
	if got := feed.String(); got != strings.Repeat("x", 50) {
		t.Errorf("a long line: %q", got)
	}
}

func TestEventsAreTakenForPeopleBriefly(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 1000)
	for want, event := range map[string]activity.Event{
		"▸ Bash: ls":    {Kind: activity.ToolUse, Tool: "Bash", Text: "ls"},
		"  ✗ no":        {Kind: activity.Result, Failed: true, Text: "no\n"},
		"":              {Kind: activity.Reasoning, Text: "hm"},
		"1\n2\n3 […]":   {Kind: activity.Message, Text: "1\n2\n3" + strings.Repeat("\n", 20) + "x"},
		"✗ overloaded":  {Kind: activity.Problem, Text: "overloaded"},
		"plain  output": {Kind: activity.Output, Text: "plain  output"},
	} {
		if got := feedLine(event); got != want {
			t.Errorf("%+v: %q, want %q", event, got, want)
		}
	}
	if got := brief(long); len(got) > briefBytes+10 || strings.ContainsRune(got, '\ufffd') || !strings.HasSuffix(got, " […]") {
		t.Errorf("a long text: %d bytes, %q", len(got), got[len(got)-20:])
	}
}
