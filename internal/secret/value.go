package secret

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
)

// Limits of a value, in bytes. A shorter one would be found in ordinary text and
// tear holes into it, and could be guessed anyway; a longer one would make
// matching dear.
const (
	MinLength = 8
	MaxLength = 16 << 10
)

// Errors of [NewValue].
var (
	ErrTooShort = fmt.Errorf("a secret needs at least %d bytes besides white space: a shorter one would be redacted out of ordinary text", MinLength)
	ErrTooLong  = fmt.Errorf("a secret has at most %d bytes", MaxLength)
	ErrName     = errors.New("a secret's name has 1 to 64 letters, digits, dots, dashes, underscores or slashes")
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,64}$`)

// Value is a secret with a name. It shows only its name, whichever way it is
// printed: the bytes are behind a function, so that fmt cannot reach them even
// in a struct's unexported field.
type Value struct {
	name   string
	canary bool
	reveal func() []byte
}

// NewValue copies the bytes. White space around them is no part of a secret for
// redaction (files end with a newline), but stays in what Reveal returns.
func NewValue(name string, content []byte) (Value, error) {
	if !nameForm.MatchString(name) {
		return Value{}, fmt.Errorf("secret %q: %w", name, ErrName)
	}
	switch n := len(join(content)); {
	case n < MinLength:
		return Value{}, fmt.Errorf("secret %s: %w", name, ErrTooShort)
	case len(content) > MaxLength:
		return Value{}, fmt.Errorf("secret %s: %w", name, ErrTooLong)
	}
	kept := bytes.Clone(content)
	return Value{name: name, reveal: func() []byte { return bytes.Clone(kept) }}, nil
}

// join is the content without white space at its ends and without line breaks,
// as it is matched.
func join(content []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(bytes.TrimSpace(content), []byte("\n"), nil), []byte("\r"), nil)
}

// Name is what the value is called.
func (v Value) Name() string { return v.name }

// IsZero says that there is no value.
func (v Value) IsZero() bool { return v.reveal == nil }

// Reveal returns a copy of the secret bytes. Its callers are the places that may
// leak: keep them few.
func (v Value) Reveal() []byte {
	if v.reveal == nil {
		return nil
	}
	return v.reveal()
}

// String is the mark that stands for the value.
func (v Value) String() string { return mark(v.name) }

// GoString is for %#v.
func (v Value) GoString() string { return v.String() }

// Format is for every other verb of fmt.
func (v Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(v.String())) }

// LogValue is for slog.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalText is for encoders: JSON, XML, YAML.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// mark is what a redacted text has instead of the value.
func mark(name string) string { return "[redacted:" + name + "]" }
