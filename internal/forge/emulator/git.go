package emulator

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gitRunner runs the git program on bare repositories, with no configuration but the repository's own.
type gitRunner struct {
	path     string // of git
	execPath string // of git-http-backend
	home     string // an empty directory
}

const gitTimeout = 60 * time.Second

func newGit(dir string) (gitRunner, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return gitRunner{}, fmt.Errorf("emulator: git is needed (apt-get install git): %w", err)
	}
	g := gitRunner{path: path, home: filepath.Join(dir, "home")}
	out, err := g.run(gitCall{}, "--exec-path")
	if err != nil {
		return gitRunner{}, fmt.Errorf("emulator: %w", err)
	}
	g.execPath = strings.TrimSpace(out)
	if _, err := os.Stat(g.backend()); err != nil {
		return gitRunner{}, fmt.Errorf("emulator: git's http-backend is needed: %w", err)
	}
	return g, os.MkdirAll(g.home, 0o700)
}

func (g gitRunner) backend() string { return filepath.Join(g.execPath, "git-http-backend") }

// environ is the whole environment of every git process.
func (g gitRunner) environ(extra ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.home, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1"}
	return append(env, extra...)
}

// gitError is a git command that failed; Stderr is git's own message.
type gitError struct {
	args   []string
	stderr string
	err    error
}

func (e *gitError) Error() string {
	return fmt.Sprintf("git %s: %v: %s", strings.Join(e.args, " "), e.err, strings.TrimSpace(e.stderr))
}

func (e *gitError) Unwrap() error { return e.err }

type gitCall struct {
	dir   string
	stdin []byte
	env   []string
}

// run executes git in c.dir and returns its standard output, also on failure.
func (g gitRunner) run(c gitCall, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), gitTimeout)
	defer cancel()
	base := []string{"-c", "core.hooksPath=/dev/null", "-c", "core.attributesFile=/dev/null", "-c", "gc.auto=0"}
	cmd := exec.CommandContext(ctx, g.path, append(base, args...)...)
	cmd.Dir = c.dir
	cmd.Env = g.environ(c.env...)
	if c.stdin != nil {
		cmd.Stdin = bytes.NewReader(c.stdin)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), &gitError{args: args, stderr: stderr.String(), err: err}
	}
	return stdout.String(), nil
}

// in runs git in the repository.
func (g gitRunner) in(r *repository, args ...string) (string, error) {
	return g.run(gitCall{dir: r.dir}, args...)
}

// line is in, for commands that print one line.
func (g gitRunner) line(r *repository, args ...string) (string, error) {
	out, err := g.in(r, args...)
	return strings.TrimSpace(out), err
}

// resolve returns the commit that a branch, full ref or commit id names, or "".
func (g gitRunner) resolve(r *repository, name string) string {
	if name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, " ~^:?*[\\\x00\n") {
		return ""
	}
	for _, candidate := range []string{"refs/heads/" + name, "refs/tags/" + name, name} {
		if sha, err := g.line(r, "rev-parse", "--verify", "--quiet", "--end-of-options", candidate+"^{commit}"); err == nil {
			return sha
		}
	}
	return ""
}

// branch returns the tip of a branch, or "".
func (g gitRunner) branch(r *repository, name string) string {
	sha, err := g.line(r, "rev-parse", "--verify", "--quiet", "--end-of-options", "refs/heads/"+name+"^{commit}")
	if err != nil {
		return ""
	}
	return sha
}

// isAncestor says whether old is contained in new.
func (g gitRunner) isAncestor(r *repository, old, new string) bool {
	_, err := g.in(r, "merge-base", "--is-ancestor", old, new)
	return err == nil
}

const zeroSHA = "0000000000000000000000000000000000000000"
