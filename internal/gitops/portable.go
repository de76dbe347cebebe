package gitops

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// A proposal's objects can go to another mirror of its repository: what its tree has and
// its base's tree has not, as one pack. Nothing about a pack is believed. What it must
// hold follows from the two ids that the proposal pins: every object is hashed anew, and
// those that make up the tree and are not in the base's have to be exactly those of the
// pack. The commit that keeps the tree is not among them: each mirror makes its own.

// ErrPack is a pack that is not exactly what the proposal adds to its base.
var ErrPack = errors.New("the stored objects are not those of the proposal")

// maxPack bounds a pack, in bytes. A proposal is bounded far below that by its diff, which
// says more than the pack does.
const maxPack = 256 << 20

// Export is the pack of a proposal's objects. Contents may be in it as differences from
// those of the base, so that a line in a large file costs a line.
func (g *Git) Export(ctx context.Context, r ResultRequest) ([]byte, error) {
	m, err := g.presentMirror(r.Repository)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkID("commit", r.Base), checkID("tree", r.Tree)); err != nil {
		return nil, err
	}
	q := &quarantine{g: g, mirror: m, dir: m.dir} // nothing is written to it
	list, err := q.added(ctx, r)
	if err != nil {
		return nil, cmp.Or(g.require(ctx, m, object{"commit", r.Base}, object{"tree", r.Tree}), err)
	}
	// Whatever "-" marks is not packed, but used to compress what is (git-rev-list(1), --objects-edge).
	wanted := io.MultiReader(strings.NewReader("-"+r.Base+"\n"), bytes.NewReader(list))
	var pack bytes.Buffer
	_, err = g.run(ctx, invocation{
		gitDir: m.dir, stdin: wanted, stdout: &limitedWriter{w: &pack, left: maxPack, limit: maxPack},
		args: []string{"pack-objects", "--quiet", "--stdout"},
	})
	if err != nil {
		return nil, fmt.Errorf("pack the objects of revision %d of task %s: %w", r.Revision, r.Task, err)
	}
	return pack.Bytes(), nil
}

// Import takes a pack of Export into the mirror and keeps the tree there, or leaves the
// mirror as it was. The base must be in the mirror: ErrObjectMissing. It fails with ErrPack
// for whatever is not exactly the proposal's, and with *RefusedError for what git finds
// dangerous.
func (g *Git) Import(ctx context.Context, r ResultRequest, pack io.Reader) error {
	if _, err := task.ParseID(string(r.Task)); err != nil {
		return err
	}
	if err := checkID("tree", r.Tree); err != nil {
		return err
	}
	m, err := g.openMirror(ctx, r.Repository)
	if err != nil {
		return err
	}
	if err := g.require(ctx, m, object{"commit", r.Base}); err != nil {
		return err
	}
	q, err := g.newQuarantine(ctx, m)
	if err != nil {
		return err
	}
	defer q.drop(ctx)
	got, err := q.receivePack(ctx, pack)
	if err != nil {
		return err
	}
	list, err := q.added(ctx, r)
	if failed := (*CommandError)(nil); errors.As(err, &failed) && failed.ExitCode > 0 {
		return fmt.Errorf("%w: they do not make up its tree: %s", ErrPack, failed.Words)
	}
	if err != nil {
		return err
	}
	if !slices.Equal(got, objectIDs(list)) {
		return fmt.Errorf("%w: there are others among them", ErrPack)
	}
	keeper, err := q.writeCommit(g.keeper(r.Base, r.Tree))
	if err != nil {
		return err
	}
	return q.admit(ctx, r.Base, keeper, treeRef(r.Task, r.Revision))
}

// added lists what a result tree has and its base's tree has not: each object's id and the
// first name under which it is met.
func (q *quarantine) added(ctx context.Context, r ResultRequest) ([]byte, error) {
	var list bytes.Buffer
	_, err := q.run(ctx, invocation{
		args:   []string{"rev-list", "--objects", "--end-of-options", r.Tree, "^" + r.Base + "^{tree}"},
		stdout: &limitedWriter{w: &list, left: maxTreeListing, limit: maxTreeListing},
	})
	if err != nil {
		return nil, fmt.Errorf("list the objects of revision %d of task %s: %w", r.Revision, r.Task, err)
	}
	return list.Bytes(), nil
}

// objectIDs are the ids of a listing, sorted.
func objectIDs(list []byte) []string {
	var ids []string
	for line := range bytes.Lines(list) {
		id, _, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// receivePack stores a pack in the quarantine and returns the ids of the objects that it
// brought, sorted. Every one is hashed and checked as strictly as one that is collected.
func (q *quarantine) receivePack(ctx context.Context, pack io.Reader) ([]string, error) {
	from := &watchedReader{from: pack}
	head := make([]byte, len(packHeader(0)))
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, cmp.Or(from.err, fmt.Errorf("%w: there is no pack", ErrPack))
	}
	out, err := q.run(ctx, invocation{
		args:  []string{"index-pack", "--stdin", "--fix-thin", "--strict", "--fsck-objects"},
		stdin: io.MultiReader(bytes.NewReader(head), from),
	})
	failed := (*CommandError)(nil)
	switch {
	case from.err != nil:
		return nil, fmt.Errorf("read the pack: %w", from.err)
	case errors.As(err, &failed) && failed.ExitCode > 0 && !strings.Contains(failed.Words, "fsck error"):
		return nil, fmt.Errorf("%w: git does not take them: %s", ErrPack, failed.Words)
	case err != nil:
		return nil, strictError("the pack", err)
	}
	said, rest, _ := strings.Cut(string(out), "\n") // what follows the pack, git hands on
	name, found := strings.CutPrefix(said, "pack\t")
	if !found || rest != "" || checkID("pack", name) != nil {
		return nil, fmt.Errorf("%w: something follows them", ErrPack)
	}
	return q.packed(ctx, name, int(binary.BigEndian.Uint32(head[8:])))
}

// packed are the ids of the first count objects of a pack, sorted: those behind them are
// what git completed it with, out of the mirror.
func (q *quarantine) packed(ctx context.Context, name string, count int) ([]string, error) {
	index, err := os.Open(q.file("objects/pack/pack-" + name + ".idx"))
	if err != nil {
		return nil, fmt.Errorf("read the pack's index: %w", err)
	}
	defer index.Close()
	var listing bytes.Buffer
	_, err = q.run(ctx, invocation{
		args: []string{"show-index"}, stdin: index, stdout: &limitedWriter{w: &listing, left: maxTreeListing, limit: maxTreeListing},
	})
	if err != nil {
		return nil, fmt.Errorf("read the pack's index: %w", err)
	}
	type packedObject struct {
		offset int64
		id     string
	}
	var all []packedObject
	for line := range bytes.Lines(listing.Bytes()) { // "OFFSET ID (CRC)"
		fields := strings.Fields(string(line))
		if len(fields) < 2 {
			return nil, fmt.Errorf("git show-index wrote %.200q", line)
		}
		offset, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("git show-index wrote %.200q: %w", line, err)
		}
		all = append(all, packedObject{offset, fields[1]})
	}
	if len(all) < count {
		return nil, fmt.Errorf("%w: %d objects are there of %d", ErrPack, len(all), count)
	}
	slices.SortFunc(all, func(a, b packedObject) int { return cmp.Compare(a.offset, b.offset) })
	ids := make([]string, 0, count)
	for _, o := range all[:count] {
		ids = append(ids, o.id)
	}
	slices.Sort(ids)
	return ids, nil
}

// watchedReader remembers why it could not be read on: of a process that reads it, only
// the process's own words are seen.
type watchedReader struct {
	from io.Reader
	err  error
}

// Read implements io.Reader.
func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
