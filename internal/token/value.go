// Package token defines API tokens: their text, what is stored of them, whose
// they are and what they are narrowed to. It is pure: it reads nothing, stores
// nothing and is told the time.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

// Prefix begins every token, so that a person and a scanner of secrets know what
// it is.
const Prefix = "cfp_"

// form is the prefix, 256 random bits as 52 characters of base32, and the CRC-32
// of both as 8 hexadecimal digits.
var form = regexp.MustCompile(`^` + Prefix + `[a-z2-7]{52}[0-9a-f]{8}$`)

const checksumLength = 8

// ErrForm is a text that cannot be a token: it was cut, mistyped, or is
// something else.
var ErrForm = errors.New("it is not an API token: want cfp_ and 60 characters whose checksum is right; was all of it copied?")

// Value is a token's text. It does not print: only [Value.Reveal] gives it away.
type Value struct{ text string }

// New returns a token of 256 random bits.
func New() Value {
	var random [32]byte
	_, _ = rand.Read(random[:]) // it never fails, see crypto/rand
	body := Prefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random[:]))
	return Value{body + checksum(body)}
}

// Parse reads a token. It fails with ErrForm, which says nothing of the text. A
// checksum that fits is no sign that the token was ever given out.
func Parse(text string) (Value, error) {
	if !form.MatchString(text) {
		return Value{}, ErrForm
	}
	body, sum := text[:len(text)-checksumLength], text[len(text)-checksumLength:]
	if checksum(body) != sum {
		return Value{}, ErrForm
	}
	return Value{text}, nil
}

func checksum(body string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}

// Reveal is the text itself, to be shown once to whoever it is for.
func (v Value) Reveal() string { return v.text }

// Hash is what is stored of a token. It needs no salt and no slow function: the
// token is 256 random bits, so that nobody can try all of them.
func (v Value) Hash() Hash {
	sum := sha256.Sum256([]byte(v.text))
	return Hash(hex.EncodeToString(sum[:]))
}

const redacted = Prefix + "[redacted]"

// Format implements fmt.Formatter.
func (Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Hash is the SHA-256 of a token's text, in hexadecimal digits. A token is found
// by looking its hash up: where a comparison of hashes stops tells nothing about
// a token, since nobody can choose a text whose hash begins as they like.
type Hash string
