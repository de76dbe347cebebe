package docker_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
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
	for name, test := range map[string]func(*testing.T, *dockertest.Elsewhere){
		"the flow over TLS": func(t *testing.T, e *dockertest.Elsewhere) { flowElsewhere(t, e.World(t, e.TLS)) },
		"the flow over SSH": func(t *testing.T, e *dockertest.Elsewhere) { flowElsewhere(t, e.World(t, e.SSH)) },
		"copied workspaces": func(t *testing.T, e *dockertest.Elsewhere) {
			flowElsewhere(t, e.World(t, e.TLS, func(c *docker.Config) { c.Workspaces = "copy" }))
		},
		"no way out":             confinedElsewhere,
		"files are not bound":    unboundElsewhere,
		"secrets are on no disk": secretsElsewhere,
		"secrets that went":      secretsGoneElsewhere,
		"the socket is who asks": socketsElsewhere,
		"a killed holder":        holderElsewhere,
		"another process":        restartElsewhere,
		"a wire that is cut":     outageElsewhere,
		"who is not known":       strangersElsewhere,
		"what doctor sees":       lookedAtElsewhere,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, engine) })
	}
}

func plain(t *testing.T, world *dockertest.World) {
	t.Helper()
	world.Workspace(t, "ws", map[string]dockertest.File{"README": {Content: "hello\n"}})
}

// flowElsewhere is the central flow: files, secret, gateway, changes. Nothing of it is left.
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
	ctx := world.Context(t)
	if err := errors.Join(world.Remove(ctx, "task"), world.RemoveVolume(ctx, "ws")); err != nil {
		t.Error(err)
	}
	if _, err := world.EvictBases(ctx, sandbox.EvictPolicy{MaxBytes: 1}); err != nil {
		t.Error(err)
	}
	if err := world.Clear(ctx); err != nil {
		t.Error(err)
	}
	if left := leftOf(t, world); len(left) > 0 {
		t.Errorf("left on the engine: %q", left)
	}
}

// leftOf are the volumes and containers of a world.
func leftOf(t *testing.T, world *dockertest.World) (names []string) {
	t.Helper()
	volumes, err := world.Engine.VolumeList(world.Context(t), volume.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range volumes.Volumes {
		names = append(names, v.Name)
	}
	containers, err := world.Engine.ContainerList(world.Context(t), container.ListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		names = append(names, c.Names...)
	}
	var mine []string
	for _, name := range names {
		if strings.HasPrefix(strings.TrimPrefix(name, "/"), world.EngineName("")) {
			mine = append(mine, name)
		}
	}
	return mine
}

// A container there is as confined as one here, and its files as unchangeable.
func confinedElsewhere(t *testing.T, e *dockertest.Elsewhere) {
	world := e.World(t, e.TLS)
	hostileWorkspace(t, world)
	got := attempts(runChanged(t, world, dockertest.Spec("net", "ws", "./hostile network 192.0.2.1:80 nobody; ./hostile privileges"), nil))
	expect(t, got, map[string]string{
		"tcp": unreachable, "udp": unreachable, "metadata": unreachable, "dns": "no answer", "abstract": refused,
		"vsock": notPermitted, "loopback": ok, "Uid": "10001 10001 10001 10001", "CapEff": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2",
	})
	gateway := newGatewaySocket(t)
	spec := gatewaySpec("files", gateway.dir, `for f in /coderflow/guest /coderflow/bin/guest /coderflow/prompt.md /coderflow/spec.json /run/secrets/TOKEN; do
			chmod 777 $f; echo x >> $f; rm -f $f; done 2>&1 | grep -vcE 'Read-only file system|Permission denied'
		touch /coderflow/new /coderflow/bin/new /run/coderflow/new /run/secrets/new 2>&1 | grep -c 'Read-only file system'; cat /coderflow/prompt.md`)
	spec.Inputs.Prompt, spec.Secrets = []byte("prompt\n"), []secret.Value{secretValue(t, "TOKEN", "open sesame")}
	if _, output := world.Run(t, spec); output != "0\n4\nprompt\n" {
		t.Errorf("the files can be changed: %q", output)
	}
}

// Where files were to be bound and the engine does not have them, it is said, and what to do.
func unboundElsewhere(t *testing.T, e *dockertest.Elsewhere) {
	world := e.World(t, e.TLS, func(c *docker.Config) { c.Files = "bind" })
	_, err := world.Probe(world.Context(t), dockertest.Image, "")
	if !errors.Is(err, sandbox.ErrFilesNotShared) || !strings.Contains(err.Error(), "docker.files: copy") {
		t.Errorf("%v", err)
	}
	if err := world.Ready(world.Context(t)); !errors.Is(err, sandbox.ErrFilesNotShared) {
		t.Errorf("it is ready: %v", err)
	}
	copied := e.World(t, e.TLS)
	result, err := copied.Probe(copied.Context(t), dockertest.Image, "")
	if err = errors.Join(err, copied.Ready(copied.Context(t))); err != nil || result.NoNewPrivs != "1" {
		t.Errorf("%+v, %v", result, err)
	}
}

// What is secret lies in the memory of the engine's machine as long as the container runs, and nowhere on its disk.
func secretsElsewhere(t *testing.T, e *dockertest.Elsewhere) {
	world := e.World(t, e.TLS)
	plain(t, world)
	const password, prompt = "correct horse battery staple", "what the disk may have"
	spec := dockertest.Spec("task", "ws", `sha256sum < /run/secrets/PASSWORD | cut -c1-8; grep ' /run/secrets ' /proc/mounts | cut -d' ' -f3,4 | cut -d, -f1; ls -l /run/secrets | tail -1 | cut -d' ' -f1,3; sleep 300`)
	spec.Secrets, spec.Inputs.Prompt = []secret.Value{secretValue(t, "PASSWORD", password)}, []byte(prompt)
	ctx := world.Context(t)
	if _, err := world.Start(ctx, spec); err != nil {
		t.Fatal(err)
	}
	awaitSaid(t, world, "task", fmt.Sprintf("%.4x\n", sha256.Sum256([]byte(password)))+"tmpfs ro\n-r-------- coder\n")
	if !e.OnDisk(t, prompt) {
		t.Error("looking at the engine's disk finds nothing at all")
	}
	if e.OnDisk(t, password) || strings.Contains(world.Describe(t, "task"), password) {
		t.Error("the engine has the secret on its disk, or in what it says")
	}
	if err := world.Stop(ctx, "task"); err != nil {
		t.Fatal(err)
	}
	if err := world.ForgetSecrets("task"); err != nil {
		t.Fatal(err)
	}
	if left := strings.Join(leftOf(t, world), " "); strings.Contains(left, "hold-") {
		t.Errorf("the secrets are held after the end: %s", left)
	}
}

func awaitSaid(t *testing.T, world *dockertest.World, name, want string) {
	t.Helper()
	for ctx := world.Context(t); !strings.Contains(world.Output(t, name), want); time.Sleep(100 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("%q was not said, but %q", want, world.Output(t, name))
		}
	}
}

// A deployment that was prepared is not started without its secrets, if they went meanwhile; a start that has them
// brings them again.
func secretsGoneElsewhere(t *testing.T, e *dockertest.Elsewhere) {
	world := e.World(t, e.TLS)
	plain(t, world)
	spec := dockertest.Spec("task", "ws", "cat /run/secrets/TOKEN")
	spec.Secrets = []secret.Value{secretValue(t, "TOKEN", "open sesame")}
	ctx := world.Context(t)
	if _, err := world.Create(ctx, spec); err != nil {
		t.Fatal(err)
	}
	without := func(how string) {
		t.Helper()
		if err := world.StartCreated(ctx, "task"); err == nil || !strings.Contains(err.Error(), "secrets that were brought") {
			t.Errorf("%s: it was started without: %v", how, err)
		}
	}
	if err := world.Engine.ContainerKill(ctx, world.EngineName("hold-task"), "KILL"); err != nil {
		t.Fatal(err)
	}
	without("killed")
	if err := world.Engine.ContainerStart(ctx, world.EngineName("hold-task"), container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	without("killed and started")
	if err := os.Remove(filepath.Join(world.Config.DataDir, "sandbox", "holders", "task.json")); err != nil {
		t.Fatal(err)
	}
	without("not noted")
	if status, output := world.Run(t, spec); status.Reason != sandbox.ReasonOK || output != "open sesame" {
		t.Errorf("%+v\n%s", status, output)
	}
}

// Neither side takes anybody for the other.
func strangersElsewhere(t *testing.T, e *dockertest.Elsewhere) {
	for name, c := range map[string]struct {
		at  docker.Endpoint
		say string
	}{
		"wrong CA":            {e.WithOtherCA(t), "unknown authority"},
		"unknown client":      {e.WithOtherClient(t), "certificate"},
		"expired client":      {e.WithClient(t, -time.Hour), "certificate"},
		"other server name":   {e.WithName("localhost"), "but wanted to match localhost"},
		"expired server":      {e.WithExpiredServer(t), "expired"},
		"wrong host key":      {e.WithOtherHostKey(t), "does not list"},
		"unknown ssh client":  {e.WithOtherIdentity(t), "unable to authenticate"},
		"no socket over ssh":  {e.WithSocket("/nowhere/docker.sock"), "does not lead to /nowhere"},
		"TLS without TLS":     {docker.Endpoint{Host: e.TLS.Host}, "HTTP"},
		"machine without key": {e.WithNoKnownHost(t), "has no key of"},
	} {
		t.Run(name, func(t *testing.T) {
			engine, err := docker.Dial(c.at)
			if err == nil {
				defer engine.Close()
				_, err = engine.Facts(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v, want %q", err, c.say)
			}
		})
	}
}

// What doctor asks of an engine there is told from there.
func lookedAtElsewhere(t *testing.T, e *dockertest.Elsewhere) {
	for at, way := range map[docker.Endpoint]string{e.TLS: "TLS 1.3", e.SSH: "SSH"} {
		engine, err := docker.Dial(at)
		if err != nil {
			t.Fatal(err)
		}
		c, err := engine.Connection(t.Context())
		if err != nil || !strings.Contains(c.Way, way) || c.Latency == 0 || c.Engine.After(time.Now()) != (way == "TLS 1.3") || c.Own.IsZero() != (way == "SSH") {
			t.Errorf("%s: %+v, %v", way, c, err)
		}
		_ = engine.Close()
	}
	world := e.World(t, e.TLS)
	result, err := world.Probe(world.Context(t), dockertest.Image, "")
	if err != nil || result.DiskFree == 0 || result.DiskFree > 8<<30 {
		t.Errorf("its disk of 8 GiB: %+v, %v", result, err)
	}
	if dir, err := world.SecretsDir(); dir != "" || err != nil {
		t.Errorf("secrets are to lie in %q here, %v", dir, err)
	}
}
