package risk

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// SecretRule is one kind of secret that others issue, known by its form.
type SecretRule struct {
	ID  string
	Why string
	// Keys are texts of which one has to be there; they are looked for first. Those
	// of a rule with Fold are in lower case and match any.
	Keys []string
	Fold bool
	// Form is matched with the text around a key. Its first group is the value.
	Form *regexp.Regexp
	// Near is a cheap test of the text behind a key, for keys that are common words.
	Near func(behind []byte) bool
	// Begins says that a value begins with its key.
	Begins bool
	// Loose says that the form alone tells little: tests and documents, which are full
	// of such values, are not looked at.
	Loose bool
	// Real says that a value is none of an example; nil: the general test.
	Real         func(value string) bool
	Hits, Misses []string
}

// around is how much of a text is looked at before and after a key.
const (
	before = 80
	after  = 2100
)

var secretRules = SecretRules()

// Secrets finds what looks like a secret of others on added lines and in the name
// of a file. No finding holds the value.
func Secrets(ctx context.Context, in Input) []Finding {
	var found []Finding
	if clean := Mask(in.Path); clean != in.Path {
		if !in.Known {
			found = append(found, Finding{Name: SecretPattern, Rule: secretIn(in.Path), Path: clean, Why: "the name of the file holds what looks like a secret"})
		}
		in.Path = clean
	}
	if in.New == nil {
		return found
	}
	if in.Opaque && in.Old != nil { // what it held already is not the change's
		had := in
		had.New, had.Old, had.Known = in.Old, nil, true
		if len(Secrets(ctx, had)) >= len(contentSecrets(ctx, in)) {
			return found
		}
	}
	return bounded(append(found, contentSecrets(ctx, in)...))
}

var document = regexp.MustCompile(`(?i)\.(md|markdown|rst|adoc|asciidoc|html?|ipynb|ronn)$`)

// contentSecrets looks through the new content.
func contentSecrets(ctx context.Context, in Input) (found []Finding) {
	m := newMeter(ctx, len(in.New))
	lower := bytes.ToLower(in.New)
	if len(lower) != len(in.New) { // characters whose lower case has another length
		lower = foldASCII(in.New)
	}
	sample := isTest(in.Path) || document.MatchString(in.Path)
	for i := range secretRules {
		if !secretRules[i].Loose || !sample {
			found = append(found, secretRules[i].scan(m, in, lower)...)
		}
	}
	// What could not be read may have a secret, so it counts as one.
	return append(found, m.finding(SecretPattern, in.Path, "secrets-unread")...)
}

func foldASCII(text []byte) []byte {
	out := bytes.Clone(text)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}

// scan looks around each place of a key. Places are found in order, and each looks
// at a bounded part of the text, so that the whole is linear.
func (r *SecretRule) scan(m *meter, in Input, lower []byte) (found []Finding) {
	text := in.New
	if r.Fold {
		text = lower
	}
	for _, key := range r.Keys {
		line, counted, last := 1, 0, -1
		for at := 0; m.spend(1); at += len(key) {
			n := bytes.Index(text[at:], []byte(key))
			if n < 0 {
				break
			}
			at += n
			hit, ok := r.at(m, in.New, at)
			if !ok {
				continue
			}
			line += bytes.Count(in.New[counted:at], []byte("\n"))
			counted = at
			if shown := hit.line(in, at, line); line != last && shown > 0 {
				found = append(found, Finding{Name: SecretPattern, Rule: r.ID, Path: in.Path, Line: shown, Why: "it looks like " + r.Why + lengthOf(hit.value)})
				last = line
			}
		}
	}
	if in.Opaque {
		for i := range found {
			found[i].Line = 0
		}
	}
	return found
}

// secretHit is what fits a rule: text[from:to] with its value.
type secretHit struct {
	value    string
	from, to int
}

// line is the line of the key, or, where that was there before, the first added one
// that the hit reaches over: a value can be put behind a name that stays. 0 is none.
func (h secretHit) line(in Input, key, at int) int {
	from := at - bytes.Count(in.New[min(h.from, key):key], []byte("\n"))
	to := at + bytes.Count(in.New[key:max(h.to, key)], []byte("\n"))
	if in.Opaque || in.Added.touches(at, at) {
		return at
	}
	for l := from; l <= to; l++ {
		if in.Added.touches(l, l) {
			return l
		}
	}
	return 0
}

func lengthOf(value string) string { return fmt.Sprintf(" (%d characters)", len(value)) }

// at matches the rule with the text around a key. Behind a match that is none, the
// next one begins right after its value: what ends the one can begin the other.
func (r *SecretRule) at(m *meter, text []byte, key int) (secretHit, bool) {
	from, to, near := max(0, key-before), min(len(text), key+after), min(len(text), key+after)
	if r.short() {
		to, near = min(len(text), key+400), min(len(text), key+200)
	}
	if r.Begins && key > 0 && isTokenByte(text[key-1]) || r.Near != nil && !r.Near(text[key:near]) {
		return secretHit{}, false
	}
	for from > 0 && from < key && text[from]&0xC0 == 0x80 {
		from++
	}
	real := r.Real
	if real == nil {
		real = looksReal
	}
	for from <= key && m.spend(to-from) {
		at := r.Form.FindSubmatchIndex(text[from:to])
		if at == nil || from+at[0] > key {
			break
		}
		if at[2] < 0 { // an alternative without a value
			from += max(at[1], 1)
			continue
		}
		hit := secretHit{value: string(text[from+at[2] : from+at[3]]), from: from + at[0], to: from + at[3]}
		if from+at[1] >= key && real(hit.value) {
			return hit.whole(r, text), true
		}
		from = hit.to
	}
	return secretHit{}, false
}

// maxKeyBody bounds what is taken for the rest of a private key, in bytes.
const maxKeyBody = 16 << 10

// whole leaves out the line end in front of a hit, and takes in the rest of a
// private key, of which the form has only the beginning.
func (h secretHit) whole(r *SecretRule, text []byte) secretHit {
	if h.from < len(text) && text[h.from] == '\n' {
		h.from++
	}
	if r.ID != "private-key" {
		return h
	}
	for end := min(len(text), h.to+maxKeyBody); h.to < end; h.to++ {
		if c := text[h.to]; !isWordByte(c) && bytes.IndexByte([]byte("+/= \t\r\n\\\"',"), c) < 0 {
			break
		}
	}
	return h
}

func (r *SecretRule) short() bool { return !slices.Contains(longRules, r.ID) }

// longRules need a long part of the text.
var longRules = []string{"private-key", "jwt"}

// Mask replaces what looks like a secret in a short text, such as the name of a file.
func Mask(text string) string {
	for i := range secretRules {
		r := &secretRules[i]
		for value := r.first(text); value != ""; value = r.first(text) { // each makes it shorter
			text = strings.ReplaceAll(text, value, "…")
		}
	}
	return text
}

// first is the value of the first hit in a short text.
func (r *SecretRule) first(text string) string {
	where := text
	if r.Fold {
		where = string(foldASCII([]byte(text)))
	}
	m := newMeter(context.Background(), len(text))
	m.left, m.next = math.MaxInt, 0 // a short text, and to leave a value in it would show it
	for _, key := range r.Keys {
		for at := 0; ; at += len(key) {
			n := strings.Index(where[at:], key)
			if n < 0 {
				break
			}
			at += n
			if hit, ok := r.at(m, []byte(text), at); ok {
				return hit.value
			}
		}
	}
	return ""
}

func secretIn(text string) string {
	for i := range secretRules {
		if secretRules[i].first(text) != "" {
			return secretRules[i].ID
		}
	}
	return SecretPattern
}
