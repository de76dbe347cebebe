package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// sandboxCmd looks at what containers left on this node. None of it changes a
// task, and nothing here needs the server to run.
type sandboxCmd struct {
	Ls      sandboxLsCmd      `cmd:"" default:"withargs" help:"List containers, workspaces and cached bases, and when they go."`
	Inspect sandboxInspectCmd `cmd:"" help:"Show everything that is known about a task's container and workspace."`
	Export  sandboxExportCmd  `cmd:"" help:"Write a task's workspace as a tar archive."`
	Shell   sandboxShellCmd   `cmd:"" help:"Open a shell in a copy of a task's workspace: no secrets, no network, no model."`
}

// node is an installation's database and its containers on this machine.
type node struct {
	cfg    config.Config
	db     *store.Store
	runner *docker.Runner
}

// onNode opens an installation for a command beside the server.
func (f configFlag) onNode(ctx context.Context, use func(node) error) error {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	name, err := os.ReadFile(filepath.Join(cfg.DataDir, "node"))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no server has run with the data directory %s yet, so there are no containers", cfg.DataDir)
	}
	if err != nil {
		return fmt.Errorf("read this node's name: %w", err)
	}
	log := slog.New(slog.DiscardHandler)
	db, err := openStore(ctx, cfg, log)
	if err != nil {
		return err
	}
	runner, err := newRunner(cfg, strings.TrimSpace(string(name)), log)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(use(node{cfg, db, runner}), runner.Close(), db.Close())
}

// ended finds a task whose container is not running: only then its workspace
// stands still.
func (n node) ended(ctx context.Context, id string) (task.Task, error) {
	t, err := findTask(ctx, n.db, id)
	if err != nil {
		return t, err
	}
	switch t.State {
	case task.Queued, task.Preparing, task.Running:
		return t, fmt.Errorf("task %s is %s: wait until its container has ended, or cancel it", id, t.State)
	}
	return t, nil
}

type sandboxExportCmd struct {
	configFlag
	Task   string `arg:"" help:"Task id."`
	Output string `short:"o" help:"File to write; default is standard output." placeholder:"FILE" type:"path"`
}

// Run writes the archive. What is in it was written by an agent: unpack it
// where nothing is run from.
func (c sandboxExportCmd) Run(ctx context.Context, s streams) error {
	if c.Output == "" && isTerminal(s.out) {
		return errors.New("the archive is not for a terminal: use -o FILE, or redirect the output")
	}
	return c.onNode(ctx, func(n node) error {
		t, err := n.ended(ctx, c.Task)
		if err != nil {
			return err
		}
		if c.Output == "" {
			return n.runner.Export(ctx, engine.VolumeOf(&t), s.out)
		}
		size, err := exportTo(ctx, n.runner, engine.VolumeOf(&t), c.Output)
		if err == nil {
			fmt.Fprintf(s.err, "%s: %s, written by an agent: unpack it where nothing is run from\n", c.Output, sizeWords(size))
		}
		return err
	})
}

// exportTo writes a new file, whole or not at all.
func exportTo(ctx context.Context, runner *docker.Runner, volume, path string) (int64, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	counted := &countingWriter{to: file}
	if err := errors.Join(runner.Export(ctx, volume, counted), file.Sync(), file.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(path))
	}
	return counted.n, nil
}

type countingWriter struct {
	to io.Writer
	n  int64
}

// Write implements io.Writer.
func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.n += int64(n)
	return n, err
}
