package console

import (
	"path"
	"strings"
	"time"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"
)

// Painter colours source code. What it is given is hostile: its work is bounded by
// size and by time, and what is left over is shown without colours.
type Painter struct {
	Now func() time.Time
	// Until ends its work: one time for everything on a page.
	Until time.Time
}

// Bounds of what is coloured, in bytes.
const (
	maxPainted     = 192 << 10
	maxPaintedLine = 2 << 10
	maxLexerName   = 100
)

// brush colours one piece of one file.
type brush struct {
	lexer *chroma.RegexLexer // nil: no colours
	until time.Time
	now   func() time.Time
}

func (p Painter) brush(file string) *brush {
	b := &brush{now: p.Now, until: p.Until}
	name := path.Base(file)
	if p.Now == nil || len(name) > maxLexerName || p.Now().After(p.Until) {
		return b
	}
	// Others read the whole text before they return, and could not be stopped.
	b.lexer, _ = lexers.Match(name).(*chroma.RegexLexer)
	return b
}

// lines are the lines as HTML. The text is coloured in one go, so that comments and
// strings may go over lines.
func (b *brush) lines(text []string) []string {
	out := make([]string, 0, len(text))
	if b.lexer != nil && fits(text) {
		out = b.paint(strings.Join(text, "\n"), out)
	}
	if len(out) > len(text) { // the lexer made up lines; ours are the truth
		out = out[:0]
	}
	for _, line := range text[len(out):] {
		var html strings.Builder
		writeText(&html, line)
		out = append(out, html.String())
	}
	return out
}

func fits(text []string) bool {
	size := 0
	for _, line := range text {
		if size += len(line) + 1; len(line) > maxPaintedLine || size > maxPainted {
			return false
		}
	}
	return true
}

// paint returns the lines that were done in time; a lexer that fails is like one that
// is slow.
func (b *brush) paint(text string, out []string) (done []string) {
	done = out
	defer func() {
		if recover() != nil { // lexers panic on mistakes in their rules
			done = done[:0]
		}
	}()
	next, err := b.lexer.Tokenise(&chroma.TokeniseOptions{State: "root"}, text)
	if err != nil {
		return done
	}
	var line strings.Builder
	length := 0
	for token := next(); token != chroma.EOF; token = next() {
		if b.now().After(b.until) {
			return done
		}
		length += len(token.Value)
		class := tokenClass(token.Type)
		for i, part := range strings.Split(token.Value, "\n") {
			if i > 0 {
				done = append(done, line.String())
				line.Reset()
			}
			writeToken(&line, class, part)
		}
	}
	if length != len(text) { // it lost something
		return done[:0]
	}
	return append(done, line.String())
}

func writeToken(out *strings.Builder, class, text string) {
	if text == "" {
		return
	}
	if class == "" {
		writeText(out, text)
		return
	}
	out.WriteString(`<span class="` + class + `">`)
	writeText(out, text)
	out.WriteString("</span>")
}

// tokenClass names a kind of token in app.css.
func tokenClass(t chroma.TokenType) string {
	switch {
	case t.InCategory(chroma.Comment):
		return "hc"
	case t == chroma.KeywordType, t == chroma.NameClass, t == chroma.NameBuiltin, t == chroma.NameTag, t == chroma.NameDecorator, t == chroma.NameNamespace:
		return "ht"
	case t.InCategory(chroma.Keyword), t == chroma.OperatorWord:
		return "hk"
	case t == chroma.NameFunction, t == chroma.NameFunctionMagic, t == chroma.NameAttribute:
		return "hf"
	case t.InSubCategory(chroma.LiteralString):
		return "hs"
	case t.InSubCategory(chroma.LiteralNumber), t == chroma.NameConstant, t == chroma.KeywordConstant:
		return "hn"
	}
	return ""
}
