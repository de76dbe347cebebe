package risk

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// codeSyntax says how a family of programming languages writes comments and strings.
type codeSyntax struct {
	line   []string // begin a comment to the end of the line
	block  bool     // /* … */
	triple bool     // """…""" and '''…'''
	back   bool     // `…` over lines
	docs   bool     // <<~SQL … SQL
	indent bool     // blocks are made by indentation
}

var syntaxes = map[string]codeSyntax{
	"py": {line: []string{"#"}, triple: true, indent: true}, "rb": {line: []string{"#"}, docs: true, indent: true},
	"js": {line: []string{"//"}, block: true, back: true}, "php": {line: []string{"//", "#"}, block: true, docs: true},
	"java": {line: []string{"//"}, block: true, triple: true}, "ex": {line: []string{"#"}, triple: true, indent: true},
}

// codeReader makes words of code: names, punctuation, and strings as quoted words.
type codeReader struct {
	*meter
	syntaxes codeSyntax
	text     []byte
	at, line int
	words    []word
	docEnds  map[string][]int // where a line begins that begins with a word in capitals
}

func codeWords(m *meter, text []byte, s codeSyntax) []word {
	r := &codeReader{meter: m, syntaxes: s, text: text, line: 1}
	for from := 0; r.at < len(r.text) && r.spend(1+r.at-from); {
		from = r.at
		r.next()
	}
	return r.words
}

func (r *codeReader) next() {
	rest := r.text[r.at:]
	switch c := rest[0]; {
	case c == '\n':
		r.line++
		r.at++
	case c <= ' ':
		r.at++
	case r.comment(rest):
	case r.syntaxes.triple && (bytes.HasPrefix(rest, []byte(`"""`)) || bytes.HasPrefix(rest, []byte("'''"))):
		r.str(skipTo(r.text, r.at+3, string(rest[:3])), 3)
	case c == '"' || c == '\'':
		end := stringEnd(r.text, r.at)
		if r.text[end-1] != c || end == r.at+1 {
			r.at = max(end, r.at+1) // a quote that closes nothing: a regular expression, a lifetime
			return
		}
		r.str(end, 1)
	case c == '`' && r.syntaxes.back:
		r.str(skipTo(r.text, r.at+1, "`"), 1)
	case r.syntaxes.docs && r.heredoc(rest):
	case isWordByte(c):
		from := r.at
		for r.at < len(r.text) && isWordByte(r.text[r.at]) {
			r.at++
		}
		r.words = append(r.words, word{text: string(r.text[from:min(r.at, from+200)]), line: r.line})
	default:
		r.words = append(r.words, word{text: string(rest[:1]), line: r.line})
		r.at++
	}
}

func (r *codeReader) comment(rest []byte) bool {
	for _, begin := range r.syntaxes.line {
		if bytes.HasPrefix(rest, []byte(begin)) {
			r.at = lineEnd(r.text, r.at)
			return true
		}
	}
	if r.syntaxes.block && bytes.HasPrefix(rest, []byte("/*")) {
		end := skipTo(r.text, r.at+2, "*/")
		r.line += bytes.Count(r.text[r.at:end], []byte("\n"))
		r.at = end
		return true
	}
	return false
}

func (r *codeReader) str(end, quotes int) {
	from := r.at + quotes
	body := r.text[from:max(from, min(len(r.text), end-quotes))]
	r.words = append(r.words, word{text: string(body), line: r.line, quoted: true})
	r.line += bytes.Count(r.text[r.at:end], []byte("\n"))
	r.at = end
}

var heredocStart = regexp.MustCompile(`^<<[<~-]?['"]?([A-Z][A-Z0-9_]*)['"]?`)

func (r *codeReader) heredoc(rest []byte) bool {
	if rest[0] != '<' {
		return false
	}
	m := heredocStart.FindSubmatch(rest[:min(len(rest), 80)])
	if m == nil {
		return false
	}
	first := lineEnd(r.text, r.at)
	at, found := r.docEnd(string(m[1]), first)
	if !found {
		return false
	}
	r.words = append(r.words, word{text: string(r.text[min(first+1, at-1) : at-1]), line: r.line + 1, quoted: true})
	next := lineEnd(r.text, at)
	r.line += bytes.Count(r.text[r.at:next], []byte("\n"))
	r.at = next
	return true
}

var docEnd = regexp.MustCompile(`(?m)^[ \t]*([A-Z][A-Z0-9_]*)`)

// docEnd is where the first line behind an index begins that begins with a tag.
// These lines are looked for once in a file.
func (r *codeReader) docEnd(tag string, behind int) (at int, found bool) {
	if r.docEnds == nil {
		r.docEnds = map[string][]int{}
		r.spend(len(r.text))
		for _, m := range docEnd.FindAllSubmatchIndex(r.text, -1) {
			name := string(r.text[m[2]:m[3]])
			r.docEnds[name] = append(r.docEnds[name], m[0])
		}
	}
	ends := r.docEnds[tag]
	i, _ := slices.BinarySearch(ends, behind+1)
	if i == len(ends) {
		return 0, false
	}
	return ends[i], true
}

// codeUnits yields the words of a file of code once, and the SQL and the commands
// that its strings hold.
func codeUnits(path string, text []byte, s codeSyntax, to *sink) {
	words := codeWords(to.meter, text, s)
	back := rollbacks(words, text, s)
	each := to.through(func(u *unit) { u.rollback = back.touches(u.first(), u.first()) })
	read := 0 // words that a statement before has taken in
	if len(words) > 0 {
		to.emit(unit{lang: LangCode, words: words, last: words[len(words)-1].line})
	}
	test := isTest(path)
	for i, w := range words {
		if w.quoted && i >= read && !test && looksLikeSQL(w.text) {
			statement, n := joined(words[i:])
			read = i + n
			sqlUnits([]byte(statement), w.line, 0, each)
		}
		if !w.quoted && runners[w.text] && i+1 < len(words) {
			if script, line := argument(words[i+1:]); script != "" {
				shellUnits([]byte(script), line, 0, variables{}, each)
			}
		}
	}
}

// joined is a string with those that are put behind it: next to it, or with an
// operator, and how many words that took. What is no string stands as "?".
func joined(words []word) (text string, n int) {
	var b strings.Builder
	b.WriteString(words[0].text)
	i := 1
	words = words[:min(len(words), 300)]
	for i < len(words) && b.Len() < 64<<10 {
		switch w := words[i]; {
		case w.quoted:
			b.WriteString(w.text)
			i++
		case w.text != "+" && w.text != "." && w.text != "\\":
			return b.String(), i
		case i+1 < len(words) && !words[i+1].quoted && w.text == "+":
			b.WriteByte('?')
			i = operandEnd(words, i+1)
		default:
			i++
		}
	}
	return b.String(), i
}

// operandEnd is the index after an expression that begins at i: names, with calls,
// fields and indexes behind them.
func operandEnd(words []word, i int) int {
	depth := 0
	for ; i < len(words); i++ {
		switch text := words[i].text; {
		case words[i].quoted:
			if depth == 0 {
				return i
			}
		case text == "(" || text == "[":
			depth++
		case text == ")" || text == "]":
			if depth--; depth < 0 {
				return i
			}
		case depth > 0 || text == "." || text == "-" || text == ">": // a PHP field
		case !isWordByte(text[0]), i > 0 && !words[i-1].quoted && endsOperand(words[i-1].text):
			return i
		}
	}
	return i
}

func endsOperand(text string) bool {
	return text == ")" || text == "]" || isWordByte(text[len(text)-1])
}

// runners are functions that run a command.
var runners = map[string]bool{
	"system": true, "popen": true, "Popen": true, "run": true, "call": true, "check_call": true, "check_output": true, "exec": true, "execSync": true,
	"spawn": true, "spawnSync": true, "sh": true, "bat": true, "shell_exec": true, "passthru": true, "Command": true, "execa": true,
}

// argument is what a call is given to run: its first string, or the strings of its
// first list as words.
func argument(words []word) (script string, line int) {
	i := 0
	for i < len(words) && i < 2 && (words[i].text == "(" || words[i].text == "[" || words[i].text == "f") && !words[i].quoted {
		i++
	}
	if i >= len(words) || !words[i].quoted {
		return "", 0
	}
	line = words[i].line
	if words[0].text == "(" && i+1 < len(words) && words[i+1].text != "," || words[0].quoted {
		return words[i].text, line
	}
	for _, w := range words[i:min(len(words), i+60)] {
		switch {
		case w.quoted:
			script += " '" + strings.ReplaceAll(w.text, "'", "") + "'"
		case w.text == ")" || w.text == "]":
			return script, line
		}
	}
	return script, line
}

var sqlVerb = regexp.MustCompile(`^\s*(?:DROP\s+(?:TABLE|DATABASE|SCHEMA)\s|TRUNCATE\s|DELETE\s+FROM\s|UPDATE\s+\S+\s+SET\s|ALTER\s+TABLE\s|GRANT\s+ALL\s)`)

// looksLikeSQL says that a string begins with a statement in capitals, as
// statements are written: prose is not.
func looksLikeSQL(text string) bool {
	return sqlVerb.MatchString(text[:min(len(text), 300)])
}

var testPath = regexp.MustCompile(`(?i)(^|/)(tests?|testdata|fixtures|__tests__|specs?|e2e)/|[_.-](test|spec)s?\.[a-z]+$|(^|/)(test_|conftest)[^/]*$|Tests?\.(java|kt|cs|php)$`)

func isTest(path string) bool { return testPath.MatchString(path) }
