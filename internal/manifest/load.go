package manifest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// maxFiles bounds how many files one load reads.
const maxFiles = 1000

// Load reads files, and of directories every *.yaml and *.yml in it (not below
// it), as one set. The error has every problem of every file. A subject that is
// a login is one of them; see [LoadWith].
func Load(paths ...string) (*Set, error) { return LoadWith(context.Background(), nil, paths...) }

// LoadWith is [Load] that asks the forge for the number of each login.
func LoadWith(ctx context.Context, r Resolver, paths ...string) (*Set, error) {
	if len(paths) == 0 {
		return nil, errors.New("read manifests: name a file or directory")
	}
	var names []string
	for _, path := range paths {
		found, err := expand(path)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("%d manifest files are more than %d", len(names), maxFiles)
	}
	files := map[string][]byte{}
	var problems []error
	for _, name := range names {
		data, err := readFile(name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		files[name] = data
	}
	if len(files) == 0 && len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	set, err := ParseWith(ctx, r, files)
	if err := errors.Join(append(problems, err)...); err != nil {
		return nil, err
	}
	return set, nil
}

// Parse reads the contents of files, by name, as one set. Without files the set
// is empty: nobody may do anything. Files without a manifest are a mistake.
func Parse(files map[string][]byte) (*Set, error) { return ParseWith(context.Background(), nil, files) }

// ParseWith is [Parse] that asks the forge for the number of each login.
func ParseWith(ctx context.Context, r Resolver, files map[string][]byte) (*Set, error) {
	b := &builder{lookup: lookup(ctx, r)}
	docs, err := b.parse(files)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		b.read(d)
	}
	if len(docs)+len(b.problems) == 0 && len(files) > 0 {
		return nil, errors.New("there are no manifests in the given files")
	}
	return b.set()
}

// parse reads the documents of files in the order of their names. What is wrong
// with the YAML itself is among the builder's problems.
func (b *builder) parse(files map[string][]byte) ([]*sy.Document, error) {
	var all []*sy.Document
	for _, name := range slices.Sorted(maps.Keys(files)) {
		docs, err := sy.Parse(name, files[name])
		var problem *sy.Problem
		if errors.As(err, &problem) {
			b.add(problem)
		} else if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		all = append(all, docs...)
	}
	return all, nil
}

func expand(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	if !info.IsDir() {
		return []string{filepath.Clean(path)}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	var names []string
	for _, entry := range entries { // ReadDir sorts by name
		if ext := filepath.Ext(entry.Name()); (ext == ".yaml" || ext == ".yml") && !entry.IsDir() {
			names = append(names, filepath.Join(path, entry.Name()))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("read manifests: there is no *.yaml or *.yml file in %s", path)
	}
	return names, nil
}

func readFile(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() { // a FIFO would never end
		return nil, fmt.Errorf("read manifests: %s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, sy.MaxBytes+1)) // Parse refuses one that is larger
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	return data, nil
}
