package gitops

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// BaseEntry is one file, link or submodule of a tree.
type BaseEntry struct {
	Path string // raw bytes
	Mode string // git's octal mode: "100644", "100755", "120000", "160000"
	Blob string // object id; for a submodule its commit
	Size int64  // bytes; 0 for a submodule
}

// Git's modes.
const (
	modeRegular    = "100644"
	modeExecutable = "100755"
	modeSymlink    = "120000"
	modeGitlink    = "160000"
)

// BaseTree lists every path of a commit, in git's order (by bytes of the path).
func (g *Git) BaseTree(ctx context.Context, repo forge.RepositoryRef, commit string) ([]BaseEntry, error) {
	m, err := g.openMirror(ctx, repo)
	if err != nil {
		return nil, err
	}
	if err := g.require(ctx, m, object{"commit", commit}); err != nil {
		return nil, err
	}
	return g.listTree(ctx, m, commit)
}

// maxTreeListing bounds the listing of one tree: some two million paths.
const maxTreeListing = 256 << 20

func (g *Git) rawListing(ctx context.Context, m mirror, treeish string) (*bytes.Buffer, error) {
	var listing bytes.Buffer
	_, err := g.run(ctx, invocation{
		gitDir: m.dir, stdout: &limitedWriter{w: &listing, left: maxTreeListing, limit: maxTreeListing},
		args: []string{"ls-tree", "-r", "-l", "-z", "--full-tree", "--end-of-options", treeish},
	})
	if err != nil {
		return nil, fmt.Errorf("list the tree of %s: %w", treeish, err)
	}
	return &listing, nil
}

func (g *Git) listTree(ctx context.Context, m mirror, treeish string) ([]BaseEntry, error) {
	listing, err := g.rawListing(ctx, m, treeish)
	if err != nil {
		return nil, err
	}
	var entries []BaseEntry
	for record := range strings.SplitSeq(strings.TrimSuffix(listing.String(), "\x00"), "\x00") {
		if record == "" {
			continue
		}
		entry, err := parseTreeRecord(record)
		if err != nil {
			return nil, fmt.Errorf("list the tree of %s: %w", treeish, err)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// parseTreeRecord reads "MODE TYPE OBJECT SIZE\tPATH", the size padded with spaces.
func parseTreeRecord(record string) (BaseEntry, error) {
	head, path, found := strings.Cut(record, "\t")
	fields := strings.Fields(head)
	if !found || len(fields) != 4 || path == "" {
		return BaseEntry{}, fmt.Errorf("git ls-tree wrote %.200q", record)
	}
	entry := BaseEntry{Path: path, Mode: fields[0], Blob: fields[2]}
	if entry.Mode != modeGitlink {
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return BaseEntry{}, fmt.Errorf("git ls-tree wrote %.200q: %w", record, err)
		}
		entry.Size = size
	}
	return entry, nil
}

// Bundle writes a git bundle of exactly this commit, with its history, to a new
// file. The bundle names it HEAD and refs/heads/base; no other ref of the
// repository is in it, nor any object that the commit does not reach.
func (g *Git) Bundle(ctx context.Context, repo forge.RepositoryRef, commit, path string) error {
	m, err := g.openMirror(ctx, repo)
	if err != nil {
		return err
	}
	if err := g.require(ctx, m, object{"commit", commit}); err != nil {
		return err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("bundle %s: %w", commit, err)
	}
	q, err := g.newQuarantine(ctx, m)
	if err != nil {
		return err
	}
	defer q.drop(ctx)
	// A bundle takes its refs from the repository it is made in: one with this ref alone.
	for name, content := range map[string]string{"HEAD": "ref: refs/heads/base\n", "refs/heads/base": commit + "\n"} {
		if err := os.WriteFile(filepath.Join(q.dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("bundle %s: %w", commit, err)
		}
	}
	_, err = q.run(ctx, invocation{args: []string{"bundle", "create", "--quiet", absolute, "HEAD", "refs/heads/base"}})
	if err != nil {
		return fmt.Errorf("bundle %s: %w", commit, err)
	}
	return nil
}
