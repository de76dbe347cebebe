package packaging

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|copyright)([-._].*)?$`)

// Source is where the files of a module lie.
type Source struct {
	Name      string // path and version
	Directory string
}

// WriteLicences writes the licence files of the sources, each under its module's name, in their order. Every licence that
// is in use here asks for that. A source without one is an error.
func WriteLicences(w io.Writer, sources []Source) error {
	for _, s := range sources {
		texts, err := licencesOf(s.Directory)
		if err != nil {
			return fmt.Errorf("the licence of %s: %w", s.Name, err)
		}
		if _, err := fmt.Fprintf(w, "==== %s\n\n%s\n", s.Name, texts); err != nil {
			return fmt.Errorf("write the licences: %w", err)
		}
	}
	return nil
}

func licencesOf(directory string) ([]byte, error) {
	entries, err := os.ReadDir(directory) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("look for it: %w", err)
	}
	var texts [][]byte
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !licenceName.MatchString(entry.Name()) || slices.Contains([]string{".go", ".sh"}, filepath.Ext(entry.Name())) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(directory, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read it: %w", err)
		}
		texts = append(texts, append([]byte("---- "+entry.Name()+"\n\n"), text...))
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("there is none in %s", directory)
	}
	return bytes.Join(texts, []byte("\n")), nil
}
