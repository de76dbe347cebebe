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
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/mount"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/guestproto"
)

// installGuest copies the helper to a path that names its content, so that a running container's helper never
// changes under it, and returns that path.
func installGuest(from, dataDir string) (string, error) {
	content, err := os.ReadFile(from)
	if err != nil {
		return "", fmt.Errorf("%w (run 'make build')", err)
	}
	if !bytes.HasPrefix(content, []byte("\x7fELF")) {
		return "", fmt.Errorf("%s is not a Linux program", from)
	}
	sum := sha256.Sum256(content)
	directory := filepath.Join(dataDir, "guest", hex.EncodeToString(sum[:]))
	path := filepath.Join(directory, "guest")
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, content) {
		return path, nil
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", err
	}
	return path, writeFile(path, content, 0o555)
}

// hosts is what the engine writes for a container with a network of its own and nothing in it.
const hosts = `127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::0	ip6-localnet
ff00::0	ip6-mcastprefix
ff02::1	ip6-allnodes
ff02::2	ip6-allrouters
`

// installHosts writes the /etc/hosts of all containers, and returns its path.
func installHosts(dataDir string) (string, error) {
	path := filepath.Join(dataDir, "guest", "hosts")
	if there, err := os.ReadFile(path); err == nil && string(there) == hosts {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, writeFile(path, []byte(hosts), 0o444)
}

// writeFile replaces path with a complete file or leaves it alone.
func writeFile(path string, content []byte, mode os.FileMode) error {
	temporary := path + ".new-" + rand.Text()
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

// inputs are the files that a container finds at /coderflow.
type inputs struct {
	files map[string]input // by file name
}

type input struct {
	content io.Reader
	size    int // of the content, in bytes
	mode    os.FileMode
	path    string // of a file here that has the content instead; empty for none
}

func newInputs(spec any) (inputs, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return inputs{}, fmt.Errorf("encoding the helper's orders: %w", err)
	}
	in := inputs{files: make(map[string]input)}
	in.add(guestproto.SpecPath, text, 0o444)
	return in, nil
}

func (in inputs) add(containerPath string, content []byte, mode os.FileMode) {
	if len(content) > 0 {
		in.files[filepath.Base(containerPath)] = input{content: bytes.NewReader(content), size: len(content), mode: mode}
	}
}

// addFile is add with a file's content.
func (in inputs) addFile(containerPath, path string, mode os.FileMode) {
	in.files[filepath.Base(containerPath)] = input{path: path, mode: mode}
}

// inputsRoot holds the input directories of the containers called name.
func (r *Runner) inputsRoot(name string) string {
	return filepath.Join(r.dataDir, "sandbox", "inputs", name)
}

// inputsDir is where the input files of one container lie.
func (r *Runner) inputsDir(name, digest string) string {
	return filepath.Join(r.inputsRoot(name), strings.TrimPrefix(digest, "sha256:"))
}

// writeInputs makes an input directory, whole or not at all. One that another process made meanwhile is kept. A lasting
// one is found again after a loss of power; the others have a name that nobody looks for again.
func writeInputs(directory string, in inputs, lasting bool) error {
	if err := os.MkdirAll(filepath.Dir(directory), 0o700); err != nil {
		return fmt.Errorf("writing inputs: %w", err)
	}
	temporary, err := os.MkdirTemp(filepath.Dir(directory), ".new-")
	if err != nil {
		return fmt.Errorf("writing inputs: %w", err)
	}
	defer removeTree(temporary)
	// The mount point of the helper, which lies elsewhere.
	in.files[filepath.Base(guestproto.GuestPath)] = input{content: bytes.NewReader(nil), mode: 0o555}
	var writes []func() error // at once: each waits for the disk
	for file, input := range in.files {
		writes = append(writes, func() error {
			if err := writeInput(filepath.Join(temporary, file), input, lasting); err != nil {
				return fmt.Errorf("writing input %s: %w", file, err)
			}
			return nil
		})
	}
	if err := atonce.Do(writes...); err != nil {
		return err
	}
	if err := os.Chmod(temporary, 0o555); err != nil {
		return fmt.Errorf("writing inputs: %w", err)
	}
	if err := os.Rename(temporary, directory); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("writing inputs: %w", err)
	}
	return nil
}

// removeTree removes a directory, of which the ones below may be read-only or have been given to the containers' user. That
// stops nobody who is root; a server of another user takes them back first, which for given ones takes CAP_CHOWN.
func removeTree(root string) error {
	err := os.RemoveAll(root)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error { // what fails is seen below
		if err == nil && entry.IsDir() {
			_ = os.Lchown(path, os.Geteuid(), os.Getegid())
			_ = os.Chmod(path, 0o700) //nolint:gosec // a directory
		}
		return nil
	})
	return os.RemoveAll(root)
}

func writeInput(path string, in input, lasting bool) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, in.content)
	err = errors.Join(err, file.Chmod(in.mode))
	if lasting {
		err = errors.Join(err, file.Sync())
	}
	return errors.Join(err, file.Close())
}

// deliver brings the files of a container to where inputMounts has them from.
func (r *Runner) deliver(ctx context.Context, name, digest, imageID string, in inputs, lasting bool) error {
	if r.copies {
		return r.copyInputs(ctx, name, imageID, in)
	}
	return writeInputs(r.inputsDir(name, digest), in, lasting)
}

// inputMounts mounts a container's files and the helper over them, both read-only.
func (r *Runner) inputMounts(name, digest string) []mount.Mount {
	if r.copies {
		return r.copiedMounts(name)
	}
	return []mount.Mount{
		readOnlyBind(r.inputsDir(name, digest), guestproto.Dir),
		readOnlyBind(r.guest, guestproto.GuestPath),
		readOnlyBind(r.hosts, "/etc/hosts"),
	}
}

func readOnlyBind(source, target string) mount.Mount {
	return mount.Mount{
		Type: mount.TypeBind, Source: source, Target: target, ReadOnly: true,
		BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate},
	}
}

func volumeMount(engineName string, readOnly, takeOwner bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: engineName, Target: guestproto.Workspace, ReadOnly: readOnly,
		// Only the helper that fills a volume lets the engine copy the image's (empty) directory into it, which
		// gives the volume its owner.
		VolumeOptions: &mount.VolumeOptions{NoCopy: !takeOwner},
	}
}
