package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/task"
)

type sandboxShellCmd struct {
	configFlag
	Task    string   `arg:"" help:"Task id."`
	Command []string `arg:"" optional:"" passthrough:"" help:"What to run instead of a shell."`
}

// longestShell is when a forgotten shell ends.
const longestShell = 8 * time.Hour

// Run opens the shell and removes the copy after it.
func (c sandboxShellCmd) Run(ctx context.Context, s streams) error {
	return c.onNode(ctx, func(n node) (err error) {
		t, err := n.ended(ctx, c.Task)
		if err != nil {
			return err
		}
		name := "coderflow-shell-" + strings.ToLower(rand.Text()[:12])
		defer func() { err = errors.Join(err, n.removeShell(name)) }()
		fmt.Fprintln(s.err, "a copy of the workspace of task", t.ID, "as its agent left it; it goes when you leave")
		if err := n.startShell(ctx, t, name); err != nil {
			return err
		}
		argv := c.Command
		if len(argv) > 0 && argv[0] == "--" {
			argv = argv[1:]
		}
		if len(argv) == 0 {
			argv = []string{"/bin/bash"}
		}
		code, err := sit(ctx, n.runner, name, argv, s)
		if err == nil && code != 0 {
			err = &exitError{code: code, cause: fmt.Errorf("the shell ended with status %d", code)}
		}
		return err
	})
}

// startShell starts a container like the task's on a copy of its workspace, but
// without its socket, prompt, scripts and settings.
func (n node) startShell(ctx context.Context, t task.Task, name string) error {
	labels := sandbox.Labels{Task: string(t.ID), Purpose: "shell"}
	if err := n.runner.CopyWorkspace(ctx, engine.VolumeOf(&t), name, labels); err != nil {
		return fmt.Errorf("copy the workspace: %w", err)
	}
	limits := sandbox.DefaultLimits()
	limits.Wall = longestShell
	_, err := n.runner.Start(ctx, sandbox.Spec{
		Name: name, Image: t.Run.Image, Argv: []string{"sleep", "infinity"}, Workspace: sandbox.Workspace{Volume: name},
		Network: sandbox.NetworkNone, Limits: limits, Labels: labels,
	})
	return err
}

// removeShell also runs after an interrupt.
func (n node) removeShell(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(n.runner.Remove(ctx, name), n.runner.RemoveVolume(ctx, name))
}

// sit connects the person's terminal, if there is one, to the command.
func sit(ctx context.Context, runner *docker.Runner, name string, argv []string, s streams) (int, error) {
	t := docker.Terminal{In: os.Stdin, Out: s.out, Err: s.err, Term: os.Getenv("TERM")}
	if in := int(os.Stdin.Fd()); term.IsTerminal(in) && isTerminal(s.out) {
		before, err := term.MakeRaw(in)
		if err != nil {
			return 0, fmt.Errorf("prepare the terminal: %w", err)
		}
		defer func() { _ = term.Restore(in, before) }()
		t.TTY = true
		sizes, stop := watchSize(in)
		defer stop()
		t.Sizes = sizes
	}
	return runner.Exec(ctx, name, argv, t)
}

// watchSize yields the terminal's size now and after each change.
func watchSize(fd int) (sizes <-chan docker.TerminalSize, stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	out := make(chan docker.TerminalSize, 1)
	done := make(chan struct{})
	go func() {
		for {
			if width, height, err := term.GetSize(fd); err == nil {
				select {
				case out <- docker.TerminalSize{Height: uint(height), Width: uint(width)}:
				case <-done:
					return
				}
			}
			select {
			case <-changed:
			case <-done:
				return
			}
		}
	}()
	return out, func() { signal.Stop(changed); close(done) }
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
