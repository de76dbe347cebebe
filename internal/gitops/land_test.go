package gitops

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
)

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
	u.losesAnAnswer()
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
