package console_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/console"
)

func TestTheFrameHoldsNoScriptOrStyleOfItsOwn(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	page := console.Page{
		Title: "<script>x</script>\x1b[31m", Section: "tasks", Frozen: []string{"<b>frozen</b>\u202e"}, Body: `"><img onerror=x>`,
		Viewer: &console.Viewer{Login: `"onload="x`, Subject: "github:7", Sections: []string{"tasks"}},
	}
	if err := console.Render(&out, "problem", page); err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"<script>", "style=", "<b>", "\x1b", "\u202e", "<img", `"onload`, "/system"} {
		if strings.Contains(out.String(), never) {
			t.Errorf("the page contains %q", never)
		}
	}
	for _, always := range []string{`href="#main"`, `aria-current="page"`, console.StaticPath("app.css"), "Sign out"} {
		if !strings.Contains(out.String(), always) {
			t.Errorf("the page lacks %q", always)
		}
	}
}

func TestFilesAreKnownByTheirContent(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"app.css", "app.js", "htmx.js", "icon.svg"} {
		address := console.StaticPath(name)
		f, known := console.Static(address)
		if !known || len(f.Data) == 0 || len(f.Gzip) == 0 || !strings.HasPrefix(address, "/static/") {
			t.Errorf("%s is not at %q", name, address)
		}
	}
	if _, known := console.Static("/static/0000000000000000/app.js"); known {
		t.Error("a file is there under another hash")
	}
}
