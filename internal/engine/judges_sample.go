package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// askSample asks a judge about a copy, and once more where the answer is no verdict.
func (e *Engine) askSample(ctx context.Context, env manifest.Environment, j manifest.Judge, t task.Task, p task.Proposal) (v *judge.Verdict, problem string, err error) {
	k, o := judges{e}, examined{t: t, p: p, env: env}
	d, _ := wantedBy(k.wanted(env), task.Examination{Name: j.Name})
	for attempt := 1; attempt <= 2; attempt++ {
		x := task.Examination{
			ID: task.NewExaminationID(), Task: t.ID, Revision: p.Revision, Digest: p.Digest, Kind: task.Judge, Name: j.Name,
			Environment: env.Name, Attempt: attempt, Definition: d.definition, Agent: d.agent, Model: d.model,
		}
		end, err := e.runSample(ctx, k, o, d, x)
		if err != nil {
			return nil, "", err
		}
		read, missed := k.verdict(o, x, end)
		if missed == "" {
			return &read, "", nil
		}
		problem, x.State = missed, task.ExaminationBroken
		if x.Result, err = json.Marshal(judge.Miss{Problem: missed, Retried: true}); err != nil {
			return nil, "", err
		}
		o.all = append(o.all, x)
	}
	return nil, problem, nil
}

// samplePace is how often a container of a calibration is looked at.
const samplePace = 500 * time.Millisecond

// runSample runs one container to its end and removes what it left.
func (e *Engine) runSample(ctx context.Context, k judges, o examined, d wantedExamination, x task.Examination) (end examinationEnd, err error) {
	defer func() { err = errors.Join(err, e.removeSample(context.WithoutCancel(ctx), k, x)) }()
	spec, err := e.examinationSpec(ctx, k, &o, d, &x)
	if err != nil {
		return end, err
	}
	if _, err := e.Sandbox.Start(ctx, spec); err != nil {
		if why := whyNotStarted(err, spec); why != "" {
			return end, errors.New(why)
		}
		return end, fmt.Errorf("start the container: %w", err)
	}
	deadline := e.Now().Add(d.limits.Longest() + stopMargin)
	for {
		if end.status, err = e.Sandbox.Inspect(ctx, spec.Name); err != nil {
			return end, fmt.Errorf("inspect the container: %w", err)
		}
		if end.status.State != sandbox.StateRunning && end.status.State != sandbox.StateCreated {
			break
		}
		if e.Now().After(deadline) {
			if err := e.Sandbox.Stop(ctx, spec.Name); err != nil {
				return end, fmt.Errorf("stop the container: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return end, ctx.Err()
		case <-time.After(samplePace):
		}
	}
	output := &tailWriter{most: endOutput}
	if _, err := e.Sandbox.Logs(ctx, spec.Name, sandbox.LogOptions{}, output); err != nil {
		return end, fmt.Errorf("read the output: %w", err)
	}
	end.output = output.kept
	return end, nil
}

// removeSample stops the container and removes it with its workspaces and its way.
func (e *Engine) removeSample(ctx context.Context, k judges, x task.Examination) error {
	name := x.ContainerName()
	var errs []error
	for _, err := range []error{e.Sandbox.Stop(ctx, name), e.Storage.Remove(ctx, name)} {
		if !errors.Is(err, sandbox.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, e.Storage.RemoveVolume(ctx, name), e.Storage.RemoveVolume(ctx, name+baseSuffix), k.closed(ctx, x))...)
}

// tailWriter keeps the end of what is written.
type tailWriter struct {
	most int
	kept []byte
}

// Write implements io.Writer.
func (w *tailWriter) Write(p []byte) (int, error) {
	w.kept = append(w.kept, p...)
	if over := len(w.kept) - w.most; over > 0 {
		w.kept = append(w.kept[:0], w.kept[over:]...)
	}
	return len(p), nil
}
