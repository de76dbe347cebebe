package risk

import "sync"

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
	match, unless []pattern
}

// byLanguage are the rules of each language, read once.
var byLanguage = sync.OnceValue(func() map[Language][]*prepared {
	m := map[Language][]*prepared{}
	for _, r := range Rules() {
		m[r.Reads] = append(m[r.Reads], &prepared{Rule: r, match: compile(r.Match), unless: compile(r.Unless)})
	}
	return m
})

// maxTries bounds how often a rule is tried within one unit. A unit with more
// places than that where it could begin was not written by people, and is named.
const maxTries = 400

// find says where a rule fits a unit.
func (r *prepared) find(u *unit) (found []span) {
	for _, no := range r.unless {
		if _, fits := no.find(u.words, 0); fits {
			return nil
		}
	}
	tries := 0
	for i := range r.match {
		for begin := 0; begin < len(u.words); begin++ {
			if !r.match[i].open && !begins(u, begin) {
				continue
			}
			at, fits := r.match[i].find(u.words, begin)
			if fits {
				tries++
				if r.Check == nil || r.Check(u, at) || tries > maxTries {
					found = append(found, at)
				}
			}
			if tries > maxTries || u.lang != LangCode && len(found) > 0 {
				return found
			}
			if r.match[i].open {
				if !fits {
					break
				}
				begin = at.from
			}
		}
	}
	return found
}

// begins says that a pattern may begin at a word: the first one of a unit, in SQL
// also where a statement begins within another.
func begins(u *unit, i int) bool {
	return i == 0 || u.lang == LangSQL && (sqlStarts[u.words[i-1].text] || u.words[i-1].quoted && u.words[i-1].text == "'")
}
