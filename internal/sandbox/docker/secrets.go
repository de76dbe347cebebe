package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/docker/docker/api/types/system"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// Where secrets lie while a container has them: the first of these that is in memory and where the server may write. In /run
// only root may.
var memoryDirs = []string{"/run", "/dev/shm"}

// memoryDir finds a directory that no disk has and where this process may make others.
func memoryDir(candidates ...string) (string, error) {
	for _, dir := range candidates {
		var about unix.Statfs_t
		if unix.Statfs(dir, &about) == nil && (about.Type == unix.TMPFS_MAGIC || about.Type == unix.RAMFS_MAGIC) &&
			unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS) == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("secrets are kept in memory only, and none of %s is a tmpfs where the server may write: mount one", strings.Join(candidates, ", "))
}

// SecretsDir is the directory below which secrets lie, in memory; empty where they lie in the engine's machine's.
func (r *Runner) SecretsDir() (string, error) {
	if r.copies {
		return "", nil
	}
	return memoryDir(memoryDirs...)
}

// secretsRoot holds the secrets of the containers called name.
func (r *Runner) secretsRoot(name string) (string, error) {
	memory, err := memoryDir(memoryDirs...)
	if err != nil {
		return "", err
	}
	return filepath.Join(memory, "coderflow-"+r.instance, "secrets", name), nil
}

// writeSecrets makes the directory of a container's secrets, whole or not at all, and returns it. One that is there is
// kept: the container may have it.
func (r *Runner) writeSecrets(ctx context.Context, spec sandbox.Spec, digest string) (directory string, err error) {
	if len(spec.Secrets) == 0 || r.copies {
		return "", nil
	}
	root, err := r.secretsRoot(spec.Name)
	if err != nil {
		return "", err
	}
	directory = filepath.Join(root, strings.TrimPrefix(digest, "sha256:"))
	if _, err := os.Stat(directory); err == nil {
		return directory, nil
	}
	owner, err := r.hostUser(ctx)
	if err != nil {
		return "", err
	}
	if err := r.ownDir(root); err != nil {
		return "", fmt.Errorf("writing secrets: %w", err)
	}
	temporary, err := os.MkdirTemp(root, ".new-")
	if err != nil {
		return "", fmt.Errorf("writing secrets: %w", err)
	}
	defer removeTree(temporary)
	for _, value := range spec.Secrets {
		path := filepath.Join(temporary, value.Name())
		if err := writeInput(path, input{content: bytes.NewReader(value.Reveal()), mode: 0o400}, true); err != nil {
			return "", fmt.Errorf("writing the secret %s: %w", value.Name(), err)
		}
		if err := os.Chown(path, owner, owner); err != nil {
			return "", notOwned(err)
		}
	}
	if err := errors.Join(os.Chown(temporary, owner, owner), os.Chmod(temporary, 0o500)); err != nil {
		return "", notOwned(err)
	}
	if err := os.Rename(temporary, directory); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("writing secrets: %w", err)
	}
	return directory, nil
}

// ownDir makes a directory below the installation's own. Anybody may make directories where memory is, so that the
// installation's could be somebody else's.
func (r *Runner) ownDir(root string) error {
	own := filepath.Dir(filepath.Dir(root))
	if err := os.Mkdir(own, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var about unix.Stat_t
	if err := unix.Lstat(own, &about); err != nil {
		return err
	}
	if about.Mode&unix.S_IFMT != unix.S_IFDIR || about.Mode&0o077 != 0 || int(about.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a directory that is CoderFlow's alone: somebody else made it; remove it", own)
	}
	return os.MkdirAll(root, 0o700)
}

func notOwned(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("secrets must belong to the containers' user, which takes root or CAP_CHOWN: %w", err)
	}
	return fmt.Errorf("writing secrets: %w", err)
}

// hostUser is the containers' user as this machine knows it: an engine may shift users.
func (r *Runner) hostUser(caller context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	info, err := r.engine.Info(ctx)
	if err != nil {
		return 0, engineError(caller, "asking the Docker engine about itself", err)
	}
	return shiftOf(info) + guestproto.UID, nil
}

// shiftOf reads by how much an engine with userns-remap shifts users: its data lies in a directory UID.GID of the root
// of its containers.
func shiftOf(info system.Info) int {
	if !slices.ContainsFunc(info.SecurityOptions, func(o string) bool { return strings.HasPrefix(o, "name=userns") }) {
		return 0
	}
	text, _, _ := strings.Cut(filepath.Base(info.DockerRootDir), ".")
	shift, err := strconv.Atoi(text)
	if err != nil || shift < 0 {
		return 0
	}
	return shift
}

// ForgetSecrets removes the secrets of a container from memory. A container that runs has them no more either, unless
// they lie in the memory of the engine's machine: there they go when the container has ended, too.
func (r *Runner) ForgetSecrets(name string) error {
	if r.copies {
		return r.letGo(name)
	}
	root, err := r.secretsRoot(name)
	if err != nil {
		return nil //nolint:nilerr // where none can be, none are
	}
	if err := removeTree(root); err != nil {
		return fmt.Errorf("removing the secrets of container %s: %w", name, err)
	}
	return nil
}
