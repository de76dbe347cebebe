package present

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/hostiletest"
	"github.com/coderflow/coderflow/internal/prompt"
)

var hostile = hostiletest.Texts()

func TestThreat38TextsFromOutsideAreInert(t *testing.T) {
	t.Parallel()
	for _, s := range hostile {
		for i, markdown := range everything(s) {
			if problem := effect(markdown); problem != "" {
				t.Errorf("%q in text %d: %s\n%s", s, i, problem, markdown)
			}
		}
	}
}

func TestThreat38AnyMixtureIsInert(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(hostile), rapid.StringN(0, 8, 20)), 0, 6).Draw(t, "pieces")
		s := strings.Join(pieces, rapid.SampledFrom([]string{"", " ", "\n"}).Draw(t, "joint"))
		for _, markdown := range []string{
			Code(s).String(), Plain(s).String(), Block(s, 1000).String(), Tail(s, 50).String(),
			Say("%s, %s and %s", s, Plain(s), Code(s)).String(), "- " + Plain(s).String(),
			table("a|b", [][]Inert{{Code(s), Plain(s)}, {short(s), Say("x")}}),
			Refusal(hostileDecision(s)), Link("there", s).String(),
		} {
			if problem := effect(markdown); problem != "" {
				t.Fatalf("%q: %s\n%s", s, problem, markdown)
			}
		}
	})
}

func TestThreat38TitlesAndMessagesAreInert(t *testing.T) {
	t.Parallel()
	acts := regexp.MustCompile(`(?i)@|#|://|www\.|\bgh-\d|!\d|:[a-z0-9_+-]+:|[\[\]<>` + "`" + `]|\*\*\*|\b[0-9a-f]*\d[0-9a-f]{6,}\b|^coderflow-`)
	for _, s := range append(hostiletest.Titles(), hostiletest.Names()...) {
		tk := sampleTask()
		tk.Snapshot.Title = s
		for _, text := range []string{PullRequestTitle(tk), ProposedMessage(tk)} {
			line, _, _ := strings.Cut(text, "\n")
			if acts.MatchString(line) && strings.Trim(line, "0123456789") != "" {
				t.Errorf("%q: %q", s, line)
			}
			if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) || line == "" {
				t.Errorf("%q: %q", s, text)
			}
		}
	}
}

func TestProposedMessageHasAShortSubject(t *testing.T) {
	t.Parallel()
	tk := sampleTask()
	tk.Snapshot.Title = strings.Repeat("Wörter über ", 30)
	subject, _, _ := strings.Cut(ProposedMessage(tk), "\n")
	if n := utf8.RuneCountInString(subject); n > maxSubject || !strings.HasSuffix(subject, "…") {
		t.Fatalf("%d characters: %q", n, subject)
	}
}

func TestCodeShowsDifferentTextsDifferently(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, s := range append(hostile, "\u202e", "a\u00adb", "a b", "a\u00a0b", "a\nb", "a⟨U+000A⟩b", "\ufffd", "\xff", "⟨0xFF⟩", " a", "⟨U+0020⟩a") {
		shown := rendered(Code(s).String())
		if other, taken := seen[shown]; taken && other != s {
			t.Errorf("%q and %q look the same: %s", s, other, shown)
		}
		seen[shown] = s
	}
}

func TestPlainTextIsOneParagraph(t *testing.T) {
	t.Parallel()
	for _, s := range hostile {
		html := strings.TrimSpace(rendered(Plain(s).String()))
		if !strings.HasPrefix(html, "<p>") || strings.Count(html, "<p>") != 1 || strings.Contains(html, "\n") {
			t.Errorf("%q: %s", s, html)
		}
	}
}

func TestLinkTakesPlainAddressesOnly(t *testing.T) {
	t.Parallel()
	for address, linked := range map[string]bool{
		issueURL: true, "http://127.0.0.1:8080/a/b?c=d#e": true, "http://[::1]:80/": true,
		"javascript:alert(1)": false, "https://a/b>c": false, "https://a/b)c": false, "https://a b": false,
		"https://user:x@host/": false, "//host/x": false, "": false, "https:///x": false, "https://a/\u202e": false,
	} {
		if got := strings.HasPrefix(Link("there", address).String(), "[there](<"); got != linked {
			t.Errorf("%q: %s", address, Link("there", address))
		}
	}
}

func rendered(markdown string) string {
	var b bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert([]byte(markdown), &b); err != nil {
		return err.Error()
	}
	return b.String()
}

var (
	ours   = regexp.MustCompile(`^(<!-- coderflow:task=abcdefghijkl -->|<details>\n<summary>(\d+ of \d+ paths?|The [a-z ]+)</summary>|</details>)\n*$`)
	closes = regexp.MustCompile(`(?i)\b(close[sd]?|fix(e[sd])?|resolve[sd]?):?\s+[\w./-]*(#\d|gh-\d|https?://)`)
	// reference is what a forge acts on in text outside code.
	reference = regexp.MustCompile(`(?i)@[\w-]|#\d|\bgh-\d|://|www\.|:[a-z0-9_+-]+:|\b[0-9a-f]{7,64}\b|\[\^|\$`)
)

// effect returns what in the Markdown is more than text, code or a table.
func effect(markdown string) string {
	if strings.ContainsFunc(markdown, func(r rune) bool { return r != '\n' && r != '\t' && prompt.Invisible(r) }) || !utf8.ValidString(markdown) {
		return "invisible characters"
	}
	if strings.Count(markdown, "<!--") > strings.Count(markdown, StatusMarker("abcdefghijkl")) || strings.Count(markdown, "<!--") > 1 {
		return "a marker"
	}
	if closes.MatchString(markdown) {
		return "a closing phrase in the source, which may become a commit message"
	}
	source := []byte(markdown)
	root := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	problem := ""
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.CodeSpan, *ast.FencedCodeBlock:
			return ast.WalkSkipChildren, nil
		case *ast.Image, *ast.AutoLink, *ast.RawHTML, *ast.CodeBlock, *ast.Blockquote, *ast.ThematicBreak,
			*extast.Strikethrough, *extast.TaskCheckBox, *ast.LinkReferenceDefinition:
			problem = n.Kind().String()
		case *ast.Link:
			if d := string(n.Destination); d != issueURL && d != pullURL && d != commitURL && d != deployURL && !linkable.MatchString(d) {
				problem = "link to " + d
			}
			return ast.WalkSkipChildren, nil
		case *ast.HTMLBlock:
			if html := string(n.Lines().Value(source)); !ours.MatchString(html) {
				problem = "HTML " + html
			}
		case *ast.Text:
			if found := reference.Find(n.Segment.Value(source)); found != nil {
				problem = "reference " + string(found)
			}
		case *ast.String:
			problem = "string " + string(n.Value)
		}
		return ast.WalkContinue, nil
	})
	return problem
}
