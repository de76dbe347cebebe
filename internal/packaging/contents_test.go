package packaging_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"

	"github.com/coderflow/coderflow/internal/packaging"
)

func TestWhatCannotBeSaidIsAnError(t *testing.T) {
	t.Parallel()
	if err := packaging.WriteLicences(io.Discard, []packaging.Source{{Name: "example.com/m v1", Directory: t.TempDir()}}); err == nil || !strings.Contains(err.Error(), "example.com/m v1") {
		t.Errorf("a module without a licence: %v", err)
	}
	if _, err := packaging.ReadProgram("script", []byte("#!/bin/sh\n")); err == nil {
		t.Error("a script is taken for a Go program")
	}
}

// unpack checks each header, and returns the directory of the archive.
func unpack(t *testing.T, archive []byte, base string) string {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	entries := tar.NewReader(zipped)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return filepath.Join(dir, base)
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.UTC().Format(time.RFC3339) != commitTime || !strings.HasPrefix(h.Name, base+"/") {
			t.Errorf("%s is of %d:%d (%q), from %v", h.Name, h.Uid, h.Gid, h.Uname, h.ModTime)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		text, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, h.FileInfo().Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}

// sameBill holds the bill of materials against the programs that were packed.
func sameBill(t *testing.T, bill []byte, dir string) {
	t.Helper()
	if !bytes.Equal(bill, content(t, dir, "sbom.cdx.json")) {
		t.Error("the archive has another bill of materials")
	}
	var document cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(bill), cyclonedx.BOMFileFormatJSON).Decode(&document); err != nil {
		t.Fatal(err)
	}
	if document.SpecVersion != cyclonedx.SpecVersion1_6 || document.Metadata.Timestamp != commitTime || document.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("it is of %+v", document.Metadata)
	}
	said := map[string]string{}
	for _, c := range *document.Components {
		said[c.Name] = c.Version
		if c.Type == cyclonedx.ComponentTypeFile {
			said[c.Name] = (*c.Hashes)[0].Value
		}
	}
	licences := string(content(t, dir, "THIRD-PARTY-LICENCES.txt"))
	for _, name := range []string{"coderflow", "coderflow-guest"} {
		text := content(t, dir, "bin", name)
		sum := sha256.Sum256(text)
		if said[name] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has another hash than %q", name, said[name])
		}
		p, err := packaging.ReadProgram(name, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range packaging.Modules([]packaging.Program{p}) {
			if said[m.Path] != m.Version {
				t.Errorf("%s has %s %s, the bill says %q", name, m.Path, m.Version, said[m.Path])
			}
			if !strings.Contains(licences, "==== "+m.Path+" "+m.Version+"\n") {
				t.Errorf("the licence of %s is missing", m.Path)
			}
		}
	}
	if said["github.com/uptrace/bun"] == "" || said["std"] != strings.TrimPrefix(runtime.Version(), "go") {
		t.Errorf("it does not know the database layer, or Go: %v", said)
	}
}

func tellsItsVersion(t *testing.T, program, commit string) {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), program, "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Version, Commit, Date, Go, Platform string
		Schema                              int
	}
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	if said.Version != "v1.2.3" || said.Commit != commit || said.Date != commitTime || said.Go != runtime.Version() ||
		said.Platform != runtime.GOOS+"/"+runtime.GOARCH || said.Schema < 25 {
		t.Errorf("it says %s", text)
	}
}
