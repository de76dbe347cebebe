package approval

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

// History tells whether a branch has a commit that is not its tip.
type History interface {
	// Contains reports whether commit is on the branch as the forge has it now.
	Contains(ctx context.Context, ref forge.RepositoryRef, branch, commit string) (bool, error)
}

// Contradictions are the directives of one review that exclude each other.
func (d Directives) Contradictions() []string {
	var found []string
	for _, both := range []struct {
		is   bool
		what string
	}{
		{d.NoDeploy && len(d.Deploy) > 0, "the review says both deploy and no-deploy, which contradict each other"},
		{d.NoPush && len(d.Deploy) > 0, "the review says both deploy and no-push, which contradict each other: only what was pushed is deployed"},
		{d.NoPush && d.Target != "", "the review says both target and no-push, which contradict each other: target says where to push"},
	} {
		if both.is {
			found = append(found, both.what)
		}
	}
	return found
}

// target reads at the forge where the branch is that an approval names.
func (g *Gate) target(ctx context.Context, l look, branch string, fresh bool) (policy.Target, error) {
	if branch == "" {
		return policy.Target{}, nil
	}
	t := policy.Target{Branch: branch, New: fresh, Base: l.p.BaseCommit}
	var err error
	if t.Tip, err = g.Forge.BranchHead(ctx, l.t.Repository, branch); err != nil && !errors.Is(err, forge.ErrNotFound) {
		return t, fmt.Errorf("read where branch %s is: %w", branch, err)
	}
	if landed := l.facts.LandedHead; landed != "" && t.Tip != "" {
		t.HasLanded = t.Tip == landed
		if !t.HasLanded && !t.Free() && g.History != nil {
			if t.HasLanded, err = g.History.Contains(ctx, l.t.Repository, branch, landed); err != nil {
				return t, fmt.Errorf("look for commit %.12s on branch %s: %w", landed, branch, err)
			}
		}
	}
	return t, nil
}
