package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// overlayOptions switch off what would make a layer depend on the others in more than its names: renamed
// directories, files without their content, and an index of the lower layer's inodes.
// (https://docs.kernel.org/filesystems/overlayfs.html)
const overlayOptions = "redirect_dir=off,metacopy=off,index=off"

// makeOverlay lays a workspace over its base: two empty volumes and one that the engine mounts from the three. That
// takes as long for a large base as for a small one.
func (r *Runner) makeOverlay(ctx context.Context, w workspace, base volume.Volume) error {
	lower := base.Mountpoint
	if w.copyOf != "" {
		changes, err := r.inspectVolume(ctx, changesName(w.copyOf))
		if err != nil {
			return err
		}
		lower = changes.Mountpoint + ":" + lower
	}
	var changes, work volume.Volume
	err := atonce.Do(func() (err error) {
		work, err = r.createVolume(ctx, workName(w.name), r.volumeLabels(w, workName(w.name), sandbox.VolumeWork), nil)
		return err
	}, func() (err error) {
		changes, err = r.createVolume(ctx, changesName(w.name), r.volumeLabels(w, changesName(w.name), sandbox.VolumeChanges), nil)
		if err != nil || r.copyOwner(base.Mountpoint, changes.Mountpoint) == nil {
			return err
		}
		return r.giveOwner(ctx, w, changesName(w.name))
	})
	if err != nil {
		return err
	}
	if err := plainPaths(base.Mountpoint, changes.Mountpoint, work.Mountpoint); err != nil {
		return err
	}
	_, err = r.createVolume(ctx, w.name, r.volumeLabels(w, w.name, sandbox.VolumeWorkspace), map[string]string{
		"type": "overlay", "device": "overlay",
		"o": fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,%s", lower, changes.Mountpoint, work.Mountpoint, r.overlayOptions),
	})
	return err
}

// plainPaths refuses what the options of a mount would misread.
func plainPaths(paths ...string) error {
	for _, path := range paths {
		if path == "" || strings.ContainsAny(path, `:,\`) {
			return fmt.Errorf("the engine's directory %q cannot be a layer of an overlay", path)
		}
	}
	return nil
}

// copyOwner makes an empty volume belong to the owner of the base's directory, which is the task's user whatever the
// engine maps it to. It takes root and an engine on this machine; a container less is what that is worth.
func (r *Runner) copyOwner(base, empty string) error {
	if r.copies {
		return errors.ErrUnsupported
	}
	var from syscall.Stat_t
	if err := syscall.Lstat(base, &from); err != nil {
		return err
	}
	if from.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return errors.ErrUnsupported
	}
	return errors.Join(os.Lchown(empty, int(from.Uid), int(from.Gid)), os.Chmod(empty, os.FileMode(from.Mode&0o777)))
}

// giveOwner makes an empty volume belong to the task's user, where copyOwner cannot. A container that is made with it
// over the image's (empty) /workspace, and never started, is enough: the engine copies the directory's owner. It is
// removed behind the caller's back.
func (r *Runner) giveOwner(caller context.Context, w workspace, name string) error {
	container := ownerName(w.name)
	config := hardenedConfig(w.imageID, "none", nil, r.labels(container, w.labels))
	config.Labels[labelHelper] = "yes"
	limits := helperLimits()
	limits.CPUs = 0.1
	host := r.hardenedHost(limits, []mount.Mount{volumeMount(r.engineName(name), false, true)})
	ctx, cancel := context.WithTimeout(caller, startTimeout)
	defer cancel()
	_, err := r.engine.ContainerCreate(ctx, config, host, nil, nil, r.engineName(container))
	if cerrdefs.IsConflict(err) {
		// A killed step's.
		if err := r.Remove(caller, container); err != nil {
			return err
		}
		_, err = r.engine.ContainerCreate(ctx, config, host, nil, nil, r.engineName(container))
	}
	r.behind.Go(func() {
		if err := r.removeHelper(caller, container); err != nil { // it goes with the workspace, too
			r.log.WarnContext(caller, "a container that gave a volume its owner is left", "workspace", w.name, "error", err)
		}
	})
	return engineError(caller, "giving volume "+name+" its owner", err)
}

func layerMount(engineName, target string) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: engineName, Target: target, ReadOnly: true,
		VolumeOptions: &mount.VolumeOptions{NoCopy: true},
	}
}

// makeCopy fills a workspace with a copy of its base, or of another workspace.
func (r *Runner) makeCopy(ctx context.Context, w workspace, base volume.Volume) error {
	if _, err := r.createVolume(ctx, w.name, r.volumeLabels(w, w.name, sandbox.VolumeWorkspace), nil); err != nil {
		return err
	}
	from := base.Name
	if w.copyOf != "" {
		from = r.engineName(w.copyOf)
	}
	name := copyName(w.name)
	in, err := newInputs(struct{}{})
	if err != nil {
		return err
	}
	config := hardenedConfig(w.imageID, "copy", nil, r.labels(name, w.labels))
	host := r.hardenedHost(helperLimits(), []mount.Mount{
		layerMount(from, guestproto.BaseDir), volumeMount(r.engineName(w.name), false, true),
	})
	if w.copyOf != "" {
		// A task's own files may be closed to their owner.
		config.User = "0:0"
		host.CapAdd = []string{"DAC_OVERRIDE", "DAC_READ_SEARCH", "CHOWN", "FOWNER"}
	}
	id, err := r.createHelper(ctx, name, in, config, host)
	if err != nil {
		return err
	}
	return errors.Join(r.runHelper(ctx, name, id, sandbox.ErrCheckoutFailed), r.removeHelper(ctx, name))
}
