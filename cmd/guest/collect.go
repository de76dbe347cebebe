package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// collect writes the differences between the base tree and the workspace to standard output. It only reads, and
// runs nothing of the workspace: no git, no hook, no filter.
func collect() error {
	var spec guestproto.CollectSpec
	if err := guestproto.ReadSpec(guestproto.SpecPath, &spec); err != nil {
		return err
	}
	if err := spec.Limits.Validate(); err != nil {
		return err
	}
	base, err := readBase(guestproto.ManifestPath)
	if err != nil {
		return err
	}
	out, err := guestproto.NewWriter(os.Stdout, spec.Limits)
	if err != nil {
		return err
	}
	w := &walk{limits: spec.Limits, base: base, out: out, buffer: make([]byte, 256<<10)}
	if err := w.run(guestproto.Workspace); err != nil {
		var limit *guestproto.LimitError
		if errors.As(err, &limit) {
			// A limit is an answer like any other.
			return out.Fail(limit)
		}
		return err
	}
	return out.End()
}

// baseTree is the tree that the task began with.
type baseTree map[string]*baseEntry

type baseEntry struct {
	guestproto.Entry
	met bool // the workspace has something here that is not a directory: no deletion
}

func readBase(path string) (baseTree, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the base manifest: %w", err)
	}
	defer file.Close()
	base := make(baseTree)
	err = guestproto.ReadManifest(file, func(entry guestproto.Entry) error {
		base[entry.Path] = &baseEntry{Entry: entry}
		return nil
	})
	return base, err
}

// missing returns the base paths that the workspace no longer has, sorted.
func (b baseTree) missing() []string {
	var paths []string
	for path, entry := range b {
		if !entry.met {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}
