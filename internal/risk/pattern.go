package risk

import "strings"

// pattern is a sequence of words. Between spaces stand
//
//	DROP        this word
//	A|B         one of these
//	delete-*    a word of this form; * is any number of any characters
//	X?          the word or nothing
//	_           any one word
//	"           a word in quotes; in code, a string
//	...         any number of words
//
// A pattern begins where a unit begins, unless it begins with "...". Matching
// takes the first place that fits, piece by piece, so it is linear in the words.
type pattern struct {
	open   bool // may begin anywhere
	pieces [][]element
}

type element struct {
	words []string
	any   bool
	// quoted is any word in quotes.
	quoted bool
}

// compile reads patterns; one with optional words becomes several.
func compile(texts []string) []pattern {
	var out []pattern
	for _, text := range texts {
		for _, fields := range expand(strings.Fields(text)) {
			out = append(out, parsePattern(fields))
		}
	}
	return out
}

func expand(fields []string) [][]string {
	all := [][]string{nil}
	for _, f := range fields {
		needed, optional := strings.CutSuffix(f, "?")
		var next [][]string
		for _, before := range all {
			next = append(next, append(before[:len(before):len(before)], needed))
			if optional {
				next = append(next, before)
			}
		}
		all = next
	}
	return all
}

func parsePattern(fields []string) pattern {
	p := pattern{pieces: [][]element{nil}}
	for i, f := range fields {
		switch f {
		case "...":
			if i == 0 {
				p.open = true
				continue
			}
			p.pieces = append(p.pieces, nil)
		case "_":
			p.add(element{any: true})
		case `"`:
			p.add(element{quoted: true})
		default:
			p.add(element{words: strings.Split(f, "|")})
		}
	}
	return p
}

func (p *pattern) add(e element) { p.pieces[len(p.pieces)-1] = append(p.pieces[len(p.pieces)-1], e) }

func (e element) matches(w word) bool {
	if e.any || e.quoted {
		return e.any || w.quoted
	}
	for _, want := range e.words {
		if want == w.text || strings.Contains(want, "*") && wildcard(want, w.text) {
			return true
		}
	}
	return false
}

// at matches p with words that begin at i and returns what it covers.
func (p pattern) at(words []word, i int) (span, bool) {
	if !matchesPiece(p.pieces[0], words[i:]) {
		return span{}, false
	}
	to := i + len(p.pieces[0])
	for _, piece := range p.pieces[1:] {
		for to+len(piece) <= len(words) && !matchesPiece(piece, words[to:]) {
			to++
		}
		if to+len(piece) > len(words) {
			return span{}, false
		}
		to += len(piece)
	}
	return span{i, to}, true
}

func matchesPiece(piece []element, words []word) bool {
	if len(piece) > len(words) {
		return false
	}
	for i, e := range piece {
		if !e.matches(words[i]) {
			return false
		}
	}
	return true
}

// wildcard compares text with a pattern in which * is any number of characters.
func wildcard(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}
