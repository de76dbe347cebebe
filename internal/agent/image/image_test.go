package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// engine is one that remembers what it was given.
type engine struct {
	images  map[string]sandbox.Image
	context []byte
	fails   error
}

func newEngine() *engine {
	return &engine{images: map[string]sandbox.Image{
		"base": {ID: "sha256:base", Architecture: "amd64", Size: 100},
		"arm":  {ID: "sha256:arm", Architecture: "arm64", Size: 100},
	}}
}

func (e *engine) Image(_ context.Context, reference string) (sandbox.Image, error) {
	image, ok := e.images[reference]
	if !ok {
		return image, sandbox.ErrImageMissing
	}
	return image, nil
}

func (e *engine) BuildImage(_ context.Context, spec sandbox.BuildSpec) (sandbox.Image, error) {
	var err error
	if e.context, err = io.ReadAll(spec.Context); err != nil || e.fails != nil {
		return sandbox.Image{}, errors.Join(err, e.fails)
	}
	e.images[spec.Reference] = sandbox.Image{ID: "sha256:new", Size: 150, Labels: spec.Labels, Architecture: "amd64"}
	return e.images[spec.Reference], nil
}

// packages lays out files as npm would. A name that ends in "*" is executable.
type packages []string

func (p packages) Install(_ context.Context, directory, _ string, manifest, lock []byte) error {
	if len(manifest) == 0 || len(lock) == 0 {
		return errors.New("no packages are named")
	}
	for _, name := range p {
		name, executable := strings.CutSuffix(name, "*")
		mode := fs.FileMode(0o600)
		if executable {
			mode = 0o711
		}
		path := filepath.Join(directory, "node_modules", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(name), mode)); err != nil {
			return err
		}
	}
	return nil
}

var codexPackages = packages{
	".bin/x", "codex-linux-x64/README.md", "codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex*",
	"codex-linux-x64/vendor/x86_64-unknown-linux-musl/codex-path/rg*",
	"codex-linux-x64/vendor/x86_64-unknown-linux-musl/codex-resources/voice/x*",
}

func builder(e *engine, p Packages) *Builder { return &Builder{Engine: e, Packages: p, Now: time.Now} }

func TestABuildTakesWhatTheRecipeNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	e := newEngine()
	result, err := builder(e, codexPackages).Build(t.Context(), "codex", "base")
	if err != nil {
		t.Fatal(err)
	}
	if !result.Built || result.ID != "sha256:new" || result.Added != 50 || result.Reference != "coderflow/agent-codex:"+result.Version {
		t.Errorf("%+v", result)
	}
	labels := e.images[result.Reference].Labels
	if labels[LabelPreset] != "codex" || labels[LabelVersion] != result.Version || labels[LabelBase] != "sha256:base" || labels[LabelRecipe] == "" {
		t.Errorf("labels %v", labels)
	}
	var got []string
	archive := tar.NewReader(bytes.NewReader(e.context))
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Mode&0o022 != 0 && h.Typeflag != tar.TypeSymlink {
			t.Errorf("%s: owner %d:%d, mode %o", h.Name, h.Uid, h.Gid, h.Mode)
		}
		got = append(got, h.FileInfo().Mode().String()+" "+h.Name+" "+h.Linkname)
	}
	want := []string{
		"-rw-r--r-- Dockerfile ",
		"drwxr-xr-x rootfs/opt/coderflow/agent/ ", "drwxr-xr-x rootfs/opt/coderflow/agent/bin/ ",
		"-rwxr-xr-x rootfs/opt/coderflow/agent/bin/codex ",
		"drwxr-xr-x rootfs/opt/coderflow/agent/codex-path/ ", "-rwxr-xr-x rootfs/opt/coderflow/agent/codex-path/rg ",
		"Lrwxrwxrwx rootfs/usr/local/bin/codex /opt/coderflow/agent/bin/codex",
		"Lrwxrwxrwx rootfs/usr/local/bin/rg /opt/coderflow/agent/codex-path/rg",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAnImageIsBuiltAgainOnlyWhenSomethingChanged(t *testing.T) {
	t.Parallel()
	e := newEngine()
	b := builder(e, codexPackages)
	build := func() bool {
		t.Helper()
		result, err := b.Build(t.Context(), "codex", "base")
		if err != nil {
			t.Fatal(err)
		}
		return result.Built
	}
	state := func() State {
		t.Helper()
		entries, err := b.List(t.Context(), "base")
		if err != nil {
			t.Fatal(err)
		}
		return entries[slices.IndexFunc(entries, func(e Entry) bool { return e.Preset == "codex" })].State
	}
	if s := state(); s != Missing {
		t.Errorf("at first: %s", s)
	}
	if !build() || state() != Current || build() {
		t.Error("built once, it is not current")
	}
	e.images["base"] = sandbox.Image{ID: "sha256:other", Architecture: "amd64"}
	if s := state(); s != Outdated || !build() || state() != Current {
		t.Errorf("on another base: %s", s)
	}
	e.images["coderflow/agent-codex:"+version(t, "codex")] = sandbox.Image{ID: "sha256:foreign"}
	if s := state(); s != Outdated || !build() {
		t.Errorf("made by someone else: %s", s)
	}
}

func version(t *testing.T, name string) string {
	t.Helper()
	preset, err := agent.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return preset.Version
}

func TestABuildThatCannotBeSaysWhy(t *testing.T) {
	t.Parallel()
	for want, try := range map[string]func() error{
		`"exec" has no image of its own`: func() error { return buildError(t, newEngine(), codexPackages, "exec", "base") },
		"unknown agent preset":           func() error { return buildError(t, newEngine(), codexPackages, "cursor", "base") },
		"`make setup` builds the sandbox image": func() error {
			return buildError(t, newEngine(), codexPackages, "codex", "none")
		},
		`"opencode" has no package for arm64, only for: amd64`: func() error {
			return buildError(t, newEngine(), codexPackages, "opencode", "arm")
		},
		"npm brought no codex-linux-x64/vendor": func() error { return buildError(t, newEngine(), packages{"x"}, "codex", "base") },
		"the engine's words": func() error {
			e := newEngine()
			e.fails = errors.New("the engine's words")
			return buildError(t, e, codexPackages, "codex", "base")
		},
	} {
		err := try()
		if err == nil || !strings.Contains(err.Error(), want) && !errors.Is(err, agent.ErrUnknownPreset) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func buildError(t *testing.T, e *engine, p Packages, name, base string) error {
	t.Helper()
	_, err := builder(e, p).Build(t.Context(), name, base)
	return err
}

// linked is a package with a link to a file of this machine.
type linked struct{ packages }

func (l linked) Install(ctx context.Context, directory, cpu string, manifest, lock []byte) error {
	tree := filepath.Join(directory, "node_modules", "codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin")
	return errors.Join(l.packages.Install(ctx, directory, cpu, manifest, lock), os.Symlink("/etc/passwd", filepath.Join(tree, "x")))
}

func TestALinkInAPackageIsRefused(t *testing.T) {
	t.Parallel()
	e := newEngine()
	err := buildError(t, e, linked{codexPackages}, "codex", "base")
	if err == nil || !strings.Contains(err.Error(), "neither a file nor a directory") || len(e.images) != 2 {
		t.Errorf("%v", err)
	}
}

func TestWithoutNPMTheErrorSaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := NPM{}.Install(t.Context(), t.TempDir(), "x64", []byte("{}"), []byte("{}"))
	if !errors.Is(err, ErrNoNPM) || !strings.Contains(err.Error(), "scripts/setup --agents") {
		t.Errorf("%v", err)
	}
}

// The npm of this test is a script: it shows what npm is asked to do, and that its words are kept when it fails.
func TestNPMIsToldToRunNothingOfAPackage(t *testing.T) {
	path, directory := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\n[ -s package.json ] && [ -s package-lock.json ] || exit 3\necho \"asked: $*\" >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(path, "npm"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", path+":"+os.Getenv("PATH"))
	err := NPM{}.Install(t.Context(), directory, "arm64", []byte("{}"), []byte("{}"))
	if err == nil {
		t.Fatal("a failing npm was taken for a good one")
	}
	for _, want := range []string{"asked: ci ", "--ignore-scripts", "--os=linux", "--cpu=arm64", "--libc=glibc"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing: %v", want, err)
		}
	}
}

// A changed hash in the lock is what a changed package looks like.
func TestAPackageWithAnotherHashIsRefused(t *testing.T) {
	t.Parallel()
	base, err := builder(newEngine(), nil).base(t.Context(), "base")
	if err != nil {
		t.Fatal(err)
	}
	preset, err := agent.Lookup("opencode")
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(preset, base)
	if err != nil {
		t.Fatal(err)
	}
	// The small packages only.
	manifest := []byte(`{"name":"x","version":"1.0.0","dependencies":{"@vscode/ripgrep-linux-x64":"1.18.0"}}`)
	start := bytes.Index(p.lock, []byte(`"node_modules/@vscode/ripgrep-linux-x64"`))
	entry := p.lock[start : start+bytes.IndexByte(p.lock[start:], ']')]
	at := bytes.Index(entry, []byte("sha512-")) + len("sha512-")
	hash := string(entry[at : at+86])
	lock := func(hash string) []byte {
		return []byte(`{"name":"x","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{` +
			`"":{"name":"x","version":"1.0.0","dependencies":{"@vscode/ripgrep-linux-x64":"1.18.0"}},` +
			`"node_modules/@vscode/ripgrep-linux-x64":{"version":"1.18.0","integrity":"sha512-` + hash + `=="}}}`)
	}
	if err := (NPM{}).Install(t.Context(), t.TempDir(), "x64", manifest, lock(hash)); err != nil {
		t.Fatalf("with its own hash: %v", err)
	}
	changed := strings.Repeat("A", 10) + hash[10:]
	if err := (NPM{}).Install(t.Context(), t.TempDir(), "x64", manifest, lock(changed)); err == nil || !strings.Contains(err.Error(), "EINTEGRITY") {
		t.Errorf("with another hash: %v", err)
	}
}
