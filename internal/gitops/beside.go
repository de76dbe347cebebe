package gitops

import (
	"context"
	"fmt"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// Beside is a [Git] of a command that works while a server does, on the same directory: it
// leaves alone what is in quarantine there, which [New] takes for a dead process's.
func Beside(opts Options) (*Git, error) {
	g, err := open(opts)
	if err != nil {
		return nil, err
	}
	return g, g.checkVersion()
}

// ForgetResult lets go of a result tree that was made for a while and belongs to no task.
func (g *Git) ForgetResult(ctx context.Context, repo forge.RepositoryRef, id task.ID, revision int) error {
	if _, err := task.ParseID(string(id)); err != nil {
		return err
	}
	m, err := g.openMirror(ctx, repo)
	if err != nil {
		return err
	}
	ref := fmt.Sprintf("%s%s/%d", treeRefs, id, revision)
	if _, err := g.run(ctx, invocation{gitDir: m.dir, args: []string{"update-ref", "--no-deref", "-d", ref}}); err != nil {
		return fmt.Errorf("let go of the result %s/%d: %w", id, revision, err)
	}
	return nil
}
