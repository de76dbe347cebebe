package strictjson

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads one document.
func Parse(text string) (*Node, error) {
	if !utf8.ValidString(text) {
		return nil, &Error{Reason: "the text is not valid UTF-8"}
	}
	p := &parser{text: text}
	n, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at != len(p.text) {
		return nil, p.fail("something follows the value")
	}
	return n, nil
}

type parser struct {
	text    string
	at      int
	nodes   int
	scratch []byte // for strings with escapes
	slab    []Node // where nodes are taken from, many at once
}

// node takes a node out of the slab: a document has thousands, and making each
// by itself costs more than reading it.
func (p *parser) node(n Node) *Node {
	if len(p.slab) == cap(p.slab) {
		p.slab = make([]Node, 0, min(max(2*cap(p.slab), 16), 512))
	}
	p.slab = append(p.slab, n)
	return &p.slab[len(p.slab)-1]
}

func (p *parser) fail(reason string) error { return &Error{Offset: p.at, Reason: reason} }

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next is the byte after white space, or 0 at the end.
func (p *parser) next() byte {
	if p.space(); p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) value(depth int) (*Node, error) {
	if p.nodes++; p.nodes > MaxNodes || depth > MaxDepth {
		return nil, ErrLimit
	}
	switch c := p.next(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		text, raw, err := p.str()
		return p.node(Node{Kind: String, Text: text, raw: raw}), err
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if strings.HasPrefix(p.text[p.at:], word) {
			p.at += len(word)
			return p.node(Node{Kind: Literal, Text: word}), nil
		}
	}
	return nil, p.fail("a value is expected")
}

func (p *parser) object(depth int) (*Node, error) {
	n := p.node(Node{Kind: Object})
	p.at++
	if p.next() == '}' {
		p.at++
		return n, nil
	}
	keys := keySet{}
	for {
		if p.next() != '"' {
			return nil, p.fail("a key is expected")
		}
		key, _, err := p.str()
		if err != nil {
			return nil, err
		}
		if keys.has(n, key) {
			return nil, p.fail("the key " + strconv.Quote(short(key)) + " stands twice in one object")
		}
		if p.next() != ':' {
			return nil, p.fail("a colon is expected")
		}
		p.at++
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		n.Members = append(n.Members, Member{Key: key, Value: value})
		switch p.next() {
		case ',':
			p.at++
		case '}':
			p.at++
			return n, nil
		default:
			return nil, p.fail("a comma or a closing brace is expected")
		}
	}
}

// keySet finds repeated keys: by looking through a few, by a table of many.
type keySet struct{ table map[string]bool }

func (k *keySet) has(n *Node, key string) bool {
	const few = 12
	if len(n.Members) < few {
		return n.Get(key) != nil
	}
	if k.table == nil {
		k.table = make(map[string]bool, 2*few)
		for _, m := range n.Members {
			k.table[m.Key] = true
		}
	}
	if k.table[key] {
		return true
	}
	k.table[key] = true
	return false
}

func (p *parser) array(depth int) (*Node, error) {
	n := p.node(Node{Kind: Array})
	p.at++
	if p.next() == ']' {
		p.at++
		return n, nil
	}
	for {
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		n.Items = append(n.Items, value)
		switch p.next() {
		case ',':
			p.at++
		case ']':
			p.at++
			return n, nil
		default:
			return nil, p.fail("a comma or a closing bracket is expected")
		}
	}
}

// number keeps the digits as they are: no precision is lost.
func (p *parser) number() (*Node, error) {
	start := p.at
	if p.text[p.at] == '-' {
		p.at++
	}
	whole := p.digits()
	if whole == 0 || whole > 1 && p.text[p.at-whole] == '0' {
		return nil, p.fail("a number is malformed")
	}
	if p.at < len(p.text) && p.text[p.at] == '.' {
		p.at++
		if p.digits() == 0 {
			return nil, p.fail("a number is malformed")
		}
	}
	if p.at < len(p.text) && (p.text[p.at] == 'e' || p.text[p.at] == 'E') {
		p.at++
		if p.at < len(p.text) && (p.text[p.at] == '+' || p.text[p.at] == '-') {
			p.at++
		}
		if p.digits() == 0 {
			return nil, p.fail("a number is malformed")
		}
	}
	return p.node(Node{Kind: Literal, Text: p.text[start:p.at]}), nil
}

func (p *parser) digits() int {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}

// plain marks the bytes that stand for themselves in a string.
var plain = func() (table [256]bool) {
	for i := range table {
		table[i] = i >= 0x20 && i != '"' && i != '\\'
	}
	return table
}()

// run passes over plain bytes.
func (p *parser) run() string {
	start, text := p.at, p.text
	at := start
	for at < len(text) && plain[text[at]] {
		at++
	}
	p.at = at
	return text[start:at]
}

// str reads a string; one without escapes shares the document's memory. raw is as
// in [Node].
func (p *parser) str() (text, raw string, err error) {
	p.at++
	start, usual := p.at, true
	text = p.run()
	if p.at < len(p.text) && p.text[p.at] == '"' {
		p.at++
		return text, text, nil
	}
	out := append(p.scratch[:0], text...)
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			if usual {
				raw = p.text[start:p.at]
			}
			p.at++
			p.scratch = out
			return string(out), raw, nil
		case c == '\\':
			usual = usual && p.at+1 < len(p.text) && usualEscape[p.text[p.at+1]]
			r, err := p.escape()
			if err != nil {
				return "", "", err
			}
			out = utf8.AppendRune(out, r)
		case c < 0x20:
			return "", "", p.fail("a control character in a string")
		}
		out = append(out, p.run()...)
	}
	return "", "", p.fail("a string has no end")
}

// usualEscape marks the escapes that Append writes, but for \u.
var usualEscape = [256]bool{'"': true, '\\': true, 'n': true, 'r': true, 't': true}

func short(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
