package docker_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// waitingSpec is what [dockertest.World.CollectAll] asks for.
var waitingSpec = sandbox.CollectSpec{
	Volume: "ws", Image: dockertest.Image, Limits: guestproto.DefaultLimits(), Labels: sandbox.Labels{Task: "ws", Purpose: "test"},
}

const collectorName = "collect-ws"

// ready starts a collector that waits and returns its id.
func ready(t *testing.T, world *dockertest.World) (id string) {
	t.Helper()
	world.ReadyCollector(world.Context(t), waitingSpec)
	return awaitState(t, world, container.StateRunning)
}

// awaitState waits until the collector is in a state, or gone for an empty one.
func awaitState(t *testing.T, world *dockertest.World, want container.ContainerState) (id string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		found, err := world.Engine.ContainerInspect(t.Context(), world.EngineName(collectorName))
		switch {
		case err != nil && want == "":
			return ""
		case err == nil && found.State.Status == want:
			return found.ID
		}
	}
	t.Fatalf("the collector never was %q", want)
	return ""
}

// collectWith collects and returns the id of the container that did.
func collectWith(t *testing.T, world *dockertest.World, spec sandbox.CollectSpec) (id string, paths []string) {
	t.Helper()
	collection, err := world.Collect(world.Context(t), spec)
	if err != nil {
		t.Fatal(err)
	}
	for {
		record, err := collection.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, record.Path)
	}
	found, err := world.Engine.ContainerInspect(t.Context(), world.EngineName(collectorName))
	if err != nil {
		t.Fatal(err)
	}
	if err := collection.Close(); err != nil {
		t.Error(err)
	}
	return found.ID, paths
}

func TestAWaitingCollectorReadsWhatWasWrittenSince(t *testing.T) {
	t.Parallel()
	dockertest.EachMode(t, func(t *testing.T, world *dockertest.World) {
		plainWorkspace(t, world)
		id := ready(t, world)
		world.Run(t, dockertest.Spec("task", "ws", "echo since > since; rm f"))
		by, paths := collectWith(t, world, waitingSpec)
		if by != id {
			t.Error("another container collected")
		}
		if len(paths) != 2 {
			t.Errorf("collected %q", paths)
		}
		// The next one has its own container, and the same is there for it.
		if by, paths := collectWith(t, world, waitingSpec); by == id || len(paths) != 2 {
			t.Errorf("again: %q", paths)
		}
		if n := containers(t, world); n != 1 { // the task's
			t.Errorf("%d containers are left", n)
		}
	})
}

func TestAWaitingCollectorIsForTheSameCollectionOnly(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	id := ready(t, world)
	world.ReadyCollector(world.Context(t), waitingSpec) // as a step that is repeated does
	if again := awaitState(t, world, container.StateRunning); again != id {
		t.Error("a second one was started for the same")
	}
	world.Run(t, dockertest.Spec("task", "ws", "echo 1 > a"))
	other := waitingSpec
	other.Limits.Records--
	if by, paths := collectWith(t, world, other); by == id || len(paths) != 1 {
		t.Errorf("with other limits: %q, by the one that waited: %t", paths, by == id)
	}
}

// Whatever becomes of it, the collection is made.
func TestFault08AWaitingCollectorThatIsLostIsDoneWithout(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, world *dockertest.World){
		"killed": func(t *testing.T, world *dockertest.World) {
			if err := world.Engine.ContainerKill(t.Context(), world.EngineName(collectorName), "KILL"); err != nil {
				t.Fatal(err)
			}
		},
		"removed": func(t *testing.T, world *dockertest.World) {
			if err := world.Engine.ContainerRemove(t.Context(), world.EngineName(collectorName), container.RemoveOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
		},
		"its server ended": func(t *testing.T, world *dockertest.World) {
			if err := world.Close(); err != nil {
				t.Fatal(err)
			}
			awaitState(t, world, container.StateExited) // by itself
			again, err := docker.New(world.Config)
			if err != nil {
				t.Fatal(err)
			}
			world.Runner = again
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world, _ := plainWorld(t)
			id := ready(t, world)
			world.Run(t, dockertest.Spec("task", "ws", "echo 1 > a"))
			lose(t, world)
			if by, paths := collectWith(t, world, waitingSpec); by == id || len(paths) != 1 {
				t.Errorf("collected %q", paths)
			}
		})
	}
}

func TestAWaitingCollectorGoesWhenItIsNotNeeded(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	first := ready(t, world)
	world.DismissCollector("ws")
	world.DismissCollector("ws")
	world.DismissCollector("no such workspace")
	for next := ready(t, world); next == first; next = awaitState(t, world, container.StateRunning) {
		time.Sleep(10 * time.Millisecond) // the next one waits for the end of the one before, which has its name
	}
	world.DismissCollector("ws")
	awaitState(t, world, "")
	ready(t, world)
	if err := world.RemoveVolume(world.Context(t), "ws"); err != nil {
		t.Errorf("remove a workspace that a collector waits for: %v", err)
	}
	if n := containers(t, world); n != 0 {
		t.Errorf("%d containers are left", n)
	}
}
