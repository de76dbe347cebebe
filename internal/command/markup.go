package command

import (
	"bytes"
	"strings"
)

// span is a range of bytes of a source.
type span struct{ start, stop int }

// foldingTags are the elements whose content is a quotation, code, withdrawn or
// not shown at first. Markdown goes on between their tags once there is an
// empty line, so the parser alone does not tell that a line is inside.
var foldingTags = map[string]bool{
	"blockquote": true, "q": true, "pre": true, "code": true, "samp": true, "kbd": true, "tt": true,
	"details": true, "del": true, "s": true, "strike": true, "template": true, "script": true,
	"style": true, "textarea": true, "title": true, "noscript": true, "xmp": true, "iframe": true,
}

// markup follows the raw HTML of a document, which reaches the reader's browser
// as one stream: a comment, a tag or an element that one piece of it opens goes
// on through the Markdown that follows.
type markup struct {
	open     map[string]int // elements of foldingTags that are open, by name
	depth    int            // sum of open
	comment  bool           // inside <!-- … -->
	from     int            // where the comment began
	tag      bool           // inside <name …
	quote    byte           // inside a quoted attribute value of that tag
	comments []span
}

// hides reports whether text at this point would not be plain, visible text.
func (m *markup) hides() bool { return m.comment || m.tag || m.depth > 0 }

// scope is the state of the elements at the start of a Markdown container. The
// container's end closes what was opened inside it.
type scope struct {
	open  map[string]int
	depth int
}

func (m *markup) enter() scope {
	saved := scope{depth: m.depth, open: map[string]int{}}
	for name, n := range m.open {
		saved.open[name] = n
	}
	return saved
}

func (m *markup) leave(s scope) { m.open, m.depth = s.open, s.depth }

// feed reads the raw HTML src[at:stop].
func (m *markup) feed(src []byte, at, stop int) {
	for at < stop {
		switch {
		case m.comment:
			at = m.endComment(src, at, stop)
		case m.tag:
			at = m.endTag(src, at, stop)
		default:
			at = m.text(src, at, stop)
		}
	}
}

func (m *markup) endComment(src []byte, at, stop int) int {
	end := bytes.Index(src[at:stop], []byte("-->"))
	if end < 0 {
		return stop
	}
	at += end + len("-->")
	m.comment = false
	m.comments = append(m.comments, span{m.from, at})
	return at
}

func (m *markup) endTag(src []byte, at, stop int) int {
	for ; at < stop; at++ {
		switch c := src[at]; {
		case m.quote != 0:
			if c == m.quote {
				m.quote = 0
			}
		case c == '"' || c == '\'':
			m.quote = c
		case c == '>':
			m.tag = false
			return at + 1
		}
	}
	return stop
}

func (m *markup) text(src []byte, at, stop int) int {
	next := bytes.IndexByte(src[at:stop], '<')
	if next < 0 {
		return stop
	}
	at += next
	rest := src[at:stop]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		m.comment, m.from = true, at
		// "<!-->" and "<!--->" are whole comments; the search for the end starts
		// inside the opening so that it finds theirs.
		return at + len("<!")
	case len(rest) > 1 && (isLetter(rest[1]) || rest[1] == '/' || rest[1] == '!' || rest[1] == '?'):
		m.element(rest)
		m.tag, m.quote = true, 0
		return at + 1
	}
	return at + 1
}

// element counts an element of foldingTags that the tag at the start of rest
// opens or closes.
func (m *markup) element(rest []byte) {
	name := rest[1:min(len(rest), 16)]
	closing := name[0] == '/'
	if closing {
		name = name[1:]
	}
	end := 0
	for end < len(name) && (isLetter(name[end]) || (end > 0 && name[end] >= '0' && name[end] <= '9')) {
		end++
	}
	tag := strings.ToLower(string(name[:end]))
	switch {
	case !foldingTags[tag]:
	case !closing:
		m.open[tag]++
		m.depth++
	case m.open[tag] > 0:
		m.open[tag]--
		m.depth--
	}
}

// finish closes a comment that the text leaves open: it hides everything to the end.
func (m *markup) finish(end int) {
	if m.comment {
		m.comments = append(m.comments, span{m.from, end})
	}
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
