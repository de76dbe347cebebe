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
		Manifest: []task.PathChange{{Path: "a", Kind: task.Added, NewMode: "100644", NewBlob: "x", Size: 9, Added: 3}},
		Risks:    []task.Risk{{Name: "destructive-sql", Rule: "sql-drop-table", Path: "a", Line: 2, Why: "w", Excerpt: "DROP TABLE t"}},
	}
	p.Digest = p.ComputeDigest()
	return p
}

// Invariant 2: nothing that decides what lands, or what its gate asks for, can
// change under the digest.
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
		"size":        func(p *task.Proposal) { p.Manifest[0].Size = 8 },
		"lines added": func(p *task.Proposal) { p.Manifest[0].Added = 1 },
		"lines gone":  func(p *task.Proposal) { p.Manifest[0].Removed = 1 },
		"binary":      func(p *task.Proposal) { p.Manifest[0].Binary = true },
		"ignored":     func(p *task.Proposal) { p.Ignored = 1 },
		"no risks":    func(p *task.Proposal) { p.Risks = nil },
		"risk":        func(p *task.Proposal) { p.Risks[0].Name = "binary" },
		"rule":        func(p *task.Proposal) { p.Risks[0].Rule = "x" },
		"risk's path": func(p *task.Proposal) { p.Risks[0].Path = "b" },
		"risk's line": func(p *task.Proposal) { p.Risks[0].Line = 1 },
		"which line":  func(p *task.Proposal) { p.Risks[0].Removed = true },
		"why":         func(p *task.Proposal) { p.Risks[0].Why = "v" },
		"excerpt":     func(p *task.Proposal) { p.Risks[0].Excerpt = "" },
		"how many":    func(p *task.Proposal) { p.Risks[0].More = 1 },
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
