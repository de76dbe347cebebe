package gitops

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/task"
)

// A file that the limit has become too low for is refused by name, whether the agent
// touched it again or not.
func TestALargeFileOfAStartIsRefused(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("keep", "k\n"))
	build1(t, g, base, put("large", strings.Repeat("1", 1500)))
	req := buildRequest(base, put("keep", "changed\n"))
	req.Start = strings.TrimSpace(inMirror(t, g, "rev-parse", treeRefs+"aaaaaaaaaaaa/1"))
	req.Revision, req.Limits.MaxFileBytes = 2, 1000
	_, err := g.BuildTree(t.Context(), req)
	refused := (*RefusedError)(nil)
	if !errors.As(err, &refused) || len(refused.Problems) != 1 || refused.Problems[0].Path != "large" || !strings.Contains(refused.Problems[0].Why, "1500 bytes") {
		t.Errorf("%v", err)
	}
}

func carryOn(t *testing.T, g *Git, base, previous, previousBase string, revision int, patch []byte) (string, error) {
	t.Helper()
	return g.Carrier(t.Context(), CarrierRequest{
		Repository: testRepo, Base: base, Task: testTask, Revision: revision, Patch: patch, Subject: "Proposal",
		Previous: previous, PreviousBase: previousBase, Date: time.Unix(1_700_000_100, 0),
	})
}

// A revision's carrier goes forward from the one before, and shows the patch alone
// against its base, whichever that is.
func TestARevisionsCarrierFollowsTheOneBefore(t *testing.T) {
	t.Parallel()
	g, u, b := proposed(t)
	base, first := b.proposal.BaseCommit, b.proposal.Carrier
	second, err := carryOn(t, g, base, first, base, 2, []byte("second patch\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.PublishProposal(t.Context(), u.remote(), testTask, second, first); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "parent", u.git("log", "-1", "--format=%P", second), first)
	wantEqual(t, "against its base", u.git("diff", "--name-status", base, second), "A\t.coderflow/proposals/aaaaaaaaaaaa.patch")

	u.commit("main", text("sum.go", "return a - b\n"), text("keep", "k\n"), text("later", "l\n"))
	tip, err := g.Fetch(t.Context(), u.remote(), "main")
	if err != nil {
		t.Fatal(err)
	}
	third, err := carryOn(t, g, tip, second, base, 3, []byte("third patch\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.PublishProposal(t.Context(), u.remote(), testTask, third, second); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "parents", u.git("log", "-1", "--format=%P", third), second+" "+tip)
	wantEqual(t, "as a forge shows it", u.git("diff", "--name-status", "main..."+testBranch), "A\t.coderflow/proposals/aaaaaaaaaaaa.patch")
	wantEqual(t, "branch", u.git("rev-parse", testBranch), third)
	again, err := carryOn(t, g, tip, second, base, 3, []byte("third patch\n"))
	if err != nil || again != third {
		t.Errorf("made again it is %s, %v", again, err)
	}
}

// Threat 37: what follows something that is not inert is not published, however inert it
// is itself: a push takes along all that it follows.
func TestThreat37ACarrierFollowsOnlyInertCommits(t *testing.T) {
	t.Parallel()
	g, u, b := proposed(t)
	base, first := b.proposal.BaseCommit, b.proposal.Carrier
	keeper := strings.TrimSpace(inMirror(t, g, "rev-parse", treeRefs+"aaaaaaaaaaaa/1"))
	inertTree := strings.TrimSpace(inMirror(t, g, "rev-parse", first+"^{tree}"))
	if _, err := carryOn(t, g, base, keeper, base, 2, []byte("p")); !errors.Is(err, ErrNotInert) {
		t.Errorf("a carrier was made on the agent's tree: %v", err)
	}
	foreign, err := g.Carrier(t.Context(), CarrierRequest{
		Repository: testRepo, Base: base, Task: "bbbbbbbbbbbb", Revision: 1, Patch: []byte("x"), Subject: "s", Date: time.Unix(5, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, commit := range map[string]string{
		"on the agent's tree":          commitIn(t, g, inertTree, keeper),
		"on another task's carrier":    commitIn(t, g, inertTree, foreign),
		"that merges the agent's":      commitIn(t, g, inertTree, first, keeper),
		"whose first parent is a base": commitIn(t, g, inertTree, base, first),
		"with the agent's tree on it":  commitIn(t, g, b.proposal.Tree, first),
		"of three parents":             commitIn(t, g, inertTree, first, base, foreign),
	} {
		if err := g.PublishProposal(t.Context(), u.remote(), testTask, commit, first); err == nil {
			t.Errorf("a commit %s was published", name)
		}
	}
	wantEqual(t, "branch", u.git("rev-parse", testBranch), first)
}

// What was collected over the tree of an earlier proposal makes a proposal of the whole
// change, held to everything that a first one is held to.
func TestChangesOverAStartAreWholeChangesOfTheBase(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("keep", "k\n"), text("old", "o\n"), text("file", "f\n"), text("dir/in", "i\n"))
	start := func() string {
		build1(t, g, base, put("new", "1\n"), put("sub/a", "a\n"), put("sub/b", "b\n"), put("keep", "changed\n"), gone("old"), put("file/inside", "x\n"), gone("file"))
		return strings.TrimSpace(inMirror(t, g, "rev-parse", treeRefs+"aaaaaaaaaaaa/1"))
	}()
	for name, tt := range map[string]struct {
		changes []Change
		want    string
	}{
		"nothing":             {nil, "M keep,A new,D file,A file/inside,D old,A sub/a,A sub/b"},
		"one file":            {[]Change{put("new", "2\n")}, "M keep,A new,D file,A file/inside,D old,A sub/a,A sub/b"},
		"it took one back":    {[]Change{gone("new"), put("keep", "k\n")}, "D file,A file/inside,D old,A sub/a,A sub/b"},
		"it brought one back": {[]Change{put("old", "o\n")}, "M keep,A new,D file,A file/inside,A sub/a,A sub/b"},
		"a directory went":    {[]Change{gone("sub")}, "M keep,A new,D file,A file/inside,D old"},
		"a file for it":       {[]Change{put("sub", "s\n"), gone("file")}, "M keep,A new,D file,D old,A sub"},
		"a directory again":   {[]Change{put("new/x", "x\n"), put("file", "f\n")}, "M keep,A new/x,D old,A sub/a,A sub/b"},
	} {
		req := buildRequest(base, tt.changes...)
		req.Start, req.Revision = start, 2
		r, err := g.BuildTree(t.Context(), req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := map[string]bool{}
		for _, c := range r.Manifest {
			got[map[task.ChangeKind]string{task.Added: "A", task.Modified: "M", task.Deleted: "D"}[c.Kind]+" "+c.Path] = true
		}
		want := strings.Split(tt.want, ",")
		for _, w := range want {
			if !got[w] {
				t.Errorf("%s: no %q in %v", name, w, got)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	req := buildRequest(base, gone("new"), gone("sub"), gone("file"), put("file", "f\n"), put("keep", "k\n"), put("old", "o\n"))
	req.Start = start
	if _, err := g.BuildTree(t.Context(), req); !errors.Is(err, ErrNoChange) {
		t.Errorf("all of it taken back: %v", err)
	}
}

// What differs between two result trees is told as a proposal tells it, from a directory
// that another process works in, and nothing is written there.
func TestTwoResultTreesAreCompared(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("keep", "k\n"))
	one := build1(t, g, base, put("a", "1\n"), put("b", "1\n"))
	two := build1(t, g, base, put("a", "1\n2\n"), put("c", "3\n"))
	before := inMirror(t, g, "count-objects", "-v")
	c, err := CompareIn(t.Context(), g.opts, CompareRequest{Repository: testRepo, From: one.Tree, To: two.Tree})
	if err != nil {
		t.Fatal(err)
	}
	wantList(t, "paths", paths(c.Manifest), []string{"modified a", "deleted b", "added c"})
	if c.Manifest[0].Added != 1 || c.Manifest[0].Removed != 0 || c.Cut || !strings.Contains(string(c.Diff), "\n+2\n") {
		t.Errorf("%+v\n%s", c, c.Diff)
	}
	wantEqual(t, "objects", inMirror(t, g, "count-objects", "-v"), before)
	if c, err = g.Compare(t.Context(), CompareRequest{Repository: testRepo, From: one.Tree, To: two.Tree, Limit: 10}); err != nil || !c.Cut || len(c.Diff) > 0 || len(c.Manifest) != 3 {
		t.Errorf("over the limit: %+v, %v", c, err)
	}
	if _, err := g.Compare(t.Context(), CompareRequest{Repository: testRepo, From: one.Tree, To: strings.Repeat("9", 40)}); !errors.Is(err, ErrObjectMissing) {
		t.Errorf("a tree that is not there: %v", err)
	}
	other := testRepo
	other.ID = "101"
	if _, err := g.Compare(t.Context(), CompareRequest{Repository: other, From: one.Tree, To: two.Tree}); !errors.Is(err, ErrObjectMissing) {
		t.Errorf("a repository that is not there: %v", err)
	}
}
