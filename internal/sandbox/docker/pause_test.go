package docker_test

import (
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// What is paused does nothing, loses none of its time, and goes on as if nothing had
// been; it can be stopped as well.
func TestAPausedContainerStandsStillAndSoDoesItsDeadline(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	world.Workspace(t, "ws", map[string]dockertest.File{"f": {Content: "x"}})
	ctx := world.Context(t)
	spec := dockertest.Spec("task", "ws", "echo started; sleep 3; echo done")
	spec.Limits.Wall = 6 * time.Second
	if _, err := world.Start(ctx, spec); err != nil {
		t.Fatal(err)
	}
	awaitOutput(t, world, "task", "started\n")
	if err := world.Pause(ctx, "task"); err != nil {
		t.Fatal(err)
	}
	if err := world.Pause(ctx, "task"); err != nil {
		t.Errorf("pausing again: %v", err)
	}
	if err := world.Pause(ctx, "never-was"); err != nil {
		t.Errorf("pausing what does not exist: %v", err)
	}
	time.Sleep(spec.Limits.Wall + time.Second) // by the clock its time is over
	status, err := world.Inspect(ctx, "task")
	if err != nil || status.State != sandbox.StateRunning || !status.Paused {
		t.Fatalf("%+v, %v", status, err)
	}
	if list, err := world.List(ctx); err != nil || len(list) != 1 || !list[0].Paused {
		t.Errorf("%+v, %v", list, err)
	}
	for range 2 {
		if err := world.Unpause(ctx, "task"); err != nil {
			t.Errorf("unpausing: %v", err)
		}
	}
	if status, err = world.Wait(ctx, "task"); err != nil || status.Reason != sandbox.ReasonOK || status.Paused {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestAPausedContainerCanBeStopped(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	world.Workspace(t, "ws", map[string]dockertest.File{"f": {Content: "x"}})
	ctx := world.Context(t)
	if _, err := world.Start(ctx, dockertest.Spec("task", "ws", "echo started; sleep 600")); err != nil {
		t.Fatal(err)
	}
	awaitOutput(t, world, "task", "started\n")
	if err := world.Pause(ctx, "task"); err != nil {
		t.Fatal(err)
	}
	if err := world.Stop(ctx, "task"); err != nil {
		t.Fatal(err)
	}
	if status, err := world.Inspect(ctx, "task"); err != nil || status.State != sandbox.StateExited {
		t.Errorf("%+v, %v", status, err)
	}
}
