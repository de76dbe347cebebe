package gitops

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/coderflow/coderflow/internal/forge"
)

// IsAncestor reports whether commit is of, or a predecessor of it. Both must be in
// the mirror.
func (g *Git) IsAncestor(ctx context.Context, repo forge.RepositoryRef, commit, of string) (bool, error) {
	m, err := g.openMirror(ctx, repo)
	if err != nil {
		return false, err
	}
	if err := g.require(ctx, m, object{"commit", commit}, object{"commit", of}); err != nil {
		return false, err
	}
	_, err = g.run(ctx, invocation{gitDir: m.dir, args: []string{"merge-base", "--is-ancestor", commit, of}})
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 { // git-merge-base(1): 1 is "no", anything else an error
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look whether %s is in the history of %s: %w", commit, of, err)
	}
	return true, nil
}
