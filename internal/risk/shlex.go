package risk

import (
	"bytes"
	"path"
	"strings"
)

// maxDepth bounds substitutions within substitutions.
const maxDepth = 12

// shLexer splits a shell script into simple commands, those within substitutions
// among them. It reads the syntax of the POSIX shell and what bash adds to words;
// it expands nothing.
type shLexer struct {
	text     []byte
	at, line int
	depth    int
	vars     variables // assigned to in this text
	docs     []heredoc // to be read after the line
	to       *sink
	cmd      []word
	closer   byte
	// arithmetic is where the present ((…)) ends.
	arithmetic int
	unended    bool  // a here-document has no end: the rest is not looked through for another
	pending    []int // commands of this pipeline in out
	out        []unit
}

type heredoc struct {
	tag   string
	strip bool
	cmd   int // in out
}

// shellUnits yields the commands of a script, after those that are within them.
func shellUnits(text []byte, line, depth int, vars variables, to *sink) {
	if depth > maxDepth {
		return
	}
	l := &shLexer{text: text, line: line, depth: depth, vars: vars, to: to}
	l.run(0)
	for i := range l.out {
		emitCommand(l.out[i], l, to)
	}
}

// run reads commands until the byte that closes them, or the end.
func (l *shLexer) run(closer byte) {
	l.closer = closer
	for from := l.at; l.at < len(l.text) && l.to.spend(1+l.at-from); {
		from = l.at
		c := l.text[l.at]
		switch {
		case c == closer && closer != 0:
			l.endCommand(false)
			l.at++
			return
		case c == '\n':
			l.at++
			l.endCommand(false)
			l.line++
			l.readHeredocs()
		case c == ' ' || c == '\t' || c == '\r':
			l.at++
		case c == '#':
			l.skipComment()
		case c == '|':
			l.at++
			pipe := l.at >= len(l.text) || l.text[l.at] != '|'
			l.endCommand(pipe)
		case c == '(' && l.peekArithmetic(l.at):
			fallthrough
		case c == ';' || c == '&' || c == '(' || c == ')':
			l.at++
			l.endCommand(false)
		case c == '<' || c == '>':
			l.redirect()
		default:
			l.word()
		}
	}
	l.endCommand(false)
}

// maxArithmetic bounds how long an expression in ((…)) is, in bytes.
const maxArithmetic = 1000

// peekArithmetic notes where an expression in ((…)) ends that begins at an index.
func (l *shLexer) peekArithmetic(at int) bool {
	rest := l.text[at:min(len(l.text), at+maxArithmetic)]
	if at < l.arithmetic || !bytes.HasPrefix(rest, []byte("((")) {
		return false
	}
	l.to.spend(len(rest) / 16)
	if n := bytes.Index(rest, []byte("))")); n >= 0 && bytes.IndexByte(rest[:n], '\n') < 0 {
		l.arithmetic = at + n
		return true
	}
	return false
}

func (l *shLexer) skipComment() {
	if n := bytes.IndexByte(l.text[l.at:], '\n'); n >= 0 {
		l.at += n
		return
	}
	l.at = len(l.text)
}

var reserved = map[string]bool{
	"if": true, "then": true, "else": true, "elif": true, "while": true, "until": true, "do": true, "!": true, "{": true, "time": true,
	"}": true, "fi": true, "done": true, "esac": true,
}

// declarers assign what follows them.
var declarers = map[string]bool{"export": true, "local": true, "readonly": true, "declare": true, "typeset": true}

// endCommand closes a simple command. One whose output is piped on learns the name
// of the command that gets it.
func (l *shLexer) endCommand(pipe bool) {
	words := l.cmd
	l.cmd = nil
	if len(words) > 1 && words[0].text == "function" && !words[0].quoted {
		words = words[2:]
	}
	for len(words) > 0 && !words[0].quoted && (reserved[words[0].text] || l.assigns(words[0].text)) {
		words = words[1:]
	}
	if len(words) > 0 && declarers[words[0].text] {
		for _, w := range words[1:] {
			l.assigns(w.text)
		}
	}
	if len(words) > 0 {
		l.out = append(l.out, unit{lang: LangShell, words: words, last: l.line, vars: l.vars})
		if runs := l.uncarry(words); len(runs) > 0 {
			for _, i := range l.pending {
				l.out[i].pipe += " " + path.Base(runs[0].text)
			}
		}
		l.pending = append(l.pending, len(l.out)-1)
	}
	if !pipe || len(l.pending) > 100 {
		l.pending = nil
	}
}

// assigns notes VAR=value.
func (l *shLexer) assigns(text string) bool {
	name, value, found := strings.Cut(text, "=")
	name = strings.TrimSuffix(name, "+")
	if !found || name == "" || isDigit(name[0]) {
		return false
	}
	for i := range len(name) {
		if !isWordByte(name[i]) {
			return false
		}
	}
	l.vars.set(name, value)
	return true
}

// redirect reads < and >, with what follows them. The target of an output is kept
// as a word of its own, behind ">".
func (l *shLexer) redirect() {
	c := l.text[l.at]
	from := l.at
	for l.at < len(l.text) && (l.text[l.at] == c || l.text[l.at] == '&' || l.text[l.at] == '|') && l.at-from < 3 {
		l.at++
	}
	op := string(l.text[from:l.at])
	switch {
	case op == "<<<":
		return // the word is an argument
	case strings.HasPrefix(op, "<<") && from < l.arithmetic: // a shift
	case strings.HasPrefix(op, "<<"):
		l.heredoc()
	case (op == "<" || op == ">") && l.at < len(l.text) && l.text[l.at] == '(':
		l.at++ // a process substitution: its commands come next
		name := l.nested(')')
		l.cmd = append(l.cmd, word{text: "<(" + name, line: l.line, quoted: true})
	case c == '>' && !strings.Contains(op, "&"):
		l.cmd = append(l.cmd, word{text: ">", line: l.line, quoted: true})
	}
}

func (l *shLexer) heredoc() {
	strip := l.at < len(l.text) && l.text[l.at] == '-'
	if strip {
		l.at++
	}
	for l.at < len(l.text) && (l.text[l.at] == ' ' || l.text[l.at] == '\t') {
		l.at++
	}
	from := l.at
	for l.at < len(l.text) && !bytes.ContainsRune([]byte(" \t\r\n;|&<>()"), rune(l.text[l.at])) {
		l.at++
	}
	tag := strings.NewReplacer("'", "", `"`, "", `\`, "").Replace(string(l.text[from:l.at]))
	if tag != "" && len(l.docs) < 20 && !l.unended {
		l.docs = append(l.docs, heredoc{tag: tag, strip: strip, cmd: len(l.out)})
	}
}

// readHeredocs takes the lines of here-documents out of the script and gives them
// to their commands as one word.
func (l *shLexer) readHeredocs() {
	for _, doc := range l.docs {
		from, line := l.at, l.line
		for l.at < len(l.text) {
			start := l.at
			end := bytes.IndexByte(l.text[l.at:], '\n')
			if end < 0 {
				end = len(l.text) - l.at
			}
			l.at = min(len(l.text), start+end+1)
			l.line++
			if string(bytes.TrimSpace(l.text[start:start+end])) == doc.tag {
				l.give(doc, l.text[from:start], line)
				from = -1
				break
			}
		}
		if from >= 0 { // without an end it may be none: it is read as script too
			l.give(doc, l.text[from:], line)
			l.to.spend(len(l.text) - from)
			l.at, l.line = from, line
			l.unended = true
			break
		}
	}
	l.docs = nil
}

func (l *shLexer) give(doc heredoc, body []byte, line int) {
	if doc.cmd >= len(l.out) {
		return
	}
	l.out[doc.cmd].words = append(l.out[doc.cmd].words, word{text: "<<", line: line, quoted: true}, word{text: string(body), line: line, quoted: true})
}

// nested reads a substitution in place and names a download that it begins with.
func (l *shLexer) nested(closer byte) string {
	if l.depth >= maxDepth {
		return ""
	}
	inner := &shLexer{text: l.text, at: l.at, line: l.line, depth: l.depth + 1, vars: l.vars, to: l.to, arithmetic: l.arithmetic, unended: l.unended}
	inner.run(closer)
	l.at, l.line, l.unended = inner.at, inner.line, inner.unended
	for i := range inner.out {
		emitCommand(inner.out[i], inner, l.to)
	}
	if len(inner.out) > 0 && (inner.out[0].words[0].text == "curl" || inner.out[0].words[0].text == "wget") {
		return "curl"
	}
	return ")"
}
