package gitops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/task"
)

func TestADeadlineEndsGitAndItsChildren(t *testing.T) {
	t.Parallel()
	g, u, _ := newBase(t, text("a", "1\n"))
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	u.before = func(http.ResponseWriter, *http.Request) bool { <-hang; return true }
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	started := time.Now()
	_, err := g.Fetch(ctx, u.remote(), "main")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(started); took > killDelay {
		t.Errorf("it took %s", took)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if line, err := os.ReadFile(p); err == nil && strings.Contains(string(line), u.url) {
			t.Errorf("%s still runs: %q", p, line)
		}
	}
}

// Seen to hang with io.Pipe between us and git: os/exec waits for the copy from
// it after the process is gone.
func TestAStalledCollectionEndsWithTheDeadline(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	g.opts.LocalTimeout = time.Second
	started := time.Now()
	_, err := g.BuildTree(t.Context(), BuildRequest{Repository: testRepo, Base: base, Task: testTask, Changes: func(yield func(Change, error) bool) {
		time.Sleep(3 * time.Second)
		yield(put("x", strings.Repeat("x", 1<<20)), nil)
	}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestAMirrorIsLockedAcrossInstances(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1\n"))
	other, err := New(g.opts) // as another process on the same directory
	if err != nil {
		t.Fatal(err)
	}
	m, err := g.openMirror(t.Context(), testRepo)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := g.lock(t.Context(), m.lockPath())
	if err != nil {
		t.Fatal(err)
	}
	u.commit("main", text("a", "2\n")) // or there is nothing to fetch
	for _, waiting := range []*Git{g, other} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := waiting.Fetch(ctx, u.remote(), "main"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("fetched under the lock of another: %v", err)
		}
		cancel()
	}
	if _, err := other.BuildTree(t.Context(), buildRequest(base, put("b", "2\n"))); err != nil {
		t.Errorf("a fetch holds up a build: %v", err)
	}
	unlock()
	if _, err := other.Fetch(t.Context(), u.remote(), "main"); err != nil {
		t.Errorf("after the lock was given up: %v", err)
	}
}

func TestManyTasksOnOneMirror(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1\n"))
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			request := buildRequest(base, put("b", fmt.Sprint("task ", i)))
			request.Task = task.ID("aaaaaaaaaaa" + string(rune('a'+i)))
			r, err := g.BuildTree(t.Context(), request)
			if err != nil {
				t.Error(err)
				return
			}
			want := treeID(map[string]file{"a": text("a", "1\n"), "b": text("b", fmt.Sprint("task ", i))}, "")
			wantEqual(t, "tree", r.Tree, want)
			if _, err := g.Fetch(t.Context(), u.remote(), "main"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestAKilledProcessLeavesNothingThatStays(t *testing.T) {
	t.Parallel()
	g, _, _ := newBase(t, text("a", "1\n"))
	m, err := g.openMirror(t.Context(), testRepo)
	if err != nil {
		t.Fatal(err)
	}
	left, err := g.newQuarantine(t.Context(), m) // and never dropped
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(g.opts); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead process's quarantine is still there: %v", err)
	}
}

func TestNewRefusesWhatItCannotWorkWith(t *testing.T) {
	t.Parallel()
	good := Identity{Name: "CoderFlow", Email: "bot@coderflow.example"}
	old := filepath.Join(t.TempDir(), "git")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho git version 2.38.1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]Options{
		"no directory": {Committer: good}, "a list separator": {Dir: t.TempDir() + "/a:b", Committer: good}, "no identity": {Dir: t.TempDir()},
		"a forged identity": {Dir: t.TempDir(), Committer: Identity{"a\nb", "x@y"}}, "no git": {Dir: t.TempDir(), Committer: good, Git: "/nonexistent/git"},
		"an old git": {Dir: t.TempDir(), Committer: good, Git: old},
	} {
		if _, err := New(opts); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
