package gitops

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What examinations work on is the result tree on its base, the same commit each time,
// and nothing that could be published.
func TestThreat37TheResultCommitIsOfTheTreeAndIsNotPublished(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1\n"))
	r := build1(t, g, base, put("b", "2\n"))
	req := ResultRequest{Repository: testRepo, Task: testTask, Revision: 1, Base: base, Tree: r.Tree}
	first, err := g.ResultCommit(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "tree", strings.TrimSpace(inMirror(t, g, "rev-parse", first+"^{tree}")), r.Tree)
	wantEqual(t, "parents", strings.TrimSpace(inMirror(t, g, "rev-parse", first+"^@")), base)
	inMirror(t, g, "update-ref", "-d", treeRefs+string(testTask)+"/1") // as a mirror that was restored without it
	again, err := g.ResultCommit(t.Context(), req)
	if err != nil || again != first {
		t.Errorf("made as %s, and then as %s: %v", first, again, err)
	}
	wantEqual(t, "what keeps it", strings.TrimSpace(inMirror(t, g, "rev-parse", treeRefs+string(testTask)+"/1")), first)
	if err := g.PublishProposal(t.Context(), u.remote(), testTask, first, ""); !errors.Is(err, ErrNotInert) {
		t.Errorf("published: %v", err)
	}
	wantEqual(t, "pushes", u.pushes.Load(), 0)
	for name, spoil := range map[string]func(*ResultRequest){
		"no such tree": func(r *ResultRequest) { r.Tree = strings.Repeat("9", 40) },
		"no such base": func(r *ResultRequest) { r.Base = strings.Repeat("9", 40) },
		"a task":       func(r *ResultRequest) { r.Task = "../../heads/x" },
	} {
		bad := req
		spoil(&bad)
		if _, err := g.ResultCommit(t.Context(), bad); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

// New refs are files that are linked into place. Whatever stands there is git's to deal with.
func TestAResultIsKeptWhateverStandsWhereItsRefGoes(t *testing.T) {
	t.Parallel()
	for name, stand := range map[string]func(t *testing.T, path string){
		"nothing": func(*testing.T, string) {},
		"an empty directory": func(t *testing.T, path string) {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"a ref of before": func(t *testing.T, path string) {
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			bases, err := filepath.Glob(filepath.Join(path, "../../../bases/*"))
			if err != nil || len(bases) != 1 {
				t.Fatal(bases, err)
			}
			if err := os.Link(bases[0], path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, _, base := newBase(t, text("a", "1\n"))
			request := buildRequest(base, put("b", "2\n"))
			ref := treeRef(request.Task, request.Revision)
			stand(t, filepath.Join(mirrorDir(g), ref))
			result, err := g.BuildTree(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "kept", strings.TrimSpace(inMirror(t, g, "rev-parse", ref)), g.keeper(base, result.Tree).id())
			held, err := g.HoldsResult(t.Context(), ResultRequest{Repository: testRepo, Task: request.Task, Revision: request.Revision, Base: base, Tree: result.Tree})
			if err != nil || !held {
				t.Errorf("held %t, %v", held, err)
			}
		})
	}
}
