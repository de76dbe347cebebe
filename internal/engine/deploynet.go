package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/guestproto"
)

// Ways are the ways out of deployments' containers; see package gateway. They lead
// to the hosts that a profile lists, and to no model.
type Ways interface {
	// OpenRun makes a run's way ready and returns the directory of its socket, which
	// depends on the run alone. Opening it again, by another process too, changes
	// what is permitted and leaves the directory.
	OpenRun(ctx context.Context, run deploy.Run, hosts []string) (socketDir string, err error)
	// CloseRun ends a run's way; what was done there is recorded then. One that is
	// not open is fine.
	CloseRun(ctx context.Context, run deploy.Run) error
}

// openWay makes the way out that the profile asks for, before the container is made.
func (e *Engine) openWay(ctx context.Context, run *deploy.Run, p deploy.Profile) (deploy.Way, error) {
	run.Reach.Hosts = slices.Clone(p.Network.Hosts)
	if p.Network.IsZero() {
		return deploy.Way{}, nil
	}
	if err := e.Freezes.Known(run.Environment); err != nil {
		return deploy.Way{}, err
	}
	dir, err := e.Ways.OpenRun(ctx, *run, p.Network.Hosts)
	if err != nil {
		return deploy.Way{}, fmt.Errorf("open the way of deployment %s to its hosts: %w", run.ID, err)
	}
	way := deploy.Way{SocketDir: dir, Env: map[string]string{}}
	proxy(way.Env)
	return way, nil
}

// keepWay opens the way of a run that goes on, after a restart of this server too.
// A host that its profile lists no more is closed, one that was added since is not
// opened; without the profile, nothing is.
func (e *Engine) keepWay(ctx context.Context, run *deploy.Run) error {
	if len(run.Reach.Hosts) == 0 {
		return nil
	}
	if err := e.Freezes.Known(run.Environment); err != nil {
		return err
	}
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	profile, _ := set.Profile(run.Environment, run.Profile)
	hosts := slices.DeleteFunc(slices.Clone(run.Reach.Hosts), func(host string) bool { return !slices.Contains(profile.Network.Hosts, host) })
	if len(hosts) == 0 {
		err = e.Ways.CloseRun(ctx, *run)
	} else {
		_, err = e.Ways.OpenRun(ctx, *run, hosts)
	}
	if err != nil {
		return fmt.Errorf("keep the way of deployment %s: %w", run.ID, err)
	}
	return nil
}

// wayEnded closes the way of a run whose container has ended. It fails with a
// *CanaryError if a canary was to go out there.
func (e *Engine) wayEnded(ctx context.Context, run *deploy.Run) error {
	if err := e.closeWay(ctx, run); err != nil {
		return err
	}
	return e.tripped(ctx, run.Task, run.ID)
}

// closeWay ends the way of a run, however the run ended, and takes into its record
// what it reached and what it was refused.
func (e *Engine) closeWay(ctx context.Context, run *deploy.Run) error {
	if len(run.Reach.Hosts) == 0 {
		return nil
	}
	if err := e.Ways.CloseRun(ctx, *run); err != nil {
		return fmt.Errorf("close the way of deployment %s: %w", run.ID, err)
	}
	used, refused, err := e.Store.Reached(ctx, run.ID)
	if err != nil {
		return err
	}
	run.Reach.Used, run.Reach.Refused = used, refused
	return nil
}

// proxy tells programs of a container where the gateway is.
func proxy(variables map[string]string) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		variables[name] = "http://" + guestproto.GatewayAddress
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		variables[name] = "127.0.0.1,localhost"
	}
}
