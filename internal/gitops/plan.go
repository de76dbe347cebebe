package gitops

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// plan computes the whole result from the base, the deletions and the stored
// files, and the manifest of what differs.
func (b *build) plan(ids []string) {
	b.wanted = maps.Clone(b.byPath)
	touched := map[string]bool{}
	for _, path := range b.deleted {
		b.remove(path, touched)
	}
	arrived := slices.Sorted(maps.Keys(b.received)) // so that problems come in the same order
	for _, path := range arrived {
		b.makeRoom(path, touched)
	}
	for _, path := range arrived { // only now, when all that had to go is gone
		file := b.received[path]
		b.wanted[path] = BaseEntry{Path: path, Mode: file.mode, Blob: ids[file.mark], Size: file.size}
	}
	for _, path := range slices.Sorted(maps.Keys(touched)) {
		if change, differs := b.compare(path); differs {
			b.manifest = append(b.manifest, change)
		}
	}
	b.checkLimits()
	b.checkFilesAndDirectories(arrived)
	b.checkCollisions()
}

// remove takes a file of the base, or everything below a directory of it, out
// of the result. Submodules stay: their directory in a workspace is empty, and
// git does not track whether it is there.
func (b *build) remove(path string, touched map[string]bool) {
	if e, tracked := b.byPath[path]; tracked && e.Mode != modeGitlink {
		delete(b.wanted, path)
		touched[path] = true
	}
	for _, e := range b.below(path) {
		if e.Mode != modeGitlink {
			delete(b.wanted, e.Path)
			touched[e.Path] = true
		}
	}
}

// makeRoom removes what cannot be there any more if there is a file at path:
// files of the base at one of its parents, and what the base has below it. The
// manifest shows them as deleted.
func (b *build) makeRoom(path string, touched map[string]bool) {
	touched[path] = true
	if b.byPath[path].Mode == modeGitlink {
		b.problems.add(path, "33", "it stands where the base has a submodule")
	}
	for i := 0; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		parent, tracked := b.byPath[path[:i]]
		switch {
		case tracked && parent.Mode == modeGitlink:
			b.problems.add(path, "33", "it is inside the submodule %q", parent.Path)
		case tracked:
			delete(b.wanted, parent.Path)
			touched[parent.Path] = true
		}
	}
	for _, e := range b.below(path) {
		if e.Mode == modeGitlink {
			b.problems.add(path, "33", "it takes the place of the submodule %q", e.Path)
		}
		delete(b.wanted, e.Path)
		touched[e.Path] = true
	}
}

// below returns the base's entries in the directory and its directories.
func (b *build) below(directory string) []BaseEntry {
	prefix := directory + "/"
	from := sort.Search(len(b.base), func(i int) bool { return b.base[i].Path >= prefix })
	to := from
	for to < len(b.base) && strings.HasPrefix(b.base[to].Path, prefix) {
		to++
	}
	return b.base[from:to]
}

// compare gives the manifest's line for a path, if base and result differ there.
func (b *build) compare(path string) (task.PathChange, bool) {
	before, had := b.byPath[path]
	after, has := b.wanted[path]
	change := task.PathChange{
		Path: path, OldMode: before.Mode, OldBlob: before.Blob, NewMode: after.Mode, NewBlob: after.Blob, Size: after.Size,
	}
	switch {
	case had && has && before.Mode == after.Mode && before.Blob == after.Blob, !had && !has:
		return change, false
	case !had:
		change.Kind = task.Added
	case !has:
		change.Kind = task.Deleted
	default:
		change.Kind = task.Modified
	}
	return change, true
}

// checkLimits counts what really changed.
func (b *build) checkLimits() {
	if len(b.manifest) > b.limits.MaxFiles {
		b.problems.add("", "30", "%d files were changed; at most %d are allowed", len(b.manifest), b.limits.MaxFiles)
	}
	total := int64(0)
	for _, c := range b.manifest {
		total += c.Size
		if c.Size > b.limits.MaxFileBytes {
			b.problems.add(c.Path, "30", "it has %d bytes; at most %d are allowed", c.Size, b.limits.MaxFileBytes)
		}
	}
	if total > b.limits.MaxTotalBytes {
		b.problems.add("", "30", "%d bytes were changed; at most %d are allowed", total, b.limits.MaxTotalBytes)
	}
}

// checkFilesAndDirectories refuses a path that would be both.
func (b *build) checkFilesAndDirectories(arrived []string) {
	for _, path := range arrived {
		for i := 0; i < len(path); i++ {
			if path[i] != '/' {
				continue
			}
			if e, file := b.wanted[path[:i]]; file && e.Mode != modeGitlink {
				b.problems.add(path, "27", "its directory %.200q is also a file", path[:i])
			}
		}
	}
}

// checkCollisions refuses a new name that some file system takes for another
// name of the result. Collisions that the base already has are not the agent's.
func (b *build) checkCollisions() {
	spelled := map[string]string{} // folded name → new spelling, of files and their directories
	for _, change := range b.manifest {
		if change.Kind != task.Added {
			continue
		}
		for name := range namesOf(change.Path) {
			folded := foldPath(name)
			if other, taken := spelled[folded]; taken && other != name {
				b.problems.add(change.Path, "27", "%.200q and %.200q are the same name on some systems", name, other)
				continue
			}
			spelled[folded] = name
		}
	}
	if len(spelled) == 0 {
		return
	}
	reported := map[string]bool{}
	for _, e := range b.base {
		if _, stays := b.wanted[e.Path]; !stays {
			continue
		}
		for name := range namesOf(e.Path) {
			other, taken := spelled[foldPath(name)]
			if !taken || other == name || reported[other] || b.inBase(other) {
				continue
			}
			reported[other] = true
			b.problems.add(other, "27", "it is the same name as %.200q on some systems", name)
		}
	}
}

// inBase reports whether the base has a file or directory of exactly this name.
func (b *build) inBase(name string) bool {
	_, file := b.byPath[name]
	return file || len(b.below(name)) > 0
}

// namesOf yields the path and each of its directories.
func namesOf(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i < len(path); i++ {
			if path[i] == '/' && !yield(path[:i]) {
				return
			}
		}
		yield(path)
	}
}
