package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// RebaseRequest is what [Git.Rebase] needs: a change, as the trees of its base and its
// result, and where it is to be made.
type RebaseRequest struct {
	// Build is as for BuildTree: Base is the new base, and Changes and Start are not used.
	Build BuildRequest
	// From is the commit that the change was made of, Tree what it made of it.
	From, Tree string
}

// ConflictError is a change that does not fit on another base.
type ConflictError struct{ Conflicts []Conflict }

// Conflict is one path at which it does not.
type Conflict struct{ Path, Why string }

// maxConflicts bounds what an error names.
const maxConflicts = 50

// Error implements error.
func (e *ConflictError) Error() string {
	lines := make([]string, 0, len(e.Conflicts))
	for _, c := range e.Conflicts[:min(len(e.Conflicts), maxConflicts)] {
		lines = append(lines, fmt.Sprintf("%.200q: %s", c.Path, c.Why))
	}
	if more := len(e.Conflicts) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Rebase makes the same change on another base: path by path, and line by line where
// both sides changed a file. Names are not guessed to be renames, no attribute and no
// driver of any tree is asked, and nothing is checked out; what does not fit is a
// conflict, and nothing is made of it. The result is held to everything that any
// proposal is held to. It fails with *ConflictError, ErrNoChange or *RefusedError.
func (g *Git) Rebase(ctx context.Context, req RebaseRequest) (Result, error) {
	m, err := g.openMirror(ctx, req.Build.Repository)
	if err != nil {
		return Result{}, err
	}
	if err := g.require(ctx, m, object{"commit", req.From}, object{"commit", req.Build.Base}, object{"tree", req.Tree}); err != nil {
		return Result{}, err
	}
	base, err := g.listTree(ctx, m, req.Build.Base)
	if err != nil {
		return Result{}, err
	}
	q, err := g.newQuarantine(ctx, m)
	if err != nil {
		return Result{}, err
	}
	defer q.drop(ctx)
	ours, err := q.differences(ctx, req.From, req.Tree)
	if err != nil {
		return Result{}, err
	}
	r := &rebase{q: q, base: map[string]BaseEntry{}, dirs: map[string]bool{}, limit: req.Build.Limits.withDefaults().MaxFileBytes}
	for _, e := range base {
		r.base[e.Path] = e
	}
	if err := r.fit(ctx, ours); err != nil {
		return Result{}, err
	}
	req.Build.Start, req.Build.Changes = "", q.changesOf(ctx, r.changes, r.limit)
	return g.BuildTree(ctx, req.Build)
}

// rebase is one Rebase under way.
type rebase struct {
	q         *quarantine
	base      map[string]BaseEntry // the new one
	dirs      map[string]bool      // directories that it has once the change is made
	limit     int64
	changes   []pathDiff // what is to be made of the new base
	conflicts []Conflict
}

// fit decides path by path what becomes of our differences.
func (r *rebase) fit(ctx context.Context, ours []pathDiff) error {
	for _, d := range ours {
		if err := r.place(ctx, d); err != nil {
			return err
		}
	}
	r.checkPlaces()
	if len(r.conflicts) > 0 {
		slices.SortFunc(r.conflicts, func(a, b Conflict) int { return strings.Compare(a.Path, b.Path) })
		return &ConflictError{Conflicts: r.conflicts}
	}
	return nil
}

func (r *rebase) conflict(path, why string) {
	r.conflicts = append(r.conflicts, Conflict{Path: path, Why: why})
}

// place looks at one path. now is what the new base has there.
func (r *rebase) place(ctx context.Context, d pathDiff) error {
	now, there := r.base[d.path]
	switch {
	case now.Mode == d.newMode && now.Blob == d.newBlob: // it has our change already
		return nil
	case now.Mode == d.oldMode && now.Blob == d.oldBlob: // nobody else touched it
		r.changes = append(r.changes, d)
		return nil
	case d.oldBlob == "":
		r.conflict(d.path, "both sides added it, each in its own way")
	case d.newBlob == "":
		r.conflict(d.path, "this change deletes it, and the base branch changed it")
	case !there:
		r.conflict(d.path, "the base branch deleted it or moved it elsewhere, and this change changes it")
	case !isFile(now.Mode) || !isFile(d.oldMode) || !isFile(d.newMode):
		r.conflict(d.path, "both sides changed what it is: a file, a link or a submodule")
	default:
		return r.merge(ctx, d, now)
	}
	return nil
}

func isFile(mode string) bool { return mode == modeRegular || mode == modeExecutable }

// merge merges a file that both sides changed, line by line.
func (r *rebase) merge(ctx context.Context, d pathDiff, now BaseEntry) error {
	merged := pathDiff{path: d.path, oldMode: now.Mode, oldBlob: now.Blob, newMode: d.newMode, newBlob: d.newBlob}
	if d.newMode == d.oldMode {
		merged.newMode = now.Mode
	}
	switch d.oldBlob {
	case d.newBlob: // only its mode
		merged.newBlob = now.Blob
	case now.Blob:
	default:
		blob, fits, err := r.mergeLines(ctx, d, now.Blob)
		if isTooLarge(err) {
			r.conflict(d.path, "both sides changed it, and it is too large to merge line by line")
			return nil
		}
		if err != nil {
			return err
		}
		if !fits {
			r.conflict(d.path, "both sides changed the same lines, or it is not text")
			return nil
		}
		merged.newBlob = blob
	}
	r.changes = append(r.changes, merged)
	return nil
}

// mergeLines runs git's own three-way merge of contents, on files with names of ours in
// the quarantine: it reads no attributes and no configuration of any repository.
func (r *rebase) mergeLines(ctx context.Context, d pathDiff, theirs string) (blob string, fits bool, err error) {
	names := []string{"merge.theirs", "merge.old", "merge.ours"}
	for i, id := range []string{theirs, d.oldBlob, d.newBlob} {
		content, err := r.q.blob(ctx, id, r.limit)
		if err == nil && bytes.IndexByte(content, 0) >= 0 {
			return "", false, nil
		}
		if err == nil {
			err = os.WriteFile(r.q.file(names[i]), content, 0o600)
		}
		if err != nil {
			return "", false, fmt.Errorf("merge %.200q: %w", d.path, err)
		}
		names[i] = r.q.file(names[i])
	}
	var out bytes.Buffer
	_, err = r.q.run(ctx, invocation{
		args:   append([]string{"merge-file", "--stdout", "--quiet", "--diff3"}, names...),
		stdout: &limitedWriter{w: &out, left: 2 * r.limit, limit: 2 * r.limit},
	})
	if failed := (*CommandError)(nil); errors.As(err, &failed) && failed.ExitCode > 0 && failed.ExitCode < 128 { // so many conflicts
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("merge %.200q: %w", d.path, err)
	}
	blob, err = r.q.writeBlob(ctx, &out)
	return blob, err == nil, err
}

// checkPlaces finds paths that would be a file and a directory at once, and names that
// the new base took: a build would make room and so undo what others did.
func (r *rebase) checkPlaces() {
	after := map[string]bool{}
	for path := range r.base {
		after[path] = true
	}
	for _, d := range r.changes {
		after[d.path] = d.newBlob != ""
	}
	for path, there := range after {
		if !there {
			continue
		}
		for name := range namesOf(path) {
			if name != path {
				r.dirs[name] = true
			}
		}
	}
	for _, d := range r.changes {
		if d.newBlob == "" {
			continue
		}
		if r.dirs[d.path] {
			r.conflict(d.path, "the base branch has a directory of this name")
		}
		for name := range namesOf(d.path) {
			if name != d.path && after[name] {
				r.conflict(d.path, fmt.Sprintf("the base branch has a file %.200q where this change has a directory", name))
			}
		}
	}
}
