package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// A container that has secrets or a gateway gets a second one beside it where the engine has copies: the holder. It is
// as hardened, has nothing of the task's in it, and keeps two volumes in memory mounted as long as it lives: the one
// with the secrets, so that they lie on no disk of the engine's, and the one in which the relay listens (relay.go).
// Only these two containers ever have the volumes.

const (
	// secretsSize and socketSize bound what a volume in memory can take; it takes what lies in it.
	secretsSize = 32 << 20
	socketSize  = 1 << 20
)

func holderName(name string) string    { return "hold-" + name }
func secretsVolume(name string) string { return name + ".secrets" }
func socketVolume(name string) string  { return name + ".socket" }

// holding is what this machine keeps about a holder: nothing that an engine says decides which socket here is
// connected to it.
type holding struct {
	SocketDir string    `json:"socketDir,omitempty"` // of the gateway, here; empty for none
	Secrets   bool      `json:"secrets,omitempty"`
	Holder    string    `json:"holder"`  // id of the container that was filled …
	Started   time.Time `json:"started"` // … after it started then: what it holds goes when it ends
	Made      time.Time `json:"made"`
	Over      bool      `json:"over,omitempty"` // the container has ended: the holder is to go
}

func (r *Runner) holdingPath(name string) string {
	return filepath.Join(r.dataDir, "sandbox", "holders", name+".json")
}

func (r *Runner) holding(name string) (holding, bool) {
	var h holding
	text, err := os.ReadFile(r.holdingPath(name))
	return h, err == nil && json.Unmarshal(text, &h) == nil
}

func (r *Runner) writeHolding(name string, h holding) error {
	if _, err := r.directory("holders"); err != nil {
		return err
	}
	text, err := json.Marshal(h)
	if err == nil {
		err = writeFile(r.holdingPath(name), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("noting the holder of container %s: %w", name, err)
	}
	return nil
}

// held reports whether a container needs a holder.
func held(spec sandbox.Spec) bool { return len(spec.Secrets) > 0 || spec.SocketDir != "" }

// heldMounts are what a container gets from its holder.
func (r *Runner) heldMounts(spec sandbox.Spec) []mount.Mount {
	var mounts []mount.Mount
	if spec.SocketDir != "" {
		mounts = append(mounts, layerMount(r.engineName(socketVolume(spec.Name)), guestproto.SocketDir))
	}
	if len(spec.Secrets) > 0 {
		mounts = append(mounts, layerMount(r.engineName(secretsVolume(spec.Name)), guestproto.SecretsDir))
	}
	return mounts
}

// hold makes the holder of a container that is not running, with the secrets in it, where the engine has copies.
func (r *Runner) hold(ctx context.Context, spec sandbox.Spec, imageID string) error {
	if !r.copies || !held(spec) {
		return nil
	}
	if err := r.copyGuest(ctx, imageID); err != nil {
		return err
	}
	name := holderName(spec.Name)
	if err := errors.Join(r.forgetHolding(spec.Name), r.removeContainer(ctx, name)); err != nil {
		return err
	}
	if err := r.memory(ctx, spec); err != nil {
		return err
	}
	config, host := r.holderContainer(spec, imageID)
	id, err := r.createContainer(ctx, name, config, host)
	if err != nil {
		return err
	}
	if err := r.startContainer(ctx, id); err != nil {
		return err
	}
	if err := r.checkMemory(ctx, name, r.heldMounts(spec)); err != nil {
		return err
	}
	if len(spec.Secrets) > 0 {
		if err := r.copyTo(ctx, id, guestproto.SecretsDir, secretsTar(spec)); err != nil {
			return err
		}
	}
	found, err := r.inspect(ctx, name)
	if err != nil {
		return err
	}
	defer r.relays.look()
	return r.writeHolding(spec.Name, holding{
		SocketDir: spec.SocketDir, Secrets: len(spec.Secrets) > 0, Made: r.now(),
		Holder: found.ID, Started: engineTime(found.State.StartedAt),
	})
}

// holderLimits are for a program that sleeps, and for the relay.
func holderLimits() sandbox.Limits {
	limits := sandbox.DefaultLimits()
	limits.Memory, limits.CPUs, limits.Pids = 256<<20, 1, 128
	limits.TmpSize, limits.HomeSize, limits.OutputBytes = 1<<20, 1<<20, 64<<10
	return limits
}

// holderContainer is the whole create call of a holder.
func (r *Runner) holderContainer(spec sandbox.Spec, imageID string) (*container.Config, *container.HostConfig) {
	mounts := []mount.Mount{layerMount(r.engineName(r.guestVolume()), guestproto.Dir)}
	for _, m := range r.heldMounts(spec) {
		mounts = append(mounts, writableMount(m.Source, m.Target))
	}
	labels := r.labels(holderName(spec.Name), sandbox.Labels{Task: spec.Labels.Task, Purpose: "hold"})
	labels[labelHelper], labels[labelContainer] = "yes", spec.Name
	return hardenedConfig(imageID, "hold", nil, labels), r.hardenedHost(holderLimits(), mounts)
}

// memory makes the volumes in memory. They belong to the containers' user as the engine's machine knows it.
func (r *Runner) memory(ctx context.Context, spec sandbox.Spec) error {
	owner, err := r.hostUser(ctx)
	if err != nil {
		return err
	}
	add := func(volume, kind string, size int, mode string) error {
		return r.containerVolume(ctx, spec.Name, volume, kind, map[string]string{
			"type": "tmpfs", "device": "tmpfs",
			"o": fmt.Sprintf("size=%d,mode=%s,uid=%d,gid=%d,nosuid,nodev,noexec", size, mode, owner, owner),
		})
	}
	if spec.SocketDir != "" {
		if err := add(socketVolume(spec.Name), volumeSocket, socketSize, "0755"); err != nil {
			return err
		}
	}
	if len(spec.Secrets) > 0 {
		return add(secretsVolume(spec.Name), volumeSecrets, secretsSize, "0500")
	}
	return nil
}

// checkMemory asks a program in the holder whether the volumes are what they were made as: not every engine's driver
// has to know.
func (r *Runner) checkMemory(ctx context.Context, holder string, mounts []mount.Mount) error {
	argv := []string{guestproto.GuestPath, "held"}
	for _, m := range mounts {
		argv = append(argv, m.Target)
	}
	var said bytes.Buffer
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	status, err := r.Exec(ctx, holder, argv, Terminal{In: bytes.NewReader(nil), Out: &said, Err: &said})
	if err != nil {
		return err
	}
	if status != 0 {
		return fmt.Errorf("secrets are kept in memory only, and this engine cannot: %.300q", said.String())
	}
	return nil
}

func secretsTar(spec sandbox.Spec) func(*tar.Writer) error {
	return func(to *tar.Writer) error {
		for _, value := range spec.Secrets {
			content := value.Reveal()
			if err := addFile(to, value.Name(), input{content: bytes.NewReader(content), size: len(content), mode: 0o400}, guestproto.UID); err != nil {
				return fmt.Errorf("copying the secret %s: %w", value.Name(), err)
			}
		}
		return nil
	}
}

// errHolderGone says that what a container was to find in memory is not there any more.
var errHolderGone = errors.New("the secrets that were brought for it went when the engine or their holder ended, or the way to its gateway did")

// stillHeld checks that what a container needs from a holder is there: where it has secrets, that the holder lives since
// it was filled. What is not noted here is not there.
func (r *Runner) stillHeld(ctx context.Context, name string) error {
	h, noted := r.holding(name)
	if noted && !h.Secrets {
		return nil // a relay is made again whenever it is needed
	}
	found, err := r.inspect(ctx, holderName(name))
	if err != nil && !errors.Is(err, sandbox.ErrNotFound) {
		return err
	}
	if !noted || err != nil || found.ID != h.Holder || found.State.Status != container.StateRunning || !engineTime(found.State.StartedAt).Equal(h.Started) {
		return fmt.Errorf("container %s: %w", name, errHolderGone)
	}
	return nil
}

// needsHolder reports whether a container was made to find something in a holder's volumes.
func needsHolder(found container.InspectResponse) bool {
	return slices.ContainsFunc(found.Mounts, func(m container.MountPoint) bool {
		return m.Type == mount.TypeVolume && (m.Destination == guestproto.SecretsDir || m.Destination == guestproto.SocketDir)
	})
}

// release ends the holder of a container, and with it what it holds, unless the container runs.
func (r *Runner) release(ctx context.Context, name string) error {
	if err := r.removeContainer(ctx, holderName(name)); err != nil {
		return err
	}
	return r.forgetHolding(name)
}

func (r *Runner) forgetHolding(name string) error {
	if err := os.Remove(r.holdingPath(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forgetting the holder of container %s: %w", name, err)
	}
	return nil
}

// letGo is release for a container that has ended: an engine that is away is told later.
func (r *Runner) letGo(name string) error {
	h, there := r.holding(name)
	if !there {
		return nil
	}
	h.Over = true
	if err := r.writeHolding(name, h); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if err := r.release(ctx, name); err != nil {
		r.log.WarnContext(ctx, "the holder of an ended container is still there, it is removed later", "container", name, "error", err)
	}
	return nil
}
