package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// Storage is what containers leave on this node.
type Storage interface {
	List(ctx context.Context) ([]sandbox.Status, error)
	Remove(ctx context.Context, container string) error
	Volumes(ctx context.Context) ([]sandbox.VolumeInfo, error)
	RemoveVolume(ctx context.Context, name string) error
	EvictBases(ctx context.Context, policy sandbox.EvictPolicy) ([]sandbox.Evicted, error)
}

// Retire removes what nobody needs any more: containers, workspaces and output
// of tasks that ended longer ago than their environment keeps them, what is left of
// examinations that have ended, and cached bases by the server's policy. Nothing else
// of an open task is touched, nor what the database knows nothing about: that may be
// another installation's.
func (e *Engine) Retire(ctx context.Context) error {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	r := &retirement{engine: e, set: set, owners: map[string]*task.Task{}}
	return errors.Join(r.begun(ctx), r.containers(ctx), r.workspaces(ctx), r.outputs(ctx), r.deployments(ctx), e.evict(ctx))
}

// retirement is one run of Retire.
type retirement struct {
	engine *Engine
	set    *manifest.Set
	owners map[string]*task.Task // by label; nil: unknown
}

// kept is how long an environment keeps things; one that is gone keeps them as
// long as one that says nothing.
func (r *retirement) kept(environment string) manifest.Retention {
	if env, ok := r.set.Environments[environment]; ok {
		return env.Retention
	}
	return manifest.DefaultRetention()
}

// expired finds the task that owns a container or volume and reports whether it
// ended longer ago than its environment keeps them. An examination's are of no use once it
// has ended.
func (r *retirement) expired(ctx context.Context, owner string) (*task.Task, bool, error) {
	run, err := r.engine.Store.Deployment(ctx, owner)
	switch {
	case err == nil && !run.State.Ended():
		return nil, false, nil // whatever the task is: it may have been asked for long after
	case err != nil && !errors.Is(err, task.ErrNotFound):
		return nil, false, fmt.Errorf("find the deployment %s: %w", owner, err)
	}
	x, err := r.engine.Store.Examination(ctx, owner)
	if err != nil && !errors.Is(err, task.ErrNotFound) {
		return nil, false, fmt.Errorf("find the examination %s: %w", owner, err)
	}
	t, known := r.owners[owner]
	if !known {
		found, err := r.engine.Store.Owner(ctx, owner)
		switch {
		case err == nil:
			t = &found
		case !errors.Is(err, task.ErrNotFound):
			return nil, false, fmt.Errorf("find the task of %s: %w", owner, err)
		}
		r.owners[owner] = t
	}
	if t != nil && x.State.Ended() {
		return t, true, nil
	}
	if t == nil || !t.State.Ended() || t.Reported != t.State {
		return nil, false, nil
	}
	kept := time.Duration(r.kept(t.Environment).Workspace)
	return t, r.engine.Now().After(t.UpdatedAt.Add(kept)), nil
}

func (r *retirement) containers(ctx context.Context) error {
	list, err := r.engine.Storage.List(ctx)
	if err != nil {
		return fmt.Errorf("list the containers: %w", err)
	}
	var errs []error
	for _, c := range list {
		if c.State == sandbox.StateRunning {
			continue
		}
		errs = append(errs, r.remove(ctx, c.Labels.Task, "container", c.Name, r.engine.Storage.Remove))
	}
	return errors.Join(errs...)
}

func (r *retirement) workspaces(ctx context.Context) error {
	list, err := r.engine.Storage.Volumes(ctx)
	if err != nil {
		return fmt.Errorf("list the volumes: %w", err)
	}
	var errs []error
	for _, v := range list {
		if v.Kind == sandbox.VolumeWorkspace {
			errs = append(errs, r.remove(ctx, v.Labels.Task, "workspace", v.Name, r.engine.Storage.RemoveVolume))
		}
	}
	return errors.Join(errs...)
}

func (r *retirement) remove(ctx context.Context, owner, kind, name string, remove func(context.Context, string) error) error {
	t, expired, err := r.expired(ctx, owner)
	if err != nil || !expired {
		return err
	}
	mark := r.engine.removing() + kind + ":" + name + ":" + string(t.ID)
	if err := r.engine.Store.InTx(ctx, func(tx Tx) error { return tx.SetCursor(ctx, mark, r.engine.Now()) }); err != nil {
		return err
	}
	switch err := remove(ctx, name); {
	case errors.Is(err, sandbox.ErrInUse):
		return nil // somebody looks into it just now
	case err != nil:
		return fmt.Errorf("remove %s %s: %w", kind, name, err)
	}
	r.engine.Failpoint(StorageGone)
	return r.removed(ctx, t, mark, kind, name)
}

// removing begins the name of a cursor that stands from before something of this node
// is removed until that is recorded, so that it is recorded whatever happens in between.
func (e *Engine) removing() string { return "removing:" + e.Node + ":" }

func (r *retirement) removed(ctx context.Context, t *task.Task, mark, kind, name string) error {
	return r.engine.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.DropCursor(ctx, mark); err != nil {
			return err
		}
		return r.engine.audit(ctx, tx, t, audit.System, audit.StorageRemoved, map[string]any{"kind": kind, "name": name})
	})
}

// begun ends what a server that was killed began to remove.
func (r *retirement) begun(ctx context.Context) error {
	marks, err := r.engine.Store.CursorsOf(ctx, r.engine.removing())
	if err != nil {
		return err
	}
	var errs []error
	for _, mark := range marks {
		part := strings.Split(strings.TrimPrefix(mark, r.engine.removing()), ":")
		if len(part) != 3 {
			return fmt.Errorf("the cursor %q names nothing that is removed", mark)
		}
		remove := r.engine.Storage.Remove
		if part[0] == "workspace" {
			remove = r.engine.Storage.RemoveVolume
		}
		t, err := r.engine.Store.Task(ctx, task.ID(part[2]))
		if err == nil {
			err = remove(ctx, part[1]) // one that is gone is fine
		}
		if errors.Is(err, sandbox.ErrInUse) {
			continue
		}
		if err == nil {
			err = r.removed(ctx, &t, mark, part[0], part[1])
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// outputsAtOnce bounds one run; the next one goes on.
const outputsAtOnce = 100

func (r *retirement) outputs(ctx context.Context) error {
	shortest := time.Duration(manifest.DefaultRetention().Output)
	for _, env := range r.set.Environments {
		shortest = min(shortest, time.Duration(env.Retention.Output))
	}
	now := r.engine.Now()
	list, err := r.engine.Store.EndedWithLogs(ctx, now.Add(-shortest), outputsAtOnce)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range list {
		if now.Before(t.UpdatedAt.Add(time.Duration(r.kept(t.Environment).Output))) {
			continue
		}
		errs = append(errs, r.engine.Store.InTx(ctx, func(tx Tx) error {
			if err := tx.RemoveLogs(ctx, t.ID); err != nil {
				return err
			}
			return r.engine.audit(ctx, tx, &t, audit.System, audit.StorageRemoved, map[string]any{"kind": "output"})
		}))
	}
	return errors.Join(errs...)
}

func (e *Engine) evict(ctx context.Context) error {
	gone, err := e.Storage.EvictBases(ctx, e.Bases)
	for _, base := range gone {
		e.Logger.InfoContext(ctx, "cached base dropped", "repository", base.Repository, "commit", base.Commit, "why", base.Why)
	}
	if err != nil {
		return fmt.Errorf("drop cached bases: %w", err)
	}
	return nil
}
