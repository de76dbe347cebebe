package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/engine"
	nodes "github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/queue"
)

// role is what a process of an installation is for, besides running containers, which the
// configuration says.
type role struct {
	serves bool // webhooks, API, pages, the search for lost deliveries, the signing of the audit log
}

func (r role) verb() string {
	if r.serves {
		return "serves"
	}
	return "works"
}

type workerCmd struct{ configFlag }

// Help implements kong.HelpProvider.
func (workerCmd) Help() string {
	return `A worker takes tasks from the PostgreSQL that it shares with servers and other workers, and runs their containers on its
own Docker engine. It answers only /healthz, /readyz and /metrics. It needs the server's configuration with its secrets, and
the keys that secrets are sealed with, but not the key of the audit log: docs/nodes.md.

It stops at SIGTERM: steps under way finish, containers go on by themselves and are found again at the next start. To end a
worker for good, drain it first.

Example:

  coderflow worker -c /etc/coderflow/coderflow.yaml`
}

// Run works until the context ends.
func (c workerCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	switch {
	case !cfg.Database.Postgres:
		return usage("a worker shares a PostgreSQL with servers: database is SQLite, which 'coderflow serve' uses alone")
	case !cfg.Worker.Enabled:
		return usage("worker.enabled is false: this process would do nothing")
	}
	return runAs(ctx, cfg, role{}, newLogger(cfg.Log, s.err), outside{}, nil)
}

// selfOf is this node as others see it.
func selfOf(cfg config.Config, r role) nodes.Node {
	return nodes.Node{Name: cfg.Worker.Name, Labels: cfg.Worker.Labels, Version: version, Serves: r.serves, StartedAt: time.Now()}
}

// queuesOf are the queues that this process works.
func queuesOf(cfg config.Config, node string) []string {
	if !cfg.Worker.Enabled {
		return []string{queue.Anybody}
	}
	return []string{queue.Anybody, queue.Workers, queue.NodeQueue(node)}
}

// chore is work that comes again and again.
type chore struct {
	name     string
	interval time.Duration
	do       func(context.Context) error
}

// scheduleInterval is how long a free place may stay empty at most while somebody waits.
const scheduleInterval = time.Second

// beatInterval is longer where nobody else is there to look.
func beatInterval(cfg config.Config) time.Duration {
	if cfg.Database.Postgres {
		return engine.BeatInterval
	}
	return 5 * engine.BeatInterval
}

// chores are what this process does by itself. What one process is enough for, each does
// only while it leads.
func (h *house) chores(cfg config.Config, r role, log *slog.Logger) []chore {
	often := cfg.Reconcile.Interval
	list := []chore{
		{"sign of life", beatInterval(cfg), h.engine.Beat},
		{"sweep", min(sweepInterval, often), h.engine.Sweep},
		{"tidy the mirrors", retireInterval(cfg), h.mirrors.Tidy},
	}
	if h.runner != nil {
		list = append(list, chore{"schedule", scheduleInterval, h.engine.Schedule}, chore{"retention", retireInterval(cfg), h.engine.Retire})
	}
	if !r.serves {
		return list
	}
	held := reconciler{h.witness.db, h.engine}
	list = append(list,
		chore{"reconcile", often, h.leading(h.engine.Reconcile)},
		chore{"hold the audit log against the forge", min(evidenceTick, often), h.leading(held.periodically(cfg.Reconcile.Evidence, log))},
		chore{"sign the audit log", min(signInterval, often), h.witness.Sign},
	)
	if cfg.Publish != nil {
		list = append(list, chore{"publish a checkpoint of the audit log", cfg.Publish.Interval, h.witness.Publish})
	}
	return list
}

// leading does f only while this process leads.
func (h *house) leading(f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if !h.engine.Leads() {
			return nil
		}
		return f(ctx)
	}
}
