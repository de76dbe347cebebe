package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// leaseTime is how long a worker that stopped renewing keeps a task. It is
// renewed at a third of that, so that one slow renewal does not lose it.
const leaseTime = 30 * time.Second

// holds are this process's leases.
type holds struct {
	count atomic.Int64
	// kept are those that could not be given back, by task: the database was away.
	// Whoever wants the task next gives them back first, so that nobody waits for
	// them to run out.
	kept sync.Map
}

// owner is a new owner of the node: no two holds have the same, so that ending or
// renewing one never touches a later one. The leases of a node that died are found by
// its name when it starts again.
func (h *holds) owner(node string) string {
	return node + "/" + strconv.FormatInt(h.count.Add(1), 10)
}

// withTask holds the task's lease while f runs and renews it. f's context ends
// when the lease is lost; the fencing epoch refuses its writes from then on.
func (e *Engine) withTask(ctx context.Context, id task.ID, f func(context.Context, *work) error) error {
	t, owner, err := e.lease(ctx, id)
	if errors.Is(err, task.ErrLeased) {
		return queue.Again(time.Second, err)
	}
	if err != nil {
		return fmt.Errorf("lease task %s: %w", id, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		e.renew(ctx, id, owner, cancel)
	}()
	defer func() {
		cancel(nil)
		<-renewed
		e.giveBack(ctx, id, owner)
	}()
	return e.unlessFrozen(ctx, &work{t: t, stored: t}, func(ctx context.Context, w *work) error { return e.ifHere(ctx, w, f) })
}

// ifHere runs f if this node is the one to work on the task.
func (e *Engine) ifHere(ctx context.Context, w *work, f func(context.Context, *work) error) error {
	if e.Engineless || !e.hasOn(&w.t) {
		return e.elsewhere(ctx, w)
	}
	if ours, err := e.settle(ctx, w); err != nil || !ours {
		return err
	}
	return f(ctx, w)
}

// hasOn reports whether this node may work on the task: what it works with is here, or
// nowhere yet.
func (e *Engine) hasOn(t *task.Task) bool { return t.Run.Node == "" || t.Run.Node == e.Node }

// lease takes the task's lease for a new owner. If that fails otherwise than by
// somebody else's lease, it may have been taken all the same.
func (e *Engine) lease(ctx context.Context, id task.ID) (task.Task, string, error) {
	if former, kept := e.holds.kept.Load(id); kept {
		if err := e.Store.Release(ctx, id, former.(string)); err != nil {
			return task.Task{}, "", err
		}
		e.holds.kept.CompareAndDelete(id, former)
	}
	owner := e.holds.owner(e.Node)
	t, err := e.Store.Lease(ctx, id, owner, leaseTime)
	if err != nil && !errors.Is(err, task.ErrLeased) && !errors.Is(err, task.ErrNotFound) {
		e.holds.kept.Store(id, owner)
	}
	return t, owner, err
}

// giveBack ends the owner's lease, whatever became of the context.
func (e *Engine) giveBack(ctx context.Context, id task.ID, owner string) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	if err := e.Store.Release(ctx, id, owner); err != nil {
		e.holds.kept.Store(id, owner)
		e.Logger.WarnContext(ctx, "lease not released: it is before the task's next step, or runs out", "task", id, "error", err)
	}
}

func (e *Engine) renew(ctx context.Context, id task.ID, owner string, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(leaseTime / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := e.Store.Renew(ctx, id, owner, leaseTime); err != nil && ctx.Err() == nil {
				e.Logger.WarnContext(ctx, "lease lost", "task", id, "error", err)
				e.Observer.LeaseLost(ctx, id)
				cancel(fmt.Errorf("lost the lease of task %s: %w", id, err))
				return
			}
		}
	}
}
