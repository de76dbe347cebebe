package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Style says how findings are written.
type Style struct {
	Symbols bool // ✓ ! ✗, for a terminal; else ok, warning and problem as words, which grep finds
	Width   int  // of the column of names
}

// NewStyle fits the names of checks.
func NewStyle(checks []Check, symbols bool) Style {
	s := Style{Symbols: symbols}
	for _, c := range checks {
		s.Width = max(s.Width, len(c.Name))
	}
	return s
}

func (s Style) mark(level Level) string {
	if !s.Symbols {
		return fmt.Sprintf("%-7s", level)
	}
	return map[Level]string{OK: "✓", Warning: "!", Problem: "✗"}[level]
}

// Write writes one finding: a line, and below one that is not ok why it matters and what to do.
func (s Style) Write(w io.Writer, f Finding) error {
	mark := s.mark(f.Level)
	text := fmt.Sprintf("%s %-*s  %s\n", mark, s.Width, f.Check, visible(f.Said))
	indent := strings.Repeat(" ", len([]rune(mark))+1+s.Width+2)
	if f.Level != OK {
		text += indent + "why: " + visible(f.Why) + "\n" + indent + "fix: " + visible(f.Fix) + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// String is the last line.
func (s Summary) String() string {
	return fmt.Sprintf("%s, %s, %d ok", count(s.Problems, "problem"), count(s.Warnings, "warning"), s.OK)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, y := strings.CutSuffix(what, "y"); y {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// visible shows what an engine, a forge or a file said on one line and without control characters.
func visible(text string) string {
	const most = 1000
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return '?'
		}
		return r
	}, strings.TrimSpace(text))
	if runes := []rune(clean); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return clean
}
