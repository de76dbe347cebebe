package gitops

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/task"
)

const testBranch = "refs/heads/coderflow/aaaaaaaaaaaa"

// proposed is a world in which a proposal was built and published.
func proposed(t *testing.T) (*Git, *upstream, *bench) {
	t.Helper()
	g, u, base := newBase(t, text("sum.go", "return a - b\n"), text("keep", "k\n"))
	r := build1(t, g, base, put("sum.go", "return a + b\n"), put("sum_test.go", "test\n"))
	carrier := carry(t, g, base, r.Diff)
	if err := g.PublishProposal(t.Context(), u.remote(), testTask, carrier, ""); err != nil {
		t.Fatal(err)
	}
	return g, u, newBench(base, r.Tree, carrier)
}

func carry(t *testing.T, g *Git, base string, patch []byte) string {
	t.Helper()
	carrier, err := g.Carrier(t.Context(), CarrierRequest{
		Repository: testRepo, Base: base, Task: testTask, Revision: 1, Patch: patch, Subject: "Proposal", Date: time.Unix(1_700_000_000, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	return carrier
}

func TestCarrierIsTheBaseAndOneInertFile(t *testing.T) {
	t.Parallel()
	g, u, b := proposed(t)
	carrier := b.proposal.Carrier
	wantEqual(t, "branch", u.git("rev-parse", testBranch), carrier)
	wantEqual(t, "paths", u.git("diff", "--name-status", b.proposal.BaseCommit, carrier), "A\t.coderflow/proposals/aaaaaaaaaaaa.patch")
	wantEqual(t, "message", u.git("log", "-1", "--format=%B", carrier), "Proposal [skip ci]")
	wantEqual(t, "people", u.git("log", "-1", "--format=%an <%ae> %at %cn <%ce> %ct", carrier),
		"CoderFlow <bot@coderflow.example> 1700000000 CoderFlow <bot@coderflow.example> 1700000000")
	wantEqual(t, "parents", u.git("log", "-1", "--format=%P", carrier), b.proposal.BaseCommit)
	if content := u.git("show", carrier+":.coderflow/proposals/aaaaaaaaaaaa.patch"); !strings.Contains(content, "+return a + b") {
		t.Errorf("patch: %s", content)
	}
	patch := []byte("any bytes\r\n\x00\xff")
	first := carry(t, g, b.proposal.BaseCommit, patch)
	wantEqual(t, "second carrier", carry(t, g, b.proposal.BaseCommit, patch), first)
	wantEqual(t, "bytes", inMirror(t, g, "cat-file", "blob", first+":.coderflow/proposals/aaaaaaaaaaaa.patch"), string(patch))
}

func TestCarrierSubjectIsOneInertLine(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1"))
	c, err := g.Carrier(t.Context(), CarrierRequest{
		Repository: testRepo, Base: base, Task: testTask, Patch: []byte("x"), Subject: "one\n\nCo-authored-by: x\x1b[2J\u202e" + strings.Repeat("y", 500), Date: time.Unix(5, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	message := inMirror(t, g, "log", "-1", "--format=%B", c)
	if strings.Count(strings.TrimSpace(message), "\n") > 0 || strings.Contains(message, "\x1b") || !strings.HasSuffix(strings.TrimSpace(message), "[skip ci]") {
		t.Errorf("message %q", message)
	}
}

// Threat 37: nothing but an inert commit reaches the proposal branch.
func TestThreat37OnlyInertCommitsArePublished(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1\n"))
	r := build1(t, g, base, put("evil.go", "package evil\n"))
	keeper := strings.TrimSpace(inMirror(t, g, "rev-parse", treeRefs+"aaaaaaaaaaaa/1"))
	onTop := commitIn(t, g, r.Tree, keeper)
	inert := carry(t, g, base, r.Diff)
	inertTree := strings.TrimSpace(inMirror(t, g, "rev-parse", inert+"^{tree}"))
	patch := strings.TrimSpace(string(hostGit(t, "", "-C", mirrorDir(g), "rev-parse", inert+":.coderflow/proposals/aaaaaaaaaaaa.patch")))
	for name, commit := range map[string]string{
		"the agent's tree": keeper, "a grandchild": onTop, "the base itself": base, "an inert tree on the agent's": commitIn(t, g, inertTree, keeper),
		"two parents": commitIn(t, g, inertTree, base, keeper), "no parent": commitIn(t, g, inertTree),
		"an inert file on the agent's tree": commitIn(t, g, treeIn(t, g, keeper, "100644", patch), keeper),
		"an executable patch":               commitIn(t, g, treeIn(t, g, base, "100755", patch), base), "a link": commitIn(t, g, treeIn(t, g, base, "120000", patch), base),
		"not there": strings.Repeat("9", 40), "a tree": r.Tree, "an option": "--mirror", "a short id": inert[:10],
	} {
		if err := g.PublishProposal(t.Context(), u.remote(), testTask, commit, ""); err == nil {
			t.Errorf("%s was published", name)
		}
	}
	for _, id := range []task.ID{"", "main", "bbbbbbbbbbbb", "../../main", "aaaaaaaaaaaa:refs/heads/main"} {
		if err := g.PublishProposal(t.Context(), u.remote(), id, inert, ""); err == nil {
			t.Errorf("published as %q", id)
		}
	}
	wantEqual(t, "pushes", u.pushes.Load(), 0)
	wantEqual(t, "refs", u.git("for-each-ref", "--format=%(refname)"), "refs/heads/main")
}

func commitIn(t *testing.T, g *Git, tree string, parents ...string) string {
	t.Helper()
	args := []string{"-C", mirrorDir(g), "-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", tree, "-m", "x"}
	for _, parent := range parents {
		args = append(args, "-p", parent)
	}
	return strings.TrimSpace(string(hostGit(t, "", args...)))
}

// treeIn is the base's tree with the patch file in another mode.
func treeIn(t *testing.T, g *Git, base, mode, blob string) string {
	t.Helper()
	mk := func(listing string) string {
		return strings.TrimSpace(string(hostGit(t, listing, "-C", mirrorDir(g), "mktree")))
	}
	proposals := mk(mode + " blob " + blob + "\taaaaaaaaaaaa.patch\n")
	dir := mk("040000 tree " + proposals + "\tproposals\n")
	return mk(inMirror(t, g, "ls-tree", base) + "040000 tree " + dir + "\t.coderflow\n")
}

// Fault 10: killed after the push of the proposal; the second try finds it.
func TestFault10ProposalIsPushedOnce(t *testing.T) {
	t.Parallel()
	g, u, b := proposed(t)
	wantEqual(t, "pushes", u.pushes.Load(), 1)
	if err := g.PublishProposal(t.Context(), u.remote(), testTask, b.proposal.Carrier, ""); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "pushes after the second try", u.pushes.Load(), 1)

	// A new revision replaces it; a stranger's commit is left alone.
	next := carry(t, g, b.proposal.BaseCommit, []byte("another patch"))
	var moved *MovedError
	if err := g.PublishProposal(t.Context(), u.remote(), testTask, next, ""); !errors.As(err, &moved) || moved.Found != b.proposal.Carrier {
		t.Errorf("without saying what it replaces: %v", err)
	}
	if err := g.PublishProposal(t.Context(), u.remote(), testTask, next, b.proposal.Carrier); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "branch", u.git("rev-parse", testBranch), next)
}
