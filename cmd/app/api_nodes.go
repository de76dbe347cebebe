package main

import (
	"context"
	"errors"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/manifest"
	nodes "github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/web"
)

// nodeDesk implements web.NodeDesk, and serves the commands beside the server, whose caller
// has no subject.
type nodeDesk struct {
	*store.Store
	rules interface {
		Manifests(ctx context.Context) (*manifest.Set, error)
	}
}

// Nodes implements web.NodeDesk.
func (d nodeDesk) Nodes(ctx context.Context) ([]web.NodeStatus, error) {
	all, err := d.Store.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	open, err := d.OpenTasks(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]web.NodeStatus, len(all))
	for i, n := range all {
		list[i].Node = n
		for _, t := range open {
			if t.Run.Node != n.ID || t.State.Ended() {
				continue
			}
			list[i].Tasks++
			if t.State == task.Preparing || t.State == task.Running {
				list[i].Running++
			}
		}
	}
	return list, nil
}

// Line implements web.NodeDesk.
func (d nodeDesk) Line(ctx context.Context, id task.ID) (task.InLine, error) {
	set, err := d.rules.Manifests(ctx)
	if err != nil {
		return task.InLine{}, err
	}
	places, err := d.Store.Line(ctx)
	if err != nil {
		return task.InLine{}, err
	}
	all, err := d.Store.Nodes(ctx)
	return engine.PlaceInLine(places, set, all, id), err
}

// Drain implements web.NodeDesk.
func (d nodeDesk) Drain(ctx context.Context, c web.NodeChange) (web.NodeStatus, error) {
	return d.change(ctx, c, audit.NodeDrained, func(tx *store.Tx, id string) (bool, error) { return tx.Drain(ctx, id, c.When) })
}

// Resume implements web.NodeDesk.
func (d nodeDesk) Resume(ctx context.Context, c web.NodeChange) (web.NodeStatus, error) {
	return d.change(ctx, c, audit.NodeResumed, func(tx *store.Tx, id string) (bool, error) { return tx.Drain(ctx, id, time.Time{}) })
}

// Forget implements web.NodeDesk.
func (d nodeDesk) Forget(ctx context.Context, c web.NodeChange) (web.NodeStatus, error) {
	n, err := d.find(ctx, c.Node)
	if err == nil && n.Tasks > 0 && n.State() == nodes.Lost {
		err = web.ErrNodeHeld
	}
	if err != nil {
		return n, err
	}
	return d.change(ctx, c, audit.NodeForgotten, func(tx *store.Tx, id string) (bool, error) {
		err := tx.ForgetNode(ctx, id)
		if errors.Is(err, task.ErrNotFound) {
			err = web.ErrNodeLives // it was there a moment ago
		}
		return err == nil, err
	})
}

// change finds the node, does what was ordered and writes it down, if it changed anything.
func (d nodeDesk) change(ctx context.Context, c web.NodeChange, action audit.Action, do func(*store.Tx, string) (bool, error)) (web.NodeStatus, error) {
	n, err := d.find(ctx, c.Node)
	if err != nil {
		return n, err
	}
	err = d.InTx(ctx, func(tx *store.Tx) error {
		changed, err := do(tx, n.ID)
		if err != nil || !changed {
			return err
		}
		by, detail := operator(), map[string]any{}
		if !c.By.Subject.IsZero() {
			by, detail = c.By.Subject.String(), map[string]any{"by": "API", "using": c.Using, "request": c.Request, "decision": c.Decision}
		}
		detail["node"], detail["name"] = n.ID, n.Name
		entry, err := audit.New(c.When, by, action, detail)
		if err != nil {
			return err
		}
		return tx.Audit(ctx, entry)
	})
	if err != nil || action == audit.NodeForgotten {
		return n, err
	}
	return d.find(ctx, n.ID)
}

func (d nodeDesk) find(ctx context.Context, idOrName string) (web.NodeStatus, error) {
	list, err := d.Nodes(ctx)
	if err != nil {
		return web.NodeStatus{}, err
	}
	plain := make([]nodes.Node, len(list))
	for i, n := range list {
		plain[i] = n.Node
	}
	found, matches := nodes.Find(plain, idOrName)
	switch {
	case matches == 0:
		return web.NodeStatus{}, task.ErrNotFound
	case matches > 1:
		return web.NodeStatus{}, web.ErrManyNodes
	}
	for _, n := range list {
		if n.ID == found.ID {
			return n, nil
		}
	}
	return web.NodeStatus{}, task.ErrNotFound
}
