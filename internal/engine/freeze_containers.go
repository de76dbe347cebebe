package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// Pauser stops containers of this node where they are, and lets them go on.
type Pauser interface {
	List(ctx context.Context) ([]sandbox.Status, error)
	Pause(ctx context.Context, name string) error
	Unpause(ctx context.Context, name string) error
}

// Purposes of containers that a freeze pauses. The engine's own helpers end by
// themselves, and the steps that use them have ended.
const (
	purposeTask   = "task"
	purposeDeploy = "deploy"
)

var pausedPurposes = []string{purposeTask, purposeDeploy, string(task.Check), string(task.Judge)}

// pauseAndResume holds the containers of this node to what is frozen, until ctx ends.
// It goes on looking while anything is frozen, for containers that a step started at
// the last moment, and stops when all that may go on goes on.
func (e *Engine) pauseAndResume(ctx context.Context) {
	if e.Pauser == nil {
		return
	}
	hands := &pauseHands{busy: map[string]bool{}}
	defer hands.work.Wait()
	settled := false // a former process may have left paused ones
	tick := time.NewTicker(freezeLook)
	defer tick.Stop()
	for {
		set, err := e.Freezes.InForce()
		if unread := errors.Is(err, errUnread); !unread && (len(set) > 0 || err != nil || !settled) {
			left, lookErr := e.holdContainers(ctx, hands, set, err != nil)
			settled = lookErr == nil && left == 0 && len(set) == 0 && err == nil
			if lookErr != nil && ctx.Err() == nil {
				e.Logger.ErrorContext(ctx, "containers cannot be looked at; it is tried again", "error", lookErr)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pauseHands are the containers that are being paused or let go on: each by itself, so
// that an engine that hangs on one keeps no other from being stopped.
type pauseHands struct {
	work sync.WaitGroup
	mu   sync.Mutex
	busy map[string]bool
}

// do runs f for the container, unless something runs for it already.
func (h *pauseHands) do(name string, f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy[name] {
		return
	}
	h.busy[name] = true
	h.work.Go(func() {
		f()
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.busy, name)
	})
}

// holdContainers begins to pause what is in scope and to let everything else go on.
// left are those that are not yet as they should be.
func (e *Engine) holdContainers(ctx context.Context, hands *pauseHands, set freeze.Set, blind bool) (left int, err error) {
	list, err := e.Pauser.List(ctx)
	if err != nil {
		return 0, fmt.Errorf("list the containers: %w", err)
	}
	var scope int64
	for _, c := range list {
		if c.State != sandbox.StateRunning || !slices.Contains(pausedPurposes, c.Labels.Purpose) {
			continue
		}
		in := blind && c.Labels.Purpose == purposeDeploy || e.inScope(ctx, set, c.Labels.Task)
		if in {
			scope++
		}
		if in == c.Paused {
			continue
		}
		left++
		hands.do(c.Name, func() {
			if err := e.hold(ctx, c, in); err != nil && ctx.Err() == nil {
				e.Logger.ErrorContext(ctx, "a container is not as the freezes say; it is tried again", "container", c.Name, "paused", !in, "error", err)
			}
		})
	}
	e.Freezes.paused.Store(scope)
	return left, nil
}

func (e *Engine) hold(ctx context.Context, c sandbox.Status, in bool) error {
	if !in {
		return e.resume(ctx, c.Name, c.Labels)
	}
	if err := e.Pauser.Pause(ctx, c.Name); err != nil {
		return err
	}
	e.Logger.WarnContext(ctx, "a container is paused by a freeze", "container", c.Name)
	return nil
}

// inScope reports whether what belongs to a task or deployment is frozen. What cannot
// be told counts as frozen, if anything is.
func (e *Engine) inScope(ctx context.Context, set freeze.Set, id string) bool {
	if len(set) == 0 {
		return false
	}
	environments, err := e.environmentsOf(ctx, id)
	if err != nil {
		return true
	}
	_, frozen := set.Over(environments...)
	return frozen
}

// environmentsOf are those whose freeze covers a task, or a deployment, which its
// approval's environment covers too. They never change.
func (e *Engine) environmentsOf(ctx context.Context, id string) ([]string, error) {
	if known, ok := e.Freezes.environments.Load(id); ok {
		return known.([]string), nil
	}
	ctx, cancel := context.WithTimeout(ctx, freezeRead)
	defer cancel()
	var found []string
	owner := task.ID(id)
	if run, err := e.Store.Deployment(ctx, id); err == nil {
		found, owner = append(found, run.Environment), run.Task
	} else if !errors.Is(err, task.ErrNotFound) {
		return nil, err
	}
	if x, err := e.Store.Examination(ctx, id); err == nil {
		owner = x.Task
	} else if !errors.Is(err, task.ErrNotFound) {
		return nil, err
	}
	t, err := e.Store.Task(ctx, owner)
	if err != nil {
		return nil, err
	}
	found = append(found, t.Environment)
	e.Freezes.environments.Store(id, found)
	return found, nil
}

// resume lets a container go on, with its way out as it should be now. Whether it
// should go on at all (it may be cancelled, or overdue) is looked at in its turn.
func (e *Engine) resume(ctx context.Context, name string, of sandbox.Labels) error {
	if err := e.reopen(ctx, of); err != nil {
		e.Logger.WarnContext(ctx, "a container goes on without its way out, which is opened at the next look", "container", name, "error", err)
	}
	// Known before it goes on, so that nobody takes it for overdue in between.
	takeBack := e.Freezes.goesOn(name, e.Now())
	if err := e.Pauser.Unpause(ctx, name); err != nil {
		takeBack()
		return err
	}
	e.Logger.InfoContext(ctx, "a container goes on after a thaw", "container", name)
	return nil
}

func (e *Engine) reopen(ctx context.Context, of sandbox.Labels) error {
	if of.Purpose == purposeDeploy {
		run, err := e.Store.Deployment(ctx, of.Task)
		if err == nil {
			err = e.tripped(ctx, run.Task, run.ID)
		}
		if err != nil {
			return err
		}
		return e.keepWay(ctx, &run)
	}
	if of.Purpose != purposeTask {
		return e.reopenExamination(ctx, of.Task)
	}
	t, err := e.Store.Task(ctx, task.ID(of.Task))
	if err == nil {
		err = e.tripped(ctx, t.ID, "")
	}
	if err != nil {
		return err
	}
	env, err := e.environment(ctx, &t)
	if err != nil {
		return err
	}
	_, err = e.openModels(ctx, &t, env)
	return err
}

// unpaused sees to a container that a step finds paused where nothing is frozen: the
// order to pause it may have been carried out after the thaw.
func (e *Engine) unpaused(ctx context.Context, status sandbox.Status) error {
	if !status.Paused || e.Pauser == nil {
		return nil
	}
	return e.resume(ctx, status.Name, status.Labels)
}

// goesOn remembers that a container is let go on at that moment.
func (f *Freezes) goesOn(name string, at time.Time) (takeBack func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resumed[name] = append(f.resumed[name], at)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if i := slices.Index(f.resumed[name], at); i >= 0 {
			f.resumed[name] = slices.Delete(f.resumed[name], i, i+1)
		}
	}
}

func (f *Freezes) wentOn(name string) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(slices.Values(f.resumed[name]), time.Time.Compare)
}

// stoodStill is for how long a container that started then was paused by freezes: until
// it was let go on, which is later than the thaw where this server was down at the time.
func (e *Engine) stoodStill(ctx context.Context, name string, since time.Time, environments ...string) (time.Duration, error) {
	list, err := e.Store.FreezesSince(ctx, since, environments...)
	if err != nil {
		return 0, err
	}
	return freeze.Stood(freeze.Resumed(list, e.Freezes.wentOn(name)), since, e.Now()), nil
}
