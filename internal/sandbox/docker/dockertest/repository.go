package dockertest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// File is a file of a test repository.
type File struct {
	Content    string
	Executable bool
	Link       string // target; makes it a symbolic link
}

// Repository is a commit and what a runner needs of it.
type Repository struct {
	ID     string // as the forge would name it
	Commit string
	Bundle string // path of a bundle with the commit
}

// Spec is a workspace with the repository's commit.
func (r Repository) Spec(volume string) sandbox.WorkspaceSpec {
	return sandbox.WorkspaceSpec{
		Volume: volume, Repository: r.ID, Commit: r.Commit, Image: Image,
		Labels: sandbox.Labels{Task: volume, Purpose: "test"},
		Bundle: func(_ context.Context, path string) error {
			content, err := os.ReadFile(r.Bundle)
			if err != nil {
				return err
			}
			return os.WriteFile(path, content, 0o600)
		},
	}
}

// NewRepository makes a repository with one commit of files.
func NewRepository(t testing.TB, files map[string]File) Repository {
	t.Helper()
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	for name, file := range files {
		path := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := file.write(path); err != nil {
			t.Fatal(err)
		}
	}
	git := func(arguments ...string) string {
		t.Helper()
		command := exec.Command("git", arguments...)
		command.Dir = work
		command.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_NAME=Test", "GIT_AUTHOR_EMAIL=test@example.com",
			"GIT_COMMITTER_NAME=Test", "GIT_COMMITTER_EMAIL=test@example.com")
		output, err := command.Output()
		if err != nil {
			t.Fatalf("git %v: %v", arguments, err)
		}
		return string(output)
	}
	git("init", "--quiet", "--initial-branch=main")
	git("add", "--all", "--force")
	git("commit", "--quiet", "--allow-empty", "--message", "base")
	bundle := filepath.Join(dir, "bundle")
	git("bundle", "create", "--quiet", bundle, "main")
	commit := strings.TrimSpace(git("rev-parse", "HEAD"))
	return Repository{ID: "test:" + commit, Commit: commit, Bundle: bundle}
}

func (f File) write(path string) error {
	if f.Link != "" {
		return os.Symlink(f.Link, path)
	}
	mode := os.FileMode(0o644)
	if f.Executable {
		mode = 0o755
	}
	return os.WriteFile(path, []byte(f.Content), mode)
}

// Workspace fills a volume with a commit of files.
func (w *World) Workspace(t testing.TB, volume string, files map[string]File) Repository {
	t.Helper()
	repository := NewRepository(t, files)
	err := w.EnsureWorkspace(w.Context(t), repository.Spec(volume))
	if err != nil {
		t.Fatalf("filling workspace %s: %v", volume, err)
	}
	return repository
}
