package risk

import (
	"bytes"
	"slices"
	"strings"
)

// maxWords bounds the words of one statement; a longer one is looked at in parts.
const maxWords = 20_000

// sqlLexer splits SQL of any dialect into statements. Where dialects disagree it
// chooses one: a comment ends at the first end of a comment, the
// body of a dollar quote is code, and so is a conditional comment of MySQL.
type sqlLexer struct {
	text      []byte
	at        int
	line      int
	escapes   bool // a backslash escapes in strings: MySQL's, by its quotes
	words     []word
	depth     int      // of nested strings of code
	open      int      // parentheses
	delimiter string   // of the client, beside the semicolon
	ended     []string // ends of which no more comes: these are looked for once
	to        *sink
}

// sqlUnits yields the statements of a text that begins at a line of its file.
func sqlUnits(text []byte, line, depth int, to *sink) {
	escapes := bytes.IndexByte(text, '`') >= 0
	readSQLAs(escapes, text, line, depth, to)
	if depth == 0 && bytes.Contains(text, []byte(`\'`)) { // the dialect decides where that string ends
		readSQLAs(!escapes, text, line, depth, to.through(func(u *unit) { u.again = true }))
	}
}

func readSQLAs(escapes bool, text []byte, line, depth int, to *sink) {
	l := &sqlLexer{text: text, line: line, depth: depth, to: to, escapes: escapes}
	l.lineStart()
	for from := 0; l.at < len(l.text) && l.to.spend(1+l.at-from); {
		from = l.at
		l.next()
	}
	l.end()
}

// end closes a statement.
func (l *sqlLexer) end() {
	if len(l.words) > 0 {
		l.to.emit(unit{lang: LangSQL, words: l.words, last: l.line})
		l.words = nil
	}
	l.open = 0
}

func (l *sqlLexer) add(text string, line int, quoted bool) {
	l.words = append(l.words, word{text: text, line: line, quoted: quoted})
	switch {
	case quoted:
	case text == "(":
		l.open++
	case text == ")":
		l.open--
	}
	if len(l.words) >= maxWords {
		l.end()
	}
}

func (l *sqlLexer) peek(n int) byte {
	if l.at+n < len(l.text) {
		return l.text[l.at+n]
	}
	return 0
}

func (l *sqlLexer) next() {
	c := l.text[l.at]
	switch {
	case c == '\n':
		l.line++
		l.at++
		l.lineStart()
	case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
		l.at++
	case l.delimits():
		l.end()
		l.at += len(l.delimiter)
	case c == '-' && l.peek(1) == '-' && !l.subtracts(), c == '#' && l.startsLine():
		l.skipLine()
	case c == '\\' && l.startsLine():
		l.skipLine()
	case c == '/' && l.peek(1) == '*':
		l.comment()
	case c == '*' && l.peek(1) == '/': // the end of a conditional comment
		l.at += 2
	case c == '\'':
		l.str()
	case c == '"' || c == '`':
		l.quotedName(c)
	case c == '[' && isWordByte(l.peek(1)) && l.peek(1) > '9':
		l.quotedName(']')
	case c == '$' && l.dollar():
	case c == '#' && (l.peek(1) == ' ' || l.peek(1) == '\t'):
		l.add(hashComment, l.line, false)
		l.at++
	case c == ';':
		l.semicolon()
	case isWordByte(c) || c >= 0x80:
		l.word()
	default:
		l.add(string(c), l.line, false)
		l.at++
	}
}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (l *sqlLexer) startsLine() bool {
	for i := l.at - 1; i >= 0 && l.at-i < 200; i-- {
		if l.text[i] == '\n' {
			return true
		}
		if l.text[i] != ' ' && l.text[i] != '\t' {
			return false
		}
	}
	return l.at < 200
}

func (l *sqlLexer) skipLine() {
	if n := bytes.IndexByte(l.text[l.at:], '\n'); n >= 0 {
		l.at += n
		return
	}
	l.at = len(l.text)
}

// lineStart ends a statement at a line "GO" of SQL Server and skips the lines that
// set a delimiter.
func (l *sqlLexer) lineStart() {
	rest := l.text[l.at:]
	rest = rest[:min(len(rest), 40)]
	if n := bytes.IndexByte(rest, '\n'); n >= 0 {
		rest = rest[:n]
	}
	switch first := strings.ToUpper(string(bytes.TrimSpace(rest))); {
	case l.completes(first):
		l.end()
	case first == "GO" || first == "/":
		l.end()
		l.skipLine()
	case strings.HasPrefix(first, "DELIMITER "):
		l.end()
		l.delimiter = strings.TrimSpace(first[len("DELIMITER "):])
		if strings.Trim(l.delimiter, "/$|;!@&^%~") != "" || len(l.delimiter) > 4 {
			l.delimiter = "" // not one that can be told from a statement
		}
		l.skipLine()
	}
}

func (l *sqlLexer) comment() {
	if l.peek(2) == '!' || l.peek(2) == 'M' && l.peek(3) == '!' {
		l.at += 3
		for l.at < len(l.text) && (isDigit(l.text[l.at]) || l.text[l.at] == '!') {
			l.at++
		}
		return
	}
	end := bytes.Index(l.text[l.at+2:], []byte("*/"))
	if end < 0 {
		l.at = len(l.text)
		return
	}
	l.advance(l.at + 2 + end + 2)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// advance moves on and counts lines.
func (l *sqlLexer) advance(to int) {
	l.line += bytes.Count(l.text[l.at:to], []byte("\n"))
	l.at = to
}

// str reads a string. One that is executed is code.
func (l *sqlLexer) str() {
	line, escapes := l.line, l.escapes
	if n := len(l.words); n > 0 && l.words[n-1].text == "E" && l.at > 0 && (l.text[l.at-1]|0x20) == 'e' {
		escapes = true
	}
	i := l.at + 1
	for i < len(l.text) {
		switch {
		case l.text[i] == '\\' && escapes:
			i++
		case l.text[i] == '\'' && i+1 < len(l.text) && l.text[i+1] == '\'':
			i++
		case l.text[i] == '\'':
			l.closeString(i, line)
			return
		}
		i++
	}
	l.closeString(min(i, len(l.text)), line)
}

func (l *sqlLexer) closeString(end, line int) {
	body := l.text[l.at+1 : end]
	if l.depth < 3 && l.executes() {
		statement := bytes.ReplaceAll(body, []byte("''"), []byte("'"))
		sqlUnits(append(statement, " ?"...), line, l.depth+1, l.to) // what is appended to it is not known
	}
	l.add("'", line, true)
	l.advance(min(end+1, len(l.text)))
}

// executes says that the statement so far takes a string as a statement.
func (l *sqlLexer) executes() bool {
	for i := len(l.words) - 1; i >= 0 && i >= len(l.words)-6; i-- {
		switch l.words[i].text {
		case "EXECUTE", "EXEC", "SP_EXECUTESQL", "IMMEDIATE", "PREPARE", "FORMAT":
			return true
		}
	}
	return false
}

func (l *sqlLexer) quotedName(end byte) {
	n := l.find(string(end), l.at+1)
	if n < 0 {
		l.at++
		return
	}
	l.add(string(l.text[l.at+1:l.at+1+min(n, 200)]), l.line, true)
	l.advance(l.at + n + 2)
}

// dollar reads the delimiter of a dollar quote as a place where a statement can
// begin: what it quotes is the body of a function.
func (l *sqlLexer) dollar() bool {
	i := l.at + 1
	for i < len(l.text) && i-l.at < 64 && l.text[i] != '$' && isWordByte(l.text[i]) {
		i++
	}
	if i >= len(l.text) || l.text[i] != '$' || isDigit(l.peek(1)) {
		return false
	}
	l.add("$$", l.line, false)
	l.at = i + 1
	return true
}

// semicolon ends a statement and skips the rows that follow a COPY from standard input.
func (l *sqlLexer) semicolon() {
	copies := len(l.words) > 3 && l.words[0].text == "COPY" && l.words[len(l.words)-1].text != ")" && hasWord(l.words, "STDIN")
	l.end()
	l.at++
	if !copies {
		return
	}
	if end := l.find("\n\\.", l.at); end >= 0 {
		l.advance(l.at + end + 3)
	}
}

// find is how far behind an index an end is, or -1. One that was not there once is
// not looked for again.
func (l *sqlLexer) find(end string, at int) int {
	if slices.Contains(l.ended, end) {
		return -1
	}
	n := bytes.Index(l.text[at:], []byte(end))
	if n < 0 {
		l.to.spend(len(l.text) - at)
		l.ended = append(l.ended, end)
	}
	return n
}

func hasWord(words []word, text string) bool {
	for _, w := range words[:min(len(words), 200)] {
		if w.text == text && !w.quoted {
			return true
		}
	}
	return false
}

func (l *sqlLexer) word() {
	from := l.at
	for l.at < len(l.text) && (isWordByte(l.text[l.at]) || l.text[l.at] >= 0x80) && !l.delimits() {
		l.at++
	}
	l.add(strings.ToUpper(string(l.text[from:min(l.at, from+200)])), l.line, false)
}
