package gitops

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// said makes a commit with a message on a branch, by plumbing, and returns its id.
func (u *upstream) said(branch, message string, parents ...string) string {
	u.t.Helper()
	args := []string{"--git-dir", u.dir, "-c", "user.name=Mallory <x", "-c", "user.email=m@example.com", "commit-tree", emptyTree}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	id := strings.TrimSpace(string(hostGit(u.t, message, args...)))
	u.git("update-ref", "refs/heads/"+branch, id)
	return id
}

func TestClaimsAreTheCommitsWithTrailersSinceTheLastLook(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	hostGit(t, "", "--git-dir", u.dir, "hash-object", "-t", "tree", "-w", "--stdin")
	plain := u.said("main", "no Coderflow-Task: in the middle of a line\n")
	first := u.said("main", "Fix\n\nCoderflow-Task: aaaaaaaaaaaa\nCoderflow-Proposal: sha256:1\nCoderflow-Review: https://x/1\n", plain)
	hostile := u.said("main", "Fix\n\nCODERFLOW-TASK : b\x1b[31m\u202e"+strings.Repeat("x", 1000)+"\n  coderflow-proposal:two\n", first)
	other := u.said("coderflow/aaaaaaaaaaaa", "Other\n\nCoderflow-Task: c\n", plain)
	g := newGit(t, u)
	heads, err := g.Heads(t.Context(), u.remote())
	if err != nil || len(heads) != 2 || heads["main"] != hostile || heads["coderflow/aaaaaaaaaaaa"] != other {
		t.Fatalf("%v %v", heads, err)
	}
	if err := g.FetchHeads(t.Context(), u.remote(), []string{"main", "coderflow/aaaaaaaaaaaa"}); err != nil {
		t.Fatal(err)
	}
	claims, complete, err := g.Claims(t.Context(), testRepo, hostile, nil)
	if err != nil || !complete || len(claims) != 2 || claims[0].Commit != hostile || claims[1].Commit != first {
		t.Fatalf("%v %t %+v", err, complete, claims)
	}
	if c := claims[1]; c.Task != "aaaaaaaaaaaa" || c.Proposal != "sha256:1" || c.Review != "https://x/1" || len(c.Parents) != 1 || c.Parents[0] != plain ||
		c.Committer != "Mallory x <m@example.com>" && !strings.Contains(c.Committer, "m@example.com") {
		t.Errorf("%+v", c)
	}
	if c := claims[0]; strings.ContainsAny(c.Task, "\x1b\u202e") || len(c.Task) > maxTrailer || !strings.HasPrefix(c.Task, "b") || c.Proposal != "two" {
		t.Errorf("%+v", c)
	}
	since, complete, err := g.Claims(t.Context(), testRepo, hostile, []string{first, strings.Repeat("1", 40)})
	if err != nil || !complete || len(since) != 1 || since[0].Commit != hostile {
		t.Errorf("%v %+v", err, since)
	}
	if _, _, err := g.Claims(t.Context(), testRepo, strings.Repeat("1", 40), nil); !errors.Is(err, ErrObjectMissing) {
		t.Errorf("a tip that is not there: %v", err)
	}
	if err := g.FetchHeads(t.Context(), u.remote(), []string{"main", "gone"}); !errors.Is(err, ErrNoBranch) {
		t.Errorf("a branch that is not there: %v", err)
	}
	for _, bad := range []string{"--upload-pack=x", "a:b", ""} {
		if err := g.FetchHeads(t.Context(), u.remote(), []string{bad}); err == nil || !strings.Contains(err.Error(), "branch name") {
			t.Errorf("branch %q: %v", bad, err)
		}
	}
}

// A message that would fill the memory is not read, and that is told.
func TestClaimsAreBounded(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	hostGit(t, "", "--git-dir", u.dir, "hash-object", "-t", "tree", "-w", "--stdin")
	var tip string
	for i := range 3 {
		var parents []string
		if tip != "" {
			parents = []string{tip}
		}
		tip = u.said("main", fmt.Sprintf("%d\n\n%s\n\nCoderflow-Task: t\n", i, strings.Repeat("words\n", maxClaimBytes/12)), parents...)
	}
	g := newGit(t, u)
	if err := g.FetchHeads(t.Context(), u.remote(), []string{"main"}); err != nil {
		t.Fatal(err)
	}
	if claims, complete, err := g.Claims(t.Context(), testRepo, tip, nil); err != nil || complete || len(claims) > 2 {
		t.Errorf("%v %t %d", err, complete, len(claims))
	}
}
