package command

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// word begins every command. It is compared without regard to case.
const word = "/coderflow"

// Bounds on what is given to the Markdown parser, whose time grows with the
// square of these; together with maxBody they keep the worst text well under a
// second. No text that a person writes comes near them.
const (
	maxNesting  = 64  // container markers (">", "-", "1.") before the text of one line
	maxBrackets = 512 // "[" in one run of lines without an empty line
)

var (
	errTooLong    = errors.New("the text is longer than 64 KiB, which is more than CoderFlow reads; write the command in a comment of its own")
	errTooComplex = errors.New("the text is nested too deeply or has too many brackets to be read safely; write the command in a comment of its own")
)

// layout tells of a text which lines are commands and which parts are hidden.
type layout struct {
	src      []byte
	lines    []span // each without its line feed
	commands []int  // indexes into lines, ascending
	comments []span // HTML comments, ascending
	quotes   []span // outermost block quotes, ascending, in whole lines
}

// normalise gives the text the form that the parser and GitHub agree about.
func normalise(body string) string {
	body = strings.ReplaceAll(body, "\r\n", "\n")
	body = strings.ReplaceAll(body, "\r", "\n")
	return strings.ToValidUTF8(body, string(utf8.RuneError))
}

// read lays a text out. candidates tells, also in the case of an error, whether
// any line looks like a command at all.
func read(body string) (l *layout, candidates bool, err error) {
	if len(body) > maxBody {
		return nil, hasCandidate(body), errTooLong
	}
	l = &layout{src: []byte(normalise(body))}
	offsets := map[int]int{} // offset of a candidate's "/" → its line
	for start := 0; start <= len(l.src); {
		stop := start + len(l.src[start:])
		if n := bytes.IndexByte(l.src[start:], '\n'); n >= 0 {
			stop = start + n
		}
		if indent, ok := candidate(l.src[start:stop]); ok {
			offsets[start+indent] = len(l.lines)
		}
		l.lines = append(l.lines, span{start, stop})
		start = stop + 1
	}
	if len(offsets) == 0 && !bytes.Contains(l.src, []byte("<!--")) {
		return l, false, nil
	}
	if tooComplex(l.src, l.lines) {
		return nil, len(offsets) > 0, errTooComplex
	}
	w := walker{layout: l, candidates: offsets, html: markup{open: map[string]int{}}}
	w.children(document(l.src), place{})
	w.html.finish(len(l.src))
	l.comments = w.html.comments
	slices.Sort(l.commands)
	return l, len(offsets) > 0, nil
}

// document parses with the extensions that change what a line of text is.
// Tables are left out: a command written right below a table would be one of its
// cells, and their cost is not bounded by the length of the text.
func document(src []byte) ast.Node {
	md := goldmark.New(goldmark.WithExtensions(extension.Strikethrough, extension.TaskList))
	return md.Parser().Parse(text.NewReader(src))
}

func hasCandidate(body string) bool {
	for line := range strings.Lines(body) {
		if _, ok := candidate([]byte(strings.TrimRight(line, "\r\n"))); ok {
			return true
		}
	}
	return false
}

// candidate reports whether a line has the form of a command, and its indent.
func candidate(line []byte) (indent int, ok bool) {
	for indent < len(line) && indent < 3 && line[indent] == ' ' {
		indent++
	}
	rest := line[indent:]
	if len(rest) < len(word) || !strings.EqualFold(string(rest[:len(word)]), word) {
		return 0, false
	}
	rest = rest[len(word):]
	if len(rest) == 0 {
		return indent, true
	}
	next, _ := utf8.DecodeRune(rest)
	// ":" and "," are slips that deserve an answer; with any other character the
	// word is another one, such as a path.
	return indent, unicode.IsSpace(next) || next == ':' || next == ','
}

func tooComplex(src []byte, lines []span) bool {
	brackets := 0
	for _, l := range lines {
		line := src[l.start:l.stop]
		if len(bytes.TrimSpace(line)) == 0 {
			brackets = 0
			continue
		}
		brackets += bytes.Count(line, []byte("["))
		if brackets > maxBrackets || nesting(line) > maxNesting {
			return true
		}
	}
	return false
}

// nesting counts the container markers that a line begins with.
func nesting(line []byte) int {
	n := 0
	for i, c := range line {
		spaced := i+1 == len(line) || line[i+1] == ' ' || line[i+1] == '\t'
		switch {
		case c == '>', spaced && (c == '-' || c == '+' || c == '*' || c == '.' || c == ')'):
			n++
		case c == ' ', c == '\t', c == '-', c == '+', c == '*', c >= '0' && c <= '9':
		default:
			return n
		}
	}
	return n
}

// place is where in the tree a node is.
type place struct {
	quoted bool // inside a block quote
	listed bool // inside a list
	inert  bool // inside inline code, a link, an image or struck-out text
}

type walker struct {
	*layout
	candidates map[int]int
	html       markup
}

func (w *walker) children(n ast.Node, p place) {
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		w.node(child, p)
	}
}

func (w *walker) node(n ast.Node, p place) {
	switch n := n.(type) {
	case *ast.Blockquote:
		if !p.quoted && !p.listed {
			w.quotes = append(w.quotes, w.extent(n))
		}
		p.quoted = true
		w.container(n, p)
	case *ast.ListItem:
		p.listed = true
		w.container(n, p)
	case *ast.HTMLBlock:
		w.feed(n.Lines())
		if n.HasClosure() {
			w.html.feed(w.src, n.ClosureLine.Start, n.ClosureLine.Stop)
		}
	case *ast.RawHTML:
		w.feed(n.Segments)
	case *ast.CodeSpan, *ast.Link, *ast.Image, *ast.AutoLink, *extast.Strikethrough:
		p.inert = true
		w.children(n, p)
	case *ast.Text:
		w.text(n.Segment, p)
	default:
		w.children(n, p)
	}
}

func (w *walker) container(n ast.Node, p place) {
	saved := w.html.enter()
	w.children(n, p)
	w.html.leave(saved)
}

func (w *walker) feed(segments *text.Segments) {
	for i := range segments.Len() {
		s := segments.At(i)
		w.html.feed(w.src, s.Start, s.Stop)
	}
}

// text marks the line as a command if a candidate begins in this piece of text.
// Only a candidate's first character matters, and a piece never spans lines.
func (w *walker) text(s text.Segment, p place) {
	line, ok := w.candidates[s.Start]
	if !ok || p.quoted || p.inert || w.html.hides() {
		return
	}
	// Inside a list only a line that is not indented at all goes on as one; it is
	// the usual slip of leaving no empty line below a list.
	if p.listed && w.lines[line].start != s.Start {
		return
	}
	w.commands = append(w.commands, line)
}

// extent is the lines from an outermost block to the next one.
func (w *walker) extent(n ast.Node) span {
	stop := len(w.src)
	for next := n.NextSibling(); next != nil; next = next.NextSibling() {
		if next.Pos() >= 0 {
			stop = w.lineStart(next.Pos())
			break
		}
	}
	return span{w.lineStart(max(n.Pos(), 0)), stop}
}

func (w *walker) lineStart(offset int) int {
	return bytes.LastIndexByte(w.src[:min(offset, len(w.src))], '\n') + 1
}

// without returns src[from:to] without the parts in cuts, which are ascending.
func (l *layout) without(from, to int, cuts ...[]span) string {
	var all []span
	for _, c := range cuts {
		all = append(all, c...)
	}
	slices.SortFunc(all, func(a, b span) int { return a.start - b.start })
	var b strings.Builder
	for _, c := range all {
		if c.stop <= from || c.start >= to {
			continue
		}
		if c.start > from {
			b.Write(l.src[from:c.start])
		}
		from = max(from, c.stop)
	}
	if from < to {
		b.Write(l.src[from:to])
	}
	return b.String()
}
