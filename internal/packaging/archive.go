package packaging

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Item is one file of an archive.
type Item struct {
	Name       string // below the archive's directory, with slashes
	Content    []byte
	Executable bool
}

// WriteArchive writes a gzipped tar whose items lie in one directory. The same items at the same time are the same bytes:
// sorted, owned by 0:0 without names, with mode 0755 or 0644 and when as their time.
func WriteArchive(w io.Writer, directory string, items []Item, when time.Time) (err error) {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestCompression) // its header has no name and no time
	if err != nil {
		return fmt.Errorf("write %s: %w", directory, err)
	}
	archive := tar.NewWriter(zipped)
	items = slices.SortedFunc(slices.Values(items), func(a, b Item) int { return cmp.Compare(a.Name, b.Name) })
	for _, directory := range directories(directory, items) {
		if err := archive.WriteHeader(header(directory, tar.TypeDir, 0o755, 0, when)); err != nil {
			return fmt.Errorf("write %s: %w", directory, err)
		}
	}
	for _, item := range items {
		mode := int64(0o644)
		if item.Executable {
			mode = 0o755
		}
		if err := archive.WriteHeader(header(directory+"/"+item.Name, tar.TypeReg, mode, int64(len(item.Content)), when)); err != nil {
			return fmt.Errorf("write %s: %w", item.Name, err)
		}
		if _, err := archive.Write(item.Content); err != nil {
			return fmt.Errorf("write %s: %w", item.Name, err)
		}
	}
	return errors.Join(archive.Close(), zipped.Close())
}

func header(name string, kind byte, mode, size int64, when time.Time) *tar.Header {
	if kind == tar.TypeDir {
		name += "/"
	}
	return &tar.Header{Name: name, Typeflag: kind, Mode: mode, Size: size, ModTime: when.UTC().Truncate(time.Second), Format: tar.FormatPAX}
}

// directories are top and what lies between it and the items, sorted, so that parents come first.
func directories(top string, items []Item) []string {
	all := []string{top}
	for _, item := range items {
		path := top
		parts := strings.Split(item.Name, "/")
		for _, part := range parts[:len(parts)-1] {
			path += "/" + part
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
