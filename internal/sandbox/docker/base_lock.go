package docker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockKind is how flock(2) locks.
type lockKind int

const (
	shared    lockKind = syscall.LOCK_SH
	exclusive lockKind = syscall.LOCK_EX
)

const lockPause = 20 * time.Millisecond

// lockBase keeps a base from being filled and evicted (shared: while a workspace is laid over it), or from being used
// as well (exclusive). The lock is a file's, so that it holds between processes and ends with its holder. Bases share
// a fixed number of files; nobody holds two at once.
func (r *Runner) lockBase(ctx context.Context, base string, kind lockKind) (release func(), err error) {
	for {
		release, err := r.tryLockBase(base, kind)
		if err != nil || release != nil {
			return release, err
		}
		if err := pause(ctx, lockPause); err != nil {
			return nil, fmt.Errorf("waiting for base %s: %w", base, err)
		}
	}
}

// tryLockBase returns no release function if somebody else has the lock.
func (r *Runner) tryLockBase(base string, kind lockKind) (release func(), err error) {
	directory, err := r.directory("locks")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(base))
	path := filepath.Join(directory, fmt.Sprintf("base-%02x", sum[0]))
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking base %s: %w", base, err)
	}
	err = syscall.Flock(int(file.Fd()), int(kind)|syscall.LOCK_NB)
	if err == nil {
		return func() { _ = file.Close() }, nil
	}
	_ = file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return nil, nil
	}
	return nil, fmt.Errorf("locking base %s: %w", base, err)
}
