package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// ErrNoFile says that the commit has no regular file of that path, within the size that was asked for.
var ErrNoFile = errors.New("no such file in the commit")

// File returns the bytes of one regular file of a commit. A link is not
// followed. It fails with ErrNoFile for a file of more than limit bytes too:
// half of a text can say the opposite of the whole.
func (g *Git) File(ctx context.Context, repo forge.RepositoryRef, commit, path string, limit int64) ([]byte, error) {
	m, err := g.openMirror(ctx, repo)
	if err != nil {
		return nil, err
	}
	if err := g.requireObject(ctx, m, "commit", commit); err != nil {
		return nil, err
	}
	out, err := g.run(ctx, invocation{gitDir: m.dir, args: []string{
		"ls-tree", "-l", "-z", "--full-tree", "--end-of-options", commit, "--", path,
	}, env: []string{"GIT_LITERAL_PATHSPECS=1"}})
	if err != nil {
		return nil, fmt.Errorf("look for %q in %s: %w", path, commit, err)
	}
	record := strings.TrimSuffix(string(out), "\x00")
	if record == "" {
		return nil, fmt.Errorf("%q in %s: %w", path, commit, ErrNoFile)
	}
	if fields := strings.Fields(record); len(fields) > 1 && fields[1] != "blob" {
		return nil, fmt.Errorf("%q in %s is a %s: %w", path, commit, fields[1], ErrNoFile)
	}
	entry, err := parseTreeRecord(record)
	if err != nil {
		return nil, err
	}
	if entry.Path != path || entry.Mode == modeSymlink || entry.Size > limit {
		return nil, fmt.Errorf("%q in %s has mode %s and %d bytes: %w", path, commit, entry.Mode, entry.Size, ErrNoFile)
	}
	var content bytes.Buffer
	_, err = g.run(ctx, invocation{
		gitDir: m.dir, args: []string{"cat-file", "blob", entry.Blob}, stdout: &limitedWriter{w: &content, left: limit, limit: limit},
	})
	if err != nil {
		return nil, fmt.Errorf("read %q of %s: %w", path, commit, err)
	}
	return content.Bytes(), nil
}
