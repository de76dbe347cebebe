package gitops

import (
	"errors"
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
