package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// helperLimits bound the containers that fill and read workspaces. They run CoderFlow's own helper and git, on
// hostile bytes.
func helperLimits() sandbox.Limits {
	limits := sandbox.DefaultLimits()
	limits.Pids = 128
	limits.FileSize = 16 << 30 // a pack is one file
	limits.TmpSize = 16 << 20
	limits.HomeSize = 16 << 20
	limits.OutputBytes = 64 << 10
	return limits
}

// helperTime bounds the filling or reading of one workspace.
const helperTime = 15 * time.Minute

// createHelper makes a helper container anew: one of that name is the remains of a killed step.
func (r *Runner) createHelper(caller context.Context, name string, in inputs, config *container.Config, host *container.HostConfig) (string, error) {
	if r.copies { // whose volume of inputs that one has
		if err := r.Remove(caller, name); err != nil {
			return "", err
		}
	}
	unique := rand.Text()
	if err := r.deliver(caller, name, unique, config.Image, in, false); err != nil {
		return "", err
	}
	host.Mounts = append(r.inputMounts(name, unique), host.Mounts...)
	config.Labels[labelHelper] = "yes"
	id, err := r.createContainer(caller, name, config, host)
	if cerrdefs.IsConflict(err) {
		if err := r.removeContainer(caller, name); err != nil {
			return "", err
		}
		id, err = r.createContainer(caller, name, config, host)
	}
	return id, err
}

// removeHelper cleans up even when the caller's context has ended.
func (r *Runner) removeHelper(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	return r.Remove(ctx, name)
}

// runHelper runs a helper to its end.
func (r *Runner) runHelper(caller context.Context, name, id string, failure error) error {
	if err := r.startContainer(caller, id); err != nil {
		return err
	}
	ended, err := r.endsWithin(caller, name, helperTime)
	if err != nil {
		return err
	}
	if !ended {
		return fmt.Errorf("%w: not done after %s", failure, helperTime)
	}
	found, err := r.inspect(caller, name)
	if err != nil {
		return err
	}
	if found.State.ExitCode != 0 {
		return r.helperError(caller, found, failure)
	}
	return nil
}

// helperError says what the helper said.
func (r *Runner) helperError(caller context.Context, found container.InspectResponse, failure error) error {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	said, err := r.stderr(ctx, found.ID)
	if err != nil {
		said = nil
	}
	if found.State.OOMKilled {
		return errors.Join(fmt.Errorf("%w: out of memory", failure), err)
	}
	return errors.Join(fmt.Errorf("%w: status %d: %q", failure, found.State.ExitCode, said), err)
}
