// Package prompt turns a task's snapshot into what the agent is told. Titles,
// texts and comments of an issue are written by strangers: they are cleaned of
// what a person reading the issue would not see, and handed over as data between
// boundaries that they cannot contain.
package prompt

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/task"
)

// Invisible reports whether a reader sees nothing of r, or sees the text around
// it in another order: format, bidi, zero-width, tag and filler characters,
// variation selectors, controls. Line feed, tab and the plain space are visible.
// The set is Unicode's Default_Ignorable_Code_Point with controls, surrogates
// and the fillers that are drawn blank.
func Invisible(r rune) bool {
	switch {
	case r == '\n', r == '\t', r == ' ':
		return false
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return false // format characters that are drawn, such as the Arabic number sign
	case r == '\u2028', r == '\u2029', r == '\u2800', r == '\u115f', r == '\u1160', r == '\u3164', r == '\uffa0':
		return true
	case r >= 0xfff0 && r <= 0xfff8, r >= 0xe0000 && r <= 0xe0fff:
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// Clean removes from a text what a reader of the issue does not see, and counts
// it: each invisible character, each HTML comment and each link definition used
// as a comment ("[//]: # (…)") is one.
//
// HTML comments go wherever they stand, in code too: telling code from text takes
// agreement with the forge's own Markdown about every corner of it, and a
// disagreement would show the agent what people did not see. A comment that is
// not closed hides the rest of the text at the forge, so the rest goes.
func Clean(text string) (clean string, removed int) {
	text, removed = dropInvisible(normalise(text))
	text, n := dropComments(text)
	removed += n
	text, n = dropDefinitions(text)
	return text, removed + n
}

// Hidden counts what [Build] leaves out of a snapshot as hidden.
func Hidden(s task.Snapshot) int {
	total := 0
	count := func(text string) {
		_, n := Clean(text)
		total += n
	}
	count(s.Title)
	count(s.Body)
	count(s.Instructions)
	for _, c := range s.Comments {
		count(c.Body)
	}
	return total
}

func normalise(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	return strings.ToValidUTF8(text, string(utf8.RuneError))
}

func dropInvisible(text string) (clean string, removed int) {
	previous := ' '
	clean = strings.Map(func(r rune) rune {
		// One presentation selector behind a symbol makes an emoji; rows of them
		// carry hidden bytes.
		emoji := (r == '\ufe0e' || r == '\ufe0f') && (unicode.IsSymbol(previous) || unicode.IsDigit(previous))
		previous = r
		if !emoji && Invisible(r) {
			removed++
			return -1
		}
		return r
	}, text)
	return clean, removed
}

// dropComments removes HTML comments in one pass. The opening is looked for in
// what is kept, so that no comment appears by removing another one.
func dropComments(text string) (clean string, removed int) {
	const opening, closing = "<!--", "-->"
	kept := make([]byte, 0, len(text))
	for at := 0; at < len(text); at++ {
		kept = append(kept, text[at])
		if text[at] != '-' || len(kept) < len(opening) || string(kept[len(kept)-len(opening):]) != opening {
			continue
		}
		kept = kept[:len(kept)-len(opening)]
		removed++
		rest := text[at+1:]
		switch {
		case strings.HasPrefix(rest, ">"): // "<!-->" is a whole comment
			at++
			continue
		case strings.HasPrefix(rest, "->"):
			at += 2
			continue
		}
		end := strings.Index(rest, closing)
		if end < 0 {
			return string(kept), removed
		}
		at += end + len(closing)
	}
	return string(kept), removed
}

// definition is a link reference definition to nowhere, which no forge shows:
// the usual way of writing a comment in Markdown.
var definition = regexp.MustCompile(`(?m)^[ >]*\[[^\[\]\n]{1,999}\]:[ \t]*\n?[ \t]*(?:#|<#?>)(?:[ \t]*\n?[ \t]*(?:"[^"]*"|'[^']*'|\([^()]*\)))?[ \t]*$`)

func dropDefinitions(text string) (clean string, removed int) {
	clean = definition.ReplaceAllStringFunc(text, func(string) string {
		removed++
		return ""
	})
	return clean, removed
}
