package gitops

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// crowd keeps commits of the base's tree in the mirror, a pack for each, and returns them.
func crowd(t *testing.T, g *Git, m mirror, base string, n int) []string {
	t.Helper()
	q, err := g.newQuarantine(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer q.drop(t.Context())
	tree, err := q.treeOf(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for i := range n {
		c := g.keeper(base, tree)
		c.message = fmt.Sprintf("Commit %d\n", i)
		id, err := g.keepCommit(t.Context(), m, c, fmt.Sprintf("%s%s/%d", treeRefs, testTask, i+1))
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, id)
	}
	return made
}

func packs(t *testing.T, m mirror) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(m.objects(), "pack", "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestAMirrorOfManyTasksHasFewPacksAndLosesNothing(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	m, err := g.openMirror(t.Context(), testRepo)
	if err != nil {
		t.Fatal(err)
	}
	made := crowd(t, g, m, base, crowded-5)
	before := packs(t, m)
	if err := g.Tidy(t.Context()); err != nil || packs(t, m) != before {
		t.Fatalf("%d packs of %d are left where there were not too many, %v", packs(t, m), before, err)
	}
	made = append(made, crowd(t, g, m, made[0], 10)...)
	// What no ref keeps is somebody's all the same: an approval's commit before its ref is written.
	for _, n := range []int{3, 7} {
		if err := os.Remove(filepath.Join(m.dir, fmt.Sprintf("%s%s/%d", treeRefs, testTask, n))); err != nil {
			t.Fatal(err)
		}
	}
	stale, fresh := filepath.Join(m.objects(), "pack", ".tmp-1-pack-x.pack"), filepath.Join(m.objects(), "pack", "tmp_pack_y")
	for path, age := range map[string]time.Duration{stale: 2 * staleAfter, fresh: 0} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if at := time.Now().Add(-age); os.Chtimes(path, at, at) != nil {
			t.Fatal("the file has no time")
		}
	}

	// Others read and admit meanwhile.
	read, done := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		for {
			if read.Err() != nil {
				failed <- nil
				return
			}
			if err := g.require(t.Context(), m, object{"commit", made[1]}, object{"commit", made[len(made)-1]}); err != nil {
				failed <- err
				return
			}
		}
	}()
	if err := g.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	done()
	if err := <-failed; err != nil {
		t.Errorf("while it was tidied: %v", err)
	}
	if now := packs(t, m); now > 10 {
		t.Errorf("%d packs are left", now)
	}
	var all []object
	for _, id := range made {
		all = append(all, object{"commit", id})
	}
	if err := g.require(t.Context(), m, all...); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("what a killed process left is there: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("what somebody writes is gone: %v", err)
	}
	// The mirror is one that may be used, and goes on.
	if _, err := g.openMirror(t.Context(), testRepo); err != nil {
		t.Error(err)
	}
	hostGit(t, "", "-C", m.dir, "fsck", "--strict")
	crowd(t, g, m, base, 1)
}
