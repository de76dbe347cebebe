package dockertest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// SecretsRoot is where the runner keeps secrets in memory.
func (w *World) SecretsRoot() string {
	memory := "/dev/shm"
	var about unix.Statfs_t
	if unix.Statfs("/run", &about) == nil && about.Type == unix.TMPFS_MAGIC {
		memory = "/run"
	}
	return filepath.Join(memory, "coderflow-"+w.Config.Instance)
}

// SecretDirs are the directories of containers that have secrets.
func (w *World) SecretDirs(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(w.SecretsRoot(), "secrets", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Owner is the user that a file belongs to on this machine.
func Owner(t testing.TB, path string) uint32 {
	t.Helper()
	about, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return about.Sys().(*syscall.Stat_t).Uid
}

// Describe is all that the engine says about a container.
func (w *World) Describe(t testing.TB, name string) string {
	t.Helper()
	_, text, err := w.Engine.ContainerInspectWithRaw(w.Context(t), w.EngineName(name), true)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
