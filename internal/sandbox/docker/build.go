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
	engine      *client.Client
	closeEngine func() error
}

// NewImages talks to the engine. Close it.
func NewImages(at Endpoint) (*Images, error) {
	engine, closeEngine, err := at.client()
	if err != nil {
		return nil, fmt.Errorf("docker images: %w", err)
	}
	return &Images{engine, closeEngine}, nil
}

// Close releases the connections to the engine.
func (i *Images) Close() error { return i.closeEngine() }

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
