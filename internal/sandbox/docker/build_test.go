package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// buildContext is a tar archive with files in the order given: name, content, name, content …
func buildContext(t *testing.T, files ...string) io.Reader {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: files[i], Mode: 0o755, Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &archive
}

// images returns a builder of images and a reference that is removed after the test.
func images(t *testing.T, world *dockertest.World) (*docker.Images, string) {
	t.Helper()
	engine, err := docker.NewImages(docker.Endpoint{})
	if err != nil {
		t.Fatal(err)
	}
	reference := "coderflow-test/" + strings.ToLower(rand.Text()) + ":1"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, _ = world.Engine.ImageRemove(ctx, reference, image.RemoveOptions{Force: true})
		_ = engine.Close()
	})
	return engine, reference
}

func TestAnImageIsBuiltFromItsContextWithLabels(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	engine, reference := images(t, world)
	ctx := world.Context(t)
	if _, err := engine.Image(ctx, reference); !errors.Is(err, sandbox.ErrImageMissing) {
		t.Fatalf("before: %v", err)
	}
	base, err := engine.Image(ctx, dockertest.Image)
	if err != nil {
		t.Fatal(err)
	}
	built, err := engine.BuildImage(ctx, sandbox.BuildSpec{
		Reference: reference, Args: map[string]string{"BASE": base.ID}, Labels: map[string]string{"test": "yes"},
		Context: buildContext(t, "Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY rootfs/ /\n", "rootfs/usr/local/bin/hello", "#!/bin/sh\necho hello\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	found, err := engine.Image(ctx, reference)
	if err != nil || found.ID != built.ID || found.Labels["test"] != "yes" || found.Size <= base.Size || found.Architecture != base.Architecture {
		t.Errorf("%+v, built %+v, %v", found, built, err)
	}
	if age := time.Since(found.Created); age < -time.Minute || age > 5*time.Minute {
		t.Errorf("made at %s", found.Created)
	}
	world.Workspace(t, "built", map[string]dockertest.File{"a": {Content: "a"}})
	spec := dockertest.Spec("built", "built", "hello")
	spec.Image = reference
	if status, output := world.Run(t, spec); status.Reason != sandbox.ReasonOK || output != "hello\n" {
		t.Errorf("%+v %q", status, output)
	}
}

func TestABuildThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	engine, reference := images(t, world)
	for want, dockerfile := range map[string]string{
		"no-such-file": "FROM " + dockertest.Image + "\nCOPY no-such-file /\n",
		// Nothing is pulled, and a step has no network.
		"code: 7": "FROM " + dockertest.Image + "\nRUN bash -c 'exec 3<>/dev/tcp/192.0.2.1/80' || exit 7\n",
	} {
		_, err := engine.BuildImage(world.Context(t), sandbox.BuildSpec{Reference: reference, Context: buildContext(t, "Dockerfile", dockerfile)})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), reference) {
			t.Errorf("%q: %v", dockerfile, err)
		}
	}
	broken := io.MultiReader(buildContext(t, "Dockerfile", "FROM "+dockertest.Image+"\n"), failing{})
	if _, err := engine.BuildImage(world.Context(t), sandbox.BuildSpec{Reference: reference, Context: broken}); err == nil {
		t.Error("a context that cannot be read was built")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("cannot read") }

func TestAnEngineThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	engine, err := docker.NewImages(docker.Endpoint{Host: "unix:///nonexistent/docker.sock"})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close() //nolint:errcheck // there is no connection
	if _, err := engine.Image(t.Context(), "x"); !errors.Is(err, sandbox.ErrEngineUnavailable) {
		t.Errorf("%v", err)
	}
}
