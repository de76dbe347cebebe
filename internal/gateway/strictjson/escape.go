package strictjson

import (
	"unicode/utf16"
	"unicode/utf8"
)

var escapes = [256]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads one escape. Half of a surrogate pair becomes U+FFFD: agents cut
// texts in the middle of one, and no reader can take it for anything else.
func (p *parser) escape() (rune, error) {
	if p.at+1 >= len(p.text) {
		return 0, p.fail("a string has no end")
	}
	if r := escapes[p.text[p.at+1]]; r != 0 {
		p.at += 2
		return r, nil
	}
	first, ok := p.unit()
	if !ok {
		return 0, p.fail("an unknown escape in a string")
	}
	p.at += 6
	if !utf16.IsSurrogate(first) {
		return first, nil
	}
	if second, ok := p.unit(); ok {
		if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
			p.at += 6
			return r, nil
		}
	}
	return utf8.RuneError, nil
}

// unit is the \uXXXX at the current place.
func (p *parser) unit() (rune, bool) {
	if p.at+6 > len(p.text) || p.text[p.at] != '\\' || p.text[p.at+1] != 'u' {
		return 0, false
	}
	r := rune(0)
	for _, c := range []byte(p.text[p.at+2 : p.at+6]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
