package activity

import "strings"

// Bounds of an event in a feed.
const (
	briefBytes = 600
	briefLines = 8
)

// Line is the event for people, in a line or a few; empty for what would only be noise in a feed.
func (e Event) Line() string {
	switch e.Kind {
	case ToolUse:
		return "▸ " + e.Tool + ": " + indented(Brief(e.Text))
	case Result:
		if e.Failed {
			return "  ✗ " + indented(Brief(e.Text))
		}
		return "  " + indented(Brief(e.Text))
	case Problem:
		return "✗ " + indented(Brief(e.Text))
	case Message, Output:
		return Brief(e.Text)
	}
	return ""
}

// Brief shortens a text, between characters and at whole lines, and marks it.
func Brief(text string) string {
	text = strings.TrimSpace(text)
	lines := strings.SplitAfterN(text, "\n", briefLines+1)
	short := strings.Join(lines[:min(len(lines), briefLines)], "")
	if len(short) > briefBytes {
		short = strings.ToValidUTF8(short[:briefBytes], "")
	}
	if len(short) < len(text) {
		return strings.TrimSpace(short) + " […]"
	}
	return text
}

func indented(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }
