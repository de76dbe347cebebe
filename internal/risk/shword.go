package risk

import "bytes"

// literal stands for a dollar sign that expands to nothing: it was in single
// quotes or escaped.
const literal = "\x01"

// word reads one word: quotes are taken away, substitutions are read as commands
// and stand as "$()".
func (l *shLexer) word() {
	var text []byte
	line, quoted := l.line, false
	for l.at < len(l.text) {
		c := l.text[l.at]
		if c == '`' && l.closer == c {
			break
		}
		switch c {
		case ' ', '\t', '\r', '\n', ';', '&', '|', '(', ')', '<', '>':
			if (c == '(' || c == '|') && len(text) > 0 && bytes.IndexByte([]byte("@?+*!="), text[len(text)-1]) >= 0 && c == '(' {
				l.array(&text) // VAR=(…) and the patterns of bash
				continue
			}
			l.addWord(text, line, quoted)
			return
		case '\'':
			quoted = true
			text = l.single(text)
		case '"':
			quoted = true
			l.at++
			text = l.double(text)
		case '\\':
			text = l.escape(text)
		case '`':
			l.at++
			l.nested('`')
			text = append(text, "$()"...)
		case '$':
			text = l.dollar(text)
		default:
			text = append(text, c)
			l.at++
		}
	}
	l.addWord(text, line, quoted)
}

func (l *shLexer) addWord(text []byte, line int, quoted bool) {
	if len(l.cmd) < maxWords && (quoted || len(text) > 0) {
		l.cmd = append(l.cmd, word{text: string(text), line: line, quoted: quoted})
	}
}

// array leaves the parenthesis to the commands: its words are looked at as one.
func (l *shLexer) array(text *[]byte) {
	*text = append(*text, '(')
	l.at++
}

func (l *shLexer) single(text []byte) []byte {
	end := bytes.IndexByte(l.text[l.at+1:], '\'')
	if end < 0 {
		end = len(l.text) - l.at - 1
	}
	body := l.text[l.at+1 : l.at+1+end]
	l.line += bytes.Count(body, []byte("\n"))
	l.at = min(len(l.text), l.at+end+2)
	return append(text, bytes.ReplaceAll(body, []byte("$"), []byte(literal))...)
}

func (l *shLexer) escape(text []byte) []byte {
	l.at++
	if l.at >= len(l.text) {
		return text
	}
	c := l.text[l.at]
	l.at++
	switch c {
	case '\n':
		l.line++
		return text
	case '$':
		return append(text, literal...)
	}
	return append(text, c)
}

func (l *shLexer) double(text []byte) []byte {
	for l.at < len(l.text) {
		c := l.text[l.at]
		switch c {
		case '"':
			l.at++
			return text
		case '\\':
			text = l.escape(text)
		case '`':
			l.at++
			l.nested('`')
			text = append(text, "$()"...)
		case '$':
			text = l.dollar(text)
		default:
			if c == '\n' {
				l.line++
			}
			text = append(text, c)
			l.at++
		}
	}
	return text
}

// dollar reads an expansion. ${VAR:?…} and ${VAR:-…} cannot be empty and stand as
// "$VAR?".
func (l *shLexer) dollar(text []byte) []byte {
	l.at++
	if l.at >= len(l.text) {
		return append(text, '$')
	}
	switch l.text[l.at] {
	case '(':
		l.peekArithmetic(l.at)
		l.at++
		return append(append(text, "$("...), l.nested(')')...)
	case '{':
		return l.braced(text)
	}
	return append(text, '$')
}

func (l *shLexer) braced(text []byte) []byte {
	rest := l.text[l.at:]
	end := bytes.IndexByte(rest[:min(len(rest), 4096)], '}')
	if end < 0 {
		l.at++
		return append(text, '$')
	}
	body := rest[1:end]
	l.line += bytes.Count(body, []byte("\n"))
	l.at += end + 1
	n := 0
	for n < len(body) && (isWordByte(body[n]) || bytes.IndexByte([]byte("@*#"), body[n]) >= 0) {
		n++
	}
	text = append(append(text, '$'), body[:n]...)
	op := bytes.TrimPrefix(body[n:], []byte(":"))
	if len(op) > 0 && (op[0] == '?' || (op[0] == '-' || op[0] == '=') && len(op) > 1) {
		text = append(text, '?')
	}
	return text
}
