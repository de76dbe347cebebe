package azuredevops

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Work items hold HTML, and CoderFlow reads Markdown. What decides about commands is which
// lines begin with one, so the rule here is about lines: text inside a block quote, a
// preformatted block or inline code never begins a line within the first columns, whatever
// else the text makes of the Markdown around it. Comments, and what a browser does not
// show, are left out.

const (
	// maxHTML bounds what is read of one text, in bytes.
	maxHTML = 1 << 20
	// maxDepth bounds how deep elements are followed; what is below is left out.
	maxDepth = 200
	// maxNest bounds how many times a text is written into another; what is below is left out.
	maxNest = 20
)

// textOf makes Markdown of HTML. It is for reading: what it returns says what people see,
// in their order, and is not meant to be rendered again.
func textOf(source string) string {
	if len(source) > maxHTML {
		source = strings.ToValidUTF8(source[:maxHTML], "")
	}
	context := &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body}
	nodes, err := html.ParseFragment(strings.NewReader(source), context)
	if err != nil { // deeper than the parser follows
		return ""
	}
	w := &textWriter{}
	for _, n := range nodes {
		w.node(n, 0)
	}
	return strings.TrimRight(strings.TrimLeft(w.String(), "\n"), "\n ") // what is indented stays so
}

// textWriter writes lines. Text inside a quote, a list or a preformatted block is written
// by a writer of its own, whose lines then get what makes them that.
type textWriter struct {
	b     strings.Builder
	line  bool // something stands on the present line
	blank int  // newlines at the end
	space bool // a space is due before the next text
	verb  bool // white space counts
	nest  int  // how many quotes, lists and blocks are around
}

func (w *textWriter) String() string { return w.b.String() }

// lines ends the present line, and leaves n-1 empty ones.
func (w *textWriter) lines(n int) {
	w.space = false
	if w.b.Len() == 0 {
		return
	}
	for w.blank < n {
		w.b.WriteByte('\n')
		w.blank++
	}
	w.line = false
}

func (w *textWriter) put(s string) {
	if s == "" {
		return
	}
	if w.space && w.line {
		w.b.WriteByte(' ')
	}
	w.space, w.line, w.blank = false, true, 0
	w.b.WriteString(s)
}

// text writes characters as a browser shows them: white space is one space, a
// non-breaking one stays.
func (w *textWriter) text(s string) {
	if w.verb {
		w.b.WriteString(s)
		return
	}
	var word strings.Builder
	for _, r := range s {
		switch r {
		case ' ', '\t', '\n', '\r', '\f', '\v', '\u0085', '\u2028', '\u2029':
			w.put(word.String())
			word.Reset()
			w.space = true
		case '\u00a0':
			word.WriteByte(' ')
		case '<': // people see it; as Markdown it would begin an element or a comment
			word.WriteString(`\<`)
		default:
			word.WriteRune(r)
		}
	}
	w.put(word.String())
}

func (w *textWriter) children(n *html.Node, depth int) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		w.node(c, depth+1)
	}
}

// inner is what the children write by themselves.
func (w *textWriter) inner(n *html.Node, depth int, verbatim bool) string {
	of := &textWriter{verb: verbatim, nest: w.nest + 1}
	of.children(n, depth)
	return of.String()
}

func (w *textWriter) node(n *html.Node, depth int) {
	if n.Type == html.TextNode {
		w.text(n.Data)
		return
	}
	if n.Type != html.ElementNode || depth > maxDepth || w.nest > maxNest || unseen(n) {
		return
	}
	if w.verb {
		w.verbatim(n, depth)
		return
	}
	switch n.DataAtom {
	case atom.Br:
		w.space = false
		w.b.WriteByte('\n')
		w.blank, w.line = w.blank+1, false
	case atom.P, atom.Table, atom.Dl, atom.Details, atom.Figure:
		w.block(n, depth, 2)
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		w.lines(2)
		w.put(strings.Repeat("#", int(n.Data[1]-'0')) + " ")
		w.children(n, depth)
		w.lines(2)
	case atom.Hr:
		w.lines(2)
		w.put("---")
		w.lines(2)
	case atom.Blockquote:
		w.prefixed(w.inner(n, depth, false), "> ")
	case atom.Pre, atom.Listing, atom.Xmp, atom.Plaintext, atom.Textarea:
		w.prefixed(w.inner(n, depth, true), "    ")
	case atom.Code, atom.Tt, atom.Samp, atom.Kbd:
		w.code(w.inner(n, depth, true))
	case atom.Ul, atom.Ol, atom.Menu:
		w.list(n, depth)
	case atom.Tr:
		w.lines(1)
		w.put("|")
		w.children(n, depth)
		w.lines(1)
	case atom.Td, atom.Th:
		cell := strings.Join(strings.Fields(w.inner(n, depth, false)), " ")
		w.put(" " + strings.ReplaceAll(cell, "|", `\|`) + " |")
	case atom.B, atom.Strong:
		w.wrapped(n, depth, "**")
	case atom.I, atom.Em:
		w.wrapped(n, depth, "*")
	case atom.S, atom.Del, atom.Strike:
		w.struck(w.inner(n, depth, false))
	case atom.Q:
		w.put("“" + oneLine(w.inner(n, depth, false)) + "”")
	case atom.A:
		w.link(n, depth)
	case atom.Img:
		w.put("![" + oneLine(attribute(n, "alt")) + "](" + address(attribute(n, "src")) + ")")
	case atom.Input:
	default:
		if blocks[n.DataAtom] {
			w.block(n, depth, 1)
			return
		}
		w.children(n, depth)
	}
}

var blocks = map[atom.Atom]bool{
	atom.Div: true, atom.Section: true, atom.Article: true, atom.Aside: true, atom.Header: true, atom.Footer: true, atom.Main: true, atom.Nav: true,
	atom.Li: true, atom.Dt: true, atom.Dd: true, atom.Address: true, atom.Fieldset: true, atom.Form: true, atom.Summary: true, atom.Center: true,
	atom.Tbody: true, atom.Thead: true, atom.Tfoot: true, atom.Caption: true, atom.Figcaption: true, atom.Body: true, atom.Html: true, atom.Legend: true,
}

func (w *textWriter) block(n *html.Node, depth, gap int) {
	w.lines(gap)
	w.children(n, depth)
	w.lines(gap)
}

// prefixed writes text whose every line begins with what makes it inert, and an empty line
// around it, so that nothing continues it.
func (w *textWriter) prefixed(text, prefix string) {
	text = strings.Trim(text, "\n")
	if strings.TrimSpace(text) == "" {
		return
	}
	w.lines(2)
	for _, line := range splitLines(text) {
		w.put(strings.TrimRight(prefix+line, " "))
		w.lines(1)
	}
	w.lines(2)
}

// code is inline where it is one line, and a block otherwise.
func (w *textWriter) code(text string) {
	lines := splitLines(text)
	if len(lines) > 1 {
		w.prefixed(text, "    ")
		return
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		text = " " + text + " "
	}
	w.put(fence + text + fence)
}

func (w *textWriter) list(n *html.Node, depth int) {
	w.lines(2)
	number := 0
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type != html.ElementNode || unseen(c) || depth > maxDepth {
			continue
		}
		number++
		bullet := "- "
		if n.DataAtom == atom.Ol {
			bullet = "1. "
		}
		text := strings.Trim(w.inner(c, depth+1, false), "\n")
		for i, line := range splitLines(text) {
			if i > 0 {
				bullet = strings.Repeat(" ", len(bullet))
			}
			w.put(strings.TrimRight(bullet+line, " "))
			w.lines(1)
		}
	}
	w.lines(2)
}

func (w *textWriter) wrapped(n *html.Node, depth int, mark string) {
	text := w.inner(n, depth, false)
	trimmed := strings.TrimSpace(text)
	switch lines := splitLines(strings.TrimRight(text, "\n ")); {
	case trimmed == "":
		w.space = w.space || text != ""
	case len(lines) == 1:
		w.space = w.space || strings.HasPrefix(text, " ")
		w.put(mark + trimmed + mark)
		w.space = strings.HasSuffix(text, " ")
	default: // emphasis would not reach over them
		for i, line := range lines {
			if i > 0 {
				w.lines(1)
			}
			w.put(line)
		}
	}
}

// struck strikes out every line by itself.
func (w *textWriter) struck(text string) {
	for i, line := range splitLines(text) {
		if i > 0 {
			w.lines(1)
		}
		if line = strings.TrimSpace(line); line != "" {
			w.put("~~" + line + "~~")
		}
	}
}

// link writes a link, and of a mention the name alone.
func (w *textWriter) link(n *html.Node, depth int) {
	text, to := oneLine(w.inner(n, depth, false)), attribute(n, "href")
	switch {
	case text == "":
	case attribute(n, "data-vss-mention") != "" || to == "" || strings.HasPrefix(to, "#"):
		w.put(text)
	default:
		w.put("[" + text + "](" + address(to) + ")")
	}
}

// verbatim is inside a preformatted block: elements are their text, on lines of their own
// where they are blocks.
func (w *textWriter) verbatim(n *html.Node, depth int) {
	switch {
	case n.DataAtom == atom.Br:
		w.b.WriteByte('\n')
	case blocks[n.DataAtom] || n.DataAtom == atom.P || n.DataAtom == atom.Tr:
		if text := w.b.String(); text != "" && !strings.HasSuffix(text, "\n") {
			w.b.WriteByte('\n')
		}
		w.children(n, depth)
		w.b.WriteByte('\n')
	default:
		w.children(n, depth)
	}
}
