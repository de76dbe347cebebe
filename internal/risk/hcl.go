package risk

import (
	"bytes"
	"strings"
)

// hclReader reads a file of HCL.
type hclReader struct {
	text     []byte
	at, line int
	scopes   []string // headers of the blocks around
	words    []word
	to       *sink
}

// hclUnits yields the settings of a file of HCL as "key = value", and the headers
// of its blocks as "resource type name {". A setting's scope are the headers of
// the blocks around it.
func hclUnits(text []byte, to *sink) {
	r := &hclReader{text: text, line: 1, to: to}
	for from := 0; r.at < len(text) && to.spend(1+r.at-from); {
		from = r.at
		r.next()
	}
	r.flush()
}

func (r *hclReader) flush() {
	if len(r.words) > 0 {
		r.to.emit(unit{lang: LangHCL, words: r.words, scope: strings.Join(r.scopes, "/"), last: r.line})
		r.words = nil
	}
}

func (r *hclReader) next() {
	switch c := r.text[r.at]; {
	case c == '\n':
		r.flush()
		r.line++
		r.at++
	case c == '#' || c == '/' && r.peek() == '/':
		r.at = lineEnd(r.text, r.at)
	case c == '/' && r.peek() == '*':
		r.advance(skipTo(r.text, r.at+2, "*/"))
	case c == '"':
		end := stringEnd(r.text, r.at)
		r.add(string(r.text[r.at+1:max(r.at+1, end-1)]), true)
		r.advance(end)
	case c == '<' && r.peek() == '<':
		r.add("<<", true)
		r.advance(heredocEnd(r.text, r.at))
	case c == '{':
		header := headerOf(r.words)
		r.add("{", false)
		r.flush()
		if r.scopes = append(r.scopes, header); len(r.scopes) > maxScopes {
			r.scopes = r.scopes[1:]
		}
		r.at++
	case c == '}':
		r.flush()
		r.scopes = r.scopes[:max(0, len(r.scopes)-1)]
		r.at++
	case isWordByte(c) || c == '-':
		from := r.at
		for r.at < len(r.text) && (isWordByte(r.text[r.at]) || r.text[r.at] == '-' || r.text[r.at] == '.') {
			r.at++
		}
		r.add(string(r.text[from:r.at]), false)
	default:
		if c > ' ' {
			r.add(string(c), false)
		}
		r.at++
	}
}

// maxScopes bounds how deep blocks are told apart.
const maxScopes = 20

func (r *hclReader) peek() byte {
	if r.at+1 < len(r.text) {
		return r.text[r.at+1]
	}
	return 0
}

func (r *hclReader) add(text string, quoted bool) {
	r.words = append(r.words, word{text: text, line: r.line, quoted: quoted})
	if len(r.words) >= maxWords {
		r.flush()
	}
}

func (r *hclReader) advance(to int) {
	r.line += bytes.Count(r.text[r.at:to], []byte("\n"))
	r.at = to
}

func headerOf(words []word) string {
	var texts []string
	for _, w := range words[:min(len(words), 4)] {
		texts = append(texts, w.text)
	}
	return strings.Join(texts, ".")
}

func lineEnd(text []byte, at int) int {
	if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(text)
}

// skipTo is the index after the next end from at on, or the end of the text.
func skipTo(text []byte, at int, end string) int {
	at = min(at, len(text))
	if n := bytes.Index(text[at:], []byte(end)); n >= 0 {
		return at + n + len(end)
	}
	return len(text)
}

// stringEnd is the index after a quoted string that begins at at. It ends at the
// end of its line at the latest.
func stringEnd(text []byte, at int) int {
	quote := text[at]
	for i := at + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(text)
}

// heredocEnd is the index after a here-document of HCL.
func heredocEnd(text []byte, at int) int {
	first := lineEnd(text, at)
	tag := strings.Trim(string(text[at:min(first, at+100)]), "<-~ \t\r\"'")
	if tag == "" {
		return at + 2
	}
	for i := first; i < len(text); {
		next := lineEnd(text, i+1)
		if string(bytes.TrimSpace(text[i:next])) == tag {
			return next
		}
		i = next
	}
	return len(text)
}
