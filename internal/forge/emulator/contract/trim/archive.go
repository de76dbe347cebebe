package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxMember bounds one file of a package, in bytes; the largest that is read has 13 MB.
const maxMember = 64 << 20

// archive is one published package.
type archive struct {
	path, name, version string
}

// openArchive reads the package's own name and version.
func openArchive(path string) (*archive, error) {
	pkg := &archive{path: path}
	text, err := pkg.read("package/package.json")
	if err != nil {
		return nil, err
	}
	var about struct{ Name, Version string }
	if err := json.Unmarshal(text, &about); err != nil {
		return nil, fmt.Errorf("reading package.json of %s: %w", path, err)
	}
	pkg.name, pkg.version = about.Name, about.Version
	return pkg, nil
}

// read returns one member of the archive.
func (a *archive) read(member string) ([]byte, error) {
	file, err := os.Open(a.path)
	if err != nil {
		return nil, fmt.Errorf("opening package: %w", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", a.path, err)
	}
	for members := tar.NewReader(unzipped); ; {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s has no file %s", a.path, member)
		}
		if err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", a.path, err)
		}
		if header.Name != member {
			continue
		}
		if header.Size > maxMember {
			return nil, fmt.Errorf("%s in %s has %d bytes, more than %d", member, a.path, header.Size, maxMember)
		}
		text, err := io.ReadAll(members)
		if err != nil {
			return nil, fmt.Errorf("unpacking %s of %s: %w", member, a.path, err)
		}
		return text, nil
	}
}

// object reads a member that holds one JSON object.
func (a *archive) object(member string) (map[string]any, error) {
	text, err := a.read(member)
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", member, a.path, err)
	}
	return doc, nil
}
