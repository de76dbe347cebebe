package gitops

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/task"
)

func build1(t testing.TB, g *Git, base string, changes ...Change) Result {
	t.Helper()
	result, err := g.BuildTree(t.Context(), buildRequest(base, changes...))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// treeFiles lists "MODE PATH CONTENT" of a tree in the mirror.
func treeFiles(t testing.TB, g *Git, tree string) []string {
	t.Helper()
	var list []string
	for record := range strings.SplitSeq(strings.TrimSuffix(inMirror(t, g, "ls-tree", "-r", "-z", "--full-tree", tree), "\x00"), "\x00") {
		head, path, _ := strings.Cut(record, "\t")
		fields := strings.Fields(head)
		list = append(list, fields[0]+" "+path+" "+inMirror(t, g, "cat-file", "blob", fields[2]))
	}
	return list
}

func TestBuildTreeAddsChangesAndDeletes(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("keep", "k\n"), text("edit", "one\ntwo\n"), text("drop", "d\n"), text("dir/a", "a\n"), text("dir/b", "b\n"))
	r := build1(t, g, base,
		put("edit", "one\nTWO\nthree\n"), put("new/deep/file", "n\n"), gone("drop"), gone("dir"),
		changeOf(Executable, "run.sh", "#!/bin/sh\n"), changeOf(Symlink, "ln", "keep"), put("keep", "k\n"))
	wantList(t, "manifest", paths(r.Manifest), []string{
		"deleted dir/a", "deleted dir/b", "deleted drop", "modified edit", "added ln", "added new/deep/file", "added run.sh",
	})
	wantList(t, "tree", treeFiles(t, g, r.Tree), []string{
		"100644 edit one\nTWO\nthree\n", "100644 keep k\n", "120000 ln keep", "100644 new/deep/file n\n", "100755 run.sh #!/bin/sh\n",
	})
	edit := r.Manifest[3]
	if edit.Added != 2 || edit.Removed != 1 || edit.Size != 14 || edit.Binary {
		t.Errorf("counts of edit: %+v", edit)
	}
	for _, want := range []string{"diff --git a/edit b/edit", "-two\n+TWO\n+three\n", ":100644 000000 ", "new file mode 100755", "deleted file mode 100644"} {
		if !strings.Contains(string(r.Diff), want) {
			t.Errorf("the diff lacks %q", want)
		}
	}
}

func TestBuildTreeIsTheSameTwiceAndSurvivesGC(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	first := build1(t, g, base, put("b", "2\n"), put("a", "3\n"))
	inMirror(t, g, "gc", "--quiet", "--prune=now")
	second := build1(t, g, base, put("a", "3\n"), put("b", "2\n"))
	wantEqual(t, "tree", second.Tree, first.Tree)
	wantEqual(t, "diff", string(second.Diff), string(first.Diff))
	wantList(t, "tree", treeFiles(t, g, first.Tree), []string{"100644 a 3\n", "100644 b 2\n"})
}

func TestNoChange(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"), text(".gitignore", "*.log\n"))
	for name, changes := range map[string][]Change{
		"nothing": nil, "same bytes": {put("a", "1\n")}, "ignored only": {put("x.log", "l")}, "deleted what is not there": {gone("zzz")},
	} {
		if _, err := g.BuildTree(t.Context(), buildRequest(base, changes...)); !errors.Is(err, ErrNoChange) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModeChangeAloneIsAChange(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	r := build1(t, g, base, changeOf(Executable, "a", "1\n"))
	wantList(t, "manifest", paths(r.Manifest), []string{"modified a"})
	wantRisks(t, r, "executable a")
	if !strings.Contains(string(r.Diff), "new mode 100755") {
		t.Errorf("diff: %s", r.Diff)
	}
}

func TestFileAndDirectoryTakeEachOthersPlace(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"), text("d/x", "x\n"), text("d/y/z", "z\n"), text("other", "o\n"))
	r := build1(t, g, base, put("a/b", "2\n"), put("d", "now a file\n"))
	wantList(t, "manifest", paths(r.Manifest), []string{"deleted a", "added a/b", "added d", "deleted d/x", "deleted d/y/z"})
	wantList(t, "tree", treeFiles(t, g, r.Tree), []string{"100644 a/b 2\n", "100644 d now a file\n", "100644 other o\n"})
}

func TestLinkBecomesFileAndFileBecomesLink(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, link("l", "f"), text("f", "f\n"))
	r := build1(t, g, base, put("l", "text\n"), changeOf(Symlink, "f", "l"))
	wantList(t, "tree", treeFiles(t, g, r.Tree), []string{"120000 f l", "100644 l text\n"})
}

func TestIgnoreRulesAreTheBasesAlone(t *testing.T) {
	t.Parallel()
	base := []file{
		text(".gitignore", "*.log\n/build/\n!keep.log\n\\#odd\nvendor/*\n!vendor/keep/\n"),
		text("sub/.gitignore", "*.tmp\n!important.tmp\n/only-here\n"), text("tracked.log", "t\n"), text("linked/.keep", ""),
		link("linked/.gitignore", "*.go"),
	}
	changes := func() []Change {
		return []Change{
			put("x.log", ""), put("deep/er/x.log", ""), put("build/out", ""), put("build/a/b", ""), put("sub/x.tmp", ""), put("sub/d/x.tmp", ""),
			put("sub/only-here", ""), put("#odd", ""), put("vendor/x/y", ""),
			put("keep.log", "k"), put("sub/important.tmp", "i"), put("x.tmp", "x"), put("only-here", "o"), put("src/build/out", "b"), put("build.txt", "b"),
			put("tracked.log", "changed"), put("vendor/keep/z", "z"), put("linked/main.go", "l"), put(":(glob)**", "p"), put("*", "s"), put("-n", "d"),
			{Path: "build/clone/.git", Kind: NestedGit}, {Path: "build/fifo", Kind: Special}, put("build/bad\nname", ""), put("build/.GIT/config", ""),
		}
	}
	want := []string{
		"added *", "added -n", "added :(glob)**", "added build.txt", "added keep.log", "added linked/main.go", "added only-here", "added src/build/out",
		"added sub/important.tmp", "modified tracked.log", "added vendor/keep/z", "added x.tmp",
	}
	g, _, commit := newBase(t, base...)
	r := build1(t, g, commit, changes()...)
	wantList(t, "manifest", paths(r.Manifest), want)
	wantEqual(t, "ignored", r.Ignored, 13)

	// The agent's own rules hide nothing and show nothing.
	edited := append(changes(), put(".gitignore", "src\nkeep.log\n!*.log\n"), put("src/.gitignore", "*\n"), gone("sub/.gitignore"))
	r = build1(t, g, commit, edited...)
	wantList(t, "manifest with edited rules", paths(r.Manifest), []string{
		"added *", "added -n", "modified .gitignore", "added :(glob)**", "added build.txt", "added keep.log", "added linked/main.go", "added only-here",
		"added src/.gitignore", "added src/build/out", "deleted sub/.gitignore", "added sub/important.tmp", "modified tracked.log",
		"added vendor/keep/z", "added x.tmp",
	})
	wantEqual(t, "ignored with edited rules", r.Ignored, 13)
}

func TestIgnoreRulesOfTheHostAreNotUsed(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1"))
	for _, place := range []string{filepath.Join(g.place(emptyDir), ".gitignore"), filepath.Join(g.place(emptyDir), "git", "ignore")} {
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place, []byte("*.txt\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := New(g.opts); err == nil {
		t.Error("a directory that must be empty and is not was accepted")
	}
	if err := os.Remove(filepath.Join(g.place(emptyDir), ".gitignore")); err != nil {
		t.Fatal(err)
	}
	r := build1(t, g, base, put("x.txt", "x")) // XDG_CONFIG_HOME/git/ignore would say no
	wantEqual(t, "ignored", r.Ignored, 0)
}

func TestSubmodulesAreLeftAlone(t *testing.T) {
	t.Parallel()
	pinned := strings.Repeat("1", 40)
	g, _, base := newBase(t, text("a", "1\n"), file{"lib/sub", modeGitlink, pinned}, text("lib/x", "x\n"))
	r := build1(t, g, base, gone("lib"), gone("lib/sub"), put("a", "2\n"))
	wantList(t, "manifest", paths(r.Manifest), []string{"modified a", "deleted lib/x"})
	if out := inMirror(t, g, "ls-tree", "-r", r.Tree); !strings.Contains(out, "160000 commit "+pinned+"\tlib/sub") {
		t.Errorf("the submodule is gone: %s", out)
	}
	for name, change := range map[string]Change{"inside": put("lib/sub/f", "x"), "in its place": put("lib/sub", "x"), "above it": put("lib", "x")} {
		wantRefused(t, g, base, []Change{change}, "33 "+change.Path)
		_ = name
	}
}

// wantRisks compares "NAME PATH" of all risks.
func wantRisks(t testing.TB, r Result, want ...string) {
	t.Helper()
	var got []string
	for _, risk := range r.Risks {
		got = append(got, risk.Name+" "+risk.Path)
	}
	wantList(t, "risks", got, want)
}

// wantRefused expects a refusal with these problems, each "RULE PATH", and
// nothing new in the mirror.
func wantRefused(t testing.TB, g *Git, base string, changes []Change, want ...string) {
	t.Helper()
	before := inMirror(t, g, "count-objects", "-v") + inMirror(t, g, "for-each-ref")
	_, err := g.BuildTree(t.Context(), buildRequest(base, changes...))
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("%q: want a refusal, got %v", want, err)
		return
	}
	var got []string
	for _, p := range refused.Problems {
		got = append(got, p.Rule+" "+p.Path)
		if p.Why == "" {
			t.Errorf("no reason for %q", p.Path)
		}
	}
	wantList(t, "problems", got, want)
	wantEqual(t, "mirror", inMirror(t, g, "count-objects", "-v")+inMirror(t, g, "for-each-ref"), before)
	left, err := os.ReadDir(g.place(quarantineDir))
	if err != nil || len(left) > 0 {
		t.Errorf("the quarantine is not empty: %v %v", left, err)
	}
}

var _ = task.Added
