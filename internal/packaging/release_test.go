package packaging_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const commitTime = "2026-02-03T04:05:06Z"

// checkout is the source as a repository of its own with one commit, which has the tag v1.2.3.
type checkout struct {
	t   *testing.T
	dir string
	env []string
}

func newCheckout(t *testing.T) checkout {
	t.Helper()
	home := t.TempDir()
	c := checkout{t, filepath.Join(home, "source"), append(os.Environ(),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A",
		"GIT_COMMITTER_EMAIL=a@example.com", "GIT_AUTHOR_DATE="+commitTime, "GIT_COMMITTER_DATE="+commitTime,
		"RELEASE_PLATFORMS="+runtime.GOOS+"/"+runtime.GOARCH, "RELEASE_SNAPSHOT=", "RELEASE_SIGNING_KEY=",
	)}
	copySource(t, "../..", c.dir)
	c.must("git", "init", "--quiet")
	c.must("git", "add", "--all")
	c.must("git", "commit", "--quiet", "--message", "A commit")
	c.must("git", "tag", "v1.2.3")
	return c
}

// copySource copies what belongs to the source: nothing that was built, and nothing hidden but what its own rules need.
func copySource(t *testing.T, from, to string) {
	t.Helper()
	top := []string{"cmd", "docs", "images", "internal", "manifests", "scripts", "Dockerfile", "LICENSE", "Makefile", "README.md", "app.yml", "go.mod", "go.sum", ".gitignore"}
	for _, name := range top {
		err := filepath.WalkDir(filepath.Join(from, name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			below, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			target := filepath.Join(to, below)
			switch {
			case entry.IsDir() && entry.Name() == "node_modules":
				return fs.SkipDir
			case entry.IsDir():
				return os.MkdirAll(target, 0o755)
			case !entry.Type().IsRegular():
				return nil
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, text, info.Mode().Perm())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (c checkout) run(env []string, name string, args ...string) (string, error) {
	command := exec.CommandContext(c.t.Context(), name, args...)
	command.Dir, command.Env = c.dir, append(slices.Clone(c.env), env...)
	text, err := command.CombinedOutput()
	return string(text), err
}

func (c checkout) must(name string, args ...string) string {
	c.t.Helper()
	text, err := c.run(nil, name, args...)
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, text)
	}
	return strings.TrimSpace(text)
}

func TestAReleaseIsOfExactlyItsTag(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	out := filepath.Join(t.TempDir(), "out")
	refused := func(why, version string) {
		t.Helper()
		text, err := c.run(nil, "scripts/release", version, out)
		if err == nil || !strings.Contains(text, why) {
			t.Errorf("%s: %v: %s", why, err, text)
		}
		if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: and something was made: %v", why, err)
		}
	}
	refused("is no version", "1.2.3")
	refused("is no version", "v1.2.3/../x")
	refused("there is no tag v1.2.4", "v1.2.4")
	if err := os.WriteFile(filepath.Join(c.dir, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("changes that are in no commit", "v1.2.3")
	c.must("git", "add", "--all")
	refused("changes that are in no commit", "v1.2.3")
	c.must("git", "commit", "--quiet", "--message", "Another one")
	refused("the tag v1.2.3 is at another commit", "v1.2.3")
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	c.must("git", "switch", "--quiet", "--detach", "v1.2.3")
	if text, err := c.run(nil, "scripts/release", "v1.2.3", out); err == nil || !strings.Contains(text, "exists") {
		t.Errorf("over another release: %v: %s", err, text)
	}
}

// The same commit in two places, in environments that differ, becomes the same bytes; and they are what they say.
func TestAReleaseIsTheSameWhereverItIsMade(t *testing.T) {
	t.Parallel()
	first, second := newCheckout(t), newCheckout(t)
	// Ignored by git, so that the tree has no changes: it must not get into a release.
	own := filepath.Join(first.dir, "manifests", "deploy", "compose", "secrets")
	if err := errors.Join(os.MkdirAll(own, 0o700), os.WriteFile(filepath.Join(own, "audit.key"), []byte("secret"), 0o600)); err != nil {
		t.Fatal(err)
	}
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "elsewhere", "b")
	key := filepath.Join(t.TempDir(), "key")
	first.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	if text, err := first.run([]string{"RELEASE_SIGNING_KEY=" + key}, "scripts/release", "v1.2.3", a); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	text, err := second.run([]string{"RELEASE_SIGNING_KEY=" + key, "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "GOFLAGS=-tags=x", "GOAMD64=v3", "CGO_ENABLED=1", "SOURCE_DATE_EPOCH=1"}, "scripts/release", "v1.2.3", b)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	names := filesIn(t, a)
	if other := filesIn(t, b); !slices.Equal(names, other) {
		t.Fatalf("%v and %v", names, other)
	}
	for _, name := range names {
		if !bytes.Equal(content(t, a, name), content(t, b, name)) {
			t.Errorf("%s differs", name)
		}
	}
	base := "coderflow-v1.2.3-" + runtime.GOOS + "-" + runtime.GOARCH
	if want := []string{"RELEASE-NOTES.md", "SHA256SUMS", "SHA256SUMS.sig", base + ".cdx.json", base + ".tar.gz"}; !slices.Equal(names, want) {
		t.Errorf("it has %v, want %v", names, want)
	}
	verify(t, a, key+".pub", len(names)-2)
	unpacked := unpack(t, content(t, a, base+".tar.gz"), base)
	sameBill(t, content(t, a, base+".cdx.json"), unpacked)
	tellsItsVersion(t, filepath.Join(unpacked, "bin", "coderflow"), first.must("git", "rev-parse", "HEAD"))
}

// verify does what docs/releases.md says to whoever downloads a release.
func verify(t *testing.T, dir, key string, files int) {
	t.Helper()
	signers := filepath.Join(t.TempDir(), "signers")
	if err := os.WriteFile(signers, append([]byte("releases@example.com "), content(t, key)...), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "sh", "-euc", `
		ssh-keygen -Y verify -f "$1" -I releases@example.com -n coderflow-release -s SHA256SUMS.sig <SHA256SUMS
		sha256sum --check --strict SHA256SUMS`, "sh", signers)
	command.Dir = dir
	if text, err := command.CombinedOutput(); err != nil || strings.Count(string(text), ": OK") != files {
		t.Errorf("the sums of %d files: %v: %s", files, err, text)
	}
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func content(t *testing.T, parts ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
