// Package agenttest runs the real agents for tests: their images are built from npm packages, and a scripted model
// stands in for the real one. Building takes time, so the tests with real agents are in this package only, and
// CODERFLOW_TEST_AGENTS says which agents they run.
package agenttest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/agent/image"
	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// Variable names the agents to test with, separated by blanks, or "all".
const Variable = "CODERFLOW_TEST_AGENTS"

// defaults are the agents that every run tests with.
var defaults = []string{"claude", "codex"}

// Selected are the agents to test with.
func Selected(t testing.TB) []string {
	t.Helper()
	names := strings.Fields(os.Getenv(Variable))
	switch {
	case len(names) == 0:
		return defaults
	case slices.Equal(names, []string{"all"}):
		return image.Names()
	}
	for _, name := range names {
		if !slices.Contains(image.Names(), name) {
			t.Fatalf("%s names %q; there are: all, %s", Variable, name, strings.Join(image.Names(), ", "))
		}
	}
	return names
}

// alone waits until no other test, of this process or another one, builds images: two at once would download and
// build the same.
func alone(t testing.TB) (done func()) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(os.TempDir(), "coderflow-test-images.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("wait for other tests to build images: %v", err)
	}
	return func() { _ = file.Close() }
}

// Image builds the image of an agent, unless it is up to date, and returns its reference.
func Image(t testing.TB, name string) string {
	t.Helper()
	defer alone(t)()
	engine, err := docker.NewImages(docker.Endpoint{})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close() //nolint:errcheck // nothing is left to be written
	builder := image.Builder{
		Engine: engine, Packages: image.NPM{}, Now: time.Now, Progress: func(line string) { t.Log(line) },
	}
	result, err := builder.Build(t.Context(), name, dockertest.Image)
	if err != nil {
		t.Fatalf("the image of %s: %v", name, err)
	}
	return result.Reference
}

// Config starts an agent with a model's name, which the agents' own catalogues do not know.
func Config(name, prompt string) agent.Config {
	return agent.Config{Preset: name, Model: "scripted-model", Prompt: prompt}
}

// Gateway passes what an agent asks for on to a scripted model, as the real gateway does: by a Unix socket, with the
// key replaced.
type Gateway struct {
	Model *modeltest.Server
	Dir   string // for sandbox.Spec.SocketDir

	mu   sync.Mutex
	keys []string // that the agent sent
}

// NewGateway starts a gateway to a model that follows the script.
func NewGateway(t testing.TB, script modeltest.Script) *Gateway {
	t.Helper()
	model, err := modeltest.New(script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Close)
	// A socket's path is short, and the directory is mounted: t.TempDir is neither short nor readable by others.
	dir := filepath.Join(os.TempDir(), "cf-"+strings.ToLower(rand.Text()[:10]))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, filepath.Base(guestproto.GatewaySocket))
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	g := &Gateway{Model: model, Dir: dir}
	server := &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return g
}

// ServeHTTP replaces the key and lets the model answer.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, header := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key"} {
		key := strings.TrimPrefix(r.Header.Get(header), "Bearer ")
		if key == "" {
			continue
		}
		g.mu.Lock()
		g.keys = append(g.keys, key)
		g.mu.Unlock()
		r.Header.Set(header, strings.Replace(r.Header.Get(header), key, modeltest.Key, 1))
	}
	g.Model.ServeHTTP(w, r)
}

// Keys are the keys that the agent sent, one for each request.
func (g *Gateway) Keys() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.keys)
}

// Spec is the container of a task that runs an agent.
func Spec(t testing.TB, name string, config agent.Config, g *Gateway) sandbox.Spec {
	t.Helper()
	command, err := agent.Resolve(config)
	if err != nil {
		t.Fatal(err)
	}
	preset, err := agent.Lookup(config.Preset)
	if err != nil {
		t.Fatal(err)
	}
	limits := sandbox.DefaultLimits()
	limits.Memory, limits.Wall = preset.MinMemory, 4*time.Minute
	return sandbox.Spec{
		Name: name, Image: Image(t, config.Preset), Argv: command.Argv, Env: command.Env,
		Workspace: sandbox.Workspace{Volume: name},
		Inputs:    sandbox.Inputs{Prompt: []byte(config.Prompt), Home: command.Home},
		SocketDir: g.Dir, Network: sandbox.NetworkNone, Limits: limits,
		Labels: sandbox.Labels{Task: name, Purpose: "test"},
	}
}

// Run runs a container to its end.
func Run(t testing.TB, world *dockertest.World, spec sandbox.Spec) (sandbox.Status, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), spec.Limits.Wall+time.Minute)
	defer cancel()
	if _, err := world.Start(ctx, spec); err != nil {
		t.Fatalf("start %s: %v", spec.Name, err)
	}
	status, err := world.Wait(ctx, spec.Name)
	if err != nil {
		t.Fatalf("wait for %s: %v", spec.Name, err)
	}
	return status, world.Output(t, spec.Name)
}

// Describe is a run in a few lines, for a failed test.
func Describe(status sandbox.Status, output string, g *Gateway) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%+v\n%s\n", status, output[max(0, len(output)-4096):])
	for _, r := range g.Model.Requests() {
		fmt.Fprintf(&text, "%s %s: %d\n", r.Method, r.Path, r.Status)
	}
	for _, problem := range g.Model.Problems() {
		fmt.Fprintln(&text, "not understood:", problem)
	}
	return text.String()
}
