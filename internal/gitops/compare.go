package gitops

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// CompareRequest is what [Git.Compare] needs.
type CompareRequest struct {
	Repository forge.RepositoryRef
	From, To   string // trees
	Limit      int64  // bytes of the diff; 0: DefaultLimits.MaxDiffBytes
}

// Comparison is what differs between two result trees.
type Comparison struct {
	Manifest []task.PathChange // by path, complete
	Diff     []byte
	// Cut tells that the diff is longer than the limit, so that there is none.
	Cut bool
}

// Compare says in what two trees of the mirror differ, as a proposal says it of its base.
func (g *Git) Compare(ctx context.Context, req CompareRequest) (Comparison, error) {
	m, err := g.openMirror(ctx, req.Repository)
	if err != nil {
		return Comparison{}, err
	}
	for _, id := range []string{req.From, req.To} {
		if err := g.requireObject(ctx, m, "tree", id); err != nil {
			return Comparison{}, err
		}
	}
	q, err := g.newQuarantine(ctx, m) // which nothing is written to
	if err != nil {
		return Comparison{}, err
	}
	defer q.drop(ctx)
	list, err := q.differences(ctx, req.From, req.To)
	if err != nil {
		return Comparison{}, err
	}
	limits := DefaultLimits
	if req.Limit > 0 {
		limits.MaxDiffBytes = req.Limit
	}
	b := &build{g: g, req: BuildRequest{Base: req.From}, limits: limits, q: q, manifest: manifestOf(list)}
	if err := b.countLines(ctx, req.To); err != nil {
		return Comparison{}, fmt.Errorf("compare two trees: %w", err)
	}
	diff, err := b.patch(ctx, req.To)
	if refused := (*RefusedError)(nil); errors.As(err, &refused) {
		return Comparison{Manifest: b.manifest, Cut: true}, nil
	}
	return Comparison{Manifest: b.manifest, Diff: diff}, err
}

// manifestOf is what differs, without the counts and sizes.
func manifestOf(list []pathDiff) []task.PathChange {
	changes := make([]task.PathChange, 0, len(list))
	for _, d := range list {
		c := task.PathChange{Path: d.path, Kind: task.Modified, OldMode: d.oldMode, OldBlob: d.oldBlob, NewMode: d.newMode, NewBlob: d.newBlob}
		switch {
		case d.oldBlob == "":
			c.Kind = task.Added
		case d.newBlob == "":
			c.Kind = task.Deleted
		}
		changes = append(changes, c)
	}
	return changes
}
