package gitops

import (
	"strings"
	"testing"
)

// The carried patch is what people comment on: each of its lines is a line of a file, and back.
func TestPatchLinesAreLinesOfFilesAndBack(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a.txt", "1\n2\n3\n4\n5\n6\n7\n8\n9\n"), text("gone.txt", "x\n"), text("becomes", "text\n"))
	r := build1(t, g, base, put("a.txt", "1\n2\n3\n4\nfive\nextra\n6\n7\n8\nnine"), gone("gone.txt"),
		put("d/ünï \"q\".txt", "+++ b/fake\n@@ -1 +1 @@\n--- a/fake\n"), put("bin", "\x00"), changeOf(Symlink, "becomes", "a.txt"))
	lines, index := strings.Split(strings.TrimSuffix(string(r.Diff), "\n"), "\n"), PatchLines(r.Diff)
	result := map[string][]string{
		"a.txt": {"1", "2", "3", "4", "five", "extra", "6", "7", "8", "nine"}, "becomes": {"a.txt"},
		"d/ünï \"q\".txt": {"+++ b/fake", "@@ -1 +1 @@", "--- a/fake"},
	}
	before := map[string][]string{"a.txt": strings.Fields("1 2 3 4 5 6 7 8 9"), "gone.txt": {"x"}, "becomes": {"text"}}
	shown := 0
	for i, text := range lines {
		path, line, removed, ok := index.Place(i + 1)
		if !ok || line == 0 {
			continue
		}
		shown++
		file, want := result, "+"
		if removed {
			file, want = before, "-"
		}
		if text[:1] == " " {
			want = " "
		}
		if want += file[path][line-1]; text != want {
			t.Errorf("line %d of the patch is %q; %s:%d (removed %v) is %q", i+1, text, path, line, removed, want)
		}
		if at, found := index.Line(path, line); !removed && (!found || at != i+1) {
			t.Errorf("%s:%d is at %d %v of the patch, not %d", path, line, at, found, i+1)
		}
	}
	if shown != 11+2+3+1 { // a.txt, becomes, the new file, gone.txt
		t.Errorf("%d lines are lines of files:\n%s", shown, r.Diff)
	}
	for _, unseen := range []fileLine{{"a.txt", 1}, {"a.txt", 11}, {"gone.txt", 1}, {"nowhere", 1}, {"fake", 1}} {
		if at, ok := index.Line(unseen.path, unseen.line); ok {
			t.Errorf("%v is at %d", unseen, at)
		}
	}
	if at, ok := index.File("a.txt"); !ok || lines[at-1] != "diff --git a/a.txt b/a.txt" {
		t.Errorf("a.txt begins at %d %v", at, ok)
	}
	if path, line, _, ok := index.Place(1); ok {
		t.Errorf("the first line is %s:%d", path, line)
	}
	for _, outside := range []int{-1, 0, len(lines) + 1} {
		if _, _, _, ok := index.Place(outside); ok {
			t.Errorf("line %d has a place", outside)
		}
	}
}

func TestPatchLinesOfAMalformedPatch(t *testing.T) {
	t.Parallel()
	head := "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+one\n"
	for _, rest := range []string{"@@ nonsense\n", "@@ -x +y @@\n", "+++ no prefix\n", "", "\n"} {
		x := PatchLines([]byte(head + rest))
		if at, ok := x.Line("x", 1); !ok || at != 5 {
			t.Errorf("%q: x:1 is at %d %v", rest, at, ok)
		}
		if _, line, _, _ := x.Place(6); line != 0 {
			t.Errorf("%q: line 6 of the patch is line %d of a file", rest, line)
		}
	}
}
