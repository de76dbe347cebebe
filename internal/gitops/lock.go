package gitops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// locks are the in-process half of the mirrors' locks. The other half is
// flock(2) on a file, for other processes on the same directory.
type locks struct {
	mu     sync.Mutex
	byPath map[string]chan struct{}
}

func (l *locks) of(path string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byPath == nil {
		l.byPath = map[string]chan struct{}{}
	}
	if l.byPath[path] == nil {
		l.byPath[path] = make(chan struct{}, 1)
	}
	return l.byPath[path]
}

// lockPoll is how often a lock that another process holds is tried again.
const lockPoll = 50 * time.Millisecond

// lock makes the caller the only one, in all processes, to hold path until
// unlock is called. The kernel gives it up for a process that dies.
func (g *Git) lock(ctx context.Context, path string) (unlock func(), err error) {
	turn := g.locks.of(path)
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for %s: %w", path, ctx.Err())
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		<-turn
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close(); <-turn }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		select {
		case <-ctx.Done():
			file.Close()
			<-turn
			return nil, fmt.Errorf("wait for %s: %w", path, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
	file.Close()
	<-turn
	return nil, fmt.Errorf("lock %s: %w", path, err)
}
