package docker

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// The engine was seen to note the start of a container of 57 ms 2 ms after its end.
func TestAContainerDoesNotEndBeforeItStarts(t *testing.T) {
	t.Parallel()
	for started, want := range map[string]string{"2026-11-22T18:42:41.788Z": "2026-11-22T18:42:41.786Z", "2026-11-22T18:42:40Z": "2026-11-22T18:42:40Z"} {
		status := engineStatus("task", container.InspectResponse{
			ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{Status: container.StateExited, StartedAt: started, FinishedAt: "2026-11-22T18:42:41.786Z"}},
			Config:            &container.Config{},
		})
		if got := status.StartedAt.Format(time.RFC3339Nano); got != want {
			t.Errorf("started at %s, which is said to be %s", started, got)
		}
	}
	running := engineStatus("task", container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{Status: container.StateRunning, StartedAt: "2026-11-22T18:42:40Z", FinishedAt: "0001-01-01T00:00:00Z"}},
		Config:            &container.Config{},
	})
	if running.StartedAt.IsZero() || !running.FinishedAt.IsZero() {
		t.Errorf("%+v", running)
	}
}
