package emulator

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Notification is what a text would have set off on GitHub: a person notified by a mention, or an issue
// that the merge of a pull request will close.
type Notification struct {
	Repository string
	Number     int    // of the issue or pull request that carries the text; 0 for a commit message
	Author     string // of the text
	Mentioned  string // login, or "" for a closing reference
	Closes     int    // issue number, or 0 for a mention
}

// Notifications lists them in the order in which the texts were written.
func (f *Forge) Notifications() []Notification {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Notification(nil), f.notices...)
}

var (
	mentionPattern = regexp.MustCompile(`(?:^|[^0-9A-Za-z_/@.-])@([A-Za-z0-9](?:[A-Za-z0-9-]{0,38}))`)
	closesPattern  = regexp.MustCompile(`(?i)(?:^|[^0-9a-z_])(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:[a-z0-9._-]+/[a-z0-9._-]+)?#([0-9]+)\b`)
)

var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM))

// notice records what the text of an issue, pull request, comment or review sets off. It needs the lock.
func (f *Forge) notice(i *issue, author *user, body string) {
	f.note(i.repo, i.number, author, body, i.pull != nil)
}

// note records mentions of people, and where it can close issues, those that it names.
func (f *Forge) note(r *repository, number int, author *user, body string, closes bool) {
	base := Notification{Repository: r.fullName(), Number: number, Author: author.login}
	for _, m := range mentionPattern.FindAllStringSubmatch(proseOf(body), -1) {
		if u := f.userByLogin(m[1]); u != nil {
			n := base
			n.Mentioned = u.login
			f.notices = append(f.notices, n)
		}
	}
	if !closes {
		return
	}
	for _, target := range closing(body) {
		n := base
		n.Closes = target
		f.notices = append(f.notices, n)
	}
}

// closing lists the issues that the text of a pull request or commit closes.
func closing(body string) []int {
	var out []int
	for _, m := range closesPattern.FindAllStringSubmatch(proseOf(body), -1) {
		if n, err := strconv.Atoi(m[1]); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// proseOf is the text of a Markdown document as a reader sees it: without code, HTML comments and link
// targets, and with backslash escapes and character references kept apart from what they stand for.
func proseOf(body string) string {
	source := []byte(body)
	doc := markdown.Parser().Parse(text.NewReader(source))
	var out strings.Builder
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.CodeSpan, *ast.CodeBlock, *ast.FencedCodeBlock, *ast.HTMLBlock, *ast.RawHTML:
			if entering {
				out.WriteByte(0)
			}
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			if entering {
				out.Write(n.Segment.Value(source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					out.WriteByte('\n')
				}
			}
		case *ast.String:
			if entering {
				out.Write(n.Value)
			}
		case *ast.AutoLink:
			if entering {
				out.WriteByte(0)
			}
		}
		if n.Type() == ast.TypeBlock && !entering {
			out.WriteByte('\n')
		}
		return ast.WalkContinue, nil
	})
	return out.String()
}
