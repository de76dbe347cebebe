package gitops

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/forge"
)

const (
	maxStderr = 16 << 10 // kept of a process's standard error
	maxWords  = 2 << 10  // shown of it
)

// tooMuchOutputError is a process that wrote more than it was allowed to.
type tooMuchOutputError struct{ limit int64 }

// Error implements error.
func (e *tooMuchOutputError) Error() string {
	return fmt.Sprintf("more than %d bytes of output", e.limit)
}

// limitedWriter fails when more than its limit is written, which ends the process.
type limitedWriter struct {
	w           io.Writer
	left, limit int64
}

// Write implements io.Writer.
func (l *limitedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, &tooMuchOutputError{limit: l.limit}
	}
	l.left -= int64(len(p))
	return l.w.Write(p)
}

// tailWriter keeps the end of what is written: the reason of a failure comes last.
type tailWriter struct {
	keep int
	buf  []byte
}

// Write implements io.Writer.
func (t *tailWriter) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*t.keep {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.keep:]...)
	}
	return len(p), nil
}

// String returns the last bytes written.
func (t *tailWriter) String() string {
	if len(t.buf) > t.keep {
		return string(t.buf[len(t.buf)-t.keep:])
	}
	return string(t.buf)
}

// redact takes a credential out of text. git does not print passwords; a
// server could echo one.
func redact(text string, secret forge.Secret) string {
	if secret.Reveal() == "" {
		return text
	}
	return strings.ReplaceAll(text, secret.Reveal(), "[redacted]")
}

// sanitize makes words from outside fit for one log line or message: valid
// UTF-8, printable, no terminal controls, no invisible characters, bounded.
// Lines are kept apart by "; ".
func sanitize(words string) string {
	var b strings.Builder
	for line := range strings.FieldsFuncSeq(words, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimSpace(strings.Map(printable, line))
		if line == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	text := b.String()
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}

func printable(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case r == utf8.RuneError:
		return '?'
	case !unicode.IsPrint(r):
		return -1
	}
	return r
}
