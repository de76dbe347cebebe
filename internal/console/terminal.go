package console

import (
	"html/template"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxOutputLine bounds one line of output on a page, in bytes.
const maxOutputLine = 16 << 10

// Terminal turns a program's output into HTML: one div a line, colours as classes of
// ours, nothing that acts. Its colours go on from one portion to the next. The zero
// value is ready.
//
// Only the colour and the weight of letters are taken from the output: a background,
// or text made invisible, could hide what is there. Text that a terminal would
// overwrite after a carriage return stays visible, on a line of its own.
type Terminal struct{ style style }

// Lines converts whole lines. A portion that ends within a line ends it.
func (t *Terminal) Lines(output []byte) template.HTML {
	var out strings.Builder
	out.Grow(len(output) + len(output)/4)
	if len(output) == 0 {
		return ""
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(output))
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		out.WriteString("<div>")
		t.line(&out, line)
		out.WriteString("</div>")
	}
	return template.HTML(out.String()) // of our tags and of escaped text
}

// line writes one line. Runs of equal style share one element.
func (t *Terminal) line(out *strings.Builder, line string) {
	missing := 0
	if len(line) > maxOutputLine {
		missing, line = len(line)-maxOutputLine, line[:maxOutputLine]
	}
	for len(line) > 0 {
		run := line
		if i := strings.IndexByte(line, escape); i >= 0 {
			run = line[:i]
		}
		t.run(out, run)
		if line = line[len(run):]; line == "" {
			break
		}
		length, codes := control(line)
		if length == 0 { // no sequence that is known: shown, so that nothing is lost
			t.run(out, line[:1])
			length = 1
		}
		t.style.apply(codes)
		line = line[length:]
	}
	if missing > 0 {
		out.WriteString(`<span class="quiet">… (` + Count(int64(missing)) + ` more bytes)</span>`)
	}
}

func (t *Terminal) run(out *strings.Builder, text string) {
	if text == "" {
		return
	}
	class := t.style.class()
	if class != "" {
		out.WriteString(`<span class="` + class + `">`)
	}
	writeText(out, text)
	if class != "" {
		out.WriteString("</span>")
	}
}

// writeText writes anybody's text, escaped and without characters that mislead.
func writeText(out *strings.Builder, text string) {
	from := 0
	for i := 0; i < len(text); {
		b := text[i]
		if b >= ' ' && b < utf8.RuneSelf-1 && b != '<' && b != '>' && b != '&' && b != '"' && b != '\'' || b == '\t' {
			i++
			continue
		}
		r, size := rune(b), 1
		if b >= utf8.RuneSelf {
			if r, size = utf8.DecodeRuneInString(text[i:]); r != utf8.RuneError && shown(r) {
				i += size
				continue
			}
		}
		out.WriteString(text[from:i])
		switch {
		case r == '<':
			out.WriteString("&lt;")
		case r == '>':
			out.WriteString("&gt;")
		case r == '&':
			out.WriteString("&amp;")
		case r == '"':
			out.WriteString("&#34;")
		case r == '\'':
			out.WriteString("&#39;")
		case r == utf8.RuneError:
			out.WriteRune(r)
		default:
			code := strconv.FormatInt(int64(r), 16)
			out.WriteString(`<span class="odd">\u` + strings.Repeat("0", max(0, 4-len(code))) + code + "</span>")
		}
		i += size
		from = i
	}
	out.WriteString(text[from:])
}

const (
	escape = 0x1b
	// maxControl bounds a control sequence, in bytes; OSC ones hold addresses.
	maxControl = 2 << 10
)

// control measures the control sequence that text begins with; 0: it is none. codes
// are the parameters of one that sets the style of letters.
func control(text string) (length int, codes string) {
	if len(text) < 2 {
		return 0, ""
	}
	switch text[1] {
	case '[':
		for i := 2; i < len(text) && i < maxControl; i++ {
			switch b := text[i]; {
			case b >= 0x40 && b <= 0x7e:
				if b == 'm' {
					codes = text[2:i] + ";"
				}
				return i + 1, codes
			case b < 0x20 || b > 0x7e:
				return 0, ""
			}
		}
		return 0, ""
	case ']', 'P', 'X', '^', '_': // a string, up to BEL or ESC \
		for i := 2; i < len(text) && i < maxControl; i++ {
			if text[i] == 0x07 {
				return i + 1, ""
			}
			if text[i] == escape && i+1 < len(text) && text[i+1] == '\\' {
				return i + 2, ""
			}
		}
		return 0, ""
	}
	if text[1] >= 0x30 && text[1] <= 0x7e {
		return 2, ""
	}
	if text[1] >= 0x20 && text[1] <= 0x2f && len(text) > 2 && text[2] >= 0x30 && text[2] <= 0x7e {
		return 3, "" // a character set
	}
	return 0, ""
}
