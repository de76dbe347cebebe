package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// takeOver goes on with a task whose node is lost, or has no Docker engine any more. What its
// agent had not handed in yet is lost with the node; everything after that is in the database
// and at the forge.
func (e *Engine) takeOver(ctx context.Context, w *work, from node.Node) error {
	if e.drained() && e.otherWorks() {
		return queue.Again(10*time.Second, errDraining)
	}
	why := fmt.Sprintf("its node %s was lost", from.Name)
	if !from.Works() {
		why = fmt.Sprintf("its node %s works no more", from.Name)
	}
	if !slices.Contains([]task.State{task.Preparing, task.Running, task.Collecting}, w.t.State) {
		return e.leave(ctx, w, why, "")
	}
	if w.t.State == task.Collecting {
		_, _, err := e.making(ctx, &w.t)
		if err == nil { // recorded: what is missing is to publish it
			return e.leave(ctx, w, why, "")
		}
		if !errors.Is(err, task.ErrNotFound) {
			return err
		}
	}
	return e.loseAgent(ctx, w, from, why)
}

// loseAgent does with a task whose agent was on a lost node what its environment says.
func (e *Engine) loseAgent(ctx context.Context, w *work, from node.Node, why string) error {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	policy := set.Environments[w.t.Environment].Scheduling.Lost()
	stopped := e.stopped(ctx, &w.t)
	if fail := (*failure)(nil); stopped != nil && !errors.As(stopped, &fail) {
		return stopped
	}
	if policy == manifest.WaitOnLoss && stopped == nil {
		return errStays
	}
	w.t.Run = nodeless(w.t.Run) // what becomes of it is anybody's
	fail := (*failure)(nil)
	switch {
	case errors.As(stopped, &fail):
		return e.fail(ctx, w, fail)
	case w.t.Revising(), policy == manifest.FailOnLoss:
		return e.fail(ctx, w, &failure{to: task.Failed, why: why + " while the agent worked; what it had done is lost with it"})
	}
	// LogFrom stays: if the node comes back first, its container goes on.
	w.t.Run = task.Run{LostNode: from.ID, LogFrom: w.t.Run.LogFrom}
	return e.move(ctx, w, task.Queued, nil)
}

// leave takes the task from the node that it was on: another one goes on with it or, if that
// is empty, any worker.
func (e *Engine) leave(ctx context.Context, w *work, why, to string) error {
	o := &examined{t: w.t}
	var err error
	if o.all, err = e.Store.Examinations(ctx, w.t.ID); err != nil {
		return err
	}
	for _, x := range o.all {
		if x.State == task.ExaminationRunning {
			if err := e.cancelExamination(ctx, e.examinerOf(x.Kind), o, x, why); err != nil {
				return err
			}
		}
	}
	from := w.t.Run.Node
	return e.save(ctx, w, func(t *task.Task) {
		t.Run = nodeless(t.Run)
		t.Run.Node = to
	}, func(tx Tx) error {
		if err := e.audit(ctx, tx, &w.t, audit.System, audit.TaskLeftNode, map[string]any{"node": from, "why": why}); err != nil {
			return err
		}
		return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(w.t.ID)})
	})
}

// nodeless is the run without what only its node has: a revision begins in a new workspace.
func nodeless(r task.Run) task.Run {
	r.Node, r.Volume, r.Start, r.Tree = "", "", "", ""
	return r
}

var (
	errDraining = errors.New("this node is drained")
	// errStays is a task that waits for its node, as its environment says.
	errStays = errors.New("the task waits for its node")
)

// drained reports whether this node is to take no tasks.
func (e *Engine) drained() bool { return !e.self().DrainedAt.IsZero() }

// settle gives a task that is on no node this one, or takes it from this one while it is
// drained, and reports whether this node works on it now. One that waits for a place to
// run gets its node with the place.
func (e *Engine) settle(ctx context.Context, w *work) (ours bool, err error) {
	drained := e.drained() && e.otherWorks()
	switch {
	case w.t.State == task.Queued:
		return true, nil
	case w.t.Run.Node == "" && drained:
		return false, queue.Again(10*time.Second, errDraining)
	case w.t.Run.Node == "" && !w.t.State.Ended():
		return true, e.save(ctx, w, func(t *task.Task) { t.Run.Node = e.Node }, nil)
	case !drained || w.t.Run.Node == "":
		return true, nil
	}
	busy, err := e.busyHere(ctx, &w.t)
	if err != nil || busy {
		return busy, err
	}
	return false, e.leave(ctx, w, fmt.Sprintf("its node %s is drained", e.Self.Name), "")
}

// busyHere reports whether the task has a container on its node that is not done with.
func (e *Engine) busyHere(ctx context.Context, t *task.Task) (bool, error) {
	if slices.Contains([]task.State{task.Preparing, task.Running, task.Collecting}, t.State) {
		return true, nil
	}
	all, err := e.Store.Examinations(ctx, t.ID)
	if err != nil {
		return false, err
	}
	runs, err := e.Store.DeployRuns(ctx, t.ID)
	if err != nil {
		return false, fmt.Errorf("read the deployments: %w", err)
	}
	return slices.ContainsFunc(all, func(x task.Examination) bool { return x.State == task.ExaminationRunning }) ||
		slices.ContainsFunc(runs, func(r deploy.Run) bool { return r.State == deploy.Created || r.State == deploy.Running }), nil
}

// reclaim deals with the containers of agents on a node that others took for dead: one whose
// task still waits for a place goes on with it, any other is stopped, because its task went
// on without it. Deployments are left alone: each is bounded by itself, and its end is
// known to nobody any more.
func (e *Engine) reclaim(ctx context.Context, me node.Node) error {
	e.Logger.WarnContext(ctx, "this node was taken for dead by others", "since", me.LostAt)
	list, err := e.Storage.List(ctx)
	if err != nil {
		return fmt.Errorf("list the containers: %w", err)
	}
	var errs []error
	for _, c := range list {
		if c.Labels.Purpose == purposeTask && strings.HasPrefix(c.Name, containerPrefix) {
			errs = append(errs, e.reclaimOne(ctx, c))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) reclaimOne(ctx context.Context, c sandbox.Status) error {
	t, err := e.Store.Task(ctx, task.ID(c.Labels.Task))
	if errors.Is(err, task.ErrNotFound) {
		return nil // another installation's
	}
	if err != nil {
		return err
	}
	switch {
	case t.Run.Node == e.Node:
		return nil
	case e.returnsTo(&t) && c.Name == containerName(&t):
		return e.enqueue(ctx, []queue.Job{{Kind: queue.Advance, Key: string(t.ID), Queue: queue.NodeQueue(e.Node)}})
	}
	e.Logger.InfoContext(ctx, "a container whose task went on elsewhere is stopped", "task", t.ID, "container", c.Name)
	if err := e.Sandbox.Stop(ctx, c.Name); err != nil && !errors.Is(err, sandbox.ErrNotFound) {
		return fmt.Errorf("stop container %s: %w", c.Name, err)
	}
	// Their names are the task's: one that comes back here begins anew.
	if err := errors.Join(e.Storage.Remove(ctx, c.Name), e.Storage.RemoveVolume(ctx, VolumeName(t.ID))); err != nil {
		return fmt.Errorf("remove container and workspace %s: %w", c.Name, err)
	}
	return nil
}

// returnsTo reports whether the task waits for a place after it lost this node.
func (e *Engine) returnsTo(t *task.Task) bool {
	return t.State == task.Queued && t.Run.Node == "" && t.Run.LostNode == e.Node && wanted(t)
}

// NodeReader reads the processes that share the database, and who waits for them.
type NodeReader interface {
	Nodes(ctx context.Context) ([]node.Node, error)
	Line(ctx context.Context) ([]task.Place, error)
}

// NodeTx writes them.
type NodeTx interface {
	// LockLine is the line; until the transaction ends nobody else reads it in one.
	LockLine(ctx context.Context) ([]task.Place, error)
	// LoseNode takes a node for dead whose last sign of life was that one: its leases end, and
	// its jobs are everybody's. It reports false, and does nothing, if the node gave another.
	LoseNode(ctx context.Context, id string, seen time.Time) (lost bool, err error)
	// ForgetNode removes one that is lost.
	ForgetNode(ctx context.Context, id string) error
}
