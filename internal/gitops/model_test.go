package gitops

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/task"
)

// The model of a tree, independent of git: path → file, hashed by hand.
// https://git-scm.com/book/en/v2/Git-Internals-Git-Objects

func objectIDOf(kind, content string) string {
	sum := sha1.Sum(fmt.Appendf(nil, "%s %d\x00%s", kind, len(content), content))
	return hex.EncodeToString(sum[:])
}

func blobID(content string) string { return objectIDOf("blob", content) }

// treeID hashes the files below prefix, which is empty or ends with '/'.
func treeID(files map[string]file, prefix string) string {
	type entry struct{ mode, id, key string }
	entries := map[string]entry{}
	for path, f := range files {
		rest, inside := strings.CutPrefix(path, prefix)
		if !inside {
			continue
		}
		name, _, directory := strings.Cut(rest, "/")
		if directory {
			entries[name] = entry{"40000", "", name + "/"}
			continue
		}
		entries[name] = entry{f.mode, blobID(f.content), name}
	}
	var content strings.Builder
	for _, name := range slices.SortedFunc(maps.Keys(entries), func(a, b string) int { return strings.Compare(entries[a].key, entries[b].key) }) {
		e := entries[name]
		if e.id == "" {
			e.id = treeID(files, prefix+name+"/")
		}
		raw, _ := hex.DecodeString(e.id)
		fmt.Fprintf(&content, "%s %s\x00%s", e.mode, name, raw)
	}
	return objectIDOf("tree", content.String())
}

var (
	names    = []string{"a", "b", "a.b", "a-b", "a0", "zz", "é"}
	contents = []string{"", "x\n", "y\nz\n", "\x00bin", "no newline", "crlf\r\n"}
)

func drawPath(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(names), 1, 3).Draw(t, "path"), "/")
}

func drawFile(t *rapid.T, path string) file {
	mode := rapid.SampledFrom([]string{modeRegular, modeRegular, modeExecutable, modeSymlink}).Draw(t, "mode")
	if mode == modeSymlink {
		return file{path, mode, "nowhere-" + rapid.SampledFrom(names).Draw(t, "target")}
	}
	return file{path, mode, rapid.SampledFrom(contents).Draw(t, "content")}
}

// set puts a file where it belongs and removes what cannot stand beside it.
func set(files map[string]file, f file) {
	for path := range files {
		if strings.HasPrefix(path, f.path+"/") || strings.HasPrefix(f.path, path+"/") {
			delete(files, path)
		}
	}
	files[f.path] = f
}

var kindOf = map[string]ChangeKind{modeRegular: Regular, modeExecutable: Executable, modeSymlink: Symlink}

// Whatever the base and whatever the changes, the tree that git wrote is the
// tree that the model says, and the manifest tells exactly their difference.
func TestBuiltTreeIsTheModelsTree(t *testing.T) {
	t.Parallel()
	g := newGit(t, nil)
	if _, err := g.openMirror(t.Context(), testRepo); err != nil {
		t.Fatal(err)
	}
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		before := map[string]file{"root": text("root", "r\n")}
		for range rapid.IntRange(0, 8).Draw(r, "base files") {
			set(before, drawFile(r, drawPath(r)))
		}
		after := maps.Clone(before)
		for range rapid.IntRange(0, 6).Draw(r, "edits") {
			path := drawPath(r)
			if rapid.Bool().Draw(r, "delete") {
				maps.DeleteFunc(after, func(p string, _ file) bool { return p == path || strings.HasPrefix(p, path+"/") })
			} else {
				set(after, drawFile(r, path))
			}
		}
		base := commitTo(t, mirrorDir(g), fmt.Sprintf("r%d", round), slices.Collect(maps.Values(before))...)
		result, err := g.BuildTree(t.Context(), buildRequest(base, difference(r, before, after)...))
		if maps.Equal(before, after) {
			if err != ErrNoChange {
				r.Fatalf("no change: %v", err)
			}
			return
		}
		if err != nil {
			r.Fatal(err)
		}
		if want := treeID(after, ""); result.Tree != want {
			r.Fatalf("tree %s, the model says %s", result.Tree, want)
		}
		var want []string
		for _, path := range slices.Sorted(maps.Keys(union(before, after))) {
			old, had := before[path]
			now, has := after[path]
			switch {
			case !had:
				want = append(want, string(task.Added)+" "+path)
			case !has:
				want = append(want, string(task.Deleted)+" "+path)
			case old != now:
				want = append(want, string(task.Modified)+" "+path)
			}
		}
		if got := paths(result.Manifest); !slices.Equal(got, want) {
			r.Fatalf("manifest %q, the model says %q", got, want)
		}
	})
}

func union(a, b map[string]file) map[string]file {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// difference is what a collector reports, in any order, with some unchanged
// files and without some deletions that follow from other changes.
func difference(t *rapid.T, before, after map[string]file) []Change {
	var changes []Change
	for path, f := range after {
		if before[path] != f || rapid.Bool().Draw(t, "send unchanged") {
			changes = append(changes, changeOf(kindOf[f.mode], path, f.content))
		}
	}
	for path := range before {
		if _, stays := after[path]; !stays {
			changes = append(changes, gone(path))
		}
	}
	return rapid.Permutation(changes).Draw(t, "order")
}
