package docker_test

import (
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

func TestAProbeSeesAHardenedContainer(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	got, err := world.Probe(world.Context(t), dockertest.Image, "")
	if err != nil {
		t.Fatal(err)
	}
	const coder = "10001 10001 10001 10001"
	if got.UID != coder || got.GID != coder || got.CapEff != "0000000000000000" || got.NoNewPrivs != "1" || got.Seccomp != "2" ||
		len(got.Interfaces) != 1 || got.Interfaces[0] != "lo" || got.RootRW || got.Took <= 0 {
		t.Errorf("%+v", got)
	}
	if got.MemoryMax != "134217728" || got.PidsMax != "64" {
		t.Errorf("limits: %+v", got)
	}
	if n := containers(t, world); n != 0 {
		t.Errorf("it leaves %d containers", n)
	}
	if _, err := world.Probe(world.Context(t), "coderflow/none:dev", ""); !errors.Is(err, sandbox.ErrImageMissing) {
		t.Errorf("without an image: %v", err)
	}
	if _, err := world.Probe(world.Context(t), dockertest.Image, "runsc-none"); !errors.Is(err, sandbox.ErrRuntimeMissing) {
		t.Errorf("with a runtime that is not there: %v", err)
	}
}

func TestAnEngineSaysWhatItIs(t *testing.T) {
	t.Parallel()
	dockertest.New(t) // requires an engine
	engine, err := docker.Dial(docker.Endpoint{})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	facts, err := engine.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if facts.Version == "" || facts.APIVersion == "" || facts.Kernel == "" || facts.Root == "" || facts.StorageDriver == "" ||
		facts.Runc == "" || facts.Containerd == "" || facts.DefaultRuntime == "" || len(facts.Runtimes) == 0 || facts.Time.IsZero() {
		t.Errorf("%+v", facts)
	}
	if err := engine.HasImage(t.Context(), dockertest.Image); err != nil {
		t.Error(err)
	}
	if err := engine.HasImage(t.Context(), "coderflow/none:dev"); !errors.Is(err, sandbox.ErrImageMissing) {
		t.Errorf("%v", err)
	}
	gone, err := docker.Dial(docker.Endpoint{Host: "unix:///nowhere/docker.sock"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Facts(t.Context()); !errors.Is(err, sandbox.ErrEngineUnavailable) {
		t.Errorf("without an engine: %v", err)
	}
}
