package docker_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/volume"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
	"github.com/coderflow/coderflow/internal/secret"
)

// An engine that does not see this machine's files. One for all tests of it: it takes seconds to start.
func TestAnEngineElsewhere(t *testing.T) {
	t.Parallel()
	engine := dockertest.StartElsewhere(t)
	for name, at := range map[string]docker.Endpoint{"tls": engine.TLS, "ssh": engine.SSH} {
		t.Run(name, func(t *testing.T) { t.Parallel(); flowElsewhere(t, engine.World(t, at)) })
	}
}

// flowElsewhere is the central flow: files, secret, gateway, changes.
func flowElsewhere(t *testing.T, world *dockertest.World) {
	world.Workspace(t, "ws", map[string]dockertest.File{"kept": {Content: "kept\n"}, "gone": {Content: "x"}, "dir/deep": {Content: "deep\n"}})
	gateway := newGatewaySocket(t)
	gateway.answer(t, "heard")
	spec := gatewaySpec("task", gateway.dir, `cat /coderflow/prompt.md kept /run/secrets/TOKEN; rm -r gone dir; echo new > new
		ask one; ask two`)
	spec.Inputs.Prompt, spec.Inputs.Setup = []byte("prompt\n"), []byte("echo setup\n")
	spec.Secrets = []secret.Value{secretValue(t, "TOKEN", "open sesame\n")}
	status, output := world.Run(t, spec)
	if status.Reason != sandbox.ReasonOK || output != "setup\nprompt\nkept\nopen sesame\nheard one\nheard two\n" {
		t.Fatalf("%+v\n%s", status, output)
	}
	got, err := world.CollectAll(t, "ws", guestproto.DefaultLimits())
	want := dockertest.Collected{"gone": "deleted", "dir/deep": "deleted", "new": "file:new\n"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("collected %q, %v\nwant %q", got, err, want)
	}
	if err := world.Remove(world.Context(t), "task"); err != nil {
		t.Error(err)
	}
	volumes, err := world.Engine.VolumeList(world.Context(t), volume.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range volumes.Volumes {
		if strings.HasPrefix(v.Name, world.EngineName("task.")) {
			t.Errorf("%s is left on the engine", v.Name)
		}
	}
}
