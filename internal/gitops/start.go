package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A workspace may begin with another tree than the base's: that of the proposal which is
// revised. What was collected there is what differs from that tree; a proposal is what
// differs from the base. So the tree's own differences from the base are put before the
// collected ones, as if the agent had just made them: everything that a proposal is held
// to is asked of all of it.

// pathDiff is a path at which one tree differs from another.
type pathDiff struct {
	path             string
	oldMode, oldBlob string // "" where the path is not in the first tree
	newMode, newBlob string // "" where it is not in the second
}

// differences lists where the tree of to differs from that of from, by path.
func (q *quarantine) differences(ctx context.Context, from, to string) ([]pathDiff, error) {
	var out bytes.Buffer
	args := append([]string{"diff-tree", "--raw", "-z"}, diffFlags...)
	_, err := q.run(ctx, invocation{
		args:   append(args, "--end-of-options", from+"^{tree}", to+"^{tree}"),
		stdout: &limitedWriter{w: &out, left: maxTreeListing, limit: maxTreeListing},
	})
	if err != nil {
		return nil, fmt.Errorf("compare two trees: %w", err)
	}
	fields := strings.Split(strings.TrimSuffix(out.String(), "\x00"), "\x00")
	var list []pathDiff
	for i := 0; i+1 < len(fields); i += 2 {
		f := strings.Fields(strings.TrimPrefix(fields[i], ":"))
		if len(f) != 5 {
			return nil, fmt.Errorf("git reports %.200q, which is no difference", fields[i])
		}
		d := pathDiff{path: fields[i+1], oldMode: f[0], newMode: f[1], oldBlob: f[2], newBlob: f[3]}
		if d.oldBlob == noObject {
			d.oldMode, d.oldBlob = "", ""
		}
		if d.newBlob == noObject {
			d.newMode, d.newBlob = "", ""
		}
		list = append(list, d)
	}
	return list, nil
}

// blob reads a blob of at most limit bytes.
func (q *quarantine) blob(ctx context.Context, id string, limit int64) ([]byte, error) {
	var out bytes.Buffer
	_, err := q.run(ctx, invocation{
		args: []string{"cat-file", "blob", id}, stdout: &limitedWriter{w: &out, left: limit, limit: limit},
	})
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", id, err)
	}
	return out.Bytes(), nil
}

// blobSize is the number of a blob's bytes.
func (q *quarantine) blobSize(ctx context.Context, id string) (int64, error) {
	var out bytes.Buffer
	_, err := q.run(ctx, invocation{args: []string{"cat-file", "-s", id}, stdout: &limitedWriter{w: &out, left: maxStderr, limit: maxStderr}})
	if err != nil {
		return 0, fmt.Errorf("read the size of blob %s: %w", id, err)
	}
	size, err := strconv.ParseInt(strings.TrimSpace(out.String()), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the size of blob %s: %w", id, err)
	}
	return size, nil
}

// isTooLarge reports whether a blob could not be read because it is larger than the limit.
func isTooLarge(err error) bool {
	tooMuch := (*tooMuchOutputError)(nil)
	return errors.As(err, &tooMuch)
}

// blobReader is a blob that is not read before it is asked for.
type blobReader struct {
	open func() ([]byte, error)
	from *bytes.Reader
}

// Read implements io.Reader.
func (r *blobReader) Read(p []byte) (int, error) {
	if r.from == nil {
		content, err := r.open()
		if err != nil {
			return 0, err
		}
		r.from = bytes.NewReader(content)
	}
	return r.from.Read(p)
}

// change is the difference as something that was collected. What is larger than limit has
// its true size, by which a build refuses it, and is read only if the build wants it all
// the same, as it does where the base has a file of that size.
func (q *quarantine) change(ctx context.Context, d pathDiff, limit int64) (Change, error) {
	kinds := map[string]ChangeKind{"": Deleted, modeRegular: Regular, modeExecutable: Executable, modeSymlink: Symlink}
	kind, known := kinds[d.newMode]
	if !known {
		return Change{}, fmt.Errorf("%.200q has mode %s, which no proposal has", d.path, d.newMode)
	}
	if kind == Deleted {
		return Change{Path: d.path, Kind: kind}, nil
	}
	content, err := q.blob(ctx, d.newBlob, limit)
	if isTooLarge(err) {
		size, err := q.blobSize(ctx, d.newBlob)
		return Change{Path: d.path, Kind: kind, Size: size, Content: &blobReader{open: func() ([]byte, error) { return q.blob(ctx, d.newBlob, size) }}}, err
	}
	return Change{Path: d.path, Kind: kind, Size: int64(len(content)), Content: bytes.NewReader(content)}, err
}

// changesOf yields differences as changes, reading each when it is asked for.
func (q *quarantine) changesOf(ctx context.Context, list []pathDiff, limit int64) Changes {
	return func(yield func(Change, error) bool) {
		for _, d := range list {
			change, err := q.change(ctx, d, limit)
			if err != nil {
				yield(Change{}, err)
				return
			}
			if !yield(change, nil) {
				return
			}
		}
	}
}

// fromStart adds to what was collected over a start what the start itself changes of the
// base, except where the agent changed it again.
func (b *build) fromStart(ctx context.Context) (Changes, error) {
	if b.req.Start == "" {
		return b.req.Changes, nil
	}
	if err := b.g.require(ctx, b.q.mirror, object{"commit", b.req.Start}); err != nil {
		return nil, err
	}
	list, err := b.q.differences(ctx, b.req.Base, b.req.Start)
	if err != nil {
		return nil, err
	}
	return func(yield func(Change, error) bool) {
		over := overlay{kinds: map[string]ChangeKind{}}
		for change, err := range b.req.Changes {
			if err == nil {
				over.add(change)
			}
			if !yield(change, err) || err != nil {
				return
			}
		}
		left := slices.DeleteFunc(slices.Clone(list), func(d pathDiff) bool { return over.covers(d) })
		for change, err := range b.q.changesOf(ctx, left, b.limits.MaxFileBytes) {
			if !yield(change, err) || err != nil {
				return
			}
		}
	}, nil
}

// overlay is what was collected over a start, by path.
type overlay struct {
	kinds map[string]ChangeKind
	// dirs are the directories of what is there.
	dirs map[string]bool
}

func (o *overlay) add(c Change) {
	o.kinds[c.Path] = c.Kind
	if c.Kind == Deleted {
		return
	}
	if o.dirs == nil {
		o.dirs = map[string]bool{}
	}
	for name := range namesOf(c.Path) {
		if name != c.Path {
			o.dirs[name] = true
		}
	}
}

// covers reports whether the start's own difference does not count any more: the path, or
// a directory of it, was removed or replaced, or stands now as a directory.
func (o *overlay) covers(d pathDiff) bool {
	for name := range namesOf(d.path) {
		if kind, collected := o.kinds[name]; collected && kind != 0 {
			return true
		}
	}
	return d.newBlob != "" && o.dirs[d.path]
}
