package gitops

import (
	"strings"
	"testing"
)

// Spellings that some system takes for ".git", from git's own tests (t0060,
// t1450, t7415) and a few more.
var dotGits = []string{
	".git", ".GIT", ".Git", ".gIt", ".git ", ".git.", ".git . .", ".git...", "git~1", "GIT~1", "Git~2", "git~1 ", "git~1.",
	".git::$INDEX_ALLOCATION", ".git:stream", ".GIT::$index_allocation", "git~1::$INDEX_ALLOCATION", ".git .:x",
	".g\u200cit", "\u200c.git", ".git\u200d", ".gi\ufefft", ".\u202agit", ".G\u206fIT", ".g\u200eit.", "g\u200cit~1",
}

func TestThreat27GitDirectoryInAnySpelling(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	var changes []Change
	var want []string
	for _, name := range dotGits {
		for _, path := range []string{name, name + "/config", "dir/" + name, "dir/" + name + "/hooks/post-checkout"} {
			changes = append(changes, put(path, "evil"))
			want = append(want, "27 "+path)
		}
	}
	wantRefused(t, g, base, changes[:100], want[:100]...)
	for _, innocent := range []string{".gitx", ".github/x", "x.git", "git", ".gi", "git~", "git~12", "gits~1", ".git-blame-ignore-revs", ".gitkeep", "a.git/b"} {
		if why := pathProblem(innocent); why != "" {
			t.Errorf("%q: %s", innocent, why)
		}
	}
}

func TestThreat27NamesThatAreNoNames(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	long := strings.Repeat("n", 256)
	deep := strings.Repeat("d/", 129) + "f"
	far := strings.Repeat(strings.Repeat("p", 200)+"/", 20) + "f"
	bad := []string{
		"..", "../x", "x/..", "x/../../y", ".", "./x", "x/./y", "/etc/passwd", "/", "", "x/", "x//y", "//x",
		"x\\y", "..\\x", "C:\\x", "new\nline", "tab\tx", "esc\x1b[2J", "del\x7f", "nel\u0085", "ls\u2028x", "nul\x00x", "bell\a",
		"latin1-\xe9", "half-\xc3", "...", " ", "x/. /y", "\u200c", ".\u200c.", long, "x/" + long + "/y", deep, far,
		".coderflow/proposals/aaaaaaaaaaaa.patch", ".coderflow/proposals/x", ".coderflow/proposals", ".CoderFlow/Proposals/x", ".coderflow", ".coderflow./proposals/x",
	}
	var changes []Change
	var want []string
	for _, path := range bad {
		changes = append(changes, put(path, "x"))
		want = append(want, "27 "+path)
	}
	wantRefused(t, g, base, changes, want...)
	// What only the workspace's name says is as dangerous when it says "deleted".
	wantRefused(t, g, base, []Change{gone("../x"), gone("/x"), gone("a/../a")}, "27 ../x", "27 /x", "27 a/../a")
}

func TestThreat27NamesThatAreTheSameElsewhere(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("README.md", "1\n"), text("Dir/a", "1\n"), text("caf\u00e9", "1\n"), text("twin", "1"), text("TWIN", "2"))
	for name, c := range map[string]struct {
		changes []Change
		want    []string
	}{
		"case":            {[]Change{put("readme.MD", "x")}, []string{"27 readme.MD"}},
		"directory case":  {[]Change{put("dir/b", "x")}, []string{"27 dir"}},
		"normalization":   {[]Change{put("cafe\u0301", "x")}, []string{"27 cafe\u0301"}},
		"both":            {[]Change{put("CAFE\u0301", "x")}, []string{"27 CAFE\u0301"}},
		"ignored":         {[]Change{put("READ\u200cME.md", "x")}, []string{"27 READ\u200cME.md"}},
		"trailing dot":    {[]Change{put("README.md.", "x")}, []string{"27 README.md."}},
		"two new ones":    {[]Change{put("new/x", "x"), put("NEW/y", "y")}, []string{"27 new/x"}},
		"sharp s":         {[]Change{put("stra\u00dfe", "x"), put("STRASSE", "y")}, []string{"27 stra\u00dfe"}},
		"file, directory": {[]Change{put("readme.md/x", "x")}, []string{"27 readme.md"}},
		"twice":           {[]Change{put("x", "1"), put("x", "2")}, []string{"27 x"}},
		"both kinds":      {[]Change{put("x", "1"), put("x/y", "2")}, []string{"27 x/y"}},
	} {
		t.Run(name, func(t *testing.T) { wantRefused(t, g, base, c.changes, c.want...) })
	}
	// A collision that the base has is not the agent's; a rename of case is no collision.
	r := build1(t, g, base, put("twin", "changed"), gone("README.md"), put("Readme.md", "1\n"), put("Dir/b", "x"))
	wantList(t, "manifest", paths(r.Manifest), []string{"added Dir/b", "deleted README.md", "added Readme.md", "modified twin"})
}

// git has the last word on a name: update-index skips one that it dislikes and
// exits 0. Seen to fail without compareIndex (the tree was written without the
// file) and without core.protectHFS and core.protectNTFS (it was written with it).
func TestThreat27NameThatOnlyGitDislikesIsNotLeftOut(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	for _, name := range []string{".git/config", ".g\u200cit/config", "git~1/config", "x/../y"} {
		if err := writeUnchecked(t, g, base, name); err == nil {
			t.Errorf("%q was left out without a word", name)
		} else if refused, ok := err.(*RefusedError); !ok || refused.Problems[0].Path != name {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// writeUnchecked writes a tree with one more file whose name no rule of ours saw.
func writeUnchecked(t *testing.T, g *Git, base, name string) error {
	t.Helper()
	m, err := g.openMirror(t.Context(), testRepo)
	if err != nil {
		t.Fatal(err)
	}
	q, err := g.newQuarantine(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := g.listTree(t.Context(), m, base)
	if err != nil {
		t.Fatal(err)
	}
	b := &build{
		g: g, q: q, base: entries, byPath: map[string]BaseEntry{"a": entries[0]}, limits: DefaultLimits,
		received: map[string]*receivedFile{name: {mode: modeRegular, mark: 1}},
	}
	b.plan([]string{"", entries[0].Blob})
	if err := q.readBase(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	_, err = q.writeTree(t.Context(), b.manifest, b.wanted)
	return err
}

func TestThreat28LinksStayInTheTree(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("dir/sub/f", "1\n"), text("f", "1\n"), link("up", "dir"), link("abs", "/usr/share"), link("deep", "dir/sub/../../f"))
	for target, path := range map[string]string{
		"/etc/passwd": "l", "/": "l", "..": "l", "../x": "l", "dir/../../x": "l", "sub/../../../x": "dir/l", "../../x": "dir/l",
		"../up/../../x": "dir/l2", "abs/passwd": "l", "x\x00y": "l", "": "l", "a\nb": "l", "..\\x": "l", "C:/x": "l", "l": "l",
		strings.Repeat("x", 4096): "l", "bad\xff": "l",
	} {
		rule := "28 "
		if len(target) > maxLinkTarget {
			rule = "30 "
		}
		wantRefused(t, g, base, []Change{changeOf(Symlink, path, target)}, rule+path)
	}
	for _, name := range []string{".gitmodules", ".gitattributes", ".gitignore", "d/.mailmap", ".GitModules"} {
		wantRefused(t, g, base, []Change{changeOf(Symlink, name, "f")}, "28 "+name)
	}
	// Two links that are harmless one by one: x/y is fine, x goes up, so x/y/.. leaves.
	wantRefused(t, g, base, []Change{changeOf(Symlink, "dir/sub/x", "../../dir"), changeOf(Symlink, "l", "dir/sub/x/../../out")}, "28 l")
	// A link of the base that leads out because of a change elsewhere.
	wantRefused(t, g, base, []Change{gone("dir/sub/f"), changeOf(Symlink, "dir/sub", "../f")}, "28 deep")
	r := build1(t, g, base,
		changeOf(Symlink, "ok", "dir/sub/f"), changeOf(Symlink, "dir/ok", "../f"), changeOf(Symlink, "dangling", "nowhere/at/all"), changeOf(Symlink, "dir/sub/ok", "../../up/sub"))
	wantRisks(t, r, "symlink dangling", "symlink dir/ok", "symlink dir/sub/ok", "symlink ok")
}

// A file below a link of the base cannot be in a workspace where nothing is
// followed. If it is claimed, the link goes, and nothing is written through it.
func TestThreat28WriteThroughALinkReplacesTheLink(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, link("out", "/tmp"), text("a", "1\n"))
	r := build1(t, g, base, put("out/file", "x\n"))
	wantList(t, "manifest", paths(r.Manifest), []string{"deleted out", "added out/file"})
	wantList(t, "tree", treeFiles(t, g, r.Tree), []string{"100644 a 1\n", "100644 out/file x\n"})
	wantRefused(t, g, base, []Change{changeOf(Symlink, "l", "a"), put("l/file", "x")}, "27 l/file")
}

func TestThreat29SpecialFilesAreRefused(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	wantRefused(t, g, base, []Change{{Path: "fifo", Kind: Special}, {Path: "dev/null", Kind: Special}}, "29 fifo", "29 dev/null")
}

func TestThreat33NestedRepositoriesAreRefused(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	wantRefused(t, g, base, []Change{{Path: "sub/.git", Kind: NestedGit}, {Path: ".GIT", Kind: NestedGit}, put("sub/f", "x")}, "33 sub/.git", "33 .GIT")
}

func FuzzPathRules(f *testing.F) {
	for _, seed := range append([]string{"a/b", "../x", "a\\b", "\xff", "con"}, dotGits...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if structureProblem(path) != "" || pathProblem(path) != "" {
			return
		}
		// What passes is a plain relative path that no folding turns into a dangerous one.
		folded := foldPath(path)
		for component := range strings.SplitSeq(folded, "/") {
			if component == "" || component == "." || component == ".." || isDotGit(component) {
				t.Fatalf("%q folds to %q", path, folded)
			}
		}
		if again := foldPath(folded); again != folded {
			t.Fatalf("%q folds to %q and then to %q", path, folded, again)
		}
		if strings.ContainsAny(path, "\x00\n\r\\") || strings.HasPrefix(folded, reservedDir) && (len(folded) == len(reservedDir) || folded[len(reservedDir)] == '/') {
			t.Fatalf("%q passed", path)
		}
	})
}
