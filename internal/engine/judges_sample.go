package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// askSample asks a judge about a copy, and once more where the answer is no verdict.
func (e *Engine) askSample(ctx context.Context, env manifest.Environment, j manifest.Judge, t task.Task, p task.Proposal) (v *judge.Verdict, problem string, err error) {
	k, o := judges{e}, examined{t: t, p: p, env: env}
	d, _ := wantedBy(k.wanted(env), task.Examination{Name: j.Name})
	d.purpose = purposeCalibrate
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

// purposeCalibrate is that of the containers of a calibration. The server, which does not know
// whose they are, leaves them alone: who calibrates looks at freezes itself.
const purposeCalibrate = "calibrate"

// samplePace is how often a container of a calibration is looked at.
const samplePace = 500 * time.Millisecond

// runSample runs one container to its end and removes what it left.
func (e *Engine) runSample(ctx context.Context, k judges, o examined, d wantedExamination, x task.Examination) (end examinationEnd, err error) {
	if err := e.sampleMayRun(ctx, x); err != nil {
		return end, err
	}
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
	if end.status, err = e.awaitSample(ctx, x, e.Now().Add(d.limits.Longest()+stopMargin)); err != nil {
		return end, err
	}
	end.output, err = e.sampleOutput(ctx, o, x)
	return end, errors.Join(err, e.sampleMayRun(ctx, x))
}

// sampleMayRun asks whether something forbids that money is spent on the sample: a freeze, or a
// canary in what it sent.
func (e *Engine) sampleMayRun(ctx context.Context, x task.Examination) error {
	if _, _, err := e.Freezes.Look(ctx); err != nil { // nobody else does in this process
		return err
	}
	return errors.Join(e.Freezes.Unfrozen(ctx, x.Environment), e.tripped(ctx, x.Task, x.ID))
}

// awaitSample looks at the container until it has ended.
func (e *Engine) awaitSample(ctx context.Context, x task.Examination, deadline time.Time) (sandbox.Status, error) {
	for {
		status, err := e.Sandbox.Inspect(ctx, x.ContainerName())
		if err != nil {
			return status, fmt.Errorf("inspect the container: %w", err)
		}
		if status.State != sandbox.StateRunning && status.State != sandbox.StateCreated {
			return status, nil
		}
		if err := e.sampleMayRun(ctx, x); err != nil {
			return status, err
		}
		if e.Now().After(deadline) {
			if err := e.Sandbox.Stop(ctx, x.ContainerName()); err != nil {
				return status, fmt.Errorf("stop the container: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return status, ctx.Err()
		case <-time.After(samplePace):
		}
	}
}

// sampleOutput reads the end of what was printed, and looks for canaries in all of it.
func (e *Engine) sampleOutput(ctx context.Context, o examined, x task.Examination) ([]byte, error) {
	wire, err := e.Secrets.Tripwire(ctx, x.Environment)
	if err != nil {
		return nil, fmt.Errorf("read the canaries of environment %s: %w", x.Environment, err)
	}
	watcher, output := wire.Watch(), &tailWriter{most: endOutput}
	if _, err := e.Sandbox.Logs(ctx, x.ContainerName(), sandbox.LogOptions{}, io.MultiWriter(watcher, output)); err != nil {
		return nil, fmt.Errorf("read the output: %w", err)
	}
	name, end, found := watcher.Found()
	if !found {
		return output.kept, nil
	}
	trip := secret.Trip{Deployment: x.ID, Environment: x.Environment, Canary: name, Place: secret.InOutput, Where: fmt.Sprintf("byte %d", end)}
	return nil, errors.Join(&CanaryError{trip}, e.recordTrip(ctx, &o.t, trip))
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
