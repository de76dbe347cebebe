package gitops

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// ErrNoFile says that the commit has no regular file of that path, within the size that was asked for.
var ErrNoFile = errors.New("no such file in the commit")

// File returns the bytes of one regular file of a commit. A link is not
// followed. It fails with ErrNoFile for a file of more than limit bytes too:
// half of a text can say the opposite of the whole.
func (g *Git) File(ctx context.Context, repo forge.RepositoryRef, commit, path string, limit int64) ([]byte, error) {
	_, content, err := g.FirstFile(ctx, repo, commit, []string{path}, limit)
	return content, err
}

// FirstFile returns the first of the paths for which there is what [Git.File]
// returns, and that. It fails with ErrNoFile if there is none.
func (g *Git) FirstFile(ctx context.Context, repo forge.RepositoryRef, commit string, paths []string, limit int64) (path string, content []byte, err error) {
	m, err := g.openMirror(ctx, repo)
	if err != nil {
		return "", nil, err
	}
	if err := checkID("commit", commit); err != nil {
		return "", nil, err
	}
	out, err := g.run(ctx, invocation{gitDir: m.dir, args: append([]string{
		"ls-tree", "-l", "-z", "--full-tree", "--end-of-options", commit + "^{commit}", "--",
	}, paths...), env: []string{"GIT_LITERAL_PATHSPECS=1"}})
	if err != nil {
		return "", nil, cmp.Or(g.require(ctx, m, object{"commit", commit}), fmt.Errorf("look for %q in %s: %w", paths, commit, err))
	}
	entry, err := firstRegular(string(out), paths, limit)
	if err != nil {
		return "", nil, fmt.Errorf("%q in %s: %w", paths, commit, err)
	}
	var text bytes.Buffer
	_, err = g.run(ctx, invocation{
		gitDir: m.dir, args: []string{"cat-file", "blob", entry.Blob}, stdout: &limitedWriter{w: &text, left: limit, limit: limit},
	})
	if err != nil {
		return "", nil, fmt.Errorf("read %q of %s: %w", entry.Path, commit, err)
	}
	return entry.Path, text.Bytes(), nil
}

// firstRegular finds, in what ls-tree says, the first of the paths that is a
// regular file of at most limit bytes.
func firstRegular(listing string, paths []string, limit int64) (found BaseEntry, err error) {
	at := len(paths)
	for record := range strings.SplitSeq(strings.TrimSuffix(listing, "\x00"), "\x00") {
		if fields := strings.Fields(record); len(fields) < 2 || fields[1] != "blob" {
			continue // nothing, a directory or a submodule
		}
		entry, err := parseTreeRecord(record)
		if err != nil {
			return found, err
		}
		n := slices.Index(paths, entry.Path)
		if n >= 0 && n < at && entry.Mode != modeSymlink && entry.Size <= limit {
			found, at = entry, n
		}
	}
	if at == len(paths) {
		return found, ErrNoFile
	}
	return found, nil
}
