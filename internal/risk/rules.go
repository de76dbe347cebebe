package risk

import (
	"strings"
	"sync"
)

// Rules lists the rules about statements, commands and settings.
func Rules() []Rule {
	var all []Rule
	for _, some := range [][]Rule{sqlRules(), codeRules(), commandRules(), infrastructureRules(), settingRules()} {
		all = append(all, some...)
	}
	return all
}

// prepared is a rule with its patterns read.
type prepared struct {
	Rule
	unless []pattern
}

// index finds the patterns that can begin with a word.
type index struct {
	words map[string][]candidate
	forms []candidate // that begin with a word of a form
}

type candidate struct {
	rule    *prepared
	pattern pattern
	form    string
}

// byLanguage are the rules of each language, read once.
var byLanguage = sync.OnceValue(func() map[Language]*index {
	m := map[Language]*index{}
	for _, r := range Rules() {
		x := m[r.Reads]
		if x == nil {
			x = &index{words: map[string][]candidate{}}
			m[r.Reads] = x
		}
		rule := &prepared{Rule: r, unless: compile(r.Unless)}
		for _, p := range compile(r.Match) {
			x.add(rule, p)
		}
	}
	return m
})

func (x *index) add(r *prepared, p pattern) {
	for _, first := range p.pieces[0][0].words {
		c := candidate{rule: r, pattern: p, form: first}
		if strings.Contains(first, "*") {
			x.forms = append(x.forms, c)
			continue
		}
		x.words[first] = append(x.words[first], c)
	}
}

// maxTries bounds how often the rules are tried within one unit. A unit with more
// places than that where a rule could begin was not written by people; it is named
// by the rule whose turn it is.
const maxTries = 200

// find tells where rules fit a unit: each rule once, in code wherever it fits.
func (x *index) find(m *meter, u *unit, hit func(*prepared, span)) {
	s := search{meter: m, unit: u, hit: hit}
	for i, w := range u.words {
		if w.quoted && u.lang == LangCode {
			continue
		}
		for _, c := range x.words[w.text] {
			s.try(c, i)
		}
		for _, c := range x.forms {
			if wildcard(c.form, w.text) {
				s.try(c, i)
			}
		}
	}
}

// search is one unit being looked at.
type search struct {
	*meter
	unit  *unit
	hit   func(*prepared, span)
	tries int
	done  map[string]bool // by rule
}

func (s *search) try(c candidate, i int) {
	if s.unit.again && i > 0 || !c.pattern.open && !begins(s.unit, i) || s.done[c.rule.ID] {
		return
	}
	if len(c.pattern.pieces) > 1 || c.rule.Check != nil {
		s.tries++
	}
	if len(c.pattern.pieces) > 1 && !s.spend(len(s.unit.words)-i) {
		return
	}
	at, fits := c.pattern.at(s.unit.words, i)
	if s.tries > maxTries && s.unit.lang != LangCode {
		at, fits = span{i, i + 1}, true
	} else if fits && (c.rule.harmless(s.unit) || c.rule.Check != nil && !c.rule.Check(s.unit, at)) {
		fits = false
	}
	if !fits {
		return
	}
	s.hit(c.rule, at)
	if s.unit.lang != LangCode {
		if s.done == nil {
			s.done = map[string]bool{}
		}
		s.done[c.rule.ID] = true
	}
}

func (r *prepared) harmless(u *unit) bool {
	for _, no := range r.unless {
		for i := range u.words {
			if !no.open && i > 0 {
				break
			}
			if _, fits := no.at(u.words, i); fits {
				return true
			}
		}
	}
	return false
}

// begins says that a pattern may begin at a word: the first one of a unit, in SQL
// also where a statement begins within another.
func begins(u *unit, i int) bool {
	return i == 0 || u.lang == LangSQL && (sqlStarts[u.words[i-1].text] || u.words[i-1].quoted && u.words[i-1].text == "'")
}
