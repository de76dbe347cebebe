package gitops

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
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

func TestLandPushesTheApprovedTreeOnItsBase(t *testing.T) {
	t.Parallel()
	g, u, b := proposed(t)
	grant := b.grant(t)
	outcome, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "branch", u.git("rev-parse", testBranch), outcome.Commit)
	wantEqual(t, "already", outcome.AlreadyPushed, false)
	wantEqual(t, "commit", u.git("log", "-1", "--format=%T %P|%an <%ae> %ad|%cn <%ce> %cd", "--date=raw", outcome.Commit),
		b.proposal.Tree+" "+b.proposal.BaseCommit+"|Grace Hopper <2+grace@users.noreply.github.com> 1767323045 +0000|CoderFlow <bot@coderflow.example> 1767323045 +0000")
	wantEqual(t, "message", u.git("log", "-1", "--format=%B", outcome.Commit), strings.TrimSpace(grant.Message()))
	wantEqual(t, "other refs", u.git("for-each-ref", "--format=%(refname)"), testBranch+"\nrefs/heads/main")
	wantEqual(t, "main", u.git("rev-parse", "main"), b.proposal.BaseCommit)
}

func TestWithoutAGrantNothingLands(t *testing.T) {
	t.Parallel()
	g, u, b := proposed(t)
	pushes := u.pushes.Load()
	var zero approval.Grant
	if _, err := g.Commit(t.Context(), zero); !errors.Is(err, approval.ErrNoGrant) {
		t.Errorf("commit: %v", err)
	}
	if _, err := g.Land(t.Context(), zero, approval.Credential{}, u.url); !errors.Is(err, approval.ErrNoGrant) {
		t.Errorf("land: %v", err)
	}
	if _, err := g.Land(t.Context(), b.grant(t), approval.Credential{}, u.url); !errors.Is(err, approval.ErrNoGrant) {
		t.Errorf("land without its credential: %v", err)
	}
	wantEqual(t, "pushes", u.pushes.Load(), pushes)
}

// Fault 13: killed after the commit object was made.
func TestFault13SecondCommitIsTheSame(t *testing.T) {
	t.Parallel()
	g, _, b := proposed(t)
	first, err := g.Commit(t.Context(), b.grant(t))
	if err != nil {
		t.Fatal(err)
	}
	inMirror(t, g, "gc", "--quiet", "--prune=now")
	second, err := g.Commit(t.Context(), b.grant(t))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "commit", second, first)
	wantEqual(t, "kept", strings.TrimSpace(inMirror(t, g, "rev-parse", landingRefs+b.record.ID)), first)
	// On another machine, from the forge and the database alone, it is the same too.
	wantEqual(t, "independent id", commitText{
		tree: b.proposal.Tree, parent: b.proposal.BaseCommit, author: Identity{"Grace Hopper", "2+grace@users.noreply.github.com"},
		committer: Identity{"CoderFlow", "bot@coderflow.example"}, unix: 1767323045, message: b.record.Message,
	}.id(), first)
}

// Fault 14: the push was done and its answer was lost, before or after we asked.
func TestFault14LostAnswerOfAPush(t *testing.T) {
	t.Parallel()
	g, u, b := proposed(t)
	grant := b.grant(t)
	pushes := u.pushes.Load()
	lose := true
	u.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !lose || !strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			return false
		}
		lose = false
		before := u.before
		u.before = nil
		u.server.Config.Handler.ServeHTTP(httptest.NewRecorder(), r) // git does its work, nobody hears of it
		u.before = before
		panic(http.ErrAbortHandler)
	}
	outcome, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "branch", u.git("rev-parse", testBranch), outcome.Commit)
	done := u.pushes.Load()
	if done == pushes {
		t.Fatal("nothing was pushed")
	}
	again, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "again", again, PushOutcome{Commit: outcome.Commit, AlreadyPushed: true})
	wantEqual(t, "pushes", u.pushes.Load(), done)
}

// Fault 15: somebody else moves the branch, before we look or between the look
// and the push. The second was seen to overwrite it without --force-with-lease.
func TestFault15SomebodyElseMovesTheBranch(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]string{"before the look": "", "between look and push": "/info/refs?service=git-receive-pack", "during the push": "/git-receive-pack"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, u, b := proposed(t)
			grant := b.grant(t)
			stranger := u.commit("elsewhere", text("x", "x"))
			move := func() { u.git("update-ref", testBranch, stranger) }
			if when == "" {
				move()
			}
			u.before = func(_ http.ResponseWriter, r *http.Request) bool {
				if when != "" && strings.HasSuffix(r.URL.String(), when) {
					move()
				}
				return false
			}
			_, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
			var moved *MovedError
			if !errors.As(err, &moved) || moved.Found != stranger || moved.Expected != b.proposal.Carrier || moved.Ref != testBranch {
				t.Errorf("got %v", err)
			}
			wantEqual(t, "branch", u.git("rev-parse", testBranch), stranger)
		})
	}
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		g, u, b := proposed(t)
		grant := b.grant(t)
		u.git("update-ref", "-d", testBranch)
		_, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
		var moved *MovedError
		if !errors.As(err, &moved) || moved.Found != "" {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheForgesRefusalIsToldInItsWords(t *testing.T) {
	t.Parallel()
	g, u, b := proposed(t)
	u.hook("pre-receive", `printf 'error: GH006: \033[31mProtected\033[0m branch update failed.\nerror: Changes must be made through a pull request.\n' >&2; exit 1`)
	grant := b.grant(t)
	_, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
	var refused *PushRefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"GH006", "through a pull request.", "pre-receive hook declined"} {
		if !strings.Contains(refused.Words, want) {
			t.Errorf("words %q lack %q", refused.Words, want)
		}
	}
	if strings.ContainsAny(refused.Words, "\x1b\n") {
		t.Errorf("words %q", refused.Words)
	}
	wantEqual(t, "branch", u.git("rev-parse", testBranch), b.proposal.Carrier)
	u.hook("pre-receive", "exit 0")
	if _, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url); err != nil {
		t.Errorf("after the rule was lifted: %v", err)
	}
}

func TestABrokenRemoteIsNoRefusal(t *testing.T) {
	t.Parallel()
	g, u, b := proposed(t)
	grant := b.grant(t)
	u.before = func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "bad gateway", http.StatusBadGateway)
		return true
	}
	var failed *RemoteError
	if _, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url); !errors.As(err, &failed) || !strings.Contains(failed.Words, "502") {
		t.Errorf("got %v", err)
	}
}

func TestThreat50NamesAndMessagesCannotForgeHeaders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ name, login, want string }{
		"newline":     {"Eve\nparent 0000", "eve", "Eve parent 0000 <2+eve@users.noreply.github.com>"},
		"address":     {"Eve <root@example.com> 1 +0000\nauthor X", "eve", "Eve root@example.com 1 +0000 author X <2+eve@users.noreply.github.com>"},
		"controls":    {"E\x00v\x1be\u202e\u200b\r", "eve", "Eve <2+eve@users.noreply.github.com>"},
		"only crud":   {".,;<>\"'\n", "eve", "eve <2+eve@users.noreply.github.com>"},
		"login":       {"", "e>v\ne <x", "ev e x <2+evex@users.noreply.github.com>"},
		"nothing":     {"", "", "github:2 <2+@users.noreply.github.com>"},
		"not UTF-8":   {"E\xffve", "eve", "Eve <2+eve@users.noreply.github.com>"},
		"long":        {strings.Repeat("é", 500), "eve", strings.Repeat("é", 100) + " <2+eve@users.noreply.github.com>"},
		"a real name": {"Dr. Ève O'Neil, Jr.", "eve", "Dr. Ève O'Neil, Jr <2+eve@users.noreply.github.com>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, _, b := proposed(t)
			b.reviewer = forge.User{Subject: grace.Subject, Login: c.login, Name: c.name, Kind: forge.Person}
			b.message = "Subject\n\nauthor Root <root@example.com> 1 +0000\nparent " + strings.Repeat("1", 40) + "\ngpgsig x"
			commit, err := g.Commit(t.Context(), b.grant(t))
			if err != nil {
				t.Fatal(err)
			}
			raw := inMirror(t, g, "cat-file", "commit", commit)
			header, message, _ := strings.Cut(raw, "\n\n")
			wantList(t, "header", strings.Split(header, "\n"), []string{
				"tree " + b.proposal.Tree, "parent " + b.proposal.BaseCommit, "author " + c.want + " 1767323045 +0000",
				"committer CoderFlow <bot@coderflow.example> 1767323045 +0000",
			})
			wantEqual(t, "message", message, b.record.Message)
		})
	}
}

func TestMessagesThatGitCannotKeepAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", " \n", "a\x00b", "\xff"} {
		text := commitText{tree: emptyTree, parent: emptyTree, author: Identity{"a", "a@b"}, committer: Identity{"a", "a@b"}, message: bad}
		if text.check() == nil {
			t.Errorf("message %q", bad)
		}
	}
}

// Every program is started in one place, and none of the commands that read or
// write a work tree is ever used.
func TestOneDoorToGitAndNoWorkTree(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		content, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, forbidden := range []string{`"apply"`, `"checkout"`, `"checkout-index"`, `"add"`, `"worktree"`, `"am"`, `"clone"`, `"reset"`, `"stash"`, `"merge"`, `"submodule"`, `"status"`, `"sh"`} {
			if strings.Contains(string(content), forbidden) {
				t.Errorf("%s uses %s", source, forbidden)
			}
		}
		if starts := strings.Count(string(content), "exec.Command"); starts > 0 && (source != "command.go" || starts > 1) {
			t.Errorf("%s starts programs %d times", source, starts)
		}
		for _, other := range []string{"os.StartProcess", "syscall.Exec", "ForkExec"} {
			if strings.Contains(string(content), other) {
				t.Errorf("%s uses %s", source, other)
			}
		}
	}
}
