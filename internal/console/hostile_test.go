package console_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/hostiletest"
)

func TestThreat39OutputAddsNothingToAPage(t *testing.T) {
	t.Parallel()
	for _, output := range append(hostiletest.Logs(), hostiletest.Texts()...) {
		var terminal console.Terminal
		half := len(output) / 2
		page := string(terminal.Lines([]byte(output[:half]))) + string(terminal.Lines([]byte(output[half:])))
		inert(t, output, page)
		for _, format := range []activity.Format{activity.Claude, activity.Codex, activity.Gemini, activity.OpenCode, activity.Text} {
			events, err := activity.Parse(format, strings.NewReader(output))
			if err != nil {
				t.Fatal(err)
			}
			inert(t, output, string(console.Events(events)))
		}
	}
}

func TestThreat39TitlesAndPeopleAddNothingToAPage(t *testing.T) {
	t.Parallel()
	for _, text := range append(hostiletest.Titles(), hostiletest.Names()...) {
		var page bytes.Buffer
		err := console.Render(&page, "problem", console.Page{
			Title: text, Section: text, Frozen: []string{text}, Body: text,
			Viewer: &console.Viewer{Login: text, Subject: "github:7", Sections: []string{"tasks", text}},
		})
		if err != nil {
			t.Fatal(err)
		}
		inert(t, text, page.String())
		if link := console.Link(text); link != "" && !strings.HasPrefix(link, "https://") && !strings.HasPrefix(link, "http://") {
			t.Errorf("%q becomes the link %q", text, link)
		}
	}
}

// Every file of the corpus, with every text in it, in a diff that git itself made.
func TestThreat39FilesAndFindingsAddNothingToADiff(t *testing.T) {
	t.Parallel()
	dir, made := t.TempDir(), map[string]bool{}
	content := []byte(strings.Join(hostiletest.Texts(), "\n"))
	for _, name := range hostiletest.Names() {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), bytes.ReplaceAll(content, []byte{0}, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		made[filepath.Clean(name)] = true
	}
	patch := console.ReadPatch([]byte(gitDiff(t, dir)))
	for name := range made {
		file := patch.File(name)
		if file == nil {
			t.Errorf("the diff has no file %q", name)
			continue
		}
		for _, text := range []string{name, "<script>owned=1</script>\x1b[31m"} {
			notes := []console.Note{
				{Path: name, Level: text, Label: text, Title: text, Text: text, Link: console.Link(text)},
				{Path: name, Line: 1, Level: "bad", Label: "Finding", Title: text, Text: strings.Repeat(text, 3)},
			}
			inert(t, name, string(file.Piece(name, notes, 0, painter).HTML))
		}
	}
}

func gitDiff(t *testing.T, dir string) string {
	t.Helper()
	var out []byte
	for _, arguments := range [][]string{{"init", "-q"}, {"add", "-A"}, {"diff", "--cached", "--text", "--no-renames", "--no-color"}} {
		cmd := exec.Command("git", arguments...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		var err error
		if out, err = cmd.Output(); err != nil {
			t.Fatalf("git %s: %v", arguments[0], err)
		}
	}
	return string(out)
}

func inert(t *testing.T, text, page string) {
	t.Helper()
	if problems := hostiletest.Page(page); len(problems) > 0 {
		t.Errorf("%.200q adds to the page: %.200q", text, problems)
	}
}
