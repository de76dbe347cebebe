package gitops

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

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
	m, err := g.presentMirror(req.Repository)
	if err != nil {
		return Comparison{}, err
	}
	if err := g.require(ctx, m, object{"tree", req.From}, object{"tree", req.To}); err != nil {
		return Comparison{}, err
	}
	q := &quarantine{g: g, mirror: m, dir: m.dir} // nothing is written to it
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

// CompareIn does so in a directory that another process has open. It writes nothing.
func CompareIn(ctx context.Context, opts Options, req CompareRequest) (Comparison, error) {
	g, err := open(opts)
	if err != nil {
		return Comparison{}, err
	}
	return g.Compare(ctx, req)
}

// presentMirror is the mirror of a repository, which must be there: ErrObjectMissing.
func (g *Git) presentMirror(ref forge.RepositoryRef) (mirror, error) {
	if !hostPattern.MatchString(ref.Host) || !idPattern.MatchString(ref.ID) {
		return mirror{}, fmt.Errorf("repository %.100q: malformed host or id", ref.Key())
	}
	m := mirror{dir: filepath.Join(g.place(mirrorsDir), ref.Host+"-"+ref.ID+".git"), key: ref.Key()}
	present, err := m.check()
	if err == nil && !present {
		err = fmt.Errorf("there is no mirror of %s here: %w", m.key, ErrObjectMissing)
	}
	return m, err
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
