// Package docker runs CoderFlow's containers on a Docker engine.
//
// Nothing of a container's safety is left to a caller: HostConfig, entrypoint, user and seccomp profile come from
// harden.go alone. Every call to the engine has a deadline, so that a hanging engine cannot hang its caller.
package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/client"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// Labels on everything that the runner makes.
const (
	labelInstance = "dev.coderflow.instance"
	labelName     = "dev.coderflow.name"
	labelTask     = "dev.coderflow.task"
	labelPurpose  = "dev.coderflow.purpose"
	labelSpec     = "dev.coderflow.spec"   // digest of the container's specification
	labelFill     = "dev.coderflow.fill"   // random, of a workspace volume: see workspace.go
	labelHelper   = "dev.coderflow.helper" // containers of the runner's own, which List leaves out
)

// Deadlines of single calls. Calls that start something include mounting, which a busy disk makes slow.
const (
	callTimeout  = 20 * time.Second
	startTimeout = 60 * time.Second
)

// Config is what a runner needs to know.
type Config struct {
	Endpoint
	// Files is "auto" (or empty), "bind" or "copy": how files come into containers. See copies.go.
	Files     string
	DataDir   string // absolute: guest helper, inputs, markers. With binds the engine has to see it at the same place.
	GuestPath string // the built guest helper (make build: bin/coderflow-guest)
	Instance  string // separates installations on one engine; [a-z0-9][a-z0-9-]*
	// Workspaces is "auto" (or empty), "overlay" or "copy": see WorkspaceMode.
	Workspaces string
	Floor      guestproto.Floor // what tasks leave free on the engine's disk; zero for the default
	Now        func() time.Time // nil for the system's clock
	Log        *slog.Logger
}

// The values of Config.Workspaces.
const (
	workspacesAuto    = "auto"
	workspacesOverlay = "overlay"
	workspacesCopy    = "copy"
)

// Runner implements the engine's sandbox port on one Docker engine. It is safe for concurrent use. A volume must
// not be collected twice at the same time: the second collection ends the first.
type Runner struct {
	engine      *client.Client
	closeEngine func() error
	// copies says that files come into containers through the engine's API: it does not see this machine's.
	copies   bool
	unshared atomic.Bool // it did not find a file of this machine's the last time
	relays   *relays
	behind   sync.WaitGroup // what is done behind a caller's back
	standbys standbys
	dataDir  string
	instance string
	guest    string // path of the installed helper, here
	hosts    string // path of /etc/hosts of all containers, here
	log      *slog.Logger
	seccomp  string
	locks    nameLocks

	workspaces     string // one of the values of Config.Workspaces
	overlayOptions string
	mode           atomic.Pointer[knownMode]
	floor          guestproto.Floor
	now            func() time.Time
	cpus           atomic.Int64 // of the engine's machine; 0: not asked yet
	runc           atomic.Bool  // is the engine's default runtime
}

var instanceRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// New makes a runner. It does not talk to the engine: a server starts, and says what is wrong, without one.
func New(config Config) (*Runner, error) {
	if !instanceRule.MatchString(config.Instance) {
		return nil, fmt.Errorf("docker runner: instance %q must match %s", config.Instance, instanceRule)
	}
	if !filepath.IsAbs(config.DataDir) {
		return nil, fmt.Errorf("docker runner: data directory %q must be absolute", config.DataDir)
	}
	switch config.Workspaces {
	case "", workspacesAuto, workspacesOverlay, workspacesCopy:
	default:
		return nil, fmt.Errorf("docker runner: workspaces %q must be auto, overlay or copy", config.Workspaces)
	}
	copies, err := config.copies()
	if err != nil {
		return nil, fmt.Errorf("docker runner: %w", err)
	}
	guest, err := installGuest(config.GuestPath, config.DataDir)
	if err != nil {
		return nil, fmt.Errorf("docker runner: installing the guest helper: %w", err)
	}
	hosts, err := installHosts(config.DataDir)
	if err != nil {
		return nil, fmt.Errorf("docker runner: %w", err)
	}
	profile, err := seccompProfile()
	if err != nil {
		return nil, fmt.Errorf("docker runner: %w", err)
	}
	engine, closeEngine, err := config.client()
	if err != nil {
		return nil, fmt.Errorf("docker runner: %w", err)
	}
	log := config.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Runner{
		engine: engine, closeEngine: closeEngine, copies: copies, relays: newRelays(), standbys: standbys{byVolume: map[string]*standby{}},
		dataDir: config.DataDir, instance: config.Instance, guest: guest, hosts: hosts, log: log, seccomp: profile,
		workspaces: config.Workspaces, overlayOptions: overlayOptions, floor: config.floor(), now: config.clock(),
	}, nil
}

func (c Config) floor() guestproto.Floor {
	if c.Floor == (guestproto.Floor{}) {
		return guestproto.DefaultFloor()
	}
	return c.Floor
}

func (c Config) clock() func() time.Time {
	if c.Now == nil {
		return time.Now
	}
	return c.Now
}

// Close releases the connections to the engine. Containers go on.
func (r *Runner) Close() error {
	r.behind.Wait()
	r.standbys.disconnect()
	return r.closeEngine()
}

// Ping returns nil when the engine answers within a few seconds, else ErrEngineUnavailable.
func (r *Runner) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// Info, not _ping: a daemon that is stuck in its container store still answers the latter.
	if _, err := r.engine.Info(ctx); err != nil {
		return fmt.Errorf("asking the Docker engine: %w", errors.Join(sandbox.ErrEngineUnavailable, err))
	}
	return nil
}

// engineName is the name of a container or volume on the engine.
func (r *Runner) engineName(name string) string { return "coderflow-" + r.instance + "-" + name }

func (r *Runner) labels(name string, labels sandbox.Labels) map[string]string {
	return map[string]string{
		labelInstance: r.instance, labelName: name, labelTask: labels.Task, labelPurpose: labels.Purpose,
	}
}

// directory returns a directory below the data directory and makes it.
func (r *Runner) directory(name string) (string, error) {
	path := filepath.Join(r.dataDir, "sandbox", name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("making a directory for containers: %w", err)
	}
	return path, nil
}
