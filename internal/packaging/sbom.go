package packaging

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// Program is a built program of a release.
type Program struct {
	Name    string
	Content []byte
	Info    *buildinfo.BuildInfo
}

// ReadProgram reads what the linker wrote into a Go program, which may be one for another machine.
func ReadProgram(name string, content []byte) (Program, error) {
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return Program{}, fmt.Errorf("%s: what it was built from: %w", name, err)
	}
	return Program{name, content, info}, nil
}

// Release is what a bill of materials is of.
type Release struct {
	Version  string
	Commit   string // full id
	Time     time.Time
	Platform string // OS/ARCHITECTURE
}

// Directory is the directory in the release's archive, and with an extension its files' names.
func (r Release) Directory() string {
	return "coderflow-" + r.Version + "-" + strings.ReplaceAll(r.Platform, "/", "-")
}

// Module is one dependency of a release, as a program names it.
type Module struct {
	Path, Version string
	Sum           string // as in go.sum, "h1:…"
}

// Modules are the modules that the programs contain, without CoderFlow itself, sorted by path.
func Modules(programs []Program) []Module {
	found := map[Module]bool{}
	for _, p := range programs {
		for _, m := range p.Info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			found[Module{m.Path, m.Version, m.Sum}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b Module) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Version, b.Version))
	})
}

// WriteSBOM writes a CycloneDX 1.6 document in JSON: the programs with their SHA-256, Go's standard library, and every
// module with the sum that go.sum has. Its serial number is made from the content, so that the same programs have the same
// document. See https://cyclonedx.org/docs/1.6/json/.
func WriteSBOM(w io.Writer, r Release, programs []Program) error {
	all := []cyclonedx.Component{}
	serial := sha256.New()
	for _, p := range programs {
		sum := sha256.Sum256(p.Content)
		serial.Write(sum[:])
		all = append(all, programComponent(p, sum), standardLibrary(p))
	}
	for _, m := range Modules(programs) {
		c, err := moduleComponent(m)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	all = slices.CompactFunc(slices.SortedFunc(slices.Values(all), func(a, b cyclonedx.Component) int {
		return cmp.Compare(a.BOMRef, b.BOMRef)
	}), func(a, b cyclonedx.Component) bool { return a.BOMRef == b.BOMRef })
	top := subject(r)
	document := cyclonedx.NewBOM()
	document.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, serial.Sum([]byte(top.PackageURL))).URN()
	document.Metadata = &cyclonedx.Metadata{Timestamp: r.Time.UTC().Format(time.RFC3339), Component: &top}
	document.Components = &all
	document.Dependencies = &[]cyclonedx.Dependency{contains(top, all)}
	return cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(document, cyclonedx.SpecVersion1_6)
}

func subject(r Release) cyclonedx.Component {
	os, architecture, _ := strings.Cut(r.Platform, "/")
	url := "pkg:golang/github.com/coderflow/coderflow@" + r.Version + "?goarch=" + architecture + "&goos=" + os
	return cyclonedx.Component{
		BOMRef: url, Type: cyclonedx.ComponentTypeApplication, Name: "github.com/coderflow/coderflow", Version: r.Version, PackageURL: url,
		Licenses:   &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "Apache-2.0"}}},
		Properties: &[]cyclonedx.Property{{Name: "commit", Value: r.Commit}},
	}
}

func programComponent(p Program, sum [sha256.Size]byte) cyclonedx.Component {
	return cyclonedx.Component{
		BOMRef: "file:" + p.Name, Type: cyclonedx.ComponentTypeFile, Name: p.Name,
		Hashes: &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
	}
}

func standardLibrary(p Program) cyclonedx.Component {
	version := strings.TrimPrefix(p.Info.GoVersion, "go")
	url := "pkg:golang/std@" + version
	return cyclonedx.Component{BOMRef: url, Type: cyclonedx.ComponentTypeLibrary, Name: "std", Version: version, PackageURL: url}
}

// moduleComponent has the module's sum in hex as its SHA-256, as CycloneDX's own tool for Go writes it: it is the hash of
// the list of the files' hashes (golang.org/x/mod/sumdb/dirhash), not of an archive.
func moduleComponent(m Module) (cyclonedx.Component, error) {
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
	if err != nil || len(sum) != sha256.Size {
		return cyclonedx.Component{}, fmt.Errorf("%s %s has no sum: %q", m.Path, m.Version, m.Sum)
	}
	url := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	return cyclonedx.Component{
		BOMRef: url, Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: url, Scope: cyclonedx.ScopeRequired,
		Hashes:     &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}},
		Properties: &[]cyclonedx.Property{{Name: "go.sum", Value: m.Sum}},
	}, nil
}

// contains says that all of it is in top. Which module needs which other one is not in a program.
func contains(top cyclonedx.Component, all []cyclonedx.Component) cyclonedx.Dependency {
	refs := make([]string, len(all))
	for i, c := range all {
		refs[i] = c.BOMRef
	}
	return cyclonedx.Dependency{Ref: top.BOMRef, Dependencies: &refs}
}
