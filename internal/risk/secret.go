package risk

import (
	"bytes"
	"fmt"
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
func Secrets(in Input) []Finding {
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
		if len(Secrets(had)) >= len(contentSecrets(in)) {
			return found
		}
	}
	return bounded(append(found, contentSecrets(in)...))
}

var document = regexp.MustCompile(`(?i)\.(md|markdown|rst|adoc|asciidoc|html?|ipynb|ronn)$`)

// contentSecrets looks through the new content.
func contentSecrets(in Input) (found []Finding) {
	lower := bytes.ToLower(in.New)
	if len(lower) != len(in.New) { // characters whose lower case has another length
		lower = foldASCII(in.New)
	}
	sample := isTest(in.Path) || document.MatchString(in.Path)
	for i := range secretRules {
		if !secretRules[i].Loose || !sample {
			found = append(found, secretRules[i].scan(in, lower)...)
		}
	}
	return found
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
func (r *SecretRule) scan(in Input, lower []byte) (found []Finding) {
	text := in.New
	if r.Fold {
		text = lower
	}
	for _, key := range r.Keys {
		line, counted, last := 1, 0, -1
		for at := 0; ; {
			n := bytes.Index(text[at:], []byte(key))
			if n < 0 {
				break
			}
			at += n
			if value, ok := r.at(in.New, at); ok {
				line += bytes.Count(in.New[counted:at], []byte("\n"))
				counted = at
				if line != last && (in.Opaque || in.Added.touches(line, line)) {
					found = append(found, Finding{Name: SecretPattern, Rule: r.ID, Path: in.Path, Line: line, Why: "it looks like " + r.Why + lengthOf(value)})
					last = line
				}
			}
			at += len(key)
		}
	}
	if in.Opaque {
		for i := range found {
			found[i].Line = 0
		}
	}
	return found
}

func lengthOf(value string) string { return fmt.Sprintf(" (%d characters)", len(value)) }

// at matches the rule with the text around a key and returns the value.
func (r *SecretRule) at(text []byte, key int) (string, bool) {
	if r.Near != nil && !r.Near(text[key:min(len(text), key+200)]) {
		return "", false
	}
	from, to := max(0, key-before), min(len(text), key+after)
	if r.short() {
		to = min(len(text), key+400)
	}
	for from > 0 && from < key && text[from]&0xC0 == 0x80 {
		from++
	}
	for _, m := range r.Form.FindAllSubmatchIndex(text[from:to], 8) {
		if m[2] < 0 || from+m[0] > key || from+m[1] < key {
			continue // another place
		}
		value := string(text[from+m[2] : from+m[3]])
		real := r.Real
		if real == nil {
			real = looksReal
		}
		if real(value) {
			return value, true
		}
	}
	return "", false
}

func (r *SecretRule) short() bool { return !slices.Contains(longRules, r.ID) }

// longRules need a long part of the text.
var longRules = []string{"private-key", "jwt"}

// Mask replaces what looks like a secret in a short text, such as the name of a file.
func Mask(text string) string {
	for i := range secretRules {
		r := &secretRules[i]
		for range 4 {
			value := r.first(text)
			if value == "" {
				break
			}
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
	for _, key := range r.Keys {
		if at := strings.Index(where, key); at >= 0 {
			if value, ok := r.at([]byte(text), at); ok {
				return value
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
