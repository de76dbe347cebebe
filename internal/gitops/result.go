package gitops

import (
	"context"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// ResultRequest is what [Git.ResultCommit] needs.
type ResultRequest struct {
	Repository forge.RepositoryRef
	Task       task.ID
	Revision   int
	Base, Tree string
}

// ResultCommit is a commit of exactly a proposal's result tree on its base, for
// workspaces to be filled with. It is the one that keeps the tree in the mirror: its
// author and date are fixed, so that it is the same each time, and nothing pushes it.
func (g *Git) ResultCommit(ctx context.Context, r ResultRequest) (string, error) {
	if _, err := task.ParseID(string(r.Task)); err != nil {
		return "", err
	}
	m, err := g.openMirror(ctx, r.Repository)
	if err != nil {
		return "", err
	}
	want := g.keeper(r.Base, r.Tree)
	ref := treeRef(r.Task, r.Revision)
	kept, err := g.output(ctx, invocation{gitDir: m.dir, args: []string{"rev-parse", "--verify", "--quiet", "--end-of-options", ref}})
	if err == nil && strings.TrimSpace(kept) == want.id() {
		return want.id(), nil
	}
	return g.keepCommit(ctx, m, want, ref)
}

// keeper is the commit that keeps a result tree and its base from being collected.
func (g *Git) keeper(base, tree string) commitText {
	return commitText{
		tree: tree, parent: base, author: g.opts.Committer, committer: g.opts.Committer, message: "CoderFlow keeps this tree\n",
	}
}
