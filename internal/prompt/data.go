package prompt

import (
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// Data is one text of a stranger under a title of ours.
type Data struct{ Title, Text string }

// Bounds of the request where it is not the work itself but its background, in bytes.
const (
	briefBody         = 16 << 10
	briefInstructions = 8 << 10
	briefComments     = 6 << 10
)

// Request is what a task was asked to do, cleaned as for its agent and shorter: title, text,
// the requester's instructions, and of the conversation what fits.
func Request(t task.Task) []Data {
	s := t.Snapshot
	parts := []Data{{"Title of the issue", clip(line(s.Title), maxTitle)}}
	if body := tidy(s.Body, briefBody); body != "" {
		parts = append(parts, Data{"Text of the issue", body})
	}
	var said strings.Builder
	for i, c := range s.Comments {
		fmt.Fprintf(&said, "Comment %d, by %q:\n%s\n", i+1, clip(line(c.Author.Login), 64), tidy(c.Body, briefComments))
	}
	if said.Len() > 0 {
		parts = append(parts, Data{"Comments of the conversation", clip(said.String(), briefComments)})
	}
	if instructions := tidy(s.Instructions, briefInstructions); instructions != "" {
		parts = append(parts, Data{"Instructions of the requester, who started the task", instructions})
	}
	return parts
}

// Fence puts texts between lines with a boundary that none of them holds, and that nobody can
// know beforehand, for it depends on them.
func Fence(id task.ID, parts []Data) (word, text string) {
	var all []section
	for _, p := range parts {
		all = append(all, section{p.Title, p.Text})
	}
	word = boundary(id, all)
	var b strings.Builder
	for _, p := range all {
		fmt.Fprintf(&b, "\n%s:\n<<<%s\n%s\n%s>>>\n", p.title, word, p.text, word)
	}
	return word, b.String()
}

// Exact is a text as it is, but that what a reader would not see is written out: a bidi or
// zero-width character in code must be seen, not dropped. It is cut at limit.
func Exact(text string, limit int) string {
	var b strings.Builder
	for _, r := range normalise(text) {
		if Invisible(r) {
			fmt.Fprintf(&b, "<U+%04X>", r)
		} else {
			b.WriteRune(r)
		}
		if b.Len() > limit+16 {
			break
		}
	}
	return clip(b.String(), limit)
}

// Line is a text in one line, without what a reader does not see, cut at limit.
func Line(text string, limit int) string { return clip(line(text), limit) }
