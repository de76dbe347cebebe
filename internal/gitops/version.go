package gitops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Version is what the git program that [New] would use says of itself, such as "git version 2.39.5". It needs no
// directory of an installation, so that it can be asked beside a server.
func Version(ctx context.Context) (version string, err error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return "", fmt.Errorf("find the git program: %w", err)
	}
	dir, err := os.MkdirTemp("", "coderflow-git-")
	if err != nil {
		return "", fmt.Errorf("make an empty directory for git: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Mkdir(filepath.Join(dir, emptyDir), 0o700); err != nil {
		return "", fmt.Errorf("make an empty directory for git: %w", err)
	}
	g := &Git{program: program, opts: Options{Dir: dir, LocalTimeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler)}}
	out, err := g.run(ctx, invocation{args: []string{"version"}})
	return sanitize(string(out)), err
}
