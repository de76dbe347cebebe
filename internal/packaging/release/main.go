// Command release packs the built programs of one platform: the archive and its bill of materials. scripts/release runs it.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/packaging"
)

func main() {
	if err := run(os.Args[1:], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run reads from modules where they are, one on a line: "PATH VERSION<tab>DIRECTORY".
func run(args []string, modules io.Reader) error {
	var r packaging.Release
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&r.Version, "version", "", "version `TAG`")
	flags.StringVar(&r.Commit, "commit", "", "full `ID` of the commit")
	flags.StringVar(&r.Platform, "platform", "", "`OS/ARCHITECTURE` of the programs")
	seconds := flags.Int64("epoch", 0, "time of the commit in `SECONDS` since 1970")
	root := flags.String("root", ".", "`DIRECTORY` of the source")
	manifests := flags.String("manifests", "", "`FILE` with the names of the manifests, each ended by a zero byte")
	goroot := flags.String("goroot", "", "`DIRECTORY` of Go itself")
	programs := flags.String("programs", "", "`DIRECTORY` of the built programs")
	out := flags.String("out", "", "`DIRECTORY` to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if r.Version == "" || r.Commit == "" || r.Platform == "" || *seconds == 0 || *manifests == "" || *goroot == "" || *programs == "" || *out == "" {
		return errors.New("every flag but -root is needed")
	}
	r.Time = time.Unix(*seconds, 0).UTC()
	built, err := readPrograms(*programs)
	if err != nil {
		return err
	}
	var sbom, licences bytes.Buffer
	if err := packaging.WriteSBOM(&sbom, r, built); err != nil {
		return fmt.Errorf("write the bill of materials: %w", err)
	}
	sources, err := sourcesOf(built, modules, *goroot)
	if err != nil {
		return err
	}
	if err := packaging.WriteLicences(&licences, sources); err != nil {
		return err
	}
	items, err := contents(*root, *manifests)
	if err != nil {
		return err
	}
	items = append(items, packaging.Item{Name: "sbom.cdx.json", Content: sbom.Bytes()}, packaging.Item{Name: "THIRD-PARTY-LICENCES.txt", Content: licences.Bytes()})
	for _, p := range built {
		items = append(items, packaging.Item{Name: "bin/" + p.Name, Content: p.Content, Executable: true})
	}
	return write(r, *out, items, sbom.Bytes())
}

func readPrograms(directory string) ([]packaging.Program, error) {
	var all []packaging.Program
	for _, name := range []string{"coderflow", "coderflow-guest"} {
		content, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil {
			return nil, fmt.Errorf("read a program: %w", err)
		}
		p, err := packaging.ReadProgram(name, content)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// sourcesOf finds where each module of the programs lies, and Go first of all.
func sourcesOf(programs []packaging.Program, modules io.Reader, goroot string) ([]packaging.Source, error) {
	directories := map[string]string{}
	lines := bufio.NewScanner(modules)
	for lines.Scan() {
		if name, directory, found := strings.Cut(lines.Text(), "\t"); found {
			directories[name] = directory
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read where modules are: %w", err)
	}
	all := []packaging.Source{{Name: "Go " + programs[0].Info.GoVersion, Directory: goroot}}
	for _, m := range packaging.Modules(programs) {
		name := m.Path + " " + m.Version
		if directories[name] == "" {
			return nil, fmt.Errorf("it was not said where %s is", name)
		}
		all = append(all, packaging.Source{Name: name, Directory: directories[name]})
	}
	return all, nil
}

// contents are the files of the source that go into an archive: those that git knows, because beside them there may be
// what it ignores, which is somebody's own configuration and its secrets.
func contents(root, manifests string) ([]packaging.Item, error) {
	names := []string{"LICENSE", "README.md", "app.yml", "Dockerfile", "images/sandbox/Dockerfile"}
	list, err := os.ReadFile(manifests)
	if err != nil {
		return nil, fmt.Errorf("read which manifests there are: %w", err)
	}
	names = append(names, strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")...)
	slices.Sort(names)
	items := make([]packaging.Item, len(names))
	for i, name := range names {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, fmt.Errorf("read what goes into the archive: %w", err)
		}
		items[i] = packaging.Item{Name: name, Content: content}
	}
	return items, nil
}

func write(r packaging.Release, out string, items []packaging.Item, sbom []byte) (err error) {
	name := filepath.Join(out, r.Directory())
	if err := os.WriteFile(name+".cdx.json", sbom, 0o644); err != nil { //nolint:gosec // it is for everybody
		return fmt.Errorf("write the bill of materials: %w", err)
	}
	archive, err := os.Create(name + ".tar.gz")
	if err != nil {
		return fmt.Errorf("make the archive: %w", err)
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	return packaging.WriteArchive(archive, r.Directory(), items, r.Time)
}
