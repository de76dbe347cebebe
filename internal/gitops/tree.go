package gitops

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/task"
)

const noObject = "0000000000000000000000000000000000000000"

// readBase fills the private index of writeTree.
func (q *quarantine) readBase(ctx context.Context, base string) error {
	if _, err := q.run(ctx, invocation{args: []string{"read-tree", base}, env: []string{q.indexFile()}}); err != nil {
		return fmt.Errorf("read the base tree: %w", err)
	}
	return nil
}

func (q *quarantine) indexFile() string { return "GIT_INDEX_FILE=" + q.file("index") }

// writeTree makes the tree of the base that was read with the manifest's changes in a private
// index. The index is compared with the whole of what is wanted while it
// becomes a tree: git leaves out a path that it dislikes and still exits 0.
func (q *quarantine) writeTree(ctx context.Context, manifest []task.PathChange, wanted map[string]BaseEntry) (string, error) {
	env := []string{q.indexFile()}
	_, err := q.run(ctx, invocation{args: []string{"update-index", "-z", "--index-info"}, env: env, stdin: indexInfo(manifest)})
	if err != nil {
		return "", fmt.Errorf("put the changes into the index: %w", err)
	}
	var tree string
	err = atonce.Do(
		func() error { return q.compareIndex(ctx, env, manifest, wanted) },
		func() error {
			out, err := q.run(ctx, invocation{args: []string{"write-tree"}, env: env})
			if err != nil {
				return fmt.Errorf("write the tree: %w", err)
			}
			tree = string(bytes.TrimSpace(out))
			return checkID("written tree", tree)
		},
	)
	return tree, err
}

// indexInfo writes deletions first, so that a directory can take the place of a file.
func indexInfo(manifest []task.PathChange) *bytes.Buffer {
	var info bytes.Buffer
	for _, c := range manifest {
		if c.Kind == task.Deleted {
			fmt.Fprintf(&info, "0 %s\t%s\x00", noObject, c.Path)
		}
	}
	for _, c := range manifest {
		if c.Kind != task.Deleted {
			fmt.Fprintf(&info, "%s %s\t%s\x00", c.NewMode, c.NewBlob, c.Path)
		}
	}
	return &info
}

// compareIndex fails unless the index holds exactly what is wanted.
func (q *quarantine) compareIndex(ctx context.Context, env []string, manifest []task.PathChange, wanted map[string]BaseEntry) error {
	var listing bytes.Buffer
	_, err := q.run(ctx, invocation{
		args: []string{"ls-files", "--stage", "-z"}, env: env,
		stdout: &limitedWriter{w: &listing, left: maxTreeListing, limit: maxTreeListing},
	})
	if err != nil {
		return fmt.Errorf("list the index: %w", err)
	}
	missing := maps.Clone(wanted)
	for record := range strings.SplitSeq(strings.TrimSuffix(listing.String(), "\x00"), "\x00") {
		if record == "" {
			continue
		}
		head, path, _ := strings.Cut(record, "\t")
		entry, expected := missing[path]
		if !expected || head != entry.Mode+" "+entry.Blob+" 0" {
			return fmt.Errorf("the index has %q at %.200q, which is not what was collected", head, path)
		}
		delete(missing, path)
	}
	var refused problems
	for _, c := range manifest {
		if _, left := missing[c.Path]; left {
			refused.add(c.Path, "27", "git refuses this path")
			delete(missing, c.Path)
		}
	}
	if err := refused.err(); err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("the index lost %.200q", slices.Sorted(maps.Keys(missing))[0])
	}
	return nil
}

// sealTree seals the tree inside a commit that exists only to keep it and its base from
// being collected. That commit is never pushed.
func (q *quarantine) sealTree(ctx context.Context, base, tree string) (keeper, pack string, err error) {
	keeper, err = q.writeCommit(q.g.keeper(base, tree))
	if err != nil {
		return "", "", err
	}
	pack, err = q.seal(ctx, base, keeper)
	return keeper, pack, err
}
