package gitops

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rebasing makes a change of one base and puts it on another.
func rebasing(t *testing.T, before, after []file, changes ...Change) (*Git, Result, error) {
	t.Helper()
	g, u, base := newBase(t, before...)
	made := build1(t, g, base, changes...)
	u.commit("main", after...)
	tip, err := g.Fetch(t.Context(), u.remote(), "main")
	if err != nil {
		t.Fatal(err)
	}
	build := buildRequest(tip)
	build.Revision = 2
	r, err := g.Rebase(t.Context(), RebaseRequest{Build: build, From: base, Tree: made.Tree})
	return g, r, err
}

const lines = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"

func TestAChangeIsMadeOnANewBase(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, after []file
		changes       []Change
		want          string // paths of the result's manifest
		has           map[string]string
	}{
		"others elsewhere": {
			[]file{text("a", "1\n"), text("b", "1\n")}, []file{text("a", "1\n"), text("b", "2\n"), text("c", "new\n")}, []Change{put("a", "mine\n")},
			"modified a", map[string]string{"a": "mine\n", "b": "2\n", "c": "new\n"},
		},
		"one file, other lines": {
			[]file{text("a", lines)}, []file{text("a", strings.Replace(lines, "1\n", "one\n", 1))}, []Change{put("a", strings.Replace(lines, "9\n", "nine\n", 1))},
			"modified a", map[string]string{"a": strings.Replace(strings.Replace(lines, "1\n", "one\n", 1), "9\n", "nine\n", 1)},
		},
		"a file that it deletes": {
			[]file{text("a", "1\n"), text("b", "1\n")}, []file{text("a", "1\n"), text("b", "2\n")}, []Change{gone("a")}, "deleted a", map[string]string{"b": "2\n"},
		},
		"part of it is there already": {
			[]file{text("a", "1\n"), text("b", "1\n")}, []file{text("a", "mine\n"), text("b", "1\n")}, []Change{put("a", "mine\n"), put("b", "mine too\n")},
			"modified b", map[string]string{"a": "mine\n", "b": "mine too\n"},
		},
		"the mode here, the lines there": {
			[]file{text("a", lines)}, []file{text("a", lines+"10\n")}, []Change{changeOf(Executable, "a", lines)}, "modified a", map[string]string{"a": lines + "10\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, r, err := rebasing(t, tt.before, tt.after, tt.changes...)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "paths", strings.Join(paths(r.Manifest), ","), tt.want)
			wantEqual(t, "files", strings.Count(inMirror(t, g, "ls-tree", "-r", r.Tree), "\n"), len(tt.has))
			for path, content := range tt.has {
				wantEqual(t, path, inMirror(t, g, "cat-file", "blob", r.Tree+":"+path), content)
			}
		})
	}
}

func TestWhatDoesNotFitOnANewBaseIsNamed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, after []file
		changes       []Change
		path, why     string
	}{
		"the same lines":    {[]file{text("a", lines)}, []file{text("a", strings.Replace(lines, "5\n", "five\n", 1))}, []Change{put("a", strings.Replace(lines, "5\n", "V\n", 1))}, "a", "same lines"},
		"not text":          {[]file{text("a", "\x00"+lines)}, []file{text("a", "\x00one\n"+lines)}, []Change{put("a", "\x00"+lines+"end\n")}, "a", "not text"},
		"deleted here":      {[]file{text("a", "1\n"), text("k", "")}, []file{text("a", "2\n"), text("k", "")}, []Change{gone("a")}, "a", "deletes it"},
		"deleted there":     {[]file{text("a", "1\n"), text("k", "")}, []file{text("k", "")}, []Change{put("a", "2\n")}, "a", "deleted it"},
		"moved there":       {[]file{text("a", lines)}, []file{text("b", lines)}, []Change{put("a", lines+"10\n")}, "a", "moved it elsewhere"},
		"added twice":       {[]file{text("k", "")}, []file{text("k", ""), text("a", "1\n")}, []Change{put("a", "2\n")}, "a", "both sides added it"},
		"a link now":        {[]file{text("a", "1\n"), text("k", "")}, []file{link("a", "k"), text("k", "")}, []Change{put("a", "2\n")}, "a", "what it is"},
		"a directory there": {[]file{text("k", "")}, []file{text("k", ""), text("a/b", "1\n")}, []Change{put("a", "2\n")}, "a", "a directory of this name"},
		"a file there":      {[]file{text("k", "")}, []file{text("k", ""), text("a", "1\n")}, []Change{put("a/b", "2\n")}, "a/b", "has a file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, r, err := rebasing(t, tt.before, tt.after, append(tt.changes, put("mine", "m\n"))...)
			conflict := (*ConflictError)(nil)
			if !errors.As(err, &conflict) {
				t.Fatalf("%+v, %v", r.Manifest, err)
			}
			if len(conflict.Conflicts) != 1 || conflict.Conflicts[0].Path != tt.path || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("%+v", conflict.Conflicts)
			}
		})
	}
}

// The limit may have become lower since the change was made, or the base branch's file
// larger than any proposal's: that is said, and not tried again for ever.
func TestARebaseOfALargeFileIsNamed(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("line\n", 300)
	for name, tt := range map[string]struct {
		after   file
		refused string // empty: a conflict
	}{
		"that both sides changed": {text("a", large+"theirs\n"), ""},
		"that nobody else has":    {text("a", large), "it has 1506 bytes; at most 1000 are allowed"},
		"of the new base's size":  {text("a", large), "it has 1506 bytes; at most 1000 are allowed"},
	} {
		g, u, base := newBase(t, text("a", large), text("b", strings.Repeat("1", 1506)))
		change := put("a", "mine!\n"+large)
		if strings.HasPrefix(name, "of the") {
			change = put("b", strings.Repeat("2", 1506))
		}
		made := build1(t, g, base, change)
		u.commit("main", tt.after, text("b", strings.Repeat("1", 1506)), text("later", "l\n"))
		tip, err := g.Fetch(t.Context(), u.remote(), "main")
		if err != nil {
			t.Fatal(err)
		}
		build := buildRequest(tip)
		build.Revision, build.Limits.MaxFileBytes = 2, 1000
		_, err = g.Rebase(t.Context(), RebaseRequest{Build: build, From: base, Tree: made.Tree})
		conflict, refused := (*ConflictError)(nil), (*RefusedError)(nil)
		switch {
		case tt.refused == "" && (!errors.As(err, &conflict) || !strings.Contains(err.Error(), "too large to merge")):
			t.Errorf("%s: %v", name, err)
		case tt.refused != "" && (!errors.As(err, &refused) || len(refused.Problems) != 1 || refused.Problems[0].Why != tt.refused):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Threat 26: attributes of either side do not decide how it is merged, and nothing that
// they name runs.
func TestThreat26AttributesDoNotMerge(t *testing.T) {
	t.Parallel()
	canary := filepath.Join(t.TempDir(), "ran")
	attributes := "* merge=union\n*.x merge=evil filter=evil diff=evil\n"
	before := []file{text("a", lines), text("b.x", lines), text(".gitattributes", attributes), text(".gitconfig", "[merge \"evil\"]\n\tdriver = touch "+canary+"\n")}
	after := append([]file{text("a", strings.Replace(lines, "5\n", "five\n", 1)), text("b.x", strings.Replace(lines, "5\n", "five\n", 1))}, before[2:]...)
	_, _, err := rebasing(t, before, after, put("a", strings.Replace(lines, "5\n", "V\n", 1)), put("b.x", strings.Replace(lines, "5\n", "V\n", 1)))
	conflict := (*ConflictError)(nil)
	if !errors.As(err, &conflict) || len(conflict.Conflicts) != 2 {
		t.Errorf("an attribute merged what conflicts: %v", err)
	}
	if _, err := os.Stat(canary); !errors.Is(err, os.ErrNotExist) {
		t.Error("a merge driver ran")
	}
}

func TestAChangeThatTheNewBaseHasIsNone(t *testing.T) {
	t.Parallel()
	_, _, err := rebasing(t, []file{text("a", "1\n")}, []file{text("a", "2\n")}, put("a", "2\n"))
	if !errors.Is(err, ErrNoChange) {
		t.Errorf("%v", err)
	}
}

// What the base branch brought in meanwhile cannot make a proposal out of something that
// a proposal may not have.
func TestARebasedChangeIsHeldToTheRulesAgain(t *testing.T) {
	t.Parallel()
	_, _, err := rebasing(t, []file{text("k", "")}, []file{text("k", ""), text("Readme", "1\n")}, put("README", "2\n"))
	refused := (*RefusedError)(nil)
	if !errors.As(err, &refused) {
		t.Errorf("two names that are one on some systems: %v", err)
	}
}

// A new base that has a part of the change leaves its tree as it was.
func TestARebaseCanGiveTheTreeOfBefore(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1\n"), text("b", "1\n"))
	made := build1(t, g, base, put("a", "mine\n"), put("b", "mine too\n"))
	u.commit("main", text("a", "mine\n"), text("b", "1\n"))
	tip, err := g.Fetch(t.Context(), u.remote(), "main")
	if err != nil {
		t.Fatal(err)
	}
	build := buildRequest(tip)
	build.Revision = 2
	r, err := g.Rebase(t.Context(), RebaseRequest{Build: build, From: base, Tree: made.Tree})
	if err != nil || r.Tree != made.Tree {
		t.Fatalf("tree %s, want %s, %v", r.Tree, made.Tree, err)
	}
}

// Threat 35: whoever looks through what a proposal is made of sees all of it: not only
// what was collected, but also what the start of a workspace or a rebase brings.
func TestThreat35AllThatAProposalIsMadeOfIsWatched(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1\n"))
	made := build1(t, g, base, put("b", "mine\n"))
	start, err := g.ResultCommit(t.Context(), ResultRequest{Repository: testRepo, Task: testTask, Revision: 1, Base: base, Tree: made.Tree})
	if err != nil {
		t.Fatal(err)
	}
	u.commit("main", text("a", "2\n"))
	tip, err := g.Fetch(t.Context(), u.remote(), "main")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	found := errors.New("a secret")
	watch := func(changes Changes) Changes {
		return func(yield func(Change, error) bool) {
			for change, err := range changes {
				seen = append(seen, change.Path)
				if !yield(change, err) {
					return
				}
			}
			yield(Change{}, found)
		}
	}
	build := buildRequest(base, put("c", "collected\n"))
	build.Revision, build.Start, build.Watch = 2, start, watch
	if _, err := g.BuildTree(t.Context(), build); !errors.Is(err, found) {
		t.Errorf("on a start: %v", err)
	}
	wantEqual(t, "on a start", strings.Join(seen, " "), "c b")
	seen = nil
	build = buildRequest(tip)
	build.Revision, build.Watch = 2, watch
	if _, err := g.Rebase(t.Context(), RebaseRequest{Build: build, From: base, Tree: made.Tree}); !errors.Is(err, found) {
		t.Errorf("a rebase: %v", err)
	}
	wantEqual(t, "a rebase", strings.Join(seen, " "), "b")
}
