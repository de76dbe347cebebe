package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// emptyTree is the id of the tree without entries, which git knows without
// having it stored.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// pinned are the settings under which every git process runs. Command line
// settings win over every file, so this holds even for a mirror whose
// configuration somebody changed (which openMirror refuses anyway).
var pinned = []string{
	// Nothing may start a program.
	"core.hooksPath=/dev/null", "core.fsmonitor=false", "core.pager=cat", "core.editor=false",
	"core.sshCommand=false", "core.alternateRefsCommand=", "credential.helper=",
	"commit.gpgSign=false", "push.gpgSign=false", "gc.auto=0", "maintenance.auto=false",
	// Nothing of a tree or of the host's user steers how content is read or shown.
	"core.attributesFile=/dev/null", "core.excludesFile=/dev/null", "attr.tree=" + emptyTree,
	"core.autocrlf=false", "core.safecrlf=false", "core.ignoreCase=false", "core.precomposeUnicode=false",
	"core.fileMode=true", "core.symlinks=true", "core.quotePath=true", "core.sparseCheckout=false",
	"core.untrackedCache=false", "core.splitIndex=false", "core.bigFileThreshold=512m", "index.sparse=false",
	"core.protectHFS=true", "core.protectNTFS=true", "core.logAllRefUpdates=false",
	// The network: https only, to the place that was named, of objects that are well formed.
	"protocol.allow=never", "protocol.https.allow=always", "http.followRedirects=false", "http.sslVerify=true",
	"http.lowSpeedLimit=1", "http.lowSpeedTime=120", "transfer.credentialsInUrl=die", "transfer.bundleURI=false",
	"submodule.recurse=false", "fetch.recurseSubmodules=false", "push.recurseSubmodules=no",
	"fetch.fsckObjects=true", "transfer.fsckObjects=true", "fetch.unpackLimit=1", "fetch.writeCommitGraph=false",
	"push.followTags=false", "push.negotiate=false", "push.useForceIfIncludes=false",
	// What was acknowledged survives a power loss.
	"core.fsync=objects,derived-metadata,reference",
}

// invocation is one run of git. Content never stands in args: paths and
// messages go through stdin.
type invocation struct {
	args   []string
	gitDir string
	// config adds to pinned, as key=value.
	config []string
	// env adds to the fixed environment; it never holds a secret.
	env []string
	// stdin must not block for ever: it is data in memory, or a file.
	stdin io.Reader
	// stdout receives the output; nil means that run returns it, up to maxOutput.
	stdout io.Writer
	// remote makes this a network command, allowed to reach that remote's host.
	remote *Remote
}

// maxOutput bounds the output of a git process that run returns.
const maxOutput = 64 << 20

// killDelay is how long a killed process group has to give up its pipes.
const killDelay = 5 * time.Second

// run runs git once and waits for it. It is the only place that starts a program.
func (g *Git) run(ctx context.Context, inv invocation) ([]byte, error) {
	timeout := g.opts.LocalTimeout
	if inv.remote != nil {
		timeout = g.opts.NetworkTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	network, err := g.networkConfig(inv.remote)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, g.program, arguments(inv, network)...)
	cmd.Env = append(g.environment(inv), inv.env...)
	cmd.Dir = g.place(emptyDir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killDelay
	cmd.Stdin = inv.stdin

	var captured bytes.Buffer
	cmd.Stdout = inv.stdout
	if inv.stdout == nil {
		cmd.Stdout = &limitedWriter{w: &captured, left: maxOutput, limit: maxOutput}
	}
	stderr := &tailWriter{keep: maxStderr}
	cmd.Stderr = stderr
	var secret forge.Secret
	if inv.remote != nil {
		secret = inv.remote.Token.Value
	}
	closePipe, err := g.attachCredential(cmd, secret)
	if err != nil {
		return nil, err
	}
	defer closePipe()
	if err := cmd.Run(); err != nil {
		return captured.Bytes(), commandError(ctx, inv.args[0], err, redact(stderr.String(), secret))
	}
	return captured.Bytes(), nil
}

func arguments(inv invocation, network []string) []string {
	var argv []string
	for _, setting := range slices.Concat(pinned, network, inv.config) {
		argv = append(argv, "-c", setting)
	}
	return append(argv, inv.args...)
}

// environment is the whole environment of a git process: nothing is inherited.
func (g *Git) environment(inv invocation) []string {
	empty := g.place(emptyDir)
	env := []string{
		"PATH=" + filepath.Dir(g.program) + ":/usr/bin:/bin",
		"HOME=" + empty, "XDG_CONFIG_HOME=" + empty, "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_ATTR_SOURCE=" + emptyTree, "GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1",
		"GIT_LITERAL_PATHSPECS=1", "GIT_OPTIONAL_LOCKS=0", "GIT_PAGER=cat", "GIT_EDITOR=false",
		"GIT_ADVICE=0", "GIT_NO_LAZY_FETCH=1", "GIT_CEILING_DIRECTORIES=" + g.opts.Dir,
	}
	if inv.gitDir != "" {
		env = append(env, "GIT_DIR="+inv.gitDir)
	}
	return env
}

// CommandError is a git process that failed.
type CommandError struct {
	Command  string // the subcommand
	ExitCode int    // -1 if it did not exit by itself
	Words    string // its standard error, made safe to show
	Err      error
}

// Error implements error.
func (e *CommandError) Error() string {
	if e.Words == "" {
		return fmt.Sprintf("git %s: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("git %s: %v: %s", e.Command, e.Err, e.Words)
}

// Unwrap returns the cause: context.DeadlineExceeded, an exit status, …
func (e *CommandError) Unwrap() error { return e.Err }

func commandError(ctx context.Context, command string, err error, stderr string) error {
	failed := &CommandError{Command: command, ExitCode: -1, Words: sanitize(stderr), Err: err}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		failed.ExitCode = exit.ExitCode()
	}
	if cause := ctx.Err(); cause != nil {
		failed.Err = cause
	}
	return failed
}

// output runs git and returns its output without the final newline.
func (g *Git) output(ctx context.Context, inv invocation) (string, error) {
	out, err := g.run(ctx, inv)
	return strings.TrimSuffix(string(out), "\n"), err
}

// removeAll removes a directory of ours and logs if it cannot: the next start sweeps it.
func (g *Git) removeAll(ctx context.Context, dir string) {
	if err := os.RemoveAll(dir); err != nil {
		g.opts.Logger.WarnContext(ctx, "remove a temporary git directory", "dir", dir, "error", err)
	}
}
