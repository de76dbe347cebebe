package risk

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Input is one changed file, old and new.
type Input struct {
	Path     string
	Old, New []byte // nil where there is none
	Added    Lines  // of New
	Removed  Lines  // of Old
	// Opaque has no lines that a diff shows: a link's target, a binary file. Only
	// secrets are looked for, and all of it counts as added.
	Opaque bool
	// Known says that the name was in the base already.
	Known bool
}

// Finding is one danger at one place.
type Finding struct {
	Name string // of the risk
	Rule string
	Path string
	// Line is counted from 1 in the new file, and in the old one where Removed says
	// that the danger is what is gone. 0 is the file as a whole, or its name.
	Line    int
	Removed bool
	Why     string
	// Excerpt is what was matched: one line, printable, without secrets, short.
	Excerpt string
	// More are further findings of the same rule in the same file that are not listed.
	More int

	key   string // the same for the same statement elsewhere
	gains bool   // a protection that the file gets: no danger, and not shown
}

// Bounds of what is listed. What is beyond is counted.
const (
	maxPerRule = 20 // findings of one rule in one file
	maxExcerpt = 120
	maxTold    = 1_000 // hits of one rule in one file that are told apart
)

// hit is a rule that fits, before it is known whether the change did that.
type hit struct {
	rule     *prepared
	from, to int // lines
	rollback bool
	key      string
	excerpt  string
}

// Statements finds what the change of one file brings in: what stands on an added
// line, and what stood in a comment or a longer statement before; and the
// protections that it removes.
func Statements(ctx context.Context, in Input) []Finding {
	if in.Opaque {
		return nil
	}
	m := newMeter(ctx, len(in.Old)+len(in.New))
	now := hits(m, in.Path, in.New)
	var before []hit
	if in.Old != nil && (len(in.Removed) > 0 || slices.ContainsFunc(now, func(h hit) bool { return h.rule.Guard || !in.Added.touches(h.from, h.to) })) {
		before = hits(m, in.Path, in.Old)
	}
	had, has := tally(before), tally(now)
	var found []Finding
	for _, h := range now {
		if h.rule.Guard {
			if has[h.key] > had[h.key] {
				f := h.finding(in.Path, false)
				f.gains = true
				found = append(found, f)
			}
			continue
		}
		if in.Added.touches(h.from, h.to) || has[h.key] > had[h.key] {
			found = append(found, h.finding(in.Path, false))
		}
	}
	for _, h := range before {
		if h.rule.Guard && has[h.key] < had[h.key] && in.Removed.touches(h.from, h.to) {
			found = append(found, h.finding(in.Path, true))
		}
	}
	return append(bounded(found), m.finding(NotScanned, in.Path, "statements-unread")...)
}

func (h hit) finding(path string, removed bool) Finding {
	name, why := h.rule.Name, h.rule.Why
	if h.rollback && name == SQL {
		name, why = Rollback, why+", when the migration is taken back"
	}
	return Finding{Name: name, Rule: h.rule.ID, Path: path, Line: h.from, Removed: removed, Why: why, Excerpt: h.excerpt, key: h.key}
}

func tally(hits []hit) map[string]int {
	n := make(map[string]int, len(hits))
	for _, h := range hits {
		n[h.key]++
	}
	return n
}

// bounded keeps the first findings of each rule and counts the others.
func bounded(found []Finding) []Finding {
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	kept := map[string]int{} // rule → number
	last := map[string]int{} // rule → index in out
	var out []Finding
	for _, f := range found {
		if f.gains {
			out = append(out, f)
			continue
		}
		key := f.Rule + " " + f.Name
		if kept[key]++; kept[key] > maxPerRule {
			out[last[key]].More++
			continue
		}
		last[key] = len(out)
		out = append(out, f)
	}
	return out
}

// hits reads a file and tries the rules of its languages, one hit of a rule a line.
func hits(m *meter, path string, text []byte) []hit {
	read := readerOf(path, text)
	if read == nil || len(text) == 0 {
		return nil
	}
	rules := byLanguage()
	var found []hit
	times := map[*prepared]int{}
	places := map[place]bool{} // of SQL, which can be read twice
	read(path, text, &sink{m, func(u unit) {
		of := rules[u.lang]
		if of == nil {
			return
		}
		of.find(m, &u, func(r *prepared, at span) {
			h := hit{rule: r, from: u.text(at)[0].line, to: u.last, rollback: u.rollback, key: r.ID}
			if times[r]++; times[r] <= maxTold {
				h = newHit(r, &u, at)
			}
			for n := len(found) - 1; n >= 0 && found[n].from == h.from && u.lang == LangCode; n-- {
				if found[n].rule == r {
					return // the same, matched by another pattern
				}
			}
			if at := (place{r, h.from}); u.lang == LangSQL {
				if u.again && places[at] {
					return
				}
				places[at] = true
			}
			found = append(found, h)
		})
	}})
	if u := codeRollbacks(m, path, text, found); u != nil {
		for i := range found {
			found[i].rollback = found[i].rollback || found[i].rule.Reads == LangCode && u.touches(found[i].from, found[i].from)
		}
	}
	return found
}

type place struct {
	rule *prepared
	line int
}

func newHit(r *prepared, u *unit, at span) hit {
	words := u.text(at)
	h := hit{rule: r, from: u.first(), to: u.last, rollback: u.rollback}
	if len(words) > 0 {
		h.from = words[0].line
	}
	switch u.lang {
	case LangCode:
		h.to = words[len(words)-1].line
	case LangShell:
		words = u.words
		if u.pipe != "" && r.Name == RemoteCode { // where it goes is the danger
			words = append(words[:len(words):len(words)], word{text: "| " + strings.Join(strings.Fields(u.pipe), " | ")})
		}
	case LangSQL:
		words = u.words[at.from:min(len(u.words), max(at.to, at.from+12))]
	}
	h.excerpt = excerpt(words, u.lang)
	h.key = r.ID + "\x00" + u.scope + "\x00" + h.excerpt
	return h
}

// excerpt writes words as one short line without secrets.
func excerpt(words []word, lang Language) string {
	var b strings.Builder
	for i, w := range words {
		text := w.text
		if w.quoted && lang == LangCode {
			text = `"` + text[:min(len(text), 60)] + `"`
		}
		if i > 0 && (lang != LangCode && text != "." && text != "(" && words[i-1].text != "." && words[i-1].text != "(") {
			b.WriteByte(' ')
		}
		b.WriteString(text[:min(len(text), maxExcerpt)])
		if b.Len() > 2*maxExcerpt {
			break
		}
	}
	return inert(Mask(b.String()))
}

// inert makes a text one printable line of bounded length.
func inert(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\x01':
			return '$'
		case r == utf8.RuneError:
			return '?'
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxExcerpt {
		text = strings.ToValidUTF8(text[:maxExcerpt], "") + "…"
	}
	return text
}

// codeRollbacks are the functions of a file of code that take a migration back, if
// anything was found in it.
func codeRollbacks(m *meter, path string, text []byte, found []hit) Lines {
	if !slices.ContainsFunc(found, func(h hit) bool { return h.rule.Reads == LangCode }) || !bytes.Contains(text, []byte("down")) {
		return nil
	}
	s := syntaxOf(path, text)
	return rollbacks(codeWords(m, text, s), text, s)
}
