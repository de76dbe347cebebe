package gitops

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/task"
)

// build is one BuildTree under way.
type build struct {
	g        *Git
	req      BuildRequest
	limits   Limits
	q        *quarantine
	base     []BaseEntry // by path
	byPath   map[string]BaseEntry
	received map[string]*receivedFile
	deleted  []string
	ignored  int
	problems problems
	// wanted is the whole result, by path.
	wanted   map[string]BaseEntry
	manifest []task.PathChange
}

// receivedFile is a file or link that the workspace has.
type receivedFile struct {
	mode   string
	size   int64
	mark   int    // number of its blob
	head   []byte // its first bytes
	target string // of a link
}

// BuildTree makes the tree of the base commit with the changes, and everything
// that is shown of it. Objects reach the mirror only if all of it succeeded, and
// are kept there. The same changes on the same base give the same result.
//
// It fails with ErrNoChange, or with a *RefusedError that lists every problem.
func (g *Git) BuildTree(ctx context.Context, req BuildRequest) (Result, error) {
	b, err := g.newBuild(ctx, req)
	if err != nil {
		return Result{}, err
	}
	defer b.q.drop(ctx)
	var ids []string
	err = atonce.Do(
		func() (err error) {
			if err = b.listBase(ctx); err == nil {
				ids, err = b.receive(ctx)
			}
			return err
		},
		func() error { return b.q.readBase(ctx, req.Base) },
	)
	if err != nil {
		return Result{}, err
	}
	b.plan(ids)
	if err := b.checkLinks(ctx); err != nil {
		return Result{}, err
	}
	if err := b.problems.err(); err != nil {
		return Result{}, err
	}
	if len(b.manifest) == 0 {
		return Result{}, ErrNoChange
	}
	tree, err := b.q.writeTree(ctx, b.manifest, b.wanted)
	if err != nil {
		return Result{}, err
	}
	var result Result
	var keeper, pack string
	err = atonce.Do(
		func() (err error) { result, err = b.describe(ctx, tree); return err },
		func() (err error) { keeper, pack, err = b.q.sealTree(ctx, req.Base, tree); return err },
	)
	if err != nil {
		return Result{}, err
	}
	return result, b.q.release(ctx, pack, keeper, treeRef(req.Task, req.Revision))
}

func (g *Git) newBuild(ctx context.Context, req BuildRequest) (*build, error) {
	if _, err := task.ParseID(string(req.Task)); err != nil {
		return nil, err
	}
	m, err := g.openMirror(ctx, req.Repository)
	if err != nil {
		return nil, err
	}
	if err := checkID("commit", req.Base); err != nil {
		return nil, err
	}
	q, err := g.newQuarantine(ctx, m)
	if err != nil {
		return nil, err
	}
	return &build{g: g, req: req, limits: req.Limits.withDefaults(), q: q, received: map[string]*receivedFile{}}, nil
}

func (b *build) listBase(ctx context.Context) (err error) {
	b.base, err = b.g.listTree(ctx, b.q.mirror, b.req.Base+"^{commit}")
	if err != nil {
		return cmp.Or(b.g.require(ctx, b.q.mirror, object{"commit", b.req.Base}), err)
	}
	if !slices.IsSortedFunc(b.base, func(a, b BaseEntry) int { return strings.Compare(a.Path, b.Path) }) {
		return fmt.Errorf("the tree of %s is not in git's order", b.req.Base)
	}
	b.byPath = make(map[string]BaseEntry, len(b.base))
	for _, e := range b.base {
		b.byPath[e.Path] = e
	}
	return nil
}

// receive reads all changes and stores what is not ignored. It returns the
// stored blobs' ids by mark.
func (b *build) receive(ctx context.Context) ([]string, error) {
	ignorer := b.q.newIgnorer(ctx, b.base)
	blobs, err := b.q.newBlobWriter(ctx)
	if err != nil {
		return nil, err
	}
	err = b.receiveAll(ctx, ignorer, blobs)
	err = errors.Join(ignorer.close(), err) // why git ended is worth more than that it did
	if err != nil {
		return nil, blobs.abort(err)
	}
	return blobs.finish()
}

func (b *build) receiveAll(ctx context.Context, ignorer *ignorer, blobs *blobWriter) error {
	seen, total := 0, int64(0)
	maxTotal := b.limits.MaxTotalBytes
	for _, e := range b.base { // unchanged files may be sent too; what changed is counted in plan
		maxTotal += e.Size
	}
	changes, err := b.fromStart(ctx)
	if err != nil {
		return err
	}
	if b.req.Watch != nil {
		changes = b.req.Watch(changes)
	}
	for change, err := range changes {
		if err != nil {
			return fmt.Errorf("read the changes: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read the changes: %w", err)
		}
		if seen++; seen > b.limits.MaxSeen {
			b.problems.add("", "30", "more than %d files were written", b.limits.MaxSeen)
			return b.problems.err()
		}
		file, err := b.look(change, ignorer)
		if err != nil {
			return err
		}
		if file == nil {
			continue
		}
		if total += file.size; total > maxTotal || len(b.received) > b.limits.MaxFiles+len(b.base) {
			b.problems.add("", "30", "more than %d files or %d bytes were changed", b.limits.MaxFiles, b.limits.MaxTotalBytes)
			return b.problems.err()
		}
		if err := file.store(change, blobs); err != nil {
			return fmt.Errorf("%.200q: %w", change.Path, err)
		}
	}
	return nil
}

// look decides what to do with one change, by its name and kind alone. It
// returns the file whose content is to be stored, if there is one.
func (b *build) look(change Change, ignorer *ignorer) (*receivedFile, error) {
	if why := structureProblem(change.Path); why != "" {
		b.problems.add(change.Path, "27", "%s", why)
		return nil, nil
	}
	if change.Kind == Deleted {
		b.deleted = append(b.deleted, change.Path)
		return nil, nil
	}
	if _, tracked := b.byPath[change.Path]; !tracked {
		ignored, err := ignorer.ignores(change.Path)
		if err != nil {
			return nil, err
		}
		if ignored {
			b.ignored++
			return nil, nil
		}
	}
	mode, rule, why := b.judge(change)
	if why != "" {
		b.problems.add(change.Path, rule, "%s", why)
		return nil, nil
	}
	file := &receivedFile{mode: mode, size: change.Size}
	b.received[change.Path] = file
	return file, nil
}

// judge gives the mode of a file that is not ignored, or the rule that it
// breaks and why.
func (b *build) judge(change Change) (mode, rule, why string) {
	switch change.Kind {
	case NestedGit:
		return "", "33", "it is a git repository inside the repository, or is named like one"
	case Regular:
		mode = modeRegular
	case Executable:
		mode = modeExecutable
	case Symlink:
		mode = modeSymlink
	}
	if why := pathProblem(change.Path); why != "" {
		return "", "27", why
	}
	if mode == "" {
		return "", "29", "it is neither a file nor a link: a FIFO, a device or a socket"
	}
	if _, twice := b.received[change.Path]; twice {
		return "", "27", "the path was reported twice"
	}
	return mode, "30", sizeProblem(change, b.byPath[change.Path], b.limits)
}

// sizeProblem lets a file of the base pass whatever its size, if it still has
// that size: it may be unchanged.
func sizeProblem(change Change, old BaseEntry, limits Limits) string {
	switch {
	case change.Size < 0:
		return "its size is negative"
	case change.Kind == Symlink && change.Size > maxLinkTarget:
		return fmt.Sprintf("the link's target is longer than %d bytes", maxLinkTarget)
	case change.Size > limits.MaxFileBytes && change.Size != old.Size:
		return fmt.Sprintf("it has %d bytes; at most %d are allowed", change.Size, limits.MaxFileBytes)
	}
	return ""
}

// headBytes is how much of a file's beginning is kept to tell what it is.
const headBytes = 256

func (f *receivedFile) store(change Change, blobs *blobWriter) error {
	keep := int64(headBytes)
	if f.mode == modeSymlink {
		keep = maxLinkTarget
	}
	content := change.Content
	if content == nil {
		content = bytes.NewReader(nil)
	}
	head, err := io.ReadAll(io.LimitReader(content, min(keep, f.size)))
	if err != nil {
		return fmt.Errorf("read content: %w", err)
	}
	f.head = head
	if f.mode == modeSymlink {
		f.target = string(head)
	}
	f.mark, err = blobs.write(io.MultiReader(bytes.NewReader(head), content), f.size)
	return err
}
