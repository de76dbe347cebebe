package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/freeze"
)

// freezePipelinesPace is how often it is looked for runs of pipelines that a step
// started at the last moment.
const freezePipelinesPace = 2 * time.Second

// freezePipelines cancels the runs of pipelines in the scope of a freeze, until it is
// lifted. A run elsewhere cannot be paused as a container is, and a freeze is there to
// stop what is under way.
func (e *Engine) freezePipelines(ctx context.Context, f freeze.Freeze) {
	if e.Deployer == nil || e.Deployer.Pipelines == nil {
		return
	}
	done := map[string]bool{}
	for failing := false; ; {
		err := e.cancelFrozen(ctx, f, done)
		if err != nil && ctx.Err() == nil && !failing {
			e.Logger.ErrorContext(ctx, "runs of pipelines are not all cancelled; it is tried again", "freeze", f.ID, "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(freezePipelinesPace):
		}
		if set, err := e.Freezes.InForce(); err == nil && !slices.ContainsFunc(set, func(o freeze.Freeze) bool { return o.ID == f.ID }) {
			return
		}
	}
}

// cancelFrozen cancels the runs of pipelines that a freeze covers, each once it is
// known: one that was asked for and not seen yet is looked for here too. Nothing but the
// order is recorded; what came of it is seen after the thaw. done are those that were
// cancelled.
func (e *Engine) cancelFrozen(ctx context.Context, f freeze.Freeze, done map[string]bool) error {
	list, err := e.Store.RunsUnderWay(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for i := range list {
		run := &list[i]
		if run.Pipeline.IsZero() || done[run.ID] || !e.inScope(ctx, freeze.Set{f}, run.ID) {
			continue
		}
		if run.Pipeline.ID == "" {
			found, is, err := e.Deployer.Pipelines.Find(ctx, run.PipelineRequest())
			if err != nil || !is {
				errs = append(errs, err)
				continue
			}
			see(run, found)
		}
		err := e.stopPipeline(ctx, run, f.String()+"; a pipeline's run cannot be paused")
		done[run.ID] = err == nil
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
