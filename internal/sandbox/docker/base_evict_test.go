package docker_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// clock is a settable time.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

func (c *clock) forward(by time.Duration) { c.offset.Add(int64(by)) }

func worldWithClock(t *testing.T) (*dockertest.World, *clock) {
	t.Helper()
	c := &clock{}
	return dockertest.New(t, func(config *docker.Config) { config.Now = c.now }), c
}

func evict(t *testing.T, world *dockertest.World, policy sandbox.EvictPolicy) []string {
	t.Helper()
	evicted, err := world.EvictBases(world.Context(t), policy)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range evicted {
		if e.Why == "" || e.Repository == "" || e.Size.Bytes == 0 {
			t.Errorf("%+v", e)
		}
		names = append(names, e.Name)
	}
	return names
}

func TestBasesAreEvictedByAgeAndSizeAndNeverInUse(t *testing.T) {
	t.Parallel()
	world, clock := worldWithClock(t)
	ctx := world.Context(t)
	var bases []string
	for i := range 4 {
		name := fmt.Sprintf("ws-%d", i)
		repository := world.Workspace(t, name, map[string]dockertest.File{"f": {Content: strings.Repeat(name, 1<<18)}})
		bases = append(bases, docker.BaseNameForTest(repository.ID, repository.Commit))
		clock.forward(time.Hour)
	}
	all := sandbox.EvictPolicy{MaxAge: time.Minute, MaxBytes: 1}
	if got := evict(t, world, all); len(got) != 0 {
		t.Errorf("evicted %q while all have workspaces", got)
	}
	// The first, second and fourth become free, in this order; the third stays in use by an ended container's volume.
	for _, i := range []int{0, 1, 3} {
		if err := world.RemoveVolume(ctx, fmt.Sprintf("ws-%d", i)); err != nil {
			t.Fatal(err)
		}
		clock.forward(time.Hour)
	}
	if got := evict(t, world, sandbox.EvictPolicy{MaxAge: 150 * time.Minute}); len(got) != 1 || got[0] != bases[0] {
		t.Errorf("by age %q, want %q", got, bases[0])
	}
	sum := int64(0)
	for _, v := range volumes(t, world) {
		if v.Kind == sandbox.VolumeBase {
			sum += v.Size.Bytes
		}
	}
	if got := evict(t, world, sandbox.EvictPolicy{MaxBytes: sum - 1}); len(got) != 1 || got[0] != bases[1] {
		t.Errorf("by size %q, want %q", got, bases[1])
	}
	if got := evict(t, world, sandbox.EvictPolicy{MaxAge: time.Minute, Keep: 1}); len(got) != 0 {
		t.Errorf("the last used one was not kept: %q", got)
	}
	if got := evict(t, world, all); len(got) != 1 || got[0] != bases[3] {
		t.Errorf("all that are free %q, want %q", got, bases[3])
	}
	if _, output := world.Run(t, dockertest.Spec("task", "ws-2", "git status --short; head -c 4 f")); output != "ws-2" {
		t.Errorf("the one in use has %q", output)
	}
}

// Tasks are prepared while everything that is free is evicted, over and over. Seen to fail with the shared lock left
// out of holdBase: a base is gone before its workspace is made.
func TestEvictionNeverTakesTheBaseOfATaskThatIsBeingPrepared(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	ctx := world.Context(t)
	repository := dockertest.NewRepository(t, map[string]dockertest.File{"f": {Content: "f\n"}})
	done := make(chan struct{})
	var group sync.WaitGroup
	var evictions atomic.Int64
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			evicted, err := world.EvictBases(ctx, sandbox.EvictPolicy{MaxBytes: 1})
			if err != nil {
				t.Errorf("evicting: %v", err)
				return
			}
			evictions.Add(int64(len(evicted)))
		}
	})
	for i := range 4 {
		name := fmt.Sprintf("ws-%d", i)
		if err := world.EnsureWorkspace(ctx, repository.Spec(name)); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		_, output := world.Run(t, dockertest.Spec(name, name, "cat f; git status --short"))
		if output != "f\n" {
			t.Errorf("round %d: %q", i, output)
		}
		if err := errors.Join(world.Remove(ctx, name), world.RemoveVolume(ctx, name)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	close(done)
	group.Wait()
	if evictions.Load() == 0 {
		t.Error("nothing was evicted in between")
	}
}
