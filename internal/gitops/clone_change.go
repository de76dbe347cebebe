package gitops

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// CommitChange is what one commit changes of its first parent's tree, as a proposal
// shows it.
type CommitChange struct {
	Manifest []task.PathChange
	Diff     []byte
}

// Change computes what lies between two trees, from objects that were hashed here:
// they are packed into our own repository, where git hashes them again, and compared
// there.
func (c *Clone) Change(ctx context.Context, before, after string) (CommitChange, error) {
	w := &treeWalk{clone: c, trees: map[string]bool{}, sizes: map[string]int64{}}
	if err := w.open(c.repository()); err != nil {
		return CommitChange{}, err
	}
	err := w.compare(before, after, 0)
	if err = errors.Join(err, w.pack.close()); err != nil {
		return CommitChange{}, fmt.Errorf("read what lies between the trees %s and %s: %w", before, after, err)
	}
	if err := c.unpack(ctx, w.pack.path); err != nil {
		return CommitChange{}, err
	}
	var change CommitChange
	if change.Manifest, err = c.list(ctx, before, after, w.sizes); err != nil {
		return CommitChange{}, err
	}
	change.Diff, err = c.diffTree(ctx, patchFlags, before, after, maxCloneDiff)
	return change, err
}

// maxCloneDiff bounds a diff, in bytes: no environment's limit is meant to be larger.
const maxCloneDiff = 256 << 20

// maxCloneChanges bounds the paths that one commit changes.
const maxCloneChanges = 200_000

// unpack puts the objects into our repository. git computes their ids itself, and
// refuses the known ways to make two objects of one id.
func (c *Clone) unpack(ctx context.Context, path string) error {
	_, err := c.g.run(ctx, invocation{
		args: []string{"index-pack", path}, gitDir: c.repository(), config: []string{"core.fsync=none"},
	})
	if err != nil {
		return fmt.Errorf("take the clone's objects over: %w", err)
	}
	return nil
}

func (c *Clone) diffTree(ctx context.Context, flags []string, before, after string, limit int64) ([]byte, error) {
	var out bytes.Buffer
	args := append(append([]string{"diff-tree"}, diffFlags...), flags...)
	_, err := c.g.run(ctx, invocation{
		args: append(args, "--end-of-options", before, after), gitDir: c.repository(),
		stdout: &limitedWriter{w: &out, left: limit, limit: limit},
	})
	if err != nil {
		return nil, fmt.Errorf("compare the trees %s and %s: %w", before, after, err)
	}
	return out.Bytes(), nil
}

// list is the manifest: git's own list of differences, with its line counts.
func (c *Clone) list(ctx context.Context, before, after string, sizes map[string]int64) ([]task.PathChange, error) {
	out, err := c.diffTree(ctx, []string{"-z", "--raw", "--numstat"}, before, after, maxTreeListing)
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, nil
	}
	var manifest []task.PathChange
	counted := 0
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	for i := 0; i < len(fields); i++ {
		if raw, is := strings.CutPrefix(fields[i], ":"); is && i+1 < len(fields) && counted == 0 {
			i++
			change, err := rawChange(raw, fields[i])
			if err != nil {
				return nil, err
			}
			change.Size = sizes[change.NewBlob]
			manifest = append(manifest, change)
			continue
		}
		if counted >= len(manifest) {
			return nil, fmt.Errorf("git counts lines of more files than it lists: %.200q", fields[i])
		}
		if err := setCounts(&manifest[counted], fields[i]); err != nil {
			return nil, err
		}
		counted++
	}
	if counted != len(manifest) {
		return nil, fmt.Errorf("git lists %d files and counts lines of %d", len(manifest), counted)
	}
	return manifest, nil
}

// rawChange reads "MODE MODE BLOB BLOB STATUS".
func rawChange(raw, path string) (task.PathChange, error) {
	f := strings.Fields(raw)
	if len(f) != 5 {
		return task.PathChange{}, fmt.Errorf("git lists a difference as %.200q", raw)
	}
	change := task.PathChange{Path: path, Kind: task.Modified, OldMode: f[0], NewMode: f[1], OldBlob: f[2], NewBlob: f[3]}
	switch f[4] {
	case "A":
		change.Kind, change.OldMode, change.OldBlob = task.Added, "", ""
	case "D":
		change.Kind, change.NewMode, change.NewBlob = task.Deleted, "", ""
	case "M", "T":
	default:
		return task.PathChange{}, fmt.Errorf("git lists a difference as %.200q", raw)
	}
	return change, nil
}

// treeWalk reads two trees where they differ, and every object that takes.
type treeWalk struct {
	clone *Clone
	pack  *packWriter
	trees map[string]bool  // that were read
	sizes map[string]int64 // of blobs
	paths int
}

func (w *treeWalk) open(repository string) (err error) {
	w.pack, err = newPackWriter(repository)
	return err
}

// treeEntry is one line of a tree.
type treeEntry struct{ mode, id string }

func (e treeEntry) isTree() bool { return e.mode == "40000" || e.mode == "040000" }

// compare goes into two trees; "" is one without entries.
func (w *treeWalk) compare(before, after string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("the trees are more than %d directories deep", maxDepth)
	}
	old, err := w.tree(before)
	if err != nil {
		return err
	}
	fresh, err := w.tree(after)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(old))
	for name := range fresh {
		if _, both := old[name]; !both {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if a, b := old[name], fresh[name]; a != b {
			if err := w.differ(a, b, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// differ reads what two entries of a name have. The zero entry is none.
func (w *treeWalk) differ(before, after treeEntry, depth int) error {
	if w.paths++; w.paths > maxCloneChanges {
		return fmt.Errorf("more than %d paths differ", maxCloneChanges)
	}
	var trees [2]string
	for i, e := range []treeEntry{before, after} {
		switch {
		case e.isTree():
			trees[i] = e.id
		case e.id != "" && e.mode != modeGitlink: // what a gitlink names is in another repository
			if err := w.blob(e.id); err != nil {
				return err
			}
		}
	}
	if trees[0] == trees[1] {
		return nil
	}
	return w.compare(trees[0], trees[1], depth+1)
}

func (w *treeWalk) blob(id string) error {
	if _, known := w.sizes[id]; known {
		return nil
	}
	content, err := w.clone.objects.readAs("blob", id, maxBlobBytes)
	if err != nil {
		return err
	}
	w.sizes[id] = int64(len(content))
	return w.pack.add("blob", content)
}

// tree reads a tree's entries by their names.
func (w *treeWalk) tree(id string) (map[string]treeEntry, error) {
	if id == "" {
		return nil, nil
	}
	content, err := w.clone.objects.readAs("tree", id, maxTreeBytes)
	if err != nil {
		return nil, err
	}
	if !w.trees[id] {
		w.trees[id] = true
		if err := w.pack.add("tree", content); err != nil {
			return nil, err
		}
	}
	entries := map[string]treeEntry{}
	for len(content) > 0 {
		header, rest, found := bytes.Cut(content, []byte{0})
		mode, name, spaced := strings.Cut(string(header), " ")
		if !found || !spaced || len(rest) < 20 || mode == "" || name == "" {
			return nil, fmt.Errorf("tree %s is malformed", id)
		}
		if _, twice := entries[name]; twice {
			return nil, fmt.Errorf("tree %s has %.200q twice", id, name)
		}
		entries[name] = treeEntry{mode: cmp.Or(strings.TrimLeft(mode, "0"), "0"), id: hex.EncodeToString(rest[:20])}
		content = rest[20:]
	}
	return entries, nil
}
