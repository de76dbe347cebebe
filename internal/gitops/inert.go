package gitops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/task"
)

// ErrNotInert is a commit that is not an inert proposal commit.
var ErrNotInert = errors.New("not an inert proposal commit")

// maxCarriers bounds how many carriers of a task follow each other.
const maxCarriers = 1_000

// inertBase is the base of a carrier. It fails with ErrNotInert unless the commit, and
// each that it follows up to a base, differs from its own base by the patch file alone.
func (g *Git) inertBase(ctx context.Context, m mirror, id task.ID, carrier string, most int) (string, error) {
	if err := checkID("commit", carrier); err != nil {
		return "", err
	}
	var line string
	var alone error // whether it adds the patch file alone to its first parent, which is its base for a first carrier
	err := atonce.Do(
		func() (err error) {
			line, err = g.output(ctx, invocation{
				gitDir: m.dir, args: []string{"rev-list", "--parents", "--max-count=1", "--end-of-options", carrier + "^{commit}"},
			})
			return err
		},
		func() error { alone = g.patchAlone(ctx, m, id, carrier+"^1", carrier); return nil },
	)
	if err != nil {
		return "", cmp.Or(g.require(ctx, m, object{"commit", carrier}), fmt.Errorf("read the commit's parents: %w", err))
	}
	ids := strings.Fields(line)
	if len(ids) < 2 || len(ids) > 3 || ids[0] != carrier || most == 0 {
		return "", fmt.Errorf("commit %s has not one parent, or a carrier and a base: %w", carrier, ErrNotInert)
	}
	base := ids[len(ids)-1]
	if fromForge, err := g.fetched(ctx, m, base); err != nil || !fromForge {
		if len(ids) == 3 || err != nil {
			return "", errors.Join(err, fmt.Errorf("the second parent of commit %s did not come from the forge: %w", carrier, ErrNotInert))
		}
	} else if len(ids) == 2 {
		return base, alone
	}
	if ours, err := g.isCarrier(ctx, m, id, ids[1]); err != nil || !ours {
		return "", errors.Join(err, fmt.Errorf("the parent of commit %s neither came from the forge nor is a carrier of task %s: %w", carrier, id, ErrNotInert))
	}
	before, err := g.inertBase(ctx, m, id, ids[1], most-1)
	if err != nil {
		return "", err
	}
	if len(ids) == 2 {
		base = before
	}
	return base, g.patchAlone(ctx, m, id, base, carrier)
}

// fetched reports whether the commit is a base that came from the forge: only Fetch
// makes such a ref. A commit on another one of ours, which holds the agent's tree,
// would take that along.
func (g *Git) fetched(ctx context.Context, m mirror, commit string) (bool, error) {
	if m.looseRef(baseRefs+commit) == commit {
		return true, nil
	}
	found, err := g.refsAt(ctx, m, commit, baseRefs+commit)
	return len(found) > 0, err
}

// isCarrier reports whether the commit is kept as a carrier of the task.
func (g *Git) isCarrier(ctx context.Context, m mirror, id task.ID, commit string) (bool, error) {
	found, err := g.refsAt(ctx, m, commit, carrierRefs+string(id)+"/")
	return len(found) > 0, err
}

// refsAt are the refs of that name, or below it, that point at exactly the commit.
func (g *Git) refsAt(ctx context.Context, m mirror, commit, name string) ([]string, error) {
	out, err := g.output(ctx, invocation{
		gitDir: m.dir, args: []string{"for-each-ref", "--points-at=" + commit, "--format=%(refname)", name},
	})
	if err != nil {
		return nil, fmt.Errorf("look for what keeps commit %s: %w", commit, err)
	}
	return strings.Fields(out), nil
}

// patchAlone proves that the carrier's tree is the base's and the patch file.
func (g *Git) patchAlone(ctx context.Context, m mirror, id task.ID, base, carrier string) error {
	args := append([]string{"diff-tree", "--raw", "-z"}, diffFlags...)
	out, err := g.run(ctx, invocation{gitDir: m.dir, args: append(args, "--end-of-options", base+"^{tree}", carrier+"^{tree}")})
	if err != nil {
		return fmt.Errorf("compare the commit with its base: %w", err)
	}
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(fields) != 2 || fields[1] != task.ProposalPath(id) || !isPlainChange(fields[0]) {
		return fmt.Errorf("commit %s does not change %s alone: %w", carrier, task.ProposalPath(id), ErrNotInert)
	}
	return nil
}
