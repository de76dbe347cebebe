package doctor

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Packages tells what this machine's distribution says about a program. Distributions put fixes into old versions,
// so that the number alone proves nothing.
type Packages struct {
	Docs string // where packages keep their changelogs; /usr/share/doc
}

// packageNames are what distributions call a component; the first that is there counts.
var packageNames = map[string][]string{
	"runc": {"runc"}, "containerd": {"containerd", "containerd.io"}, "docker": {"docker.io", "docker-ce", "moby-engine"}, "git": {"git"},
}

var cveShape = regexp.MustCompile(`CVE-\d{4}-\d{4,}`)

// changelogLimit bounds a changelog; the largest known has about a megabyte.
const changelogLimit = 16 << 20

// changelog returns the newest version of the package and the vulnerabilities that its changelog names. known is
// false where the program is not a distribution's package, or its documentation is not installed.
func (p Packages) changelog(component string) (newest string, fixed map[string]bool, known bool) {
	for _, name := range packageNames[component] {
		for _, file := range []string{"changelog.Debian.gz", "changelog.gz"} {
			text, err := gunzip(filepath.Join(p.Docs, name, file))
			if err != nil {
				continue
			}
			fixed = make(map[string]bool)
			for _, id := range cveShape.FindAll(text, -1) {
				fixed[string(id)] = true
			}
			_, rest, _ := strings.Cut(firstLine(text), "(")
			newest, _, _ = strings.Cut(rest, ")")
			return newest, fixed, newest != ""
		}
	}
	return "", nil, false
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(line)
}

func gunzip(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return io.ReadAll(io.LimitReader(unzipped, changelogLimit))
}

// component is a program whose version is known.
type component struct {
	name    string // as in advisories
	version string // what it says itself
	authz   bool   // of an engine: it has authorization plugins
	update  string // command that brings a newer one
}

// judge says which known vulnerabilities a component has.
func (c component) judge(_ context.Context, packages Packages) Finding {
	v := parseVersion(c.version)
	if !v.known {
		return warning(fmt.Sprintf("%s says its version is %q, which means nothing to this program", c.name, c.version),
			"whether it has known vulnerabilities cannot be told", "look the version up at its project, and "+c.update)
	}
	newest, named, packaged := packages.changelog(c.name)
	// Another program than the package's may be what runs.
	packaged = packaged && strings.Contains(newest, strings.SplitN(strings.TrimPrefix(c.version, "v"), "-", 2)[0])
	var open []advisory
	for _, a := range advisories {
		if a.component == c.name && !v.fixedIn(a.fixed) && (!packaged || !named[a.id]) && (!a.authz || c.authz) {
			open = append(open, a)
		}
	}
	shown := c.version
	if packaged {
		shown = newest
	}
	if len(open) == 0 {
		return fine("%s %s has none of the vulnerabilities that this program knows", c.name, shown).with("version", shown)
	}
	return c.report(open, shown, packaged)
}

func (c component) report(open []advisory, shown string, packaged bool) Finding {
	level, ids, reasons := Warning, []string{}, []string{}
	for _, a := range open {
		if a.level == Problem {
			level = Problem
		}
		ids = append(ids, a.id)
		reasons = append(reasons, a.id+": "+a.why)
	}
	slices.Sort(ids)
	source := "the version is older than the fixes; a fix that a distribution put into it would not show in the number"
	if packaged {
		source = "the version is older than the fixes, and the package's changelog does not name them"
	}
	return Finding{
		Level: level,
		Said:  fmt.Sprintf("%s %s: %s (%s)", c.name, shown, strings.Join(ids, ", "), source),
		Why:   strings.Join(reasons, "; "), Fix: c.update,
	}.with("version", shown).with("vulnerabilities", ids)
}
