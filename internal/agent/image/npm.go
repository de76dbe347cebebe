package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// installTimeout bounds one download: some hundred megabytes.
const installTimeout = 15 * time.Minute

// ErrNoNPM says that this machine has no npm.
var ErrNoNPM = errors.New("npm is not on the PATH: `scripts/setup --agents` installs it on Debian and Ubuntu; elsewhere install Node.js with npm")

// NPM gets packages with the machine's npm. npm's own configuration says from where; the lock's hashes say what.
type NPM struct{}

// Install puts the packages of a lock into directory/node_modules. npm only downloads, checks and unpacks: nothing
// of a package is run.
func (NPM) Install(ctx context.Context, directory, cpu string, manifest, lock []byte) error {
	program, err := exec.LookPath("npm")
	if err != nil {
		return ErrNoNPM
	}
	for name, content := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			return fmt.Errorf("write npm's orders: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	npm := exec.CommandContext(ctx, program, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier",
		"--loglevel=error", "--os=linux", "--cpu="+cpu, "--libc=glibc")
	npm.Dir = directory
	npm.Cancel = func() error { return npm.Process.Signal(os.Interrupt) }
	npm.WaitDelay = 5 * time.Second
	said, err := npm.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("npm ci: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("npm ci: %w:\n%s", err, lastLines(string(said), 15))
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
