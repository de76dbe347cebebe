package risk

import (
	"bytes"
	"regexp"
)

// downNames begin the part of a migration that takes it back, in Alembic, Rails,
// Knex, Laravel, TypeORM and others.
var downNames = map[string]bool{"downgrade": true, "down": true}

// maxRollbacks bounds the functions of one file that count as taking back.
const maxRollbacks = 100

// rollbacks finds the functions that take a migration back. By indentation their
// block ends with the first line that is not deeper, by braces with the one that
// closes them.
func rollbacks(words []word, text []byte, s codeSyntax) Lines {
	var found Lines
	var lines [][]byte
	for i, w := range words {
		if len(found) >= maxRollbacks {
			break
		}
		if w.quoted || !downNames[w.text] || !declares(words, i) {
			continue
		}
		if s.indent {
			if lines == nil {
				lines = bytes.Split(text, []byte("\n"))
			}
			found = append(found, Span{w.line, indentedEnd(lines, w.line)})
		} else if end := bracedEnd(words, i); end > 0 {
			found = append(found, Span{w.line, end})
		}
	}
	return found.sorted()
}

// declares says that the name at i is declared here: def down, function down(,
// exports.down =, async down(.
func declares(words []word, i int) bool {
	if i == 0 {
		return false
	}
	switch words[i-1].text {
	case "def", "function", "async", "void", "Task", "func", "fun", "override", "const":
		return !words[i-1].quoted
	case ".":
		return i > 1 && words[i-2].text == "exports" && i+1 < len(words) && words[i+1].text == "="
	}
	return false
}

// bracedEnd is the line where the block closes that begins after words[i], or 0.
func bracedEnd(words []word, i int) int {
	depth, parens := 0, 0
	for _, w := range words[i+1:] {
		if w.quoted {
			continue
		}
		switch w.text {
		case "(":
			parens++
		case ")":
			parens--
		case "{":
			depth++
		case "}":
			if depth--; depth <= 0 {
				return w.line - 1 // what follows on that line is outside
			}
		case ";":
			if depth == 0 && parens <= 0 {
				return w.line
			}
		}
	}
	return 0
}

func indentedEnd(lines [][]byte, line int) int {
	if line > len(lines) {
		return line
	}
	deep := indentOf(lines[line-1])
	for n := line; n < len(lines); n++ {
		if len(bytes.TrimSpace(lines[n])) > 0 && indentOf(lines[n]) <= deep {
			return n
		}
	}
	return len(lines)
}

func indentOf(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " \t")) }

var (
	downFile  = regexp.MustCompile(`(?i)([._-](down|undo|rollback)\.sql|(^|/)(down|undo|rollback|revert)\.sql|(^|/)U[0-9][0-9._]*__[^/]*\.sql|/(down|rollback|revert)/[^/]*\.sql)$`)
	downStart = regexp.MustCompile(`(?i)^\s*--\s*(\+goose\s+down|migrate:down|\+migrate\s+down|//@undo|rambler\s+down|\+micrate\s+down)`)
	downEnd   = regexp.MustCompile(`(?i)^\s*--\s*(\+goose\s+up|migrate:up|\+migrate\s+up|rambler\s+up|\+micrate\s+up)`)
)

// sqlRollbacks finds what takes a migration back by the names of files and by the
// comments of the tools.
func sqlRollbacks(path string, text []byte) Lines {
	if downFile.MatchString(path) {
		return Lines{{1, 1 << 40}}
	}
	var found Lines
	n, from := 0, 0
	for line := range bytes.Lines(text) {
		n++
		if len(line) > 200 {
			continue
		}
		switch {
		case from == 0 && downStart.Match(line):
			from = n
		case from > 0 && downEnd.Match(line):
			found, from = append(found, Span{from, n}), 0
		}
	}
	if from > 0 {
		found = append(found, Span{from, n})
	}
	return found
}
