package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/coderflow/coderflow/internal/strictyaml"
)

// maxManifestFiles bounds how many files one command reads.
const maxManifestFiles = 1000

// readManifests reads files, and of directories every *.yaml and *.yml in it
// (not below it), by the name under which problems are told.
func readManifests(paths []string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, path := range paths {
		names, err := manifestFiles(path)
		if err != nil {
			return nil, fmt.Errorf("read manifests: %w", err)
		}
		for _, name := range names {
			text, err := readManifest(name)
			if err != nil {
				return nil, fmt.Errorf("read manifests: %w", err)
			}
			if files[short(name)] = text; len(files) > maxManifestFiles {
				return nil, fmt.Errorf("read manifests: there are more than %d files", maxManifestFiles)
			}
		}
	}
	return files, nil
}

func manifestFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if ext := filepath.Ext(entry.Name()); (ext == ".yaml" || ext == ".yml") && !entry.IsDir() {
			names = append(names, filepath.Join(path, entry.Name()))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no *.yaml or *.yml file in %s", path)
	}
	return names, nil
}

func readManifest(name string) ([]byte, error) {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() { // a FIFO would never end
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", name))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()                                             //nolint:errcheck // only read
	return io.ReadAll(io.LimitReader(f, strictyaml.MaxBytes+1)) // whoever parses it refuses one that is larger
}

// short is the name from here, if the file is below: where the rest lies is not
// the server's business.
func short(name string) string {
	here, err := os.Getwd()
	if err != nil {
		return name
	}
	if below, err := filepath.Rel(here, name); err == nil && !strings.HasPrefix(below, "..") {
		return below
	}
	return name
}

func texts(files map[string][]byte) map[string]string {
	sent := map[string]string{}
	for name, text := range files {
		sent[name] = string(text)
	}
	return sent
}
