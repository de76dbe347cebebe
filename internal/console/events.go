package console

import (
	"html/template"
	"strings"

	"github.com/coderflow/coderflow/internal/agent/activity"
)

// maxEvent is how much of an event is shown at once, in bytes; the rest unfolds.
const maxEvent = 700

var eventKinds = map[activity.Kind]struct{ class, words string }{
	activity.Message:   {"says", "says"},
	activity.Reasoning: {"thinks", "thinks"},
	activity.ToolUse:   {"uses", "uses"},
	activity.Result:    {"result", "result"},
	activity.Problem:   {"problem", "error"},
	activity.Usage:     {"usage", "usage"},
	activity.End:       {"end", "ends"},
	activity.Output:    {"prints", "prints"},
}

// Events shows what an agent did, by its own word, each as an item of a list.
func Events(events []activity.Event) template.HTML {
	var out strings.Builder
	for _, e := range events {
		kind, known := eventKinds[e.Kind]
		if !known {
			kind.class, kind.words = "prints", "prints"
		}
		class := kind.class
		if e.Failed {
			class += " failed"
		}
		out.WriteString(`<li class="` + class + `"><span class="kind">` + kind.words + "</span> ")
		if e.Tool != "" {
			out.WriteString(`<b>`)
			writeText(&out, Line(e.Tool))
			out.WriteString("</b> ")
		}
		if e.Failed {
			out.WriteString("<em>failed</em> ")
		}
		writeEvent(&out, e.Text)
		out.WriteString("</li>\n")
	}
	return template.HTML(out.String())
}

func writeEvent(out *strings.Builder, text string) {
	if len(text) <= maxEvent && strings.Count(text, "\n") < 8 {
		writeLines(out, text)
		return
	}
	head := text[:min(len(text), maxEvent)]
	if parts := strings.SplitAfterN(head, "\n", 4); len(parts) == 4 {
		head = strings.Join(parts[:3], "")
	}
	head = strings.ToValidUTF8(strings.TrimRight(head, "\n"), "")
	writeLines(out, head)
	out.WriteString("<details><summary>" + Bytes(int64(len(text)-len(head))) + " more</summary>")
	writeLines(out, text[len(head):])
	out.WriteString("</details>")
}

// writeLines writes text whose line ends the style keeps.
func writeLines(out *strings.Builder, text string) {
	out.WriteString(`<span class="words">`)
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			out.WriteByte('\n')
		}
		writeText(out, line)
	}
	out.WriteString("</span>")
}
