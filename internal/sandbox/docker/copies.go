package docker

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// An engine that does not see this machine's files gets copies: the files of a container lie in a volume of its own,
// which is filled through the engine's API in a container that never runs, and is mounted read-only. What secrets and
// the gateway need besides is in holder.go.

// The values of Config.Files.
const (
	filesAuto = "auto"
	filesBind = "bind"
	filesCopy = "copy"
)

// Volumes of one container are labelled with its name, and removed with it.
const labelContainer = "dev.coderflow.container"

// Kinds of volumes that belong to a container or to the installation, and that Volumes leaves out.
const (
	volumeInputs  = "inputs"
	volumeSecrets = "secrets"
	volumeSocket  = "socket"
	volumeGuest   = "guest"
)

// guestDir is where the volume with the guest helper is mounted: over a directory of the container's files, in which
// the helper's usual place is a link to it.
const guestDir = guestproto.Dir + "/bin"

// copies says how files come into containers: by the engine's address, unless somebody knows better. An engine behind
// a tunnel that begins on this machine is one that the address does not tell.
func (c Config) copies() (bool, error) {
	switch c.Files {
	case "", filesAuto:
		return c.Elsewhere(), nil
	case filesBind, filesCopy:
		return c.Files == filesCopy, nil
	}
	return false, fmt.Errorf("files %q must be auto, bind or copy", c.Files)
}

func inputsVolume(name string) string { return name + ".inputs" }
func fillerName(name string) string   { return "fill-" + name }

// guestVolume names the helper's content, as the path of the installed helper does.
func (r *Runner) guestVolume() string {
	return "guest-" + filepath.Base(filepath.Dir(r.guest))
}

// copiedMounts are inputMounts where the engine has copies.
func (r *Runner) copiedMounts(name string) []mount.Mount {
	return []mount.Mount{
		layerMount(r.engineName(inputsVolume(name)), guestproto.Dir),
		layerMount(r.engineName(r.guestVolume()), guestDir),
	}
}

// copyInputs makes the volume with a container's files anew.
func (r *Runner) copyInputs(ctx context.Context, name, imageID string, in inputs) error {
	if err := r.copyGuest(ctx, imageID); err != nil {
		return err
	}
	volume := inputsVolume(name)
	if err := r.dropVolume(ctx, volume); err != nil {
		return err
	}
	if err := r.containerVolume(ctx, name, volume, volumeInputs, nil); err != nil {
		return err
	}
	mounts := []mount.Mount{writableMount(r.engineName(volume), guestproto.Dir)}
	return r.fill(ctx, name, imageID, mounts, guestproto.Dir, func(to *tar.Writer) error {
		return errors.Join(writeTar(to, in), addDir(to, filepath.Base(guestDir)), to.WriteHeader(&tar.Header{
			Typeflag: tar.TypeSymlink, Name: filepath.Base(guestproto.GuestPath),
			Linkname: filepath.Join(filepath.Base(guestDir), filepath.Base(guestproto.GuestPath)), Mode: 0o777,
		}))
	})
}

// copyGuest brings the helper to the engine, once, and removes those that it takes the place of.
func (r *Runner) copyGuest(ctx context.Context, imageID string) error {
	volume := r.guestVolume()
	defer r.locks.lock("volume " + volume)()
	found, err := r.inspectVolume(ctx, volume)
	if err != nil && !errors.Is(err, sandbox.ErrNotFound) {
		return err
	}
	if mark, ok := r.marker(volume); err == nil && ok && mark.Fill == found.Labels[labelFill] {
		return nil
	}
	program, err := os.ReadFile(r.guest)
	if err != nil {
		return fmt.Errorf("reading the guest helper: %w", err)
	}
	if err := r.dropVolume(ctx, volume); err != nil {
		return err
	}
	labels := r.labels(volume, sandbox.Labels{Purpose: volumeGuest})
	labels[labelKind], labels[labelFill] = volumeGuest, rand.Text()
	if _, err := r.createVolume(ctx, volume, labels, nil); err != nil {
		return err
	}
	in := inputs{files: map[string]input{}}
	in.add(guestproto.GuestPath, program, 0o555)
	mounts := []mount.Mount{writableMount(r.engineName(volume), guestproto.Dir)}
	if err := r.fill(ctx, volume, imageID, mounts, guestproto.Dir, func(to *tar.Writer) error { return writeTar(to, in) }); err != nil {
		return err
	}
	if err := r.writeMarker(volume, marker{Fill: labels[labelFill]}); err != nil {
		return err
	}
	r.dropOldGuests(ctx, volume)
	return nil
}

// dropOldGuests leaves those that a container still has: the next helper's turn comes.
func (r *Runner) dropOldGuests(ctx context.Context, current string) {
	list, err := r.volumesWith(ctx, labelKind, volumeGuest)
	if err != nil {
		return
	}
	for _, old := range list {
		if name := old.Labels[labelName]; name != current && r.dropVolume(ctx, name) == nil {
			_ = r.removeMarker(name)
		}
	}
}

// containerVolume makes a volume that belongs to a container, or finds it.
func (r *Runner) containerVolume(ctx context.Context, name, volume, kind string, options map[string]string) error {
	labels := r.labels(volume, sandbox.Labels{Purpose: kind})
	labels[labelKind], labels[labelContainer] = kind, name
	_, err := r.createVolume(ctx, volume, labels, options)
	return err
}

// fill copies files into a volume, in a container that is made with it and never started.
func (r *Runner) fill(ctx context.Context, name, imageID string, mounts []mount.Mount, path string, write func(*tar.Writer) error) error {
	filler := fillerName(name)
	if err := r.removeContainer(ctx, filler); err != nil {
		return err
	}
	config := hardenedConfig(imageID, "none", nil, r.labels(filler, sandbox.Labels{Purpose: "fill"}))
	config.Labels[labelHelper] = "yes"
	id, err := r.createContainer(ctx, filler, config, r.hardenedHost(helperLimits(), mounts))
	if err != nil {
		return err
	}
	err = r.copyTo(ctx, id, path, write)
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	return errors.Join(err, r.removeContainer(cleanup, filler))
}

// copyTo sends an archive to a container, which unpacks it below path. Nothing of it is kept on the way.
func (r *Runner) copyTo(caller context.Context, id, path string, write func(*tar.Writer) error) error {
	ctx, cancel := context.WithTimeout(caller, helperTime)
	defer cancel()
	reader, writer := io.Pipe()
	go func() {
		archive := tar.NewWriter(writer)
		writer.CloseWithError(errors.Join(write(archive), archive.Close()))
	}()
	err := r.engine.CopyToContainer(ctx, id, path, reader, container.CopyToContainerOptions{})
	_ = reader.CloseWithError(io.ErrClosedPipe)
	return engineError(caller, "copying files to the engine", err)
}

// writeTar writes files by name, all of root's.
func writeTar(to *tar.Writer, in inputs) error {
	for _, name := range slices.Sorted(maps.Keys(in.files)) {
		if err := addFile(to, name, in.files[name], 0); err != nil {
			return fmt.Errorf("copying %s: %w", name, err)
		}
	}
	return nil
}

func addFile(to *tar.Writer, name string, in input, owner int) error {
	content, size := in.content, int64(0)
	if in.path != "" {
		file, err := os.Open(in.path)
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		content, size = io.LimitReader(file, info.Size()), info.Size()
	} else {
		size = int64(in.size)
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(in.mode.Perm()), Size: size, Uid: owner, Gid: owner}
	if err := to.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(to, content)
	return err
}

func addDir(to *tar.Writer, name string) error {
	return to.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o555})
}

func writableMount(engineName, target string) mount.Mount {
	m := layerMount(engineName, target)
	m.ReadOnly = false
	return m
}

// removeCopies removes what the engine holds for a container that is gone.
func (r *Runner) removeCopies(ctx context.Context, name string) error {
	if !r.copies {
		return nil
	}
	list, err := r.volumesWith(ctx, labelContainer, name)
	if err != nil {
		return err
	}
	if len(list) > 0 { // a killed step's, which has them
		if err := r.removeContainer(ctx, fillerName(name)); err != nil {
			return err
		}
	}
	inMemory := func(v *volume.Volume) bool { return v.Labels[labelKind] != volumeInputs }
	if _, noted := r.holding(name); noted || slices.ContainsFunc(list, inMemory) {
		if err := r.release(ctx, name); err != nil {
			return err
		}
	}
	for _, v := range list {
		if err := r.dropVolume(ctx, v.Labels[labelName]); err != nil {
			return err
		}
	}
	return nil
}

// Clear removes the guest helper from an engine that has a copy of it, for an installation that ends.
func (r *Runner) Clear(ctx context.Context) error {
	if !r.copies {
		return nil
	}
	return errors.Join(r.dropVolume(ctx, r.guestVolume()), r.removeMarker(r.guestVolume()))
}

// sawFiles says what is the matter when an engine does not find a file that is there, and remembers it.
func (r *Runner) sawFiles(err error) error {
	if err == nil {
		r.unshared.Store(false)
		return nil
	}
	if !strings.Contains(err.Error(), "bind source path does not exist") {
		return err
	}
	r.unshared.Store(true)
	return fmt.Errorf("%w: %w", sandbox.ErrFilesNotShared, err)
}

// Ready returns nil when the engine answers and, as far as it was seen, finds the files of containers.
func (r *Runner) Ready(ctx context.Context) error {
	if r.unshared.Load() {
		return sandbox.ErrFilesNotShared
	}
	return r.Ping(ctx)
}
