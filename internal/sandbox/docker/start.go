package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// How long another process may take from reserving a container's name to making it.
const (
	createAttempts = 100
	createPause    = 100 * time.Millisecond
)

// Start makes the container of spec run, once. A container of that name that is there already is adopted: started
// if it never was, and left alone if it runs or has ended. ErrSpecMismatch if it was made from another spec.
func (r *Runner) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Container, error) {
	spec.Limits = spec.Limits.WithDefaults()
	if err := spec.Validate(); err != nil {
		return sandbox.Container{}, err
	}
	defer r.locks.lock(spec.Name)()
	result, state, err := r.ensure(ctx, spec)
	if err != nil || state != container.StateCreated {
		return result, err
	}
	if err := r.restoreInputs(ctx, spec, result); err != nil {
		return sandbox.Container{}, err
	}
	return result, r.startContainer(ctx, result.ID)
}

// Create makes the container of spec as Start does and does not start it. With StartCreated it is for runs that may
// happen at most once: the caller records the container before it is started.
func (r *Runner) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Container, error) {
	spec.Limits = spec.Limits.WithDefaults()
	if err := spec.Validate(); err != nil {
		return sandbox.Container{}, err
	}
	defer r.locks.lock(spec.Name)()
	result, _, err := r.ensure(ctx, spec)
	return result, err
}

// StartCreated starts a container that was created and never started, and leaves any other alone.
func (r *Runner) StartCreated(ctx context.Context, name string) error {
	defer r.locks.lock(name)()
	found, err := r.inspect(ctx, name)
	if err != nil || found.State.Status != container.StateCreated {
		return err
	}
	if needsHolder(found) {
		if err := r.stillHeld(ctx, name); err != nil {
			return err
		}
	}
	return r.startContainer(ctx, found.ID)
}

// ensure finds the container of spec or makes it, and checks that it is the spec's.
func (r *Runner) ensure(ctx context.Context, spec sandbox.Spec) (sandbox.Container, container.ContainerState, error) {
	for range createAttempts {
		var found container.InspectResponse
		var on ground
		var unfit error
		err := atonce.Do(
			func() (err error) { found, err = r.inspect(ctx, spec.Name); return err },
			func() error { on, unfit = r.look(ctx, spec); return nil }, // of one that is there nobody needs it
		)
		if err == nil {
			return r.adopt(spec, found)
		}
		if !errors.Is(err, sandbox.ErrNotFound) {
			return sandbox.Container{}, "", err
		}
		if unfit != nil {
			return sandbox.Container{}, "", unfit
		}
		made, err := r.create(ctx, spec, on)
		if err == nil {
			return made, container.StateCreated, nil
		}
		if !cerrdefs.IsConflict(err) {
			return sandbox.Container{}, "", err
		}
		// Another process is making it, or has failed to: the engine reserves a name before it can be seen.
		if err := pause(ctx, createPause); err != nil {
			return sandbox.Container{}, "", fmt.Errorf("creating container %s: %w", spec.Name, err)
		}
	}
	return sandbox.Container{}, "", fmt.Errorf("creating container %s: its name stays reserved: %w", spec.Name, sandbox.ErrEngineUnavailable)
}

func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(length):
		return nil
	}
}

// adopt checks that a container is the spec's.
func (r *Runner) adopt(spec sandbox.Spec, found container.InspectResponse) (sandbox.Container, container.ContainerState, error) {
	// The image as it was when the container was made: a tag may have moved since.
	result := sandbox.Container{
		Name: spec.Name, ID: found.ID, ImageID: found.Image, Digest: spec.Digest(found.Image), Adopted: true,
	}
	if found.Config.Labels[labelInstance] != r.instance || found.Config.Labels[labelSpec] != result.Digest {
		return sandbox.Container{}, "", fmt.Errorf("container %s: %w", spec.Name, sandbox.ErrSpecMismatch)
	}
	return result, found.State.Status, nil
}

func (r *Runner) startContainer(caller context.Context, id string) error {
	ctx, cancel := context.WithTimeout(caller, startTimeout)
	defer cancel()
	return engineError(caller, "starting the container", r.engine.ContainerStart(ctx, id, container.StartOptions{}))
}

// ground is what a container is made on.
type ground struct {
	imageID   string
	workspace workspace
}

// look finds what the spec names. The engine would make a missing volume, empty.
func (r *Runner) look(caller context.Context, spec sandbox.Spec) (on ground, err error) {
	err = atonce.Do(
		func() (err error) { on.imageID, err = r.imageID(caller, spec.Image); return err },
		func() (err error) { on.workspace, err = r.openWorkspace(caller, spec.Workspace.Volume); return err },
		func() error {
			if spec.Base == "" {
				return nil
			}
			_, err := r.openWorkspace(caller, spec.Base)
			return err
		},
	)
	return on, err
}

func (r *Runner) create(caller context.Context, spec sandbox.Spec, on ground) (made sandbox.Container, err error) {
	imageID, w := on.imageID, on.workspace
	err = atonce.Do(func() error { return r.writeSpecInputs(caller, spec, imageID, w) }, func() error { return r.hold(caller, spec, imageID) })
	if err != nil {
		return made, err
	}
	made = sandbox.Container{Name: spec.Name, ImageID: imageID, Digest: spec.Digest(imageID)}
	secrets, err := r.writeSecrets(caller, spec, made.Digest)
	if err != nil {
		return made, err
	}
	config, host := r.taskContainer(spec, imageID, w)
	if secrets != "" {
		host.Mounts = append(host.Mounts, readOnlyBind(secrets, guestproto.SecretsDir))
	}
	made.ID, err = r.createContainer(caller, spec.Name, config, host)
	return made, err
}

func (r *Runner) createContainer(caller context.Context, name string, config *container.Config, host *container.HostConfig) (string, error) {
	ctx, cancel := context.WithTimeout(caller, startTimeout)
	defer cancel()
	plain, err := r.fitEngine(ctx, host)
	if err != nil {
		return "", engineError(caller, "creating container "+name, err)
	}
	config.NetworkDisabled = plain
	made, err := r.engine.ContainerCreate(ctx, config, host, nil, nil, r.engineName(name))
	return made.ID, engineError(caller, "creating container "+name, r.sawFiles(err))
}

// fitEngine bounds the processors by what the engine's machine has, above which the engine refuses a limit, and checks
// that the engine has the runtime. Asking takes it as long as making a container does: how many processors there are
// is asked once.
//
// It also reports whether the container does without the engine's networking altogether. For mode "none" an engine
// still runs itself once more at every start, to bring up the loopback device, which is a quarter of what a start costs
// it. runc brings that up by itself; of other runtimes this is not known. The names of the machine are a file of ours
// then, which an engine elsewhere does not see.
func (r *Runner) fitEngine(ctx context.Context, host *container.HostConfig) (plain bool, err error) {
	cpus := r.cpus.Load()
	if cpus == 0 || host.Runtime != "" {
		info, err := r.engine.Info(ctx)
		if err != nil {
			return false, err
		}
		if err := checkRuntime(info, host.Runtime); err != nil {
			return false, err
		}
		cpus = int64(info.NCPU)
		r.runc.Store(info.DefaultRuntime == "runc")
		r.cpus.Store(cpus)
	}
	host.NanoCPUs = min(host.NanoCPUs, cpus*1e9)
	return host.Runtime == "" && r.runc.Load() && !r.copies, nil
}

// taskContainer is the whole create call of a task, check or deployment.
func (r *Runner) taskContainer(spec sandbox.Spec, imageID string, w workspace) (*container.Config, *container.HostConfig) {
	digest := spec.Digest(imageID)
	mounts := append(r.inputMounts(spec.Name, digest), r.workspaceMounts(w, spec.Workspace.ReadOnly)...)
	if spec.Base != "" {
		mounts = append(mounts, layerMount(r.engineName(spec.Base), guestproto.BeforeDir))
	}
	if r.copies {
		mounts = append(mounts, r.heldMounts(spec)...)
	} else if spec.SocketDir != "" {
		mounts = append(mounts, readOnlyBind(spec.SocketDir, guestproto.SocketDir))
	}
	labels := r.labels(spec.Name, spec.Labels)
	labels[labelSpec] = digest
	host := r.hardenedHost(spec.Limits, mounts)
	host.Runtime = spec.Runtime
	return hardenedConfig(imageID, "init", spec.Env, labels), host
}

// restoreInputs writes the files of a container that was made before, if they are gone.
func (r *Runner) restoreInputs(ctx context.Context, spec sandbox.Spec, made sandbox.Container) error {
	if r.copies {
		// Its files lie in a volume that stays as long as the container does. What is held may be gone.
		if !held(spec) {
			return nil
		}
		if err := r.stillHeld(ctx, spec.Name); err == nil || !errors.Is(err, errHolderGone) {
			return err
		}
		return r.hold(ctx, spec, made.ImageID)
	}
	if _, err := r.writeSecrets(ctx, spec, made.Digest); err != nil {
		return err
	}
	if _, err := os.Stat(r.inputsDir(spec.Name, made.Digest)); err == nil {
		return nil
	}
	w, err := r.openWorkspace(ctx, spec.Workspace.Volume)
	if err != nil {
		return err
	}
	return r.writeSpecInputs(ctx, spec, made.ImageID, w)
}

// writeSpecInputs writes the files of a container into a directory that names its spec's digest: one that is there
// is right, whoever wrote it.
func (r *Runner) writeSpecInputs(ctx context.Context, spec sandbox.Spec, imageID string, w workspace) error {
	digest := spec.Digest(imageID)
	if _, err := os.Stat(r.inputsDir(spec.Name, digest)); err == nil && !r.copies {
		return nil
	}
	in, err := newInputs(guestproto.InitSpec{
		Argv:  spec.Argv,
		Setup: len(spec.Inputs.Setup) > 0, Cleanup: len(spec.Inputs.Cleanup) > 0,
		Wall: spec.Limits.Wall, Grace: spec.Limits.Grace, CleanupTime: spec.Limits.CleanupTime,
		OutputBytes: spec.Limits.OutputBytes, Quota: r.quota(w, spec),
		Gateway: spec.SocketDir != "", Apart: spec.Apart, Home: spec.Inputs.Home,
	})
	if err != nil {
		return err
	}
	in.add(guestproto.PromptPath, spec.Inputs.Prompt, 0o444)
	in.add(guestproto.ScriptPath, spec.Inputs.Script, 0o555)
	in.add(guestproto.SetupPath, spec.Inputs.Setup, 0o555)
	in.add(guestproto.CleanupPath, spec.Inputs.Cleanup, 0o555)
	return r.deliver(ctx, spec.Name, digest, imageID, in, true)
}

// imageID resolves a reference to the id of an image on the engine. Nothing is pulled.
func (r *Runner) imageID(caller context.Context, reference string) (string, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	image, err := r.engine.ImageInspect(ctx, reference)
	if cerrdefs.IsNotFound(err) {
		return "", fmt.Errorf("image %s: %w", reference, sandbox.ErrImageMissing)
	}
	if err != nil {
		return "", engineError(caller, "looking up image "+reference, err)
	}
	if image.Config != nil && len(image.Config.Volumes) > 0 {
		// The engine would make each of them a writable directory on the host's disk, outside every limit.
		return "", fmt.Errorf("image %s declares volumes: %w", reference, sandbox.ErrImageUnsuitable)
	}
	return image.ID, nil
}

func (r *Runner) inspect(caller context.Context, name string) (container.InspectResponse, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	found, err := r.engine.ContainerInspect(ctx, r.engineName(name))
	return found, engineError(caller, "inspecting container "+name, err)
}
