package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/client"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// buildTimeout bounds one build: copying some hundred megabytes to the engine, and on its disk.
const buildTimeout = 15 * time.Minute

// Images looks up and builds images on an engine. It needs none of what a Runner needs.
type Images struct {
	engine *client.Client
}

// NewImages talks to the engine at host, or to the environment's if that is empty. Close it.
func NewImages(host string) (*Images, error) {
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		options = append(options, client.WithHost(host))
	}
	engine, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("docker images: %w", err)
	}
	return &Images{engine}, nil
}

// Close releases the connections to the engine.
func (i *Images) Close() error { return i.engine.Close() }

// Image looks up an image by reference or id; sandbox.ErrImageMissing if there is none.
func (i *Images) Image(caller context.Context, reference string) (sandbox.Image, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	found, err := i.engine.ImageInspect(ctx, reference)
	if cerrdefs.IsNotFound(err) {
		return sandbox.Image{}, fmt.Errorf("image %s: %w", reference, sandbox.ErrImageMissing)
	}
	if err != nil {
		return sandbox.Image{}, engineError(caller, "looking up image "+reference, err)
	}
	image := sandbox.Image{ID: found.ID, Architecture: found.Architecture, Size: found.Size}
	if found.Config != nil {
		image.Labels = found.Config.Labels
	}
	if found.Created != "" {
		if image.Created, err = time.Parse(time.RFC3339Nano, found.Created); err != nil {
			return sandbox.Image{}, fmt.Errorf("image %s: when it was made: %w", reference, err)
		}
	}
	return image, nil
}

// BuildImage builds an image without a network and pulls nothing.
func (i *Images) BuildImage(caller context.Context, spec sandbox.BuildSpec) (sandbox.Image, error) {
	ctx, cancel := context.WithTimeout(caller, buildTimeout)
	defer cancel()
	args := map[string]*string{}
	for name, value := range spec.Args {
		args[name] = &value
	}
	answer, err := i.engine.ImageBuild(ctx, spec.Context, build.ImageBuildOptions{
		Tags: []string{spec.Reference}, BuildArgs: args, Labels: spec.Labels,
		NetworkMode: "none", PullParent: false, Remove: true, ForceRemove: true, Version: build.BuilderV1,
	})
	if err != nil {
		return sandbox.Image{}, engineError(caller, "building image "+spec.Reference, err)
	}
	err = errors.Join(buildResult(answer.Body), answer.Body.Close())
	if err != nil {
		return sandbox.Image{}, engineError(caller, "building image "+spec.Reference, err)
	}
	return i.Image(caller, spec.Reference)
}

// buildResult reads the engine's messages to their end and returns the error among them.
func buildResult(messages io.Reader) error {
	decoder := json.NewDecoder(messages)
	for {
		var message struct {
			Error string `json:"error"`
		}
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the engine's messages: %w", err)
		}
		if message.Error != "" {
			return errors.New(message.Error)
		}
	}
}
