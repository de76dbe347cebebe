package console_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/console"
)

var painter = console.Painter{Now: time.Now, Until: time.Now().Add(time.Hour)}

const sample = "diff --git a/main.go b/main.go\nindex 1..2 100644\n--- a/main.go\n+++ b/main.go\n@@ -1,3 +1,4 @@ package x\n" +
	" // kept\n-old := 1\n+new := \"<b>\"\n+\u202ex\n last\n\\ No newline at end of file\n" +
	"diff --git \"a/\\303\\244 b\\\"\\n\" \"b/\\303\\244 b\\\"\\n\"\nnew file mode 100755\nindex 0..1\n--- /dev/null\n+++ \"b/\\303\\244 b\\\"\\n\"\n@@ -0,0 +1 @@\n+diff --git a/fake b/fake\n" +
	"diff --git a/a b b/a b b/a b b/a b\nold mode 100644\nnew mode 100755\n" +
	"diff --git a/pic b/pic\nindex 1..2\nGIT binary patch\nliteral 1\nIcmZQz00011\n\nliteral 0\nHcmV?d00001\n\n"

func TestADiffIsShownByFile(t *testing.T) {
	t.Parallel()
	patch := console.ReadPatch([]byte(sample))
	for path, want := range map[string]string{
		"main.go":       "package x",
		"ä b\"\n":       "diff --git a/fake b/fake",
		"a b b/a b":     "new mode 100755",
		"pic":           "binary",
		"fake":          "",
		"":              "",
		"a b b/a b b/a": "",
	} {
		f := patch.File(path)
		if want == "" {
			if f != nil {
				t.Errorf("there is a file %q", path)
			}
			continue
		}
		if f == nil {
			t.Errorf("there is no file %q", path)
			continue
		}
		if got := string(f.Piece(path, nil, 0, painter).HTML); !strings.Contains(got, want) {
			t.Errorf("%q shows\n%s, want %q", path, got, want)
		}
	}
}

var tag = regexp.MustCompile(`</?t[rd]>|<tr class="[a-z ]+">|<td colspan="4">|</?div>|</?strong>|</span>|<span class="[a-z]+">`)

func TestLinesHaveTheirNumbersSignsAndNotes(t *testing.T) {
	t.Parallel()
	notes := []console.Note{
		{Path: "main.go", Line: 2, Level: "warn", Label: "Risk", Title: "<script>", Text: "\x1b[31m why"},
		{Path: "main.go", Line: 2, Removed: true, Level: "bad", Label: "Finding", Title: "gone"},
		{Path: "main.go", Line: 99, Level: "odd", Label: "Finding", Title: "elsewhere"},
	}
	got := string(console.ReadPatch([]byte(sample)).File("main.go").Piece("main.go", notes, 0, painter).HTML)
	bare := tag.ReplaceAllString(got, "|")
	if strings.ContainsAny(bare, "<>\x1b\u202e") {
		t.Errorf("something acts in\n%s", got)
	}
	lines := strings.Split(strings.TrimSpace(got), "\n")
	for i, want := range []string{"elsewhere", "@@", ">1</td><td>1<", ">2</td><td></td><td>-<", "gone", ">2</td><td>+<", "&lt;script&gt;", `\u202e`, ">3</td><td>4<", "no newline"} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("row %d lacks %q in\n%s", i, want, got)
		}
	}
	if !strings.Contains(got, `<span class="hc">// kept`) {
		t.Errorf("comments have no colour in\n%s", got)
	}
}

// The colours change nothing of the text, whatever it is and wherever the time ends.
func TestColoursChangeNoText(t *testing.T) {
	t.Parallel()
	text := []string{"/* a", "b */ func x() {", "\tif a < b && \"s\" > `", "` + 'c' {", "}", "", "<?php echo 1 ?>", "é\u202e\x00\r"}
	var diff strings.Builder
	for _, line := range text {
		diff.WriteString("+" + line + "\n")
	}
	for _, name := range []string{"a.go", "a.py", "a.html", "a.php", "a.md", "a.ts", "a.sql", "a.sh", "a.yaml", "Dockerfile", "a.vue", "a.unknown", strings.Repeat("x", 4000) + ".go"} {
		plain := ""
		for i, limit := range []time.Duration{0, time.Microsecond, time.Minute} {
			d := fmt.Sprintf("diff --git a/%s b/%s\n@@ -0,0 +1,%d @@\n%s", name, name, len(text), diff.String())
			html := string(console.ReadPatch([]byte(d)).File(name).Piece(name, nil, 0, console.Painter{Now: time.Now, Until: time.Now().Add(limit)}).HTML)
			bare := regexp.MustCompile(`</?span[^>]*>`).ReplaceAllString(html, "")
			if i == 0 {
				plain = bare
			} else if bare != plain {
				t.Errorf("%.20s: with colours the text is\n%s, without\n%s", name, bare, plain)
			}
		}
	}
}

func TestALargeFileComesInPieces(t *testing.T) {
	t.Parallel()
	diff := "diff --git a/big.go b/big.go\n@@ -0,0 +1,20000 @@\n" + strings.Repeat("+x := f(1) // y\n", 20_000)
	f, rows := console.ReadPatch([]byte(diff)).File("big.go"), 0
	for from := 0; ; {
		p := f.Piece("big.go", nil, from, painter)
		rows += strings.Count(string(p.HTML), "<tr ")
		if p.Rest == 0 {
			break
		}
		from = p.Next
	}
	if rows != 20_001 {
		t.Errorf("%d rows, want 20001", rows)
	}
}

// Git itself writes the names, in every form that it has.
func TestNamesAreReadAsGitWritesThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	names := []string{"plain", "with space", "tab\there", `quote"s`, `back\slash`, "ümlaut", "new\nline", "a b", "x b/x b"}
	run := func(args ...string) string {
		command := exec.Command("git", append([]string{"-C", dir, "-c", "core.quotePath=true"}, args...)...)
		out, err := command.Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return string(out)
	}
	run("init", "-q")
	for _, name := range names {
		write(t, filepath.Join(dir, name))
	}
	run("add", "-A")
	patch := console.ReadPatch([]byte(run("diff", "--cached", "--full-index", "--binary", "--no-renames")))
	for _, name := range names {
		if patch.File(name) == nil {
			t.Errorf("there is no file %q", name)
		}
	}
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, diff []byte) {
		patch := console.ReadPatch(diff)
		for _, name := range []string{"main.go", "pic", ""} {
			if file := patch.File(name); file != nil {
				got := string(file.Piece(name, []console.Note{{Line: 1}}, 0, painter).HTML)
				if strings.ContainsAny(tag.ReplaceAllString(got, ""), "<>\x1b") {
					t.Errorf("something acts in %q", got)
				}
			}
		}
	})
}

func BenchmarkPiece(b *testing.B) {
	diff := []byte("diff --git a/big.go b/big.go\n@@ -0,0 +1,20000 @@\n" + strings.Repeat("+\tvalue := compute(index, \"text\") // comment\n", 20_000))
	for b.Loop() {
		console.ReadPatch(diff).File("big.go").Piece("big.go", nil, 0, painter)
	}
}
