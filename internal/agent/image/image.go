// Package image makes the images of the presets: the npm packages of each, with pinned versions and hashes, on top of
// the base sandbox image. Nothing of a package is run on the host, and nothing is downloaded when a task runs.
package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// Labels of every image that is built here.
const (
	LabelPreset  = "dev.coderflow.agent.preset"
	LabelVersion = "dev.coderflow.agent.version"
	LabelRecipe  = "dev.coderflow.agent.recipe" // digest of everything that went in
	LabelBase    = "dev.coderflow.agent.base"   // id of the base image
)

// Engine looks up and builds images.
type Engine interface {
	// Image returns sandbox.ErrImageMissing if there is none of that reference.
	Image(ctx context.Context, reference string) (sandbox.Image, error)
	BuildImage(ctx context.Context, spec sandbox.BuildSpec) (sandbox.Image, error)
}

// Packages gets npm packages.
type Packages interface {
	// Install puts the packages of a lock, for Linux on cpu (as npm names it), into directory/node_modules.
	Install(ctx context.Context, directory, cpu string, manifest, lock []byte) error
}

// Builder makes images.
type Builder struct {
	Engine   Engine
	Packages Packages
	// Progress is told each step that takes long. It may be nil.
	Progress func(line string)
	Now      func() time.Time
}

// Result is an image that is up to date.
type Result struct {
	Preset    string        `json:"preset"`
	Version   string        `json:"version"`
	Reference string        `json:"reference"`
	ID        string        `json:"id"`
	Size      int64         `json:"size"`  // bytes, with the base
	Added     int64         `json:"added"` // bytes on top of the base
	Built     bool          `json:"built"` // false: it was up to date already
	Took      time.Duration `json:"-"`
}

type baseImage struct {
	id, architecture string
	size             int64
}

// Names returns the presets that have an image, in the order in which they are shown.
func Names() []string {
	var names []string
	for _, preset := range agent.Presets() {
		if _, ok := recipes()[preset.Name]; ok {
			names = append(names, preset.Name)
		}
	}
	return names
}

// Build makes the image of a preset on top of base, unless it is there and up to date.
func (b *Builder) Build(ctx context.Context, name, base string) (Result, error) {
	began := b.Now()
	preset, err := agent.Lookup(name)
	if err != nil {
		return Result{}, err
	}
	under, err := b.base(ctx, base)
	if err != nil {
		return Result{}, err
	}
	plan, err := newPlan(preset, under)
	if err != nil {
		return Result{}, err
	}
	image, err := b.Engine.Image(ctx, preset.Image)
	if err != nil && !errors.Is(err, sandbox.ErrImageMissing) {
		return Result{}, err
	}
	built := err != nil || image.Labels[LabelRecipe] != plan.digest
	if built {
		if image, err = b.build(ctx, plan, under); err != nil {
			return Result{}, fmt.Errorf("build the image of %s: %w", name, err)
		}
	}
	return Result{
		Preset: name, Version: preset.Version, Reference: preset.Image, ID: image.ID,
		Size: image.Size, Added: image.Size - under.size, Built: built, Took: b.Now().Sub(began),
	}, nil
}

func (b *Builder) base(ctx context.Context, reference string) (baseImage, error) {
	image, err := b.Engine.Image(ctx, reference)
	if errors.Is(err, sandbox.ErrImageMissing) {
		return baseImage{}, fmt.Errorf("%w; `make setup` builds the sandbox image", err)
	}
	return baseImage{image.ID, image.Architecture, image.Size}, err
}

func (b *Builder) build(ctx context.Context, p plan, base baseImage) (image sandbox.Image, err error) {
	directory, err := os.MkdirTemp("", "coderflow-image-")
	if err != nil {
		return image, fmt.Errorf("make a directory for packages: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	b.say("%s: getting %s %s from npm", p.preset.Name, p.preset.Package, p.preset.Version)
	if err := b.Packages.Install(ctx, directory, p.cpu, p.manifest, p.lock); err != nil {
		return image, err
	}
	b.say("%s: building %s", p.preset.Name, p.preset.Image)
	reader, writer := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = writer.CloseWithError(writeContext(writer, p.recipe, filepath.Join(directory, "node_modules")))
	}()
	image, err = b.Engine.BuildImage(ctx, sandbox.BuildSpec{
		Reference: p.preset.Image, Args: map[string]string{"BASE": base.id}, Context: reader,
		Labels: map[string]string{
			LabelPreset: p.preset.Name, LabelVersion: p.preset.Version, LabelRecipe: p.digest, LabelBase: base.id,
		},
	})
	_ = reader.Close() // ends the writer if the engine did not read to the end
	<-done
	return image, err
}

func (b *Builder) say(format string, arguments ...any) {
	if b.Progress != nil {
		b.Progress(fmt.Sprintf(format, arguments...))
	}
}
