package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/web"
)

// configFlag is shared by every command that works on an installation.
type configFlag struct {
	Config string `help:"Configuration file; default coderflow.yaml, if it is there. CODERFLOW_* variables override its keys." short:"c" env:"CODERFLOW_CONFIG" type:"path"`
}

// load reads the configuration. Without a file at the default place, variables
// alone may be enough.
func (f configFlag) load() (config.Config, error) {
	if f.Config == "" {
		return config.LoadDefault("coderflow.yaml", os.Environ())
	}
	return config.Load(f.Config, os.Environ())
}

type serveCmd struct {
	configFlag
	NoWorker bool `help:"Run no containers here: other nodes on the same PostgreSQL do. As worker.enabled: false."`
}

// Help implements kong.HelpProvider.
func (serveCmd) Help() string {
	return `One process with SQLite is the default: it answers requests and runs the containers. On one PostgreSQL there may be any
number of servers and, with 'coderflow worker', of nodes that only run containers: docs/nodes.md.

It stops at SIGTERM: steps under way finish, containers go on by themselves and are found again.

Examples:

  coderflow serve -c /etc/coderflow/coderflow.yaml
  coderflow serve -c /etc/coderflow/coderflow.yaml --no-worker`
}

// Run serves until the context ends.
func (c serveCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if c.NoWorker {
		if !cfg.Database.Postgres {
			return usage("--no-worker needs other nodes that run containers, and PostgreSQL between them: database is SQLite")
		}
		cfg.Worker.Enabled = false
	}
	return serve(ctx, cfg, newLogger(cfg.Log, s.err), nil)
}

// Times of the background work.
const (
	sweepInterval = 15 * time.Second
	signInterval  = time.Minute
	stopGrace     = 20 * time.Second
)

// retireInterval is how often what nobody needs any more is looked for.
func retireInterval(cfg config.Config) time.Duration {
	return min(10*time.Minute, 5*cfg.Reconcile.Interval)
}

// serve runs a whole server until ctx ends. ready, if not nil, gets the address
// once requests are answered.
func serve(ctx context.Context, cfg config.Config, log *slog.Logger, ready func(address string)) (err error) {
	return serveTo(ctx, cfg, log, outside{}, ready)
}

// serveTo is serve where the hosts that containers may reach are elsewhere.
func serveTo(ctx context.Context, cfg config.Config, log *slog.Logger, out outside, ready func(address string)) (err error) {
	return runAs(ctx, cfg, role{serves: true}, log, out, ready)
}

// runAs runs a process of the installation until ctx ends.
func runAs(ctx context.Context, cfg config.Config, r role, log *slog.Logger, out outside, ready func(address string)) (err error) {
	h, err := build(ctx, cfg, r, log, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	log = h.engine.Logger // which names the node
	// Before the first job: who sends one here must know that this node is there.
	if err := h.engine.Beat(ctx); err != nil {
		return fmt.Errorf("say that this node is there: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; is another server running there?", cfg.Listen, err)
	}
	if err := h.queue.Start(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(fmt.Errorf("start the job queue: %w", err), listener.Close())
	}
	defer h.export(ctx)()
	defer h.followFreezes(ctx)()
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return web.Serve(ctx, listener, h.handler, stopGrace, h.parked) })
	for _, c := range h.chores(cfg, r, log) {
		work.Go(func() error { return every(ctx, log, c.interval, c.name, c.do) })
	}
	work.Go(func() error { return h.follow(ctx) })
	if h.runner != nil {
		work.Go(func() error { return h.runner.Relay(ctx) })
	}
	work.Go(func() error { return h.park(ctx, log) })
	log.InfoContext(ctx, "coderflow "+r.verb(), "address", listener.Addr().String(), "version", version, "name", cfg.Worker.Name, "containers", cfg.Worker.Enabled)
	if ready != nil {
		ready(listener.Addr().String())
	}
	err = work.Wait()
	h.signLast(ctx, log)
	return err
}

// every calls f at once and then at the interval until ctx ends. An error is
// logged and the next turn tries again: what f looks for does not go away.
func every(ctx context.Context, log *slog.Logger, interval time.Duration, name string, f func(context.Context) error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "background work failed, it is tried again", "work", name, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
