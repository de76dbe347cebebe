package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// maxContexts bounds the file of contexts, in bytes.
const maxContexts = 1 << 20

// readPrivate reads a file that only its owner, who runs this, can read and
// replace. A link is refused: it may be followed to what somebody else wrote.
func readPrivate(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link; put the file itself there: %w", path, ErrNotPrivate)
	}
	if err != nil {
		return nil, fmt.Errorf("read the contexts: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the contexts: %w", err)
	}
	if err := errors.Join(isPrivate(path, info, 0o077), directoryIsPrivate(path)); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxContexts+1))
	if err == nil && len(text) > maxContexts {
		err = fmt.Errorf("it is larger than %d bytes", maxContexts)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return text, nil
}

// isPrivate refuses a file that another user owns or has the permissions of.
func isPrivate(path string, info os.FileInfo, others os.FileMode) error {
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user: %w", path, ErrNotPrivate)
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file: %w", path, ErrNotPrivate)
	}
	if mode := info.Mode().Perm(); mode&others != 0 {
		return fmt.Errorf("others on this machine have access to %s (mode %04o): chmod go= it, and revoke its tokens if others used the machine: %w",
			path, mode, ErrNotPrivate)
	}
	return nil
}

// directoryIsPrivate refuses a directory in which others could put another file
// in the place.
func directoryIsPrivate(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at the directory of contexts: %w", err)
	}
	return isPrivate(dir, info, 0o022)
}

// writePrivate puts text in the place of a file, whole or not at all.
func writePrivate(path string, text []byte) (err error) {
	if err := makeDirectory(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".contexts-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the contexts: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write the contexts: %w", err), os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func makeDirectory(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the directory for contexts: %w", err)
	}
	return directoryIsPrivate(path)
}

// locked lets one process at a time change the file. The lock ends with the
// process, however that ends.
func locked(path string, do func() error) error {
	if err := makeDirectory(path); err != nil {
		return err
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("lock the contexts: %w", err)
	}
	defer lock.Close() //nolint:errcheck // nothing is written; it ends the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock the contexts: %w", err)
	}
	return do()
}
