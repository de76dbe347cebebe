// Package dockertest gives tests a real runner on the real Docker engine of this machine. Each test has an
// instance of its own and removes only what it made. A missing engine or image fails the test.
package dockertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
)

// Image is the sandbox image that scripts/setup builds.
const Image = "coderflow/sandbox:dev"

// World is a runner with an instance of its own.
type World struct {
	*docker.Runner
	Config docker.Config
	Engine *client.Client // for looking behind the runner
	// StopRelay ends what a server does for containers on an engine elsewhere.
	StopRelay func()
}

// New makes a world and removes its containers and volumes at the end of the test. Options change its configuration.
func New(t testing.TB, options ...func(*docker.Config)) *World {
	t.Helper()
	var wanted docker.Config // only for its host
	for _, option := range options {
		option(&wanted)
	}
	return newWorld(t, wanted.Host, options...)
}

// newWorld looks behind the runner at host, however the runner reaches the same engine.
func newWorld(t testing.TB, host string, options ...func(*docker.Config)) *World {
	t.Helper()
	dial := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		dial = append(dial, client.WithHost(host))
	}
	engine, err := client.NewClientWithOpts(dial...)
	if err != nil {
		t.Fatalf("making a Docker client: %v", err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	requireEngine(t, engine)
	config := docker.Config{
		DataDir:   t.TempDir(),
		GuestPath: filepath.Join(t.TempDir(), "guest"),
		Instance:  "t" + strings.ToLower(rand.Text()[:12]),
	}
	if err := os.WriteFile(config.GuestPath, Program(t, "./cmd/guest"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, option := range options {
		option(&config)
	}
	runner, err := docker.New(config)
	if err != nil {
		t.Fatalf("making a runner: %v", err)
	}
	world := &World{Runner: runner, Config: config, Engine: engine, StopRelay: Relay(runner)}
	t.Cleanup(func() {
		world.StopRelay()
		world.removeAll(t)
		_ = os.RemoveAll(world.SecretsRoot())
		_ = runner.Close()
	})
	return world
}

// Relay does what a server does beside its steps.
func Relay(runner *docker.Runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = runner.Relay(ctx)
	}()
	return func() { cancel(); <-done }
}

// On is an option for New: another engine than this machine's own.
func On(host string) func(*docker.Config) { return func(c *docker.Config) { c.Host = host } }

// EachMode runs a test with overlay workspaces and with copies.
func EachMode(t *testing.T, test func(t *testing.T, world *World)) {
	t.Helper()
	for _, mode := range []sandbox.WorkspaceMode{sandbox.WorkspaceOverlay, sandbox.WorkspaceCopy} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			test(t, New(t, func(config *docker.Config) { config.Workspaces = string(mode) }))
		})
	}
}

func requireEngine(t testing.TB, engine *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := engine.Info(ctx); err != nil {
		t.Fatalf("no Docker engine answers (%v): run 'make setup'", err)
	}
	if _, err := engine.ImageInspect(ctx, Image); err != nil {
		t.Fatalf("image %s is missing (%v): run 'make setup'", Image, err)
	}
}

// Context is one that a hanging engine cannot outlast.
func (w *World) Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (w *World) removeAll(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	mine := filters.NewArgs(filters.Arg("label", "dev.coderflow.instance="+w.Config.Instance))
	containers, err := w.Engine.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	if err != nil {
		t.Errorf("listing the test's containers: %v", err)
	}
	for _, c := range containers {
		options := container.RemoveOptions{Force: true, RemoveVolumes: true}
		if err := w.Engine.ContainerRemove(ctx, c.ID, options); err != nil {
			t.Errorf("removing container %v: %v", c.Names, err)
		}
	}
	volumes, err := w.Engine.VolumeList(ctx, volume.ListOptions{Filters: mine})
	if err != nil {
		t.Errorf("listing the test's volumes: %v", err)
		return
	}
	for _, v := range volumes.Volumes {
		if err := w.Engine.VolumeRemove(ctx, v.Name, true); err != nil {
			t.Errorf("removing volume %s: %v", v.Name, err)
		}
	}
}

// EngineName is the name of a container or volume on the engine.
func (w *World) EngineName(name string) string { return "coderflow-" + w.Config.Instance + "-" + name }

// Spec runs a shell script on a workspace, within limits that suit a test.
func Spec(name, volume, script string) sandbox.Spec {
	limits := sandbox.DefaultLimits()
	limits.Memory, limits.CPUs, limits.Pids = 256<<20, 1, 128
	limits.TmpSize, limits.HomeSize = 16<<20, 16<<20
	limits.Wall, limits.Grace = 30*time.Second, time.Second
	return sandbox.Spec{
		Name: name, Image: Image, Argv: []string{"/bin/sh", "-c", script},
		Workspace: sandbox.Workspace{Volume: volume}, Network: sandbox.NetworkNone, Limits: limits,
		Labels: sandbox.Labels{Task: name, Purpose: "test"},
	}
}

// Run runs spec to its end and returns its status and output.
func (w *World) Run(t testing.TB, spec sandbox.Spec) (sandbox.Status, string) {
	t.Helper()
	ctx := w.Context(t)
	if _, err := w.Start(ctx, spec); err != nil {
		t.Fatalf("starting %s: %v", spec.Name, err)
	}
	status, err := w.Wait(ctx, spec.Name)
	if err != nil {
		t.Fatalf("waiting for %s: %v", spec.Name, err)
	}
	return status, w.Output(t, spec.Name)
}

// Output returns the whole output of a container.
func (w *World) Output(t testing.TB, name string) string {
	t.Helper()
	var output bytes.Buffer
	if _, err := w.Logs(w.Context(t), name, sandbox.LogOptions{}, &output); err != nil {
		t.Fatalf("reading the log of %s: %v", name, err)
	}
	return output.String()
}

var (
	programs     = map[string][]byte{}
	programsLock sync.Mutex
)

// Program builds a static Linux program of this module, once in a test process, and returns its bytes. env holds
// further variables for go build, such as GOARCH=386.
func Program(t testing.TB, pkg string, env ...string) []byte {
	t.Helper()
	programsLock.Lock()
	defer programsLock.Unlock()
	key := strings.Join(append(env, pkg), " ")
	if built, ok := programs[key]; ok {
		return built
	}
	path := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, pkg)
	build.Dir = moduleRoot(t)
	build.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, output)
	}
	built, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	programs[key] = built
	return built
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatalf("finding the module: %v", err)
	}
	return strings.TrimSpace(string(output))
}
