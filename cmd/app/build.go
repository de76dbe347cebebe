package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/command"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/telemetry/otlp"
	"github.com/coderflow/coderflow/internal/web"
)

// house is a built server: everything is wired, nothing runs yet.
type house struct {
	handler http.Handler
	engine  *engine.Engine
	queue   *queue.Queue
	runner  *docker.Runner // nil: this process runs no containers
	mirrors *gitops.Git
	witness *witness       // nil: this process answers no requests
	spans   *otlp.Exporter // nil: nothing is traced
	parked  chan struct{}  // closed once no step goes on
	closers []io.Closer
}

func (h *house) close() error {
	var errs []error
	for i := len(h.closers) - 1; i >= 0; i-- {
		errs = append(errs, h.closers[i].Close())
	}
	return errors.Join(errs...)
}

// build wires a server. It reads secrets and the database; it talks to no forge
// and no engine, so that a server can start while those are down.
func build(ctx context.Context, cfg config.Config, r role, log *slog.Logger, out outside) (*house, error) {
	if cfg.GitHub == nil && cfg.AzureDevOps == nil {
		return nil, errNoForge
	}
	h := &house{parked: make(chan struct{})}
	if err := h.wire(ctx, cfg, r, log, out); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *house) wire(ctx context.Context, cfg config.Config, r role, log *slog.Logger, out outside) error {
	node, lock, err := claim(cfg.DataDir)
	if err != nil {
		return err
	}
	h.closers = append(h.closers, lock)
	log = log.With("node", node)
	db, err := openStore(ctx, cfg, log)
	if err != nil {
		return err
	}
	h.closers = append(h.closers, db)
	if r.serves {
		if h.witness, err = openWitness(ctx, cfg, db, true); err != nil {
			return err
		}
		h.witness.at = failpoint(os.Getenv("CODERFLOW_FAILPOINT"))
	}
	rules := &rules{store: db, admins: cfg.Admins, image: cfg.Sandbox.Image}
	if err := bootstrap(ctx, db, cfg.Bootstrap, log); err != nil {
		return err
	}
	if cfg.Worker.Enabled {
		if h.runner, err = newRunner(cfg, node, log); err != nil {
			return err
		}
		h.closers = append(h.closers, h.runner)
	}
	figures := newFigures(db, listerOf(h.runner), log)
	watch := &observer{figures: figures.work, tracer: h.traced(cfg.Tracing, node, figures.work, log)}
	figures.watch = watch
	hub, err := newObservedForges(cfg, log, watch)
	if err != nil {
		return err
	}
	rules.teams = &engine.Memberships{Store: db, Forge: hub, Logger: log, Now: time.Now}
	git, err := newGit(cfg, log)
	if err != nil {
		return err
	}
	h.mirrors = git
	if h.witness != nil {
		h.witness.publishTo(cfg.Publish, git, hub)
	}
	freezes := engine.NewFreezes(db, time.Now)
	restored, err := db.Restored(ctx)
	if err != nil {
		return err
	}
	gate := &approval.Gate{
		Freezes: freezes, Forge: hub, Ledger: db, Policies: gateRules{rules}, Read: command.ParseReview, Armory: rules, Now: time.Now,
		Restored: restored,
	}
	figures.registry.MustRegister(freezeFigures{freezes})
	models, err := newModels(cfg, db, figures, log, out)
	if err != nil {
		return err
	}
	h.closers = append(h.closers, models)
	kept := newPurse(cfg, db, models.vault, log)
	options := engine.Options{
		People: kept.people(), OwnFallback: kept != nil && cfg.GitHub.OAuth.GitFallback,
		Store: engineStore{db}, Forge: hub, Git: observedGit{git, watch}, Committer: committer, Models: modelsOf{models}, Ways: models, Secrets: models.vault,
		Bases:   sandbox.EvictPolicy{MaxAge: cfg.Sandbox.BaseAge, MaxBytes: cfg.Sandbox.BaseSize, Keep: 1},
		Freezes: freezes, OpenWays: openWays{models}, Tokens: hub,
		Manifests: rules, Gate: gate, Teams: rules.teams, GitCredentials: cfg.GitCredentials,
		Admins: cfg.Admins, Logger: log, Now: time.Now, Node: node, DataDir: cfg.DataDir, PublicURL: cfg.PublicURL, PagesURL: pagesURL(cfg),
		Observer: watch, MaxRunning: cfg.Worker.Concurrency, Failpoint: failpoint(os.Getenv("CODERFLOW_FAILPOINT")),
		Self: selfOf(cfg, r), LostAfter: cfg.Worker.LostAfter, Engineless: h.runner == nil,
	}
	if h.runner != nil { // an interface that holds a nil runner would be none that is nil
		options.Sandbox, options.Storage, options.Pauser = observedSandbox{h.runner, watch}, h.runner, h.runner
		options.Deployer = &deploy.Executor{Containers: observedContainers{h.runner, watch}, Pipelines: hub.pipelines(), Image: cfg.Sandbox.Image}
	}
	h.engine = engine.New(options)
	gate.History = h.engine.History()
	if _, err := db.ReleaseAll(ctx, node); err != nil {
		return fmt.Errorf("release this node's former leases: %w", err)
	}
	h.queue, err = queue.New(queue.Options{
		DB: db.DB(), Dialect: db.Dialect(), Wake: db.Wake(), Logger: log, Node: node, JobTimeout: 15 * time.Minute,
		Handlers: map[queue.Kind]queue.Handler{
			queue.Deliver: watch.job(queue.Deliver, h.engine.Deliver), queue.Advance: watch.job(queue.Advance, h.engine.Advance), queue.Merge: watch.job(queue.Merge, h.engine.Merged),
		},
		Queues: queuesOf(cfg, node),
	})
	if err != nil {
		return fmt.Errorf("make the job queue: %w", err)
	}
	shown := web.Options{Logger: log, Now: time.Now, Probes: probes(db, h.queue, h.runner, hub, cfg.DataDir, guestPath(cfg)), Metrics: figures.handler(), MetricsFrom: cfg.MetricsFrom}
	if !r.serves {
		h.handler = web.New(shown)
		return nil
	}
	if shown.GitHub, shown.AzureDevOps, err = newWebhooks(cfg); err != nil {
		return err
	}
	api := newAPI(db, rules, apiSite{Resolver: hub, cfg: cfg}, keyring(cfg), h.engine, kept, h.witness)
	api.System = &systemDesk{Store: db, cfg: cfg, runner: h.runner, node: node}
	shown.Inbox, shown.Busy, shown.Audit, shown.SignIn, shown.API = h.engine, h.engine.Busy, h.witness, newSignIn(cfg, db, rules, kept, log), api
	h.handler = watch.webhooks(web.New(shown))
	return nil
}

func openStore(ctx context.Context, cfg config.Config, log *slog.Logger) (*store.Store, error) {
	options := store.Options{DSN: "sqlite", Path: cfg.SQLitePath(), Logger: log}
	if cfg.Database.Postgres {
		options = store.Options{DSN: cfg.Database.DSN.Reveal(), Logger: log}
	}
	db, err := store.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate the database: %w", err), db.Close())
	}
	return db, nil
}

func newRunner(cfg config.Config, node string, log *slog.Logger) (*docker.Runner, error) {
	guest := guestPath(cfg)
	if _, err := os.Stat(guest); err != nil {
		return nil, fmt.Errorf("the guest helper is missing: %w; `make build` makes bin/coderflow-guest, sandbox.guest says where it is", err)
	}
	return docker.New(docker.Config{
		Endpoint: endpointOf(cfg), Files: cfg.Docker.Files, DataDir: filepath.Join(cfg.DataDir, "sandbox"), GuestPath: guest,
		Instance: node, Log: log, Workspaces: cfg.Sandbox.Workspaces,
	})
}

// endpointOf is how the configured engine is reached.
func endpointOf(cfg config.Config) docker.Endpoint {
	return docker.Endpoint{Host: cfg.Docker.Host, TLS: docker.TLS(cfg.Docker.TLS), SSH: docker.SSH(cfg.Docker.SSH)}
}

func newGit(cfg config.Config, log *slog.Logger) (*gitops.Git, error) {
	return gitops.New(mirrorOptions(cfg, log))
}

func mirrorOptions(cfg config.Config, log *slog.Logger) gitops.Options {
	return gitops.Options{
		Dir: filepath.Join(cfg.DataDir, "git"), Logger: log,
		Committer: committer, AllowHTTPHosts: plainHosts(cfg),
	}
}

// claim makes the data directory this process's own and returns the node's
// name, which is kept there so that a restart is the same node.
func claim(dir string) (node string, lock io.Closer, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the data directory: %w", err)
	}
	f, err := lockDir(dir)
	if err != nil {
		return "", nil, err
	}
	if _, err := os.Lstat(filepath.Join(dir, partialDir)); !errors.Is(err, os.ErrNotExist) {
		return "", nil, errors.Join(fmt.Errorf("a restore into %s was interrupted: run it again", dir), f.Close())
	}
	path := filepath.Join(dir, "node")
	name, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		name = []byte(task.NewID())
		// Without its name a node would not find its containers and leases again.
		err = replaceDurably(path, name)
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("name this node: %w", err), f.Close())
	}
	return strings.TrimSpace(string(name)), f, nil
}

// follow turns what the engine reports about containers into looks at their tasks.
func (h *house) follow(ctx context.Context) error {
	if h.runner == nil {
		return nil
	}
	for event := range h.runner.Events(ctx) {
		if event.Kind == sandbox.EventStarted {
			continue
		}
		if err := h.engine.ContainerChanged(ctx, event); err != nil && ctx.Err() == nil {
			h.engine.Logger.WarnContext(ctx, "container event not followed, the sweep will", "container", event.Name, "error", err)
		}
	}
	return nil
}

// failpoint kills the process at the named place, for tests of restarts. The
// variable may name a file too, "NAME@FILE": then only while the file is absent,
// and it is made first, so that the next process gets past. "*@DIRECTORY" is every
// place, each with a file of its name there.
func failpoint(setting string) func(engine.Failpoint) {
	if setting == "" {
		return nil
	}
	name, once, _ := strings.Cut(setting, "@")
	return func(at engine.Failpoint) {
		mark := once
		switch {
		case name == "*" && once != "":
			mark = filepath.Join(once, string(at))
		case string(at) != name:
			return
		}
		if mark != "" {
			f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return
			}
			_ = f.Close()
		}
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // nothing after this place happens
	}
}
