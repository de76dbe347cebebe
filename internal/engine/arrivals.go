package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrBusy is a delivery that was not taken, because as many as may wait for the database already do. Nothing of it is
// stored.
var ErrBusy = errors.New("too many deliveries wait to be stored")

// Bounds of what waits to be stored. What is in the database already waits there, as jobs, without a bound.
const (
	maxArrivals   = 512             // deliveries
	storeTogether = 64              // deliveries in one transaction
	storeTime     = 3 * time.Second // of one transaction; with web's patience it is less than a forge's
)

// arrivals stores what comes: deliveries, and the ends of their handling. Those that come while a transaction is under
// way share the next one, so that a database that makes a few hundred commits a second durable takes many more of them.
type arrivals[T any] struct {
	// store stores all of them or none.
	store func(ctx context.Context, all []T) error

	mu      sync.Mutex
	waiting []*arrival[T]
	storing bool // somebody takes what waits
}

type arrival[T any] struct {
	what   T
	stored chan error // gets one value, once it was taken from the waiting
}

// keep returns once it is stored, or certainly is not: where ctx ends while it waits it is withdrawn, and
// once its transaction is under way the end of that decides. (Of a commit whose answer is lost nobody knows.)
func (a *arrivals[T]) keep(ctx context.Context, what T) error {
	one := &arrival[T]{what: what, stored: make(chan error, 1)}
	if !a.enter(ctx, one) {
		return ErrBusy
	}
	select {
	case err := <-one.stored:
		return err
	case <-ctx.Done():
	}
	if a.withdraw(one) {
		return fmt.Errorf("wait for a place in a transaction: %w", ctx.Err())
	}
	return <-one.stored
}

func (a *arrivals[T]) enter(ctx context.Context, one *arrival[T]) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) >= maxArrivals {
		return false
	}
	a.waiting = append(a.waiting, one)
	if !a.storing {
		a.storing = true
		go a.work(context.WithoutCancel(ctx))
	}
	return true
}

// full reports whether one more would not be taken now.
func (a *arrivals[T]) full() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting) >= maxArrivals
}

func (a *arrivals[T]) withdraw(one *arrival[T]) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, w := range a.waiting {
		if w == one {
			a.waiting = append(a.waiting[:i], a.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// work stores until nothing waits.
func (a *arrivals[T]) work(ctx context.Context) {
	for {
		batch := a.take()
		if len(batch) == 0 {
			return
		}
		a.storeBatch(ctx, batch)
	}
}

func (a *arrivals[T]) take() []*arrival[T] {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := min(len(a.waiting), storeTogether)
	batch := append([]*arrival[T](nil), a.waiting[:n]...)
	a.waiting = append(a.waiting[:0], a.waiting[n:]...)
	clear(a.waiting[len(a.waiting):cap(a.waiting)]) // they hold deliveries
	a.storing = n > 0
	return batch
}

// storeBatch tells each its outcome. Where one cannot be stored it is found by storing each by itself.
func (a *arrivals[T]) storeBatch(ctx context.Context, batch []*arrival[T]) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	all := make([]T, len(batch))
	for i, one := range batch {
		all[i] = one.what
	}
	err := a.store(ctx, all)
	for i, one := range batch {
		if err != nil && len(batch) > 1 && ctx.Err() == nil {
			one.stored <- a.store(ctx, all[i:i+1])
			continue
		}
		one.stored <- err
	}
}
