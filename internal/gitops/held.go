package gitops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// HoldsBase reports whether the mirror keeps the commit as a base that came from the forge.
func (g *Git) HoldsBase(ctx context.Context, repo forge.RepositoryRef, commit string) (bool, error) {
	kept, err := g.keptAt(ctx, repo, baseRefs+commit)
	return kept != "" && kept == commit, err
}

// HoldsResult reports whether it keeps the proposal's tree, on its base.
func (g *Git) HoldsResult(ctx context.Context, r ResultRequest) (bool, error) {
	keeper := g.keeper(r.Base, r.Tree).id()
	kept, err := g.keptAt(ctx, r.Repository, treeRef(r.Task, r.Revision))
	return kept == keeper, err
}

// HoldsCarrier reports whether it keeps the commit as the carrier of that revision.
func (g *Git) HoldsCarrier(ctx context.Context, repo forge.RepositoryRef, id task.ID, revision int, commit string) (bool, error) {
	kept, err := g.keptAt(ctx, repo, carrierRef(id, revision))
	return kept != "" && kept == commit, err
}

// keptAt is the commit that a ref of ours keeps; empty if there is none. It makes no mirror.
func (g *Git) keptAt(ctx context.Context, repo forge.RepositoryRef, ref string) (string, error) {
	m, err := g.presentMirror(repo)
	if errors.Is(err, ErrObjectMissing) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if id := m.looseRef(ref); id != "" || m.allLoose() {
		return id, nil
	}
	out, err := g.output(ctx, invocation{gitDir: m.dir, args: []string{"for-each-ref", "--format=%(refname) %(objectname)", ref}})
	if err != nil {
		return "", fmt.Errorf("look for %s in the mirror of %s: %w", ref, m.key, err)
	}
	for line := range strings.Lines(out) { // the ref, or those below it
		if id, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), ref+" "); found {
			return id, nil
		}
	}
	return "", nil
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
