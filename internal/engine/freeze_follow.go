package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
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
	if failing := err != nil && ctx.Err() == nil; failing != e.Freezes.failing.Swap(failing) { // once, not four times a second
		e.Logger.WarnContext(ctx, "it can be read what is frozen, or not any more: after some seconds without everything counts as frozen", "error", err)
	}
	for _, f := range came {
		e.Logger.WarnContext(ctx, "frozen", "what", f.What(), "by", f.By, "reason", f.Reason, "freeze", f.ID)
		work.Go(func() { e.revokeTokens(ctx, f) })
		work.Go(func() { e.freezePipelines(ctx, f) })
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

// OpenWays are the ways out of containers that are open on this node.
type OpenWays interface {
	// List names the tasks and deployments that have one.
	List() []string
	// Suspend cuts them; they open again where they were.
	Suspend(ids []string)
}

// suspendWays cuts the ways out that are in scope.
func (e *Engine) suspendWays(ctx context.Context) {
	set, _ := e.Freezes.InForce()
	if e.OpenWays == nil || len(set) == 0 {
		return
	}
	open := slices.DeleteFunc(e.OpenWays.List(), func(id string) bool { return !e.inScope(ctx, set, id) })
	if len(open) > 0 {
		e.Logger.WarnContext(ctx, "ways out of containers are cut by a freeze", "of", open)
		e.OpenWays.Suspend(open)
	}
}

// TokenRevoker ends credentials that this process got from the forge.
type TokenRevoker interface {
	// RevokeTokens ends those for repositories in scope, at the forge and here. Those
	// that it fails for are ended by the next call.
	RevokeTokens(ctx context.Context, covers func(forge.RepositoryRef) bool) error
}

// revokePause is how long after a failure tokens are tried to be revoked again.
const revokePause = 2 * time.Second

// revokeTokens ends this node's tokens for the repositories of what is frozen. What
// still may be done, an answer to a command, gets a new one. It is tried until it
// works or everything goes on.
func (e *Engine) revokeTokens(ctx context.Context, f freeze.Freeze) {
	if e.Tokens == nil {
		return
	}
	for {
		err := e.revokeOnce(ctx, f)
		if err == nil || ctx.Err() != nil {
			return
		}
		e.Logger.ErrorContext(ctx, "the forge's tokens are not all revoked; they end by themselves within the hour", "freeze", f.ID, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(revokePause):
		}
		if set, _ := e.Freezes.InForce(); !slices.ContainsFunc(set, func(o freeze.Freeze) bool { return o.ID == f.ID }) {
			return
		}
	}
}

func (e *Engine) revokeOnce(ctx context.Context, f freeze.Freeze) error {
	covers := func(forge.RepositoryRef) bool { return true }
	if name := f.Name(); name != "" {
		set, err := e.Manifests.Manifests(ctx)
		if err != nil {
			return fmt.Errorf("read the repositories of environment %s: %w", name, err)
		}
		covers = set.Policy(e.Admins...).Environments[name].Has
	}
	return e.Tokens.RevokeTokens(ctx, covers)
}
