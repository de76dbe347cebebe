// Package activity turns what a coding agent prints into events that people can read.
//
// Everything here has passed through the agent's container: an agent can print whatever it likes, and its shell can
// print in its name. So an event is a claim, never a reason to decide anything. Every text is bounded and free of
// control characters; what is not understood is kept as it was printed.
package activity

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Format is how an agent writes what it does.
type Format string

// The formats.
const (
	Text     Format = "text"     // no structure
	Claude   Format = "claude"   // claude --output-format stream-json
	Codex    Format = "codex"    // codex exec --json
	Gemini   Format = "gemini"   // gemini --output-format stream-json
	OpenCode Format = "opencode" // opencode run --format json
	Qwen     Format = "qwen"     // qwen --output-format stream-json
)

// Kind is what an event is about.
type Kind string

// The kinds.
const (
	Message   Kind = "message"   // what the agent says
	Reasoning Kind = "reasoning" // what it says to itself
	ToolUse   Kind = "tool"      // a tool is used; Text is the command, the path, …
	Result    Kind = "result"    // what a tool answered
	Problem   Kind = "error"     // what the agent reports as an error
	Usage     Kind = "usage"     // tokens, as the agent counts them
	End       Kind = "end"       // the agent says that it is done; Failed if without success
	Output    Kind = "output"    // printed text that is none of these
)

// Event is one thing that an agent did or said.
type Event struct {
	Kind   Kind      `json:"kind"`
	Text   string    `json:"text,omitempty"`
	Tool   string    `json:"tool,omitempty"`   // its name, where one is used or answers
	Failed bool      `json:"failed,omitempty"` // of a result and of an end
	At     time.Time `json:"at,omitzero"`      // where the agent says when
}

// Bounds of an event's texts, in bytes.
const (
	MaxText = 16 << 10
	maxTool = 100
)

// escapes are the terminal's control sequences: CSI, OSC and other strings, and single ones.
var escapes = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b[\\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\\\)|\x1b[ -/]*[0-~]?")

// clean removes what a terminal, or a reader, could be misled by: escape sequences, control and format characters
// (directions, zero widths, tags). Line ends become newlines; bytes that are no text become U+FFFD.
func clean(text string, limit int) string {
	cut := 0
	if bound := 4 * limit; len(text) > bound { // whatever is removed, the work stays bounded
		cut, text = len(text)-bound, text[:bound]
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = escapes.ReplaceAllString(text, "")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text)
	text = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) {
			return -1
		}
		return r
	}, text)
	text = strings.Trim(text, "\n")
	return shorten(text, limit, cut)
}

// shorten cuts a text at limit and says how many bytes are missing, with those that were missing before.
func shorten(text string, limit, missing int) string {
	if len(text) <= limit && missing == 0 {
		return text
	}
	end := min(limit, len(text))
	for end > 0 && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "… (" + strconv.Itoa(missing+len(text)-end) + " more bytes)"
}

// oneLine makes a name out of anything.
func oneLine(text string) string {
	return strings.Join(strings.Fields(clean(text, maxTool)), " ")
}
