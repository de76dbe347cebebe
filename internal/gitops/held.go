package gitops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// Held is what a mirror has of a proposal.
type Held struct {
	Base   bool // its base, as it came from the forge
	Result bool // its tree, on that base
}

// All reports whether nothing is missing.
func (h Held) All() bool { return h.Base && h.Result }

// Holds looks at what keeps a proposal in the mirror of its repository. It makes none.
func (g *Git) Holds(ctx context.Context, r ResultRequest) (Held, error) {
	m, err := g.presentMirror(r.Repository)
	if errors.Is(err, ErrObjectMissing) {
		return Held{}, nil
	}
	if err != nil {
		return Held{}, err
	}
	if err := errors.Join(checkID("commit", r.Base), checkID("tree", r.Tree)); err != nil {
		return Held{}, err
	}
	base, tree := baseRefs+r.Base, treeRef(r.Task, r.Revision)
	out, err := g.output(ctx, invocation{gitDir: m.dir, args: []string{
		"for-each-ref", "--format=%(refname) %(tree) %(parent)", base, tree,
	}})
	if err != nil {
		return Held{}, fmt.Errorf("look for what keeps revision %d of task %s: %w", r.Revision, r.Task, err)
	}
	var held Held
	for line := range strings.Lines(out) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		held.Base = held.Base || name == base
		held.Result = held.Result || name == tree && rest == r.Tree+" "+r.Base
	}
	return held, nil
}

// HoldsCarrier reports whether the mirror keeps the commit as the carrier of that revision.
func (g *Git) HoldsCarrier(ctx context.Context, repo forge.RepositoryRef, id task.ID, revision int, commit string) (bool, error) {
	m, err := g.presentMirror(repo)
	if errors.Is(err, ErrObjectMissing) {
		return false, nil
	}
	if err == nil {
		err = checkID("commit", commit)
	}
	if err != nil {
		return false, err
	}
	found, err := g.refsAt(ctx, m, commit, carrierRef(id, revision))
	return len(found) > 0, err
}

// FetchBase brings a commit that was on the branch once, and that the proposal of the task
// is based on, into the mirror as a base. The branch may be rewritten or gone meanwhile: then
// the forge is asked for the commit itself, which not every forge answers, and at last for
// the task's own branch, which stands on it.
func (g *Git) FetchBase(ctx context.Context, remote Remote, commit, branch string, id task.ID) error {
	if err := checkID("commit", commit); err != nil {
		return err
	}
	tip, err := g.Fetch(ctx, remote, branch)
	if err != nil && !errors.Is(err, ErrNoBranch) {
		return err
	}
	if err == nil {
		if has, err := g.keepIfOn(ctx, remote, commit, tip); has || err != nil {
			return err
		}
	}
	byID := g.fetchCommit(ctx, remote, commit)
	if byID == nil {
		return nil
	}
	err = g.FetchHeads(ctx, remote, []string{id.Branch()})
	if err == nil {
		has, err := g.keepIfOn(ctx, remote, commit, evidenceRef(id.Branch()))
		if has || err != nil {
			return err
		}
	}
	return errors.Join(fmt.Errorf("commit %s is on no branch of %s that is known: %w", commit, remote.Repository.Key(), ErrObjectMissing), byID, err)
}

// keepIfOn keeps the commit as a base if it is the tip, or a predecessor of it, that was fetched.
func (g *Git) keepIfOn(ctx context.Context, remote Remote, commit, tip string) (bool, error) {
	m, err := g.openMirror(ctx, remote.Repository)
	if err != nil {
		return false, err
	}
	if tip, err = g.output(ctx, invocation{gitDir: m.dir, args: []string{"rev-parse", "--verify", "--quiet", "--end-of-options", tip + "^{commit}"}}); err != nil {
		return false, fmt.Errorf("read the fetched commit: %w", err)
	}
	has, err := g.IsAncestor(ctx, remote.Repository, commit, tip)
	if errors.Is(err, ErrObjectMissing) {
		return false, nil
	}
	if err != nil || !has {
		return false, err
	}
	return true, g.keep(ctx, m, baseRefs+commit, commit)
}

// fetchCommit asks the forge for one commit by its id.
func (g *Git) fetchCommit(ctx context.Context, remote Remote, commit string) error {
	m, err := g.openMirror(ctx, remote.Repository)
	if err != nil {
		return err
	}
	unlock, err := g.lock(ctx, m.lockPath())
	if err != nil {
		return err
	}
	defer unlock()
	_, err = g.run(ctx, invocation{
		gitDir: m.dir, remote: &remote,
		args: []string{
			"fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
			"--no-recurse-submodules", "--end-of-options", remote.URL, "+" + commit + ":" + baseRefs + commit,
		},
	})
	if err != nil {
		return remoteError(fmt.Sprintf("fetch commit %s of %s", commit, remote.Repository.Key()), err)
	}
	return nil
}
