package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/coderflow/coderflow/internal/agent/image"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
)

type imagesCmd struct {
	Build imagesBuildCmd `cmd:"" help:"Build the images of agents from npm packages, on top of the sandbox image."`
	Ls    imagesLsCmd    `cmd:"" help:"List the images of agents, and whether they are up to date."`
}

// baseFlag says where images are built and what on. It needs no configuration: images can be built before there is one.
type baseFlag struct {
	configFlag
	Base string `help:"Image to build on; default sandbox.image of the configuration, or coderflow/sandbox:dev." placeholder:"IMAGE"`
}

const defaultBase = "coderflow/sandbox:dev"

// with opens the engine and says which base image is meant.
func (f baseFlag) with(use func(engine *docker.Images, base string) error) error {
	base, at := defaultBase, docker.Endpoint{}
	if _, err := os.Stat("coderflow.yaml"); err == nil || f.Config != "" {
		var cfg config.Config
		if cfg, err = f.load(); err != nil {
			return err
		}
		base, at = cfg.Sandbox.Image, endpointOf(cfg)
	}
	if f.Base != "" {
		base = f.Base
	}
	engine, err := docker.NewImages(at)
	if err != nil {
		return err
	}
	return errors.Join(use(engine, base), engine.Close())
}

type imagesBuildCmd struct {
	baseFlag
	Presets []string `arg:"" optional:"" name:"preset" help:"Presets; default all that have an image." enum:"claude,codex,gemini,opencode,qwen"`
	JSON    bool     `help:"Print the images as JSON."`
}

// Run builds what is missing or out of date, one after the other.
func (c imagesBuildCmd) Run(ctx context.Context, s streams) error {
	presets := c.Presets
	if len(presets) == 0 {
		presets = image.Names()
	}
	return c.with(func(engine *docker.Images, base string) error {
		builder := image.Builder{
			Engine: engine, Packages: image.NPM{}, Now: time.Now,
			Progress: func(line string) { fmt.Fprintln(s.err, line) },
		}
		results, err := buildImages(ctx, &builder, presets, base)
		if c.JSON {
			return errors.Join(err, printJSON(s, results))
		}
		return errors.Join(err, printResults(s, results))
	})
}

// buildImages goes on after an image that cannot be built: the others are independent of it.
func buildImages(ctx context.Context, builder *image.Builder, presets []string, base string) ([]image.Result, error) {
	results := []image.Result{}
	var errs []error
	for _, preset := range presets {
		result, err := builder.Build(ctx, preset, base)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		results = append(results, result)
		if result.Built {
			builder.Progress(fmt.Sprintf("%s: built in %.1f s", preset, result.Took.Seconds()))
		} else {
			builder.Progress(preset + ": up to date")
		}
	}
	return results, errors.Join(errs...)
}

func printResults(s streams, results []image.Result) error {
	if len(results) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PRESET\tVERSION\tIMAGE\tID\tSIZE\tON TOP OF BASE")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Preset, r.Version, r.Reference, r.ID, megabytes(r.Size), megabytes(r.Added))
	}
	return w.Flush()
}

type imagesLsCmd struct {
	baseFlag
	outputFlag
}

// Run lists the images.
func (c imagesLsCmd) Run(ctx context.Context, s streams) error {
	return c.with(func(engine *docker.Images, base string) error {
		builder := image.Builder{Engine: engine, Now: time.Now}
		entries, err := builder.List(ctx, base)
		if err != nil {
			return err
		}
		if done, err := c.encoded(s, entries); done {
			return err
		}
		return printEntries(s, entries, time.Now())
	})
}

func printEntries(s streams, entries []image.Entry, now time.Time) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PRESET\tSTATE\tVERSION\tIMAGE\tID\tSIZE\tAGE")
	for _, e := range entries {
		if e.State == image.Missing {
			fmt.Fprintf(w, "%s\t%s\t-\t%s\t-\t-\t-\n", e.Preset, e.State, e.Reference)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Preset, e.State, e.Version, e.Reference,
			shortID(e.ID), megabytes(e.Size), now.Sub(e.Created).Round(time.Minute))
	}
	return w.Flush()
}

func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}

func megabytes(size int64) string { return fmt.Sprintf("%.0f MB", float64(size)/1e6) }
