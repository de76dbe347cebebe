package docker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// The wire to an engine breaks while an agent works there: it goes on, and so does what it asks its gateway.
func outageElsewhere(t *testing.T, e *dockertest.Elsewhere) {
	overTLS, overSSH, wireTLS, wireSSH := e.Apart(t)
	for name, c := range map[string]struct {
		at   docker.Endpoint
		wire *dockertest.Wire
	}{"tls": {overTLS, wireTLS}, "ssh": {overSSH, wireSSH}} {
		t.Run(name, func(t *testing.T) { t.Parallel(); outage(t, e.World(t, c.at), c.wire) })
	}
}

func outage(t *testing.T, world *dockertest.World, wire *dockertest.Wire) {
	plain(t, world)
	gateway := newGatewaySocket(t)
	gateway.answer(t, "heard")
	spec := gatewaySpec("task", gateway.dir, `ask a; until [ -e go ]; do sleep .1; done; ask b; echo done`)
	if _, err := world.Start(world.Context(t), spec); err != nil {
		t.Fatal(err)
	}
	awaitSaid(t, world, "task", "heard a")
	wire.Cut()
	if err := world.Ping(t.Context()); !errors.Is(err, sandbox.ErrEngineUnavailable) {
		t.Errorf("the engine answers through a cut wire: %v", err)
	}
	letGo(t, world, "task")
	time.Sleep(time.Second)
	wire.Mend()
	status, err := world.Wait(world.Context(t), "task")
	if output := world.Output(t, "task"); err != nil || status.Reason != sandbox.ReasonOK || output != "heard a\nheard b\ndone\n" {
		t.Errorf("%+v, %v\n%s", status, err, output)
	}
}

// Each container reaches its own gateway and no other's, and one without has none.
func socketsElsewhere(t *testing.T, e *dockertest.Elsewhere) {
	world := e.World(t, e.TLS)
	for _, name := range []string{"a", "b"} {
		world.Workspace(t, "ws-"+name, map[string]dockertest.File{"README": {Content: name}})
		gateway := newGatewaySocket(t)
		gateway.answer(t, "gateway of "+name)
		spec := gatewaySpec(name, gateway.dir, `ask me; ls /run/coderflow`)
		spec.Workspace.Volume = "ws-" + name
		if _, err := world.Start(world.Context(t), spec); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b"} {
		if _, err := world.Wait(world.Context(t), name); err != nil {
			t.Fatal(err)
		}
		if output := world.Output(t, name); output != "gateway of "+name+" me\ngateway.sock\n" {
			t.Errorf("%s heard %q", name, output)
		}
	}
	none := gatewaySpec("none", "", "ask me; ls /run/coderflow")
	none.Workspace.Volume = "ws-a"
	if _, output := world.Run(t, none); !strings.Contains(output, "Connection refused") || strings.Contains(output, "gateway") {
		t.Errorf("a container without a gateway heard %q", output)
	}
}

// A holder that is killed leads nowhere while it is away, and is made to work again.
func holderElsewhere(t *testing.T, e *dockertest.Elsewhere) {
	world := e.World(t, e.SSH)
	plain(t, world)
	gateway := newGatewaySocket(t)
	gateway.answer(t, "heard")
	ctx := world.Context(t)
	if _, err := world.Start(ctx, gatewaySpec("task", gateway.dir, `ask a; until [ -e go ]; do sleep .1; done; ask b`)); err != nil {
		t.Fatal(err)
	}
	awaitSaid(t, world, "task", "heard a")
	if err := world.Engine.ContainerKill(ctx, world.EngineName("hold-task"), "KILL"); err != nil {
		t.Fatal(err)
	}
	letGo(t, world, "task")
	awaitSaid(t, world, "task", "heard b")
}

// letGo tells a waiting script to go on.
func letGo(t *testing.T, world *dockertest.World, name string) {
	t.Helper()
	made, err := world.Engine.ContainerExecCreate(world.Context(t), world.EngineName(name), container.ExecOptions{
		User: "10001", WorkingDir: "/workspace", Cmd: []string{"touch", "go"},
	})
	if err == nil {
		err = world.Engine.ContainerExecStart(world.Context(t), made.ID, container.ExecStartOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The server's process ends and another one begins: what the agent asks is answered again.
func restartElsewhere(t *testing.T, e *dockertest.Elsewhere) {
	world := e.World(t, e.TLS)
	plain(t, world)
	gateway := newGatewaySocket(t)
	gateway.answer(t, "heard")
	if _, err := world.Start(world.Context(t), gatewaySpec("task", gateway.dir, `ask a; until [ -e go ]; do sleep .1; done; ask b`)); err != nil {
		t.Fatal(err)
	}
	awaitSaid(t, world, "task", "heard a")
	world.StopRelay()
	letGo(t, world, "task")
	time.Sleep(2 * time.Second) // it is asked while nobody is there
	if output := world.Output(t, "task"); strings.Contains(output, "heard b") {
		t.Errorf("somebody else answered: %s", output)
	}
	next, err := docker.New(world.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = next.Close() })
	t.Cleanup(dockertest.Relay(next))
	awaitSaid(t, world, "task", "heard b")
}
