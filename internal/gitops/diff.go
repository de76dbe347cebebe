package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/task"
)

// diffFlags make git show every change in full and the same everywhere. In a
// bare repository, with no index, attr.tree empty and core.attributesFile
// nowhere, no attribute of any tree is read, so none can fold a change away.
var diffFlags = []string{
	"-r", "--full-index", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative",
	"--ignore-submodules=none", "--submodule=short",
}

var patchFlags = []string{
	"-p", "--raw", "--binary", "--unified=3", "--inter-hunk-context=0", "--diff-algorithm=myers", "--indent-heuristic",
	"--src-prefix=a/", "--dst-prefix=b/",
}

// describe computes what a proposal shows of tree. What git says of the two
// trees must be the manifest, path for path.
func (b *build) describe(ctx context.Context, tree string) (Result, error) {
	var diff []byte
	err := atonce.Do(
		func() error { return b.countLines(ctx, tree) },
		func() (err error) { diff, err = b.patch(ctx, tree); return err },
	)
	if err != nil {
		return Result{}, err
	}
	risks, err := b.risks(ctx, diff)
	if err != nil {
		return Result{}, err
	}
	if err := b.problems.err(); err != nil {
		return Result{}, err
	}
	return Result{Tree: tree, Manifest: b.manifest, Diff: diff, Ignored: b.ignored, Risks: risks}, nil
}

func (b *build) diffTree(ctx context.Context, tree string, flags []string, limit int64) ([]byte, error) {
	var out bytes.Buffer
	args := append(append([]string{"diff-tree"}, diffFlags...), flags...)
	_, err := b.q.run(ctx, invocation{
		args:   append(args, "--end-of-options", b.req.Base+"^{tree}", tree),
		env:    []string{"GIT_INDEX_FILE=" + b.q.file("none.index")},
		stdout: &limitedWriter{w: &out, left: limit, limit: limit},
	})
	return out.Bytes(), err
}

func (b *build) patch(ctx context.Context, tree string) ([]byte, error) {
	diff, err := b.diffTree(ctx, tree, patchFlags, b.limits.MaxDiffBytes)
	var long *tooMuchOutputError
	if errors.As(err, &long) {
		b.problems.add("", "31", "the diff is longer than %d bytes, so it cannot be shown in full", long.limit)
		return nil, b.problems.err()
	}
	if err != nil {
		return nil, fmt.Errorf("compute the diff: %w", err)
	}
	return diff, nil
}

// countLines fills in the manifest's line counts and holds it against git's own
// list of differences.
func (b *build) countLines(ctx context.Context, tree string) error {
	out, err := b.diffTree(ctx, tree, []string{"-z", "--raw", "--numstat"}, maxTreeListing)
	if err != nil {
		return fmt.Errorf("list the differences: %w", err)
	}
	raw, counts := 0, 0
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	for i := 0; i < len(fields); i++ {
		if strings.HasPrefix(fields[i], ":") && i+1 < len(fields) && raw < len(b.manifest) {
			if err := sameAsRaw(b.manifest[raw], fields[i], fields[i+1]); err != nil {
				return err
			}
			raw, i = raw+1, i+1
			continue
		}
		if counts >= len(b.manifest) {
			return fmt.Errorf("git reports a difference that was not collected: %.200q", fields[i])
		}
		if err := setCounts(&b.manifest[counts], fields[i]); err != nil {
			return err
		}
		counts++
	}
	if raw != len(b.manifest) || counts != len(b.manifest) {
		return fmt.Errorf("git reports %d differences, %d were collected", raw, len(b.manifest))
	}
	return nil
}

// sameAsRaw compares a line of the manifest with ":MODE MODE BLOB BLOB STATUS".
func sameAsRaw(c task.PathChange, raw, path string) error {
	modes := [2]string{"000000", "000000"}
	blobs := [2]string{noObject, noObject}
	if c.Kind != task.Added {
		modes[0], blobs[0] = c.OldMode, c.OldBlob
	}
	if c.Kind != task.Deleted {
		modes[1], blobs[1] = c.NewMode, c.NewBlob
	}
	want := fmt.Sprintf(":%s %s %s %s ", modes[0], modes[1], blobs[0], blobs[1])
	if path != c.Path || !strings.HasPrefix(raw, want) {
		return fmt.Errorf("git reports %.300q at %.200q; collected was %q at %.200q", raw, path, want, c.Path)
	}
	return nil
}

// setCounts reads "ADDED\tREMOVED\tPATH", with "-" for a binary file.
func setCounts(c *task.PathChange, numstat string) error {
	fields := strings.SplitN(numstat, "\t", 3)
	if len(fields) != 3 || fields[2] != c.Path {
		return fmt.Errorf("git counts lines of %.200q where %.200q was collected", numstat, c.Path)
	}
	if fields[0] == "-" && fields[1] == "-" {
		c.Added, c.Removed, c.Binary = -1, -1, true
		return nil
	}
	added, err := strconv.Atoi(fields[0])
	if err != nil {
		return fmt.Errorf("git counts lines as %.100q: %w", numstat, err)
	}
	removed, err := strconv.Atoi(fields[1])
	if err != nil {
		return fmt.Errorf("git counts lines as %.100q: %w", numstat, err)
	}
	c.Added, c.Removed = added, removed
	return nil
}
