package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/doctor"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/web"
)

// systemDesk tells how this server is; see web.SystemDesk.
type systemDesk struct {
	*store.Store
	cfg    config.Config
	runner *docker.Runner
	node   string

	mu   sync.Mutex // one examination at a time: it makes a container
	last web.Diagnosis
}

// diagnosisKept is how long what was found is good enough.
const diagnosisKept = time.Minute

// Diagnose implements web.SystemDesk.
func (d *systemDesk) Diagnose(ctx context.Context) (_ web.Diagnosis, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.last.At) < diagnosisKept {
		return d.last, nil
	}
	options, closers := doctorOptions(d.cfg, nil, "what this server was started with")
	defer func() {
		for _, closer := range closers {
			err = errors.Join(err, closer())
		}
	}()
	found := web.Diagnosis{}
	for _, f := range doctor.Run(ctx, doctor.Checks(options), nil) {
		found.Findings = append(found.Findings, web.Symptom{Check: f.Check, Level: string(f.Level), Said: f.Said, Why: f.Why, Fix: f.Fix})
	}
	if err := ctx.Err(); err != nil { // whoever asked is gone, and the findings are of that
		return web.Diagnosis{}, err
	}
	found.At = time.Now()
	d.last = found
	return found, nil
}

// Jobs implements web.SystemDesk.
func (d *systemDesk) Jobs(ctx context.Context) ([]queue.Count, error) {
	return queue.Counts(ctx, d.DB())
}

// Held implements web.SystemDesk.
func (d *systemDesk) Held(ctx context.Context) (web.Holdings, error) {
	held := web.Holdings{Node: d.node}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(d.cfg.DataDir, &disk); err != nil {
		return held, fmt.Errorf("look at the disk of %s: %w", d.cfg.DataDir, err)
	}
	held.Free, held.Size = int64(disk.Bavail)*disk.Bsize, int64(disk.Blocks)*disk.Bsize //nolint:gosec // sizes of disks fit
	if d.runner == nil {
		return held, nil
	}
	things, err := node{d.cfg, d.Store, d.runner}.things(ctx)
	if err != nil {
		return held, err
	}
	for _, t := range things {
		if t.Kind == string(sandbox.VolumeChanges) || t.Kind == string(sandbox.VolumeWork) {
			continue // parts of a workspace, which go with it
		}
		held.Things = append(held.Things, web.Holding{
			Kind: t.Kind, Name: t.Name, State: t.State, Task: t.Task, Environment: t.Environment, Kept: t.Kept.Why, KeptUntil: t.Kept.Until, Bytes: t.Bytes, CreatedAt: t.CreatedAt,
		})
	}
	return held, nil
}
