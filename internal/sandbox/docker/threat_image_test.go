package docker_test

import (
	"context"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// changedImage is the sandbox image with Dockerfile instructions applied.
func changedImage(t *testing.T, world *dockertest.World, changes ...string) string {
	t.Helper()
	world.Run(t, dockertest.Spec("source", "ws", "true"))
	made, err := world.Engine.ContainerCommit(t.Context(), world.EngineName("source"), container.CommitOptions{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The containers made from it go first: they are removed after this, with the world.
		for _, name := range []string{"task", "control"} {
			_ = world.Remove(context.Background(), name)
		}
		if _, err := world.Engine.ImageRemove(context.Background(), made.ID, image.RemoveOptions{Force: true}); err != nil {
			t.Errorf("removing the test's image: %v", err)
		}
	})
	return made.ID
}

// CVE-2024-21626 began with an image whose working directory is a descriptor that the runtime left open. What an image
// says about directory, user, entrypoint and health is never used.
func TestThreat15AnImagesDirectoryUserAndEntrypointAreNotUsed(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	spec := dockertest.Spec("task", "ws", "pwd; readlink /proc/self/cwd; id -u; echo end")
	spec.Image = changedImage(t, world, "WORKDIR /proc/self/fd/8", "USER root", `ENTRYPOINT ["/bin/sh","-c","echo the image"]`,
		`HEALTHCHECK --interval=1s CMD ["/bin/false"]`)
	const want = "/workspace\n/workspace\n10001\nend\n"
	if status, output := world.Run(t, spec); status.Reason != sandbox.ReasonOK || output != want {
		t.Errorf("%+v\n%s", status, output)
	}
	found, err := world.Engine.ContainerInspect(t.Context(), world.EngineName("task"))
	if err != nil {
		t.Fatal(err)
	}
	if found.State.Health != nil && found.State.Health.Status != container.NoHealthcheck {
		t.Errorf("the image's health check runs: %+v", found.State.Health)
	}
	spec.Name = "control"
	weak := runChanged(t, world, spec, func(config *container.Config, _ *container.HostConfig) { config.User, config.WorkingDir = "", "/tmp" })
	if weak == want {
		t.Errorf("the image's user and another directory change nothing: %q", weak)
	}
}
