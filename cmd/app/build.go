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
	"slices"
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
	"github.com/coderflow/coderflow/internal/web"
)

// house is a built server: everything is wired, nothing runs yet.
type house struct {
	handler http.Handler
	engine  *engine.Engine
	queue   *queue.Queue
	runner  *docker.Runner
	witness *witness
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
func build(ctx context.Context, cfg config.Config, log *slog.Logger, out outside) (*house, error) {
	if cfg.GitHub == nil && cfg.AzureDevOps == nil {
		return nil, errNoForge
	}
	h := &house{}
	if err := h.wire(ctx, cfg, log, out); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *house) wire(ctx context.Context, cfg config.Config, log *slog.Logger, out outside) error {
	node, lock, err := claim(cfg.DataDir)
	if err != nil {
		return err
	}
	h.closers = append(h.closers, lock)
	db, err := openStore(ctx, cfg, log)
	if err != nil {
		return err
	}
	h.closers = append(h.closers, db)
	if h.witness, err = openWitness(ctx, cfg, db, true); err != nil {
		return err
	}
	h.witness.at = failpoint(os.Getenv("CODERFLOW_FAILPOINT"))
	rules := &rules{store: db, admins: cfg.Admins, image: cfg.Sandbox.Image}
	if err := bootstrap(ctx, db, cfg.Bootstrap, log); err != nil {
		return err
	}
	if h.runner, err = newRunner(cfg, node, log); err != nil {
		return err
	}
	h.closers = append(h.closers, h.runner)
	hub, err := newForges(cfg, log)
	if err != nil {
		return err
	}
	rules.teams = &engine.Memberships{Store: db, Forge: hub, Logger: log, Now: time.Now}
	git, err := newGit(cfg, log)
	if err != nil {
		return err
	}
	h.witness.publishTo(cfg.Publish, git, hub)
	freezes := engine.NewFreezes(db, time.Now)
	restored, err := db.Restored(ctx)
	if err != nil {
		return err
	}
	gate := &approval.Gate{
		Freezes: freezes, Forge: hub, Ledger: db, Policies: gateRules{rules}, Read: command.ParseReview, Armory: rules, Now: time.Now,
		Restored: restored,
	}
	figures := newFigures(db, log)
	figures.registry.MustRegister(freezeFigures{freezes})
	models, err := newModels(cfg, db, figures, log, out)
	if err != nil {
		return err
	}
	h.closers = append(h.closers, models)
	kept := newPurse(cfg, db, models.vault, log)
	h.engine = engine.New(engine.Options{
		People: kept.people(), OwnFallback: kept != nil && cfg.GitHub.OAuth.GitFallback,
		Store: engineStore{db}, Forge: hub, Git: git, Committer: committer, Sandbox: h.runner, Storage: h.runner, Models: modelsOf{models}, Ways: models, Secrets: models.vault,
		Bases:   sandbox.EvictPolicy{MaxAge: cfg.Sandbox.BaseAge, MaxBytes: cfg.Sandbox.BaseSize, Keep: 1},
		Freezes: freezes, Pauser: h.runner, OpenWays: openWays{models}, Tokens: hub,
		Manifests: rules, Gate: gate, Teams: rules.teams, GitCredentials: cfg.GitCredentials,
		Deployer: &deploy.Executor{Containers: h.runner, Pipelines: hub.pipelines(), Image: cfg.Sandbox.Image},
		Admins:   cfg.Admins, Logger: log, Now: time.Now, Node: node, DataDir: cfg.DataDir, PublicURL: cfg.PublicURL, PagesURL: pagesURL(cfg),
		MaxRunning: cfg.Worker.Concurrency, Failpoint: failpoint(os.Getenv("CODERFLOW_FAILPOINT")),
	})
	gate.History = h.engine.History()
	if _, err := db.ReleaseAll(ctx, node); err != nil {
		return fmt.Errorf("release this node's former leases: %w", err)
	}
	h.queue, err = queue.New(queue.Options{
		DB: db.DB(), Dialect: db.Dialect(), Wake: db.Wake(), Logger: log, Node: node, JobTimeout: 15 * time.Minute,
		Handlers: map[queue.Kind]queue.Handler{queue.Deliver: h.engine.Deliver, queue.Advance: h.engine.Advance, queue.Merge: h.engine.Merged},
	})
	if err != nil {
		return fmt.Errorf("make the job queue: %w", err)
	}
	onGitHub, onAzure, err := newWebhooks(cfg)
	if err != nil {
		return err
	}
	api := newAPI(db, rules, apiSite{Resolver: hub, cfg: cfg}, keyring(cfg), h.engine, kept, h.witness)
	api.System = &systemDesk{Store: db, cfg: cfg, runner: h.runner, node: node}
	h.handler = web.New(web.Options{
		Inbox: h.engine, Busy: h.engine.Busy, GitHub: onGitHub, AzureDevOps: onAzure, Audit: h.witness, Logger: log, Now: time.Now,
		Probes: probes(db, h.runner, hub, cfg.DataDir), Metrics: figures.handler(), SignIn: newSignIn(cfg, db, rules, kept, log),
		API: api,
	})
	return nil
}

func probes(db *store.Store, runner *docker.Runner, hub forges, dataDir string) []web.Probe {
	return slices.Concat([]web.Probe{
		{Name: "database", Check: db.Ping, Fix: "the database cannot be written to: see the server's log"},
		{Name: "docker", Check: runner.Ping, Fix: "the Docker engine does not answer: start it or check docker.host"},
	}, hub.probes(), []web.Probe{
		{Name: "disk", Check: func(context.Context) error { return roomIn(dataDir) }, Fix: "the data directory is full: make room on its disk; nothing is lost, and what waits goes on by itself"},
	})
}

// leastRoom is how many bytes of the data directory's disk a server needs free to
// write down what it does.
const leastRoom = 32 << 20

func roomIn(dir string) error {
	var about syscall.Statfs_t
	if err := syscall.Statfs(dir, &about); err != nil {
		return fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	if free := about.Bavail * uint64(about.Bsize); free < leastRoom { //nolint:gosec // a block has a size above zero
		return fmt.Errorf("%s has %d MiB free, which is less than %d", dir, free>>20, leastRoom>>20)
	}
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
	guest := cfg.Sandbox.Guest
	if guest == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find the guest helper: %w", err)
		}
		guest = filepath.Join(filepath.Dir(self), "coderflow-guest")
	}
	if _, err := os.Stat(guest); err != nil {
		return nil, fmt.Errorf("the guest helper is missing: %w; `make build` makes bin/coderflow-guest, sandbox.guest says where it is", err)
	}
	return docker.New(docker.Config{
		Host: cfg.Docker.Host, DataDir: filepath.Join(cfg.DataDir, "sandbox"), GuestPath: guest, Instance: node, Log: log,
		Workspaces: cfg.Sandbox.Workspaces,
	})
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
