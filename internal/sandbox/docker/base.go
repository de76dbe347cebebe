package docker

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// A base is a volume with the checkout of one commit of one repository. It is written once, by the helper that fills
// it, and mounted read-only ever after: the workspaces of all tasks that begin with the commit lie on it.

// bundler writes a git bundle to a host path.
type bundler func(ctx context.Context, path string) error

// baseAttempts bounds how often a base is found gone again before it could be held.
const baseAttempts = 5

func baseName(repository, commit string) string {
	sum := sha256.Sum256([]byte(repository + "\x00" + commit))
	return "base-" + hex.EncodeToString(sum[:20])
}

// holdBase returns a whole base that is not evicted until release is called. Of many that want the same one at the
// same time, in any process, one fills it and the others wait.
func (r *Runner) holdBase(ctx context.Context, w workspace, bundle bundler) (base volume.Volume, release func(), err error) {
	for range baseAttempts {
		release, err := r.lockBase(ctx, w.base, shared)
		if err != nil {
			return base, nil, err
		}
		base, whole, err := r.wholeBase(ctx, w.base)
		if whole {
			return base, release, nil
		}
		release()
		if err == nil {
			err = r.ensureBase(ctx, w, bundle)
		}
		if err != nil {
			return base, nil, err
		}
	}
	return base, nil, fmt.Errorf("base %s is removed as soon as it is filled: %w", w.base, sandbox.ErrCheckoutFailed)
}

func (r *Runner) wholeBase(ctx context.Context, name string) (volume.Volume, bool, error) {
	found, err := r.inspectVolume(ctx, name)
	if errors.Is(err, sandbox.ErrNotFound) {
		return found, false, nil
	}
	if err != nil {
		return found, false, err
	}
	mark, ok := r.marker(name)
	return found, ok && mark.Fill == found.Labels[labelFill], nil
}

// ensureBase fills the base unless another has done so meanwhile.
func (r *Runner) ensureBase(ctx context.Context, w workspace, bundle bundler) error {
	release, err := r.lockBase(ctx, w.base, exclusive)
	if err != nil {
		return err
	}
	defer release()
	found, whole, err := r.wholeBase(ctx, w.base)
	if whole || err != nil {
		return err
	}
	if found.Name != "" {
		if err := r.dropBase(ctx, w.base); err != nil {
			return err
		}
	}
	if err := r.fillBase(ctx, w, bundle); err != nil {
		return fmt.Errorf("filling base %s: %w", w.base, err)
	}
	return nil
}

// dropBase removes a base that nothing uses. The caller has it locked.
func (r *Runner) dropBase(ctx context.Context, name string) error {
	used, err := r.volumesWith(ctx, labelBase, name)
	if err != nil {
		return err
	}
	if len(used) > 0 {
		return fmt.Errorf("removing base %s: workspace %s lies on it: %w", name, used[0].Name, sandbox.ErrInUse)
	}
	for _, helper := range helpersOf(name) {
		if err := r.Remove(ctx, helper); err != nil {
			return err
		}
	}
	if err := r.dropVolume(ctx, name); err != nil {
		return err
	}
	return r.removeMarker(name)
}

func (r *Runner) fillBase(ctx context.Context, w workspace, bundle bundler) error {
	directory, err := r.directory("bundles")
	if err != nil {
		return err
	}
	path := filepath.Join(directory, w.base+".bundle")
	defer os.Remove(path) //nolint:errcheck // made anew when it is needed
	if err := bundle(ctx, path); err != nil {
		return fmt.Errorf("bundling commit %s: %w", w.commit, err)
	}
	// For the helper's user; its directory is closed to the host's.
	if err := os.Chmod(path, 0o644); err != nil {
		return fmt.Errorf("bundling commit %s: %w", w.commit, err)
	}
	b := workspace{
		name: w.base, repository: w.repository, commit: w.commit, imageID: w.imageID, fill: rand.Text(),
		labels: sandbox.Labels{Purpose: "base"},
	}
	if _, err := r.createVolume(ctx, b.name, r.volumeLabels(b, b.name, sandbox.VolumeBase), nil); err != nil {
		return err
	}
	usage, err := r.checkout(ctx, b, path)
	if err != nil {
		return err
	}
	return r.writeMarker(b.name, marker{Fill: b.fill, Commit: b.commit, Usage: usage})
}

// checkout runs the one container that ever has a base read-write, and returns the size of what it made.
func (r *Runner) checkout(ctx context.Context, b workspace, bundle string) (guestproto.Usage, error) {
	var usage guestproto.Usage
	name := checkoutName(b.name)
	in, err := newInputs(guestproto.CheckoutSpec{Commit: b.commit})
	if err != nil {
		return usage, err
	}
	mounts := []mount.Mount{volumeMount(r.engineName(b.name), false, true)}
	if r.copies {
		in.addFile(guestproto.BundlePath, bundle, 0o444)
	} else {
		in.add(guestproto.BundlePath, []byte{'\n'}, 0o444) // its mount point
		mounts = append(mounts, readOnlyBind(bundle, guestproto.BundlePath))
	}
	config := hardenedConfig(b.imageID, "checkout", nil, r.labels(name, b.labels))
	id, err := r.createHelper(ctx, name, in, config, r.hardenedHost(helperLimits(), mounts))
	if err != nil {
		return usage, err
	}
	err = r.runHelper(ctx, name, id, sandbox.ErrCheckoutFailed)
	if err == nil {
		usage, err = r.printedUsage(ctx, id)
	}
	return usage, errors.Join(err, r.removeHelper(ctx, name))
}

// printedUsage reads what the helper printed.
func (r *Runner) printedUsage(caller context.Context, id string) (guestproto.Usage, error) {
	var usage guestproto.Usage
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	text, err := r.printed(ctx, id, container.LogsOptions{ShowStdout: true}, 4<<10)
	if err != nil {
		return usage, engineError(caller, "reading the size of the checkout", err)
	}
	if err := json.Unmarshal(bytes.TrimSpace(text), &usage); err != nil {
		return usage, fmt.Errorf("%w: it does not say its size: %w", sandbox.ErrCheckoutFailed, err)
	}
	return usage, nil
}
