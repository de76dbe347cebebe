package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/deploy"
)

// Bounds of what is kept of a pipeline's output.
const (
	pipelineOutput = 8 << 20   // in all; as of a container
	pipelinePiece  = 512 << 10 // at once
)

const pipelineCut = "\n[The output is longer than what is kept; the rest is with the pipeline's run.]\n"

// keepPipelineOutput moves what the run has written to the store, redacted. The place up
// to which it is kept is stored after the text: the same text is read again after a
// crash in between, and bytes that are stored already are left out. Where a canary is
// in it, nothing is stored, and the run is cancelled.
//
// A service that does not give the output holds up nothing but the output.
func (e *Engine) keepPipelineOutput(ctx context.Context, w *work, run *deploy.Run, ended bool) error {
	for run.Pipeline.Kept < pipelineOutput {
		text, next, err := e.Deployer.Pipelines.Output(ctx, run.Pipeline.Pipeline.Ref(), run.Pipeline.ID, run.Pipeline.Place, pipelinePiece)
		if err != nil {
			e.Logger.WarnContext(ctx, "the output of a pipeline cannot be read", "deployment", run.ID, "error", err)
			return ctx.Err()
		}
		if next == run.Pipeline.Place {
			return nil
		}
		err = e.keepPipelinePiece(ctx, run, text)
		if canary := (*CanaryError)(nil); errors.As(err, &canary) {
			return e.stopTrippedPipeline(ctx, w, run, canary)
		}
		if err != nil {
			return err
		}
		run.Pipeline.Place = next
		if err := e.Store.InTx(ctx, func(tx Tx) error { return tx.SaveRun(ctx, *run) }); err != nil {
			return fmt.Errorf("save how much output is kept: %w", err)
		}
		if !ended { // the rest at the next look
			return nil
		}
	}
	return nil
}

func (e *Engine) keepPipelinePiece(ctx context.Context, run *deploy.Run, text []byte) error {
	if err := e.canaryIn(ctx, run.Environment, run.Pipeline.Kept, text); err != nil {
		return err
	}
	clean, err := e.redact(ctx, run.Environment, text, true)
	if err != nil {
		return err
	}
	if room := pipelineOutput - run.Pipeline.Kept - int64(len(pipelineCut)); int64(len(clean)) > room {
		clean = append(clean[:max(room, 0)], pipelineCut...)
		defer func() { run.Pipeline.Kept = pipelineOutput }()
	}
	if err := e.Store.AppendLog(ctx, "deploy/"+run.ID, run.Pipeline.Kept, clean); err != nil {
		return fmt.Errorf("keep the output: %w", err)
	}
	run.Pipeline.Kept += int64(len(clean))
	return nil
}

// stopTrippedPipeline cancels a run whose output has a canary. What it printed is not
// kept: it is with the pipeline's run, where more people may see it.
func (e *Engine) stopTrippedPipeline(ctx context.Context, w *work, run *deploy.Run, canary *CanaryError) error {
	canary.Trip.Deployment = run.ID
	if err := e.recordTrip(ctx, &w.t, canary.Trip); err != nil {
		return err
	}
	return e.stopPipeline(ctx, run, canary.Trip.String())
}
