package inspect

import (
	"strings"
	"unicode"

	"github.com/coderflow/coderflow/internal/gateway/strictjson"
	"github.com/coderflow/coderflow/internal/gateway/wire"
)

// canonical is the form in which keys are compared. Readers of JSON differ: Go's
// ignores case, protobuf's takes snake_case and camelCase for the same. Whatever
// any of them could take for one name has one canonical form.
func canonical(key string) string {
	var out strings.Builder
	for _, r := range key {
		if r == '_' || r == '-' {
			continue
		}
		out.WriteRune(folded(r))
	}
	return out.String()
}

// folded is the least of the characters that differ from r only in case, in
// Unicode's simple folding; of ASCII letters the small one.
func folded(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if least >= 'A' && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}

// vocabulary are the names that the inspection understands, by canonical form,
// in the spellings that the provider reads.
type vocabulary map[string][]string

func newVocabulary(names ...string) vocabulary {
	v := vocabulary{}
	for _, name := range names {
		c := canonical(name)
		v[c] = append(v[c], name)
	}
	return v
}

// check refuses an object with a key that another reader could take for one that
// matters, and one with two spellings of the same.
func (v vocabulary) check(o *strictjson.Node) *wire.Refusal {
	var seen [8]string
	n := 0
	for i := range o.Members {
		key := o.Members[i].Key
		if len(key) > 64 {
			continue
		}
		c := canonical(key)
		spellings, matters := v[c]
		if !matters {
			continue
		}
		if !contains(spellings, key) {
			return wire.Malformed("ambiguous", "the key %q could be taken for %q; write it so, or leave it out", wire.Shown(key), spellings[0])
		}
		if len(spellings) > 1 {
			if contains(seen[:n], c) {
				return wire.Malformed("ambiguous", "the key %q stands in two spellings in one object", wire.Shown(key))
			}
			if n < len(seen) {
				seen[n] = c
				n++
			} else {
				return wire.Malformed("ambiguous", "an object has too many keys of two spellings")
			}
		}
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, entry := range list {
		if entry == s {
			return true
		}
	}
	return false
}
