package hostiletest_test

import (
	"html/template"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/hostiletest"
)

// What shows a text raw is found out by at least these texts, and what escapes it is not.
func TestARawTextIsFoundOut(t *testing.T) {
	t.Parallel()
	found := 0
	for _, text := range append(hostiletest.Texts(), hostiletest.Names()...) {
		for _, page := range []string{"<p>" + text + "</p>", `<a title="` + text + `">x</a>`} {
			if len(hostiletest.Page(page)) > 0 {
				found++
			}
		}
		escaped := template.HTMLEscapeString(strings.Map(func(r rune) rune {
			if len(hostiletest.Page(string(r))) > 0 {
				return '?'
			}
			return r
		}, strings.ToValidUTF8(text, "?")))
		for _, page := range []string{"<p>" + escaped + "</p>", `<a title="` + escaped + `">x</a>`} {
			if problems := hostiletest.Page(page); len(problems) > 0 {
				t.Errorf("%q, escaped, is taken for %q", text, problems)
			}
		}
	}
	if found < 100 {
		t.Errorf("%d raw texts are found out, want most that a browser acts on", found)
	}
}

func TestWhatABrowserWouldActOnIsNamed(t *testing.T) {
	t.Parallel()
	for _, page := range []string{
		"<p style='color:red'>", "<style>p{}</style>", "<script>x</script>", "<p onclick=x>", "<a href=javascript:x>", "<a href=' javascript:x'>", "<a href=//evil.example>", "<img src=x>",
		"<a href=https://evil.example/>", "<form action=https://evil.example/>", "<iframe>", "<meta http-equiv=refresh>", "<!-- x -->", "a\x1bb", "a\u202eb", "<p hx-on:click=x>", "<p data-hx-on:click=x>", `<a href="https://a@b/">`,
	} {
		if len(hostiletest.Page(page)) == 0 {
			t.Errorf("%q passes", page)
		}
	}
	for _, page := range []string{`<a href="/tasks/x?y=z#top" class="a" aria-label="x" data-unit="minute">x</a>`, `<script src="/static/0/app.js" defer></script>`, `<a href="https://github.com/acme/x/pull/1">x</a>`} {
		if problems := hostiletest.Page(page); len(problems) > 0 {
			t.Errorf("%q: %q", page, problems)
		}
	}
}
