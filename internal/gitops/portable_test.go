package gitops

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/forge"
)

// built makes a proposal's tree and its pack.
func built(t testing.TB, g *Git, base string, changes ...Change) (ResultRequest, []byte) {
	t.Helper()
	result, err := g.BuildTree(t.Context(), buildRequest(base, changes...))
	if err != nil {
		t.Fatal(err)
	}
	r := ResultRequest{Repository: testRepo, Task: testTask, Revision: 1, Base: base, Tree: result.Tree}
	pack, err := g.Export(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return r, pack
}

// other is a Git in another directory with the same base fetched.
func other(t testing.TB, u *upstream) *Git {
	t.Helper()
	g := newGit(t, u)
	if _, err := g.Fetch(t.Context(), u.remote(), "main"); err != nil {
		t.Fatal(err)
	}
	return g
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, "line", i)
	}
	return b.String()
}

func TestAProposalGoesOnInAnotherMirror(t *testing.T) {
	t.Parallel()
	long := numbered(20_000)
	for name, change := range map[string][]Change{
		"changed, added, deleted":   {put("long.txt", long+"one more\n"), put("new/dir/b.bin", "\x00\x01"), gone("dir/b.txt"), changeOf(Symlink, "l", "long.txt")},
		"executable":                {changeOf(Executable, "dir/b.txt", "two\n")},
		"nothing that is new":       {put("copy.txt", "two\n")},
		"nothing is left":           {gone("long.txt"), gone("dir/b.txt"), gone("sub/x/y")},
		"a tree that the base has":  {gone("long.txt"), gone("dir/b.txt"), gone("sub/x/y"), put("x/y", "three\n")},
		"moved without any changes": {gone("dir/b.txt"), put("elsewhere/b.txt", "two\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, u, base := newBase(t, text("long.txt", long), text("dir/b.txt", "two\n"), text("sub/x/y", "three\n"))
			r, pack := built(t, g, base, change...)
			if len(pack) > 2_000 {
				t.Errorf("%d bytes for a few lines", len(pack))
			}
			second := other(t, u)
			if held, err := second.HoldsResult(t.Context(), r); err != nil || held {
				t.Errorf("before: %v %v", held, err)
			}
			for range 2 { // what is there is fine
				if err := second.Import(t.Context(), r, bytes.NewReader(pack)); err != nil {
					t.Fatal(err)
				}
			}
			if held, err := second.HoldsResult(t.Context(), r); err != nil || !held {
				t.Errorf("afterwards: %v %v", held, err)
			}
			one, err := g.ResultCommit(t.Context(), r)
			two, err2 := second.ResultCommit(t.Context(), r)
			if errors.Join(err, err2) != nil || one != two {
				t.Errorf("%s %v, %s %v", one, err, two, err2)
			}
			hostGit(t, "", "-C", mirrorDir(second), "fsck", "--strict", "--full")
			wantEqual(t, "what is in the tree", inMirror(t, second, "ls-tree", "-r", r.Tree), inMirror(t, g, "ls-tree", "-r", r.Tree))
		})
	}
}

// Whatever a change is, it comes out as it went in, and the pack holds nothing else.
func TestAnyProposalGoesOnInAnotherMirror(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "d/a", "d/b", "d/e/a", "f/a"}
	u := newUpstream(t)
	var files []file
	for i, name := range names[:4] {
		files = append(files, text(name, numbered(100*i)))
	}
	u.commit("main", files...)
	g, second, revision := other(t, u), other(t, u), 0
	base := u.git("rev-parse", "main")
	rapid.Check(t, func(rt *rapid.T) {
		var changes []Change
		for i, name := range names {
			switch rapid.IntRange(0, 3).Draw(rt, name) {
			case 1:
				changes = append(changes, put(name, numbered(100*i)+rapid.StringN(0, 50, 50).Draw(rt, "more")))
			case 2:
				if i < 4 {
					changes = append(changes, gone(name))
				}
			case 3:
				changes = append(changes, put(name, string(rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "bytes"))))
			}
		}
		revision++
		req := buildRequest(base, changes...)
		req.Revision = revision
		result, err := g.BuildTree(t.Context(), req)
		if refused := (*RefusedError)(nil); errors.Is(err, ErrNoChange) || errors.As(err, &refused) {
			return
		}
		r := ResultRequest{Repository: testRepo, Task: testTask, Revision: revision, Base: base, Tree: result.Tree}
		pack, err2 := g.Export(t.Context(), r)
		if err := errors.Join(err, err2, second.Import(t.Context(), r, iotest.HalfReader(bytes.NewReader(pack)))); err != nil {
			rt.Fatal(err)
		}
		if held, err := second.HoldsResult(t.Context(), r); err != nil || !held {
			rt.Errorf("%v %v", held, err)
		}
	})
}

// packOf packs exactly these objects of a repository, each whole.
func packOf(t testing.TB, dir string, ids ...string) []byte {
	t.Helper()
	return hostGit(t, strings.Join(ids, "\n")+"\n", "-C", dir, "pack-objects", "--quiet", "--stdout", "--window=0")
}

func TestAPackThatIsNotTheProposalsChangesNothing(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a.txt", numbered(1000)), text("dir/b.txt", "two\n"))
	r, pack := built(t, g, base, put("a.txt", numbered(1000)+"more\n"), put("new.txt", "new\n"))
	ids := objectIDs([]byte(inMirror(t, g, "rev-list", "--objects", r.Tree, "^"+base+"^{tree}")))
	foreign := strings.TrimSpace(string(hostGit(t, "agent's own\n", "-C", mirrorDir(g), "hash-object", "-w", "--stdin")))
	keeper := strings.TrimSpace(inMirror(t, g, "rev-parse", treeRefs+string(testTask)+"/1"))
	blob := strings.TrimSpace(inMirror(t, g, "rev-parse", r.Tree+":new.txt"))
	baseBlob := strings.TrimSpace(inMirror(t, g, "rev-parse", base+":dir/b.txt"))
	another := func(change func(*ResultRequest)) ResultRequest {
		r := r
		change(&r)
		return r
	}
	count := func(n uint32) []byte {
		changed := bytes.Clone(pack)
		binary.BigEndian.PutUint32(changed[8:], n)
		return changed
	}
	flip := func(at int) []byte {
		changed := bytes.Clone(pack)
		changed[at] ^= 1
		return changed
	}
	hostile := hostileTree(t, mirrorDir(g))
	for name, c := range map[string]struct {
		r    ResultRequest
		pack []byte
		want error
	}{
		"no pack":                     {r, nil, ErrPack},
		"half a header":               {r, pack[:7], ErrPack},
		"cut off":                     {r, pack[:len(pack)-1], ErrPack},
		"a bit in the middle":         {r, flip(len(pack) / 2), ErrPack},
		"a bit at the end":            {r, flip(len(pack) - 1), ErrPack},
		"another number of objects":   {r, count(2), ErrPack},
		"more objects than there are": {r, count(1 << 30), ErrPack},
		"something behind it":         {r, append(bytes.Clone(pack), pack...), ErrPack},
		"an object too many":          {r, packOf(t, mirrorDir(g), append([]string{foreign}, ids...)...), ErrPack},
		"a commit too many":           {r, packOf(t, mirrorDir(g), append([]string{keeper}, ids...)...), ErrPack},
		"one of the base too many":    {r, packOf(t, mirrorDir(g), append([]string{baseBlob}, ids...)...), ErrPack},
		"without a blob":              {r, packOf(t, mirrorDir(g), without(ids, blob)...), ErrPack},
		"without its tree":            {r, packOf(t, mirrorDir(g), without(ids, r.Tree)...), ErrPack},
		"one in another's place":      {r, packOf(t, mirrorDir(g), append(without(ids, blob), foreign)...), ErrPack},
		"another tree":                {another(func(r *ResultRequest) { r.Tree = emptyTree }), pack, ErrPack},
		"a tree that is nowhere":      {another(func(r *ResultRequest) { r.Tree = strings.Repeat("1", 40) }), pack, ErrPack},
		"a blob as the tree":          {another(func(r *ResultRequest) { r.Tree = blob }), packOf(t, mirrorDir(g), blob), nil},
		"an option as the tree":       {another(func(r *ResultRequest) { r.Tree = "--all" }), pack, nil},
		"another base":                {another(func(r *ResultRequest) { r.Base = strings.Repeat("1", 40) }), pack, ErrObjectMissing},
		"a path as the task":          {another(func(r *ResultRequest) { r.Task = "../../config" }), pack, nil},
		"names that git refuses":      {another(func(r *ResultRequest) { r.Tree = hostile }), packOf(t, mirrorDir(g), hostile, foreign), errRefused},
	} {
		second := other(t, u)
		before := inMirror(t, second, "for-each-ref") + inMirror(t, second, "cat-file", "--batch-all-objects", "--batch-check")
		err := second.Import(t.Context(), c.r, bytes.NewReader(c.pack))
		refused := (*RefusedError)(nil)
		switch {
		case err == nil, c.want == errRefused && !errors.As(err, &refused), c.want != nil && c.want != errRefused && !errors.Is(err, c.want):
			t.Errorf("%s: %v", name, err)
		}
		if after := inMirror(t, second, "for-each-ref") + inMirror(t, second, "cat-file", "--batch-all-objects", "--batch-check"); after != before {
			t.Errorf("%s: the mirror was changed: %s", name, after)
		}
		if left, err := filepath.Glob(filepath.Join(second.place(quarantineDir), "*")); err != nil || len(left) > 0 {
			t.Errorf("%s: %q is left in quarantine", name, left)
		}
	}
}

// errRefused stands for a *RefusedError in tables.
var errRefused = errors.New("refused")

func without(ids []string, id string) []string {
	var left []string
	for _, one := range ids {
		if one != id {
			left = append(left, one)
		}
	}
	return left
}

// hostileTree is a tree with a file that git would take for a repository.
func hostileTree(t testing.TB, dir string) string {
	t.Helper()
	blob := strings.TrimSpace(string(hostGit(t, "agent's own\n", "-C", dir, "hash-object", "-w", "--stdin")))
	raw, err := hexBytes(blob)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(hostGit(t, "100644 .git\x00"+raw, "-C", dir, "hash-object", "-w", "--literally", "-t", "tree", "--stdin")))
}

func hexBytes(id string) (string, error) {
	var raw []byte
	_, err := fmt.Sscanf(id, "%x", &raw)
	return string(raw), err
}

// A database that goes away in the middle is no damaged pack.
func TestAPackThatCannotBeReadOnIsNotItsFault(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1"))
	r, pack := built(t, g, base, put("b", "2"))
	away := errors.New("away")
	for _, n := range []int{0, 5, len(pack) / 2, len(pack)} {
		err := other(t, u).Import(t.Context(), r, io.MultiReader(bytes.NewReader(pack[:n]), iotest.ErrReader(away)))
		if !errors.Is(err, away) || errors.Is(err, ErrPack) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func TestNothingIsExportedThatIsNotThere(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1"))
	r, _ := built(t, g, base, put("b", "2"))
	if _, err := other(t, u).Export(t.Context(), r); !errors.Is(err, ErrObjectMissing) {
		t.Errorf("without the tree: %v", err)
	}
	if _, err := newGit(t, u).Export(t.Context(), r); !errors.Is(err, ErrObjectMissing) {
		t.Errorf("without a mirror: %v", err)
	}
	held, err := newGit(t, u).HoldsResult(t.Context(), r)
	based, err2 := newGit(t, u).HoldsBase(t.Context(), testRepo, base)
	if err := errors.Join(err, err2); err != nil || held || based {
		t.Errorf("%v %v %v", held, based, err)
	}
}

// A base stays to be had when its branch is rewritten or gone: by its id, or by the task's
// own branch where the forge gives nothing by id.
func TestABaseIsFoundAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then  func(u *upstream)
		byID  bool // the forge gives commits by their ids
		found bool
	}{
		"the tip":                       {func(*upstream) {}, false, true},
		"behind the tip":                {func(u *upstream) { u.commit("main", text("a", "3")) }, false, true},
		"rewritten":                     {rewritten, true, true},
		"rewritten, nothing by id":      {rewritten, false, true},
		"gone":                          {func(u *upstream) { u.git("update-ref", "-d", "refs/heads/main") }, true, true},
		"gone, nothing by id":           {func(u *upstream) { u.git("update-ref", "-d", "refs/heads/main") }, false, true},
		"gone with everything":          {func(u *upstream) { forgotten(u) }, true, false},
		"nothing by id, nowhere to see": {func(u *upstream) { forgotten(u) }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, u, base := newBase(t, text("a", "1"))
			carrier, err := g.Carrier(t.Context(), CarrierRequest{Repository: testRepo, Base: base, Task: testTask, Revision: 1, Patch: []byte("p\n"), Subject: "s", Date: time.Unix(1_700_000_000, 0)})
			if err != nil {
				t.Fatal(err)
			}
			if err := g.PublishProposal(t.Context(), u.remote(), testTask, carrier, ""); err != nil {
				t.Fatal(err)
			}
			c.then(u)
			if !c.byID {
				u.before = func(_ http.ResponseWriter, r *http.Request) bool {
					r.Header.Del("Git-Protocol") // the first version of the protocol gives tips alone
					return false
				}
			}
			second := newGit(t, u)
			err = second.FetchBase(t.Context(), u.remote(), base, "main", testTask)
			if (err == nil) != c.found || err != nil && !errors.Is(err, ErrObjectMissing) {
				t.Fatal(err)
			}
			if held, err := second.HoldsBase(t.Context(), testRepo, base); err != nil || held != c.found {
				t.Errorf("%v %v", held, err)
			}
			if kept, err := second.HoldsCarrier(t.Context(), testRepo, testTask, 1, carrier); err != nil || kept {
				t.Errorf("what another server pushed is taken for a carrier of this one: %v", err)
			}
		})
	}
}

func rewritten(u *upstream) {
	u.git("update-ref", "-d", "refs/heads/main")
	u.commit("main", text("a", "2"))
}

func forgotten(u *upstream) {
	rewritten(u)
	u.git("update-ref", "-d", "refs/heads/"+testTask.Branch())
	u.git("reflog", "expire", "--expire=now", "--all")
	u.git("-c", "gc.pruneExpire=now", "gc", "--quiet", "--prune=now")
}

func TestACommitIsMadeAgainOrNotAtAll(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1"))
	r, pack := built(t, g, base, put("b", "2"))
	l := Landing{Tree: r.Tree, Parent: base, Author: forge.User{Login: "tom", Subject: forge.Subject{Host: forge.GitHub, ID: "7"}}, At: time.Unix(1_700_000_000, 0), Message: "Fix"}
	l.Committer = g.opts.Committer
	want, _, err := l.Object()
	if err != nil {
		t.Fatal(err)
	}
	second := other(t, u)
	if err := second.CommitAgain(t.Context(), testRepo, "abc", l, want); err == nil {
		t.Error("made without its tree")
	}
	if err := second.Import(t.Context(), r, bytes.NewReader(pack)); err != nil {
		t.Fatal(err)
	}
	if err := second.CommitAgain(t.Context(), testRepo, "abc", l, base); err == nil {
		t.Error("another commit was made")
	}
	if refs := inMirror(t, second, "for-each-ref", landingRefs); refs != "" {
		t.Errorf("kept all the same: %s", refs)
	}
	for range 2 {
		if err := second.CommitAgain(t.Context(), testRepo, "abc", l, want); err != nil {
			t.Fatal(err)
		}
	}
	wantEqual(t, "the commit", strings.TrimSpace(inMirror(t, second, "rev-parse", landingRefs+"abc")), want)
}
