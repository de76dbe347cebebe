package secret

import (
	"crypto/rand"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

const (
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	little = "abcdefghijklmnopqrstuvwxyz"
	figure = "0123456789"
)

// decoys are forms of credentials: what stands before, and how many characters of
// which follow. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html,
// https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
var decoys = map[string]struct {
	before, of string
	length     int
}{
	"aws-id":       {"AKIA", upper + "234567", 16},
	"aws-key":      {"", upper + little + figure + "+/", 40},
	"github-token": {"ghp_", upper + little + figure, 36},
	"password":     {"", upper + little + figure + "_-", 24},
}

// DecoyForms lists what [NewDecoy] can make.
func DecoyForms() []string { return slices.Sorted(maps.Keys(decoys)) }

// NewDecoy makes a text that looks like a credential of the form and is none.
func NewDecoy(form string) ([]byte, error) {
	d, known := decoys[form]
	if !known {
		return nil, fmt.Errorf("a decoy looks like %s, not %q", strings.Join(DecoyForms(), ", "), form)
	}
	text := []byte(d.before)
	for range d.length {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(d.of))))
		if err != nil {
			return nil, fmt.Errorf("make a decoy: %w", err)
		}
		text = append(text, d.of[n.Int64()])
	}
	return text, nil
}
