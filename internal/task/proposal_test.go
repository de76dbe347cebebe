package task_test

import (
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

func proposal() task.Proposal {
	p := task.Proposal{
		Task: "aaaaaaaaaaaa", Revision: 1, Repository: forge.RepositoryRef{Host: forge.GitHub, ID: "1", Owner: "o", Name: "n"},
		BaseBranch: "main", BaseCommit: "b", Tree: "t", Diff: []byte("d"), Message: "m", PolicyVersion: "v",
		Manifest: []task.PathChange{{Path: "a", Kind: task.Added, NewMode: "100644", NewBlob: "x"}},
	}
	p.Digest = p.ComputeDigest()
	return p
}

// Invariant 2: nothing that decides what lands can change under the digest.
func TestDigestPinsEverythingThatLands(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*task.Proposal){
		"task":        func(p *task.Proposal) { p.Task = "bbbbbbbbbbbb" },
		"revision":    func(p *task.Proposal) { p.Revision = 2 },
		"repository":  func(p *task.Proposal) { p.Repository.ID = "2" },
		"base branch": func(p *task.Proposal) { p.BaseBranch = "dev" },
		"base commit": func(p *task.Proposal) { p.BaseCommit = "c" },
		"tree":        func(p *task.Proposal) { p.Tree = "u" },
		"diff":        func(p *task.Proposal) { p.Diff = []byte("e") },
		"message":     func(p *task.Proposal) { p.Message = "n" },
		"policy":      func(p *task.Proposal) { p.PolicyVersion = "w" },
		"path":        func(p *task.Proposal) { p.Manifest[0].Path = "b" },
		"mode":        func(p *task.Proposal) { p.Manifest[0].NewMode = "100755" },
		"blob":        func(p *task.Proposal) { p.Manifest[0].NewBlob = "y" },
		"a path less": func(p *task.Proposal) { p.Manifest = nil },
		"no digest":   func(p *task.Proposal) { p.Digest = "" },
		"moved bytes": func(p *task.Proposal) { p.Diff, p.Message = []byte(""), "dm" },
	}
	for name, change := range changes {
		p := proposal()
		if err := p.Verify(); err != nil {
			t.Fatal(err)
		}
		change(&p)
		if err := p.Verify(); !errors.Is(err, task.ErrDigest) {
			t.Errorf("%s changed and the digest still fits: %v", name, err)
		}
	}
}

func TestTheRepositorysNameIsNoPartOfItsIdentity(t *testing.T) {
	t.Parallel()
	p := proposal()
	p.Repository.Name = "renamed"
	if err := p.Verify(); err != nil {
		t.Errorf("a renamed repository voids the proposal: %v", err)
	}
}

func TestIDsAreBranchesAndBack(t *testing.T) {
	t.Parallel()
	id := task.NewID()
	if parsed, err := task.ParseID(string(id)); err != nil || parsed != id {
		t.Errorf("ParseID(%q) = %q, %v", id, parsed, err)
	}
	if got, ok := task.FromBranch(id.Branch()); !ok || got != id {
		t.Errorf("FromBranch(%q) = %q, %v", id.Branch(), got, ok)
	}
	for _, branch := range []string{"main", "coderflow/", "coderflow/short", "coderflow/AAAAAAAAAAAA", "x/coderflow/aaaaaaaaaaaa", "coderflow/aaaaaaaaaaaa/b"} {
		if _, ok := task.FromBranch(branch); ok {
			t.Errorf("%q is taken for a proposal branch", branch)
		}
	}
}
