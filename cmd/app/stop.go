package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// lastSign bounds the last signature of a server that stops.
const lastSign = 3 * time.Second

// park waits until the server is to stop, and then lets the steps under way finish
// while requests do, both within stopGrace. What takes longer is cancelled: a step
// looks again at the next start and does what is missing. No step begins any more.
func (h *house) park(ctx context.Context, log *slog.Logger) error {
	<-ctx.Done()
	defer close(h.parked)
	log.InfoContext(ctx, "coderflow stops: steps under way finish, containers go on by themselves; a second signal ends it at once", "within", stopGrace)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	began := time.Now()
	if err := h.queue.Stop(stop); err != nil {
		return fmt.Errorf("a step did not end when it was cancelled, and is looked at again at the next start: %w", err)
	}
	log.InfoContext(ctx, "every step is finished or parked", "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// followFreezes begins to follow freezes, until what it returns is called: for as long
// as steps and requests go on, which is longer than the server is to.
func (h *house) followFreezes(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var following sync.WaitGroup
	following.Go(func() { _ = h.engine.FollowFreezes(ctx) }) // it fails at nothing
	return func() {
		cancel()
		following.Wait()
	}
}

// signLast signs what the last steps wrote, so that a log that ends with a server's
// stop is signed to its end.
func (h *house) signLast(ctx context.Context, log *slog.Logger) {
	if h.witness == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSign)
	defer cancel()
	if err := h.witness.Sign(ctx); err != nil {
		log.WarnContext(ctx, "the end of the audit log is not signed yet, the next start does it", "error", err)
	}
}
