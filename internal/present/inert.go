// Package present writes all Markdown that CoderFlow posts: pull requests,
// status comments, refusals, check runs.
//
// Whatever comes from outside (titles, agents' output, paths, branches, logins,
// messages, a forge's or git's own words) passes through [Inert]: it notifies
// nobody, refers to nothing, closes nothing and renders as nothing but text.
package present

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/prompt"
)

// Inert is Markdown that a forge renders without any effect. Its field is
// unexported and only the functions of this file set it: each either escapes
// what it is given or takes a constant of this program's source.
type Inert struct{ markdown string }

// String returns the Markdown.
func (i Inert) String() string { return i.markdown }

// IsZero reports whether there is nothing to show.
func (i Inert) IsZero() bool { return i.markdown == "" }

// words is a text of our own. The type is unexported, so that other packages
// can pass untyped constants only: nothing that was read at run time.
type words string

// Bounds in bytes of the shown form.
const (
	maxCode  = 40 << 10 // the longest path, with every byte spelt out
	maxPlain = 4 << 10
)

// Code shows s exactly, in a code span: nothing in one is a mention, a
// reference, a link, HTML or an emoji.
func Code(s string) Inert { return codeSpan(s, maxCode) }

// short is [Code] for places where the whole is shown elsewhere.
func short(s string) Inert { return codeSpan(s, 160) }

func codeSpan(s string, limit int) Inert {
	if s == "" {
		return Inert{"*(empty)*"}
	}
	shown := unclosing(visible(s, false))
	if strings.HasPrefix(shown, " ") {
		shown = spell(' ') + shown[1:]
	}
	if strings.HasSuffix(shown, " ") {
		shown = shown[:len(shown)-1] + spell(' ')
	}
	shown = clip(shown, limit)
	fence := strings.Repeat("`", longestRun(shown)+1)
	if strings.HasPrefix(shown, "`") || strings.HasSuffix(shown, "`") {
		shown = " " + shown + " "
	}
	return Inert{fence + shown + fence}
}

// Block shows a text of several lines in a fence, at most limit bytes of it.
func Block(s string, limit int) Inert {
	return fenced(clip(visible(lineFeeds(s), true), limit))
}

// colours are terminal sequences (ECMA-48 CSI), which say nothing in a comment.
var colours = regexp.MustCompile(`\x1b\[[0-9;:?]*[ -/]*[@-~]`)

// Tail is [Block] that keeps the end, for output, and leaves out its colours.
func Tail(s string, limit int) Inert {
	shown := visible(lineFeeds(colours.ReplaceAllString(s, "")), true)
	if len(shown) > limit {
		cut := len(shown) - limit
		for cut < len(shown) && !utf8.RuneStart(shown[cut]) {
			cut++
		}
		shown = "…\n" + shown[cut:]
	}
	return fenced(shown)
}

func fenced(shown string) Inert {
	shown = unclosing(shown)
	fence := strings.Repeat("`", max(3, longestRun(shown)+1))
	return Inert{fence + "text\n" + strings.TrimRight(shown, "\n") + "\n" + fence}
}

var (
	// riskyWord is what a forge may link although it is made of plain letters.
	riskyWord = regexp.MustCompile(`(?i)[0-9a-f]{7}|\bgh-?[0-9]|www\.`)
	// lineMarker is what would begin a list, a rule or a heading's underline.
	lineMarker = regexp.MustCompile(`^([-+=]|[0-9]+[.)])`)
)

// Plain shows prose on one line. Words of letters and common punctuation stay
// as they are; every other word becomes a code span.
func Plain(s string) Inert {
	var out []string
	size := 0
	for i, w := range strings.Fields(s) {
		shown := plainWord(w, i == 0)
		if size += len(shown) + 1; size > maxPlain {
			out = append(out, "…")
			break
		}
		out = append(out, shown)
	}
	if len(out) == 0 {
		return Inert{"*(empty)*"}
	}
	return Inert{strings.Join(out, " ")}
}

func plainWord(w string, first bool) string {
	if first && lineMarker.MatchString(w) {
		return codeSpan(w, maxPlain/2).markdown
	}
	core := strings.TrimLeft(w, `("'“‘„`)
	lead := w[:len(w)-len(core)]
	rest := strings.TrimRight(core, `)"',.;:?!”’…`)
	trail := core[len(rest):]
	if rest == "" || (!strings.ContainsFunc(rest, unsafeRune) && !riskyWord.MatchString(rest)) {
		return w
	}
	return lead + codeSpan(rest, maxPlain/2).markdown + trail
}

func unsafeRune(r rune) bool {
	if r == utf8.RuneError || prompt.Invisible(r) {
		return true
	}
	return !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.So) &&
		!strings.ContainsRune(`.,;'"()?!%+=-/…–—“”‘’„·•→×`, r)
}

// Say fills a sentence of ours. Each %s takes one argument: an Inert as it is,
// a number, duration, time or user in words, anything else as [Code].
func Say(sentence words, args ...any) Inert {
	var b strings.Builder
	rest := string(sentence)
	for _, a := range args {
		before, after, found := strings.Cut(rest, "%s")
		if !found {
			break
		}
		b.WriteString(before + argument(a))
		rest = after
	}
	b.WriteString(rest)
	return Inert{b.String()}
}

func argument(a any) string {
	switch a := a.(type) {
	case Inert:
		return a.markdown
	case words:
		return string(a)
	case int, int64, uint64:
		return fmt.Sprint(a)
	case time.Duration:
		return a.Round(time.Second).String()
	case time.Time:
		return moment(a)
	case forge.User:
		return Code(a.Login).markdown
	}
	return Code(fmt.Sprint(a)).markdown
}

func moment(t time.Time) string { return "`" + t.UTC().Format("2006-01-02 15:04:05") + "` UTC" }

// linkable is an address without anything that Markdown could read otherwise.
var linkable = regexp.MustCompile(`^https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9/._~%?#&=+,;:@!-]*)?$`)

// Link is a deliberate link under words of ours. An address that is not plain
// http(s) is shown and not linked.
func Link(text words, address string) Inert {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || len(address) > 2000 || !linkable.MatchString(address) {
		if address == "" {
			return Inert{string(text)}
		}
		return Say("%s (%s)", Inert{string(text)}, short(address))
	}
	return Inert{"[" + string(text) + "](<" + address + ">)"}
}

// cell makes an Inert safe inside a table. Renderers disagree about "\|" within
// code spans, so the bar is spelt out.
func cell(i Inert) string { return strings.ReplaceAll(i.markdown, "|", spell('|')) }

// visible makes every character of s one that is seen. The result has no
// control, bidi, zero-width or odd space characters; what was there instead is
// spelt ⟨U+202E⟩, and a byte that is not UTF-8 ⟨0xFF⟩. The mapping is injective,
// so that two different paths never look the same for that reason.
func visible(s string, lines bool) string {
	var b strings.Builder
	for i, r := range s {
		rest := s[i:]
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(rest, string(utf8.RuneError)):
			fmt.Fprintf(&b, "⟨0x%02X⟩", s[i])
		case lines && (r == '\n' || r == '\t'):
			b.WriteRune(r)
		case strings.HasPrefix(rest, "⟨U+"), strings.HasPrefix(rest, "⟨0x"):
			b.WriteString(spell(r))
		case strings.HasPrefix(rest, "<!--"): // could be taken for a marker of ours
			b.WriteString(spell(r))
		case prompt.Invisible(r), !unicode.IsPrint(r):
			b.WriteString(spell(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// closing is a phrase with which a commit message closes an issue. A repository
// can be set to take a pull request's description as the message of a squashed
// merge, and in a message code spans and fences protect nothing.
var closing = regexp.MustCompile(`(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b:?\s*[\w./-]*?(?:#\d|gh-\d|https?://)`)

// unclosing spells out the one character that makes such a phrase act.
func unclosing(shown string) string {
	return closing.ReplaceAllStringFunc(shown, func(phrase string) string {
		at := strings.LastIndexAny(phrase, "#:-")
		return phrase[:at] + spell(rune(phrase[at])) + phrase[at+1:]
	})
}

func spell(r rune) string { return fmt.Sprintf("⟨U+%04X⟩", r) }

func lineFeeds(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

func longestRun(s string) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "… [cut]"
}
