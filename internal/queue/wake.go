package queue

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"

	"github.com/riverqueue/river/riverdriver"
)

// Wake tells queues of this process that jobs were enqueued, so that those need not wait for the next poll. A ring that
// nobody hears is lost, and costs no more than that poll.
type Wake struct {
	mu    sync.Mutex
	bells map[*bell]struct{}
}

// NewWake returns a Wake that no queue listens to yet.
func NewWake() *Wake { return &Wake{bells: map[*bell]struct{}{}} }

// Ring has these queues look now, where this process works them. It is called after a commit: before it there is
// nothing to see. (Each look is a transaction, so those that got nothing are left alone.)
func (w *Wake) Ring(queues ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for b := range w.bells {
		b.ring(queues)
	}
}

// ring notes what is to look, with the Wake's lock held.
func (b *bell) ring(queues []string) {
	heard := false
	for _, name := range queues {
		if slices.Contains(b.queues, name) {
			heard = true
			if !slices.Contains(b.untold, name) {
				b.untold = append(b.untold, name)
			}
		}
	}
	if !heard {
		return
	}
	select {
	case b.rung <- struct{}{}:
	default: // it has not looked since the last ring
	}
}

// wakeable is a driver whose listener hears a Wake. Neither of River's drivers for database/sql has a listener of its
// own; this is the interface that those which have one implement.
type wakeable struct {
	riverdriver.Driver[*sql.Tx]
	wake   *Wake
	queues []string
}

// SupportsListener implements riverdriver.Driver.
func (wakeable) SupportsListener() bool { return true }

// GetListener implements riverdriver.Driver.
func (d wakeable) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return &bell{wake: d.wake, queues: d.queues, rung: make(chan struct{}, 1)}
}

// inserted is River's topic of new jobs. (It listens to others too, which nobody rings here.)
const inserted = "river_insert"

// bell is one queue's ear at a Wake. River calls it from one goroutine at a time.
type bell struct {
	wake   *Wake
	queues []string
	rung   chan struct{}
	untold []string // queues that are to look; guarded by the Wake's lock
}

// Connect implements riverdriver.Listener.
func (b *bell) Connect(context.Context) error {
	b.wake.mu.Lock()
	defer b.wake.mu.Unlock()
	b.wake.bells[b] = struct{}{}
	return nil
}

// Close implements riverdriver.Listener.
func (b *bell) Close(context.Context) error {
	b.wake.mu.Lock()
	defer b.wake.mu.Unlock()
	delete(b.wake.bells, b)
	return nil
}

// WaitForNotification implements riverdriver.Listener.
func (b *bell) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		if queue, some := b.next(); some {
			return &riverdriver.Notification{Topic: inserted, Payload: fmt.Sprintf(`{"queue": %q}`, queue)}, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.rung:
		}
	}
}

func (b *bell) next() (queue string, some bool) {
	b.wake.mu.Lock()
	defer b.wake.mu.Unlock()
	if len(b.untold) == 0 {
		return "", false
	}
	queue, b.untold = b.untold[0], b.untold[1:]
	return queue, true
}

// Listen implements riverdriver.Listener: every topic is listened to.
func (*bell) Listen(context.Context, string) error { return nil }

// Unlisten implements riverdriver.Listener.
func (*bell) Unlisten(context.Context, string) error { return nil }

// Ping implements riverdriver.Listener.
func (*bell) Ping(context.Context) error { return nil }

// Schema implements riverdriver.Listener.
func (*bell) Schema() string { return "" }

// SetAfterConnectExec implements riverdriver.Listener; only River's own tests call it.
func (*bell) SetAfterConnectExec(string) {}
