package docker

import "sync"

// nameLocks serializes work on one name within a process. Between processes the engine's unique names decide.
type nameLocks struct {
	mu   sync.Mutex
	held map[string]*nameLock
}

type nameLock struct {
	mu    sync.Mutex
	users int
}

// lock returns the function that unlocks.
func (l *nameLocks) lock(name string) func() {
	l.mu.Lock()
	if l.held == nil {
		l.held = make(map[string]*nameLock)
	}
	lock := l.held[name]
	if lock == nil {
		lock = &nameLock{}
		l.held[name] = lock
	}
	lock.users++
	l.mu.Unlock()
	lock.mu.Lock()
	return func() {
		lock.mu.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if lock.users--; lock.users == 0 {
			delete(l.held, name)
		}
	}
}
