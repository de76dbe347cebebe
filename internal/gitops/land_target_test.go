package gitops

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
)

const release = "refs/heads/release/1.2"

// targeted is a proposal that is approved for another branch: one at the base, or
// a new one.
func targeted(t *testing.T, fresh bool) (*Git, *upstream, *bench) {
	t.Helper()
	g, u, b := proposed(t)
	b.directives = approval.Directives{Target: "release/1.2", NewTarget: fresh}
	if !fresh {
		u.git("update-ref", release, b.proposal.BaseCommit)
		b.branches = map[string]string{"release/1.2": b.proposal.BaseCommit}
	}
	return g, u, b
}

func bothTargets(t *testing.T, f func(t *testing.T, fresh bool)) {
	for name, fresh := range map[string]bool{"existing": false, "new": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, fresh)
		})
	}
}

func TestLandOnAnotherBranchMovesThatOneAlone(t *testing.T) {
	t.Parallel()
	bothTargets(t, func(t *testing.T, fresh bool) {
		g, u, b := targeted(t, fresh)
		grant := b.grant(t)
		outcome, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "target", u.git("rev-parse", release), outcome.Commit)
		wantEqual(t, "commit", u.git("log", "-1", "--format=%T %P", outcome.Commit), b.proposal.Tree+" "+b.proposal.BaseCommit)
		wantEqual(t, "proposal branch", u.git("rev-parse", testBranch), b.proposal.Carrier)
		wantEqual(t, "main", u.git("rev-parse", "main"), b.proposal.BaseCommit)
		wantEqual(t, "refs", u.git("for-each-ref", "--format=%(refname)"), testBranch+"\nrefs/heads/main\n"+release)
		again, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
		if err != nil || again != (PushOutcome{Commit: outcome.Commit, AlreadyPushed: true}) {
			t.Errorf("again: %+v, %v", again, err)
		}
	})
}

func TestFault14LostAnswerOfAPushToAnotherBranch(t *testing.T) {
	t.Parallel()
	bothTargets(t, func(t *testing.T, fresh bool) {
		g, u, b := targeted(t, fresh)
		grant := b.grant(t)
		u.losesAnAnswer()
		outcome, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "target", u.git("rev-parse", release), outcome.Commit)
	})
}

// Fault 15 and threat 46: the target is moved, made or deleted by somebody else,
// before we look or between the look and the push. What they did stays.
func TestFault15SomebodyElseMovesTheTarget(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]string{"before the look": "", "between look and push": "/info/refs?service=git-receive-pack", "during the push": "/git-receive-pack"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothTargets(t, func(t *testing.T, fresh bool) {
				g, u, b := targeted(t, fresh)
				grant := b.grant(t)
				stranger := u.commit("elsewhere", text("x", "x"))
				move := func() { u.git("update-ref", release, stranger) }
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
				if !errors.As(err, &moved) || moved.Found != stranger || moved.Ref != release {
					t.Errorf("got %v", err)
				}
				wantEqual(t, "target", u.git("rev-parse", release), stranger)
			})
		})
	}
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		g, u, b := targeted(t, false)
		grant := b.grant(t)
		u.git("update-ref", "-d", release)
		_, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
		var moved *MovedError
		if !errors.As(err, &moved) || moved.Found != "" {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnApprovalThatPushesNothingOnlyCommits(t *testing.T) {
	t.Parallel()
	g, u, b := proposed(t)
	b.directives = approval.Directives{NoPush: true}
	pushes := u.pushes.Load()
	grant := b.grant(t)
	commit, err := g.Commit(t.Context(), grant)
	if err != nil {
		t.Fatal(err)
	}
	inMirror(t, g, "gc", "--quiet", "--prune=now")
	wantEqual(t, "kept", strings.TrimSpace(inMirror(t, g, "rev-parse", landingRefs+b.record.ID)), commit)
	if _, err := grant.Credential(t.Context(), b); !errors.Is(err, approval.ErrNoGrant) {
		t.Errorf("a credential for nothing: %v", err)
	}
	if err := checkLanding(grant); !errors.Is(err, approval.ErrNoGrant) {
		t.Errorf("checkLanding: %v", err)
	}
	wantEqual(t, "pushes", u.pushes.Load(), pushes)
}

// The gate refuses such names before; this is what holds if it did not.
func TestThreat50NoBranchNameLandsElsewhere(t *testing.T) {
	t.Parallel()
	for _, branch := range []string{
		"coderflow/bbbbbbbbbbbb", "Coderflow/x", "x\nrefs/heads/main", "-f", "a..b", "a b", "a:b", "re\u202elease", "@", "main.lock", "a//b",
	} {
		if err := checkRef(approval.Record{Target: branch}.Ref(), testTask.Branch()); err == nil {
			t.Errorf("%q passes", branch)
		}
	}
	for _, branch := range []string{"main", "release/1.2", "+main", testTask.Branch()} {
		if err := checkRef(approval.Record{Target: branch}.Ref(), testTask.Branch()); err != nil {
			t.Errorf("%q: %v", branch, err)
		}
	}
	if checkRef("refs/tags/v1", testTask.Branch()) == nil {
		t.Error("a tag passes")
	}
}

func TestARepositoryThatTakesNoPushRefusesForGood(t *testing.T) {
	t.Parallel()
	for words, refused := range map[string]bool{
		"This repository was archived so it is read-only.":                         true,
		"Permission to acme/shop.git denied to coderflow[bot].":                    true,
		"You have exceeded a secondary rate limit. Please wait a few minutes.":     false,
		"Write access to repository not granted.":                                  true,
		"API RATE LIMIT exceeded for installation; the documentation has the rest": false,
	} {
		g, u, b := proposed(t)
		grant := b.grant(t)
		u.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("service") != "git-receive-pack" {
				return false
			}
			http.Error(w, words, http.StatusForbidden)
			return true
		}
		_, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
		var no *PushRefusedError
		if errors.As(err, &no) != refused {
			t.Errorf("%q: %v", words, err)
		}
		if refused && (no == nil || !strings.Contains(no.Words, words)) {
			t.Errorf("%q is not told: %v", words, err)
		}
	}
}

func TestIsAncestor(t *testing.T) {
	t.Parallel()
	g, u, b := targeted(t, false)
	grant := b.grant(t)
	outcome, err := g.Land(t.Context(), grant, b.credential(t, grant), u.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		commit, of string
		want       bool
	}{
		{outcome.Commit, outcome.Commit, true}, {b.proposal.BaseCommit, outcome.Commit, true},
		{outcome.Commit, b.proposal.BaseCommit, false}, {outcome.Commit, b.proposal.Carrier, false},
	} {
		if is, err := g.IsAncestor(t.Context(), testRepo, c.commit, c.of); err != nil || is != c.want {
			t.Errorf("%s of %s: %v, %v", c.commit, c.of, is, err)
		}
	}
	if _, err := g.IsAncestor(t.Context(), testRepo, strings.Repeat("1", 40), outcome.Commit); !errors.Is(err, ErrObjectMissing) {
		t.Errorf("a commit that is not there: %v", err)
	}
}
