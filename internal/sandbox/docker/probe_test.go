package docker_test

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// The threat tests run testdata/hostile in a container as the runner makes it, and then in one with one defence
// taken away, where the same attempt has to work. So each of them is seen to fail without its defence, every time.

// change takes a defence away.
type change func(*container.Config, *container.HostConfig)

// unfiltered takes the seccomp profile away.
func unfiltered(_ *container.Config, host *container.HostConfig) {
	host.SecurityOpt = []string{"no-new-privileges:true", "seccomp=unconfined"}
}

// runChanged runs spec with change made to it.
func runChanged(t *testing.T, world *dockertest.World, spec sandbox.Spec, change change) string {
	t.Helper()
	if change != nil {
		world.CreateForTest(t, world.Context(t), spec, change)
	}
	status, output := world.Run(t, spec)
	if status.State != sandbox.StateExited {
		t.Fatalf("%s: %+v", spec.Name, status)
	}
	return output
}

// hostileWorld has a workspace "ws" with the hostile program in it.
func hostileWorld(t *testing.T) (*dockertest.World, dockertest.Repository) {
	t.Helper()
	world := dockertest.New(t)
	return world, hostileWorkspace(t, world)
}

func hostileWorkspace(t *testing.T, world *dockertest.World) dockertest.Repository {
	t.Helper()
	program := dockertest.Program(t, "./internal/sandbox/docker/testdata/hostile")
	return world.Workspace(t, "ws", map[string]dockertest.File{
		"hostile": {Content: string(program), Executable: true},
	})
}

// attempts parses "name: result" lines.
func attempts(output string) map[string]string {
	results := make(map[string]string)
	for line := range strings.Lines(output) {
		if name, result, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			results[name] = result
		}
	}
	return results
}

func expect(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, result := range want {
		if got[name] != result {
			t.Errorf("%s: %q, want %q", name, got[name], result)
		}
	}
}

const (
	ok           = "ok"
	notPermitted = "operation not permitted"
	unreachable  = "network is unreachable"
	refused      = "connection refused"
	denied       = "permission denied"
	notThere     = "function not implemented"
	readOnly     = "read-only file system"
)
