package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// generated is a repository with so many files, a hundred in each directory.
func generated(b *testing.B, files int) dockertest.Repository {
	b.Helper()
	dir := b.TempDir()
	git(b, dir, "init", "--quiet", "--bare", ".")
	load := exec.Command("git", "-C", dir, "fast-import", "--quiet")
	input, err := load.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := load.Start(); err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriter(input)
	fmt.Fprint(out, "commit refs/heads/main\ncommitter Test <test@example.com> 1700000000 +0000\ndata 4\nbase\n")
	for i := range files {
		content := strings.Repeat(fmt.Sprintf("line of file %d\n", i), 20)
		fmt.Fprintf(out, "M 100644 inline %s\ndata %d\n%s\n", path(i), len(content), content)
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := input.Close(); err != nil {
		b.Fatal(err)
	}
	if err := load.Wait(); err != nil {
		b.Fatal(err)
	}
	bundle := filepath.Join(dir, "bundle")
	git(b, dir, "bundle", "create", "--quiet", bundle, "main")
	commit := strings.TrimSpace(git(b, dir, "rev-parse", "main"))
	return dockertest.Repository{ID: "bench:" + commit, Commit: commit, Bundle: bundle}
}

// path spreads files over directories of two levels.
func path(i int) string {
	return fmt.Sprintf("area%02d/package%02d/file%02d.txt", i/10_000, i/100%100, i%100)
}

func git(b *testing.B, dir string, arguments ...string) string {
	b.Helper()
	output, err := exec.Command("git", append([]string{"-C", dir}, arguments...)...).Output()
	if err != nil {
		b.Fatalf("git %v: %v", arguments, err)
	}
	return string(output)
}

// warm fills the base of a repository by way of a workspace that goes again.
func warm(b *testing.B, world *dockertest.World, repository dockertest.Repository) {
	b.Helper()
	prepare(b, world, repository, "warm")
	remove(b, world, "warm")
}

func prepare(b *testing.B, world *dockertest.World, repository dockertest.Repository, name string) {
	b.Helper()
	if err := world.EnsureWorkspace(world.Context(b), repository.Spec(name)); err != nil {
		b.Fatal(err)
	}
}

// remove removes a container and its workspace of the same name.
func remove(b *testing.B, world *dockertest.World, name string) {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	if err := world.Remove(ctx, name); err != nil {
		b.Fatal(err)
	}
	if err := world.RemoveVolume(ctx, name); err != nil {
		b.Fatal(err)
	}
}

func spec(name string, argv ...string) sandbox.Spec {
	spec := dockertest.Spec(name, name, "")
	spec.Argv, spec.Limits = argv, sandbox.DefaultLimits()
	return spec
}
