package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// BeatInterval is how often a node says that it lives, and looks at the others.
const BeatInterval = 3 * time.Second

// staleAfter is how long a node may say nothing before others count on it no more for what
// can be done elsewhere. Being lost takes longer, and has consequences.
const staleAfter = 5 * BeatInterval

// sighting is a sign of life of a node: which one, and when this process first saw it, by
// its own clock that never jumps. Times of different machines are never compared.
type sighting struct {
	beat  time.Time
	since time.Time
}

// peers is what this process knows of the others, and of itself as they see it.
type peers struct {
	mu   sync.Mutex
	me   node.Node
	all  []node.Node
	seen map[string]sighting
}

// self is this node as it is now.
func (e *Engine) self() node.Node {
	n := e.Self
	n.ID = e.Node
	if n.Slots = e.MaxRunning; e.Engineless {
		n.Slots = 0
	}
	e.peers.mu.Lock()
	defer e.peers.mu.Unlock()
	n.DrainedAt, n.LostAt = e.peers.me.DrainedAt, e.peers.me.LostAt
	return n
}

// Beat says that this node lives, takes back what is its own if others took it for dead,
// and looks who else lives.
func (e *Engine) Beat(ctx context.Context) error {
	all, err := e.Store.Nodes(ctx)
	if err != nil {
		return err
	}
	if me, known := node.Find(all, e.Node); known == 1 && !me.LostAt.IsZero() && !e.Engineless {
		if err := e.reclaim(ctx, me); err != nil {
			return fmt.Errorf("take back what others took over: %w", err)
		}
	}
	before, err := e.Store.Beat(ctx, e.self())
	if err != nil && !errors.Is(err, task.ErrNotFound) {
		return err
	}
	before.LostAt = time.Time{}
	e.see(all, before)
	return e.lose(ctx)
}

// selfNow is this node as the database has it now: nothing begins on it any more once
// somebody was told that it is drained.
func (e *Engine) selfNow(ctx context.Context) (node.Node, error) {
	all, err := e.Store.Nodes(ctx)
	if err != nil {
		return node.Node{}, err
	}
	stored, _ := node.Find(all, e.Node)
	e.peers.mu.Lock()
	e.peers.me = stored
	e.peers.mu.Unlock()
	return e.self(), nil
}

// see notes who gave a sign of life since the last look.
func (e *Engine) see(all []node.Node, me node.Node) {
	p := &e.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	now, seen := time.Now(), map[string]sighting{}
	for _, n := range all {
		last, known := p.seen[n.ID]
		if !known || !last.beat.Equal(n.SeenAt) {
			last = sighting{n.SeenAt, now}
		}
		seen[n.ID] = last
	}
	p.me, p.all, p.seen = me, all, seen
}

// silent reports whether a node has given no sign of life for so long.
func (p *peers) silent(id string, after time.Duration) bool {
	return time.Since(p.seen[id].since) > after
}

// lively are the nodes that others can count on, this one among them and first.
func (e *Engine) lively() []node.Node {
	list := []node.Node{e.self()}
	e.peers.mu.Lock()
	defer e.peers.mu.Unlock()
	for _, n := range e.peers.all {
		if n.ID != e.Node && n.LostAt.IsZero() && !e.peers.silent(n.ID, staleAfter) {
			list = append(list, n)
		}
	}
	return list
}

// Leads reports whether this process is the one that does what one is enough for. While
// nodes come and go two may do it, or none for a few seconds; it harms nothing.
func (e *Engine) Leads() bool {
	for _, n := range e.lively() {
		if n.Serves && n.ID < e.Node {
			return false
		}
	}
	return true
}

// lose takes nodes for dead that have been silent for too long.
func (e *Engine) lose(ctx context.Context) error {
	e.peers.mu.Lock()
	var silent []node.Node
	for _, n := range e.peers.all {
		if n.ID != e.Node && n.LostAt.IsZero() && e.peers.silent(n.ID, e.LostAfter) {
			silent = append(silent, n)
		}
	}
	e.peers.mu.Unlock()
	var errs []error
	for _, n := range silent {
		errs = append(errs, e.loseNode(ctx, n))
	}
	return errors.Join(errs...)
}

func (e *Engine) loseNode(ctx context.Context, n node.Node) error {
	open, err := e.openTasks(ctx, func(t task.Task) bool { return t.Run.Node == n.ID })
	if err != nil {
		return err
	}
	err = e.Store.InTx(ctx, func(tx Tx) error {
		lost, err := tx.LoseNode(ctx, n.ID, n.SeenAt)
		if err != nil || !lost {
			return err
		}
		e.Logger.WarnContext(ctx, "a node is lost; its tasks go on elsewhere as their environments say", "node", n.ID, "name", n.Name, "silent", e.LostAfter, "tasks", len(open))
		entry, err := audit.New(e.Now(), audit.System, audit.NodeLost, map[string]any{"node": n.ID, "name": n.Name, "silent": e.LostAfter.String()})
		if err != nil {
			return err
		}
		if !n.Works() && len(open) == 0 { // nothing waits for it, and it comes back as a new one
			if err := tx.ForgetNode(ctx, n.ID); err != nil {
				return err
			}
		}
		for _, j := range advances(open) {
			if err := tx.Enqueue(ctx, j); err != nil {
				return err
			}
		}
		return tx.Audit(ctx, entry)
	})
	if err != nil {
		return fmt.Errorf("take node %s for dead: %w", n.ID, err)
	}
	return nil
}

// otherWorks reports whether another node takes what this one gives up.
func (e *Engine) otherWorks() bool {
	return slices.ContainsFunc(e.lively(), func(n node.Node) bool { return n.ID != e.Node && n.Takes(nil) })
}

// strayPause is how often a task is looked at whose node nobody knows.
const strayPause = 10 * time.Second

// elsewhere deals with a task that this process is not to work on: it is on another node,
// which is sent for; or that one is lost, or runs no containers any more, and the task is
// taken over.
func (e *Engine) elsewhere(ctx context.Context, w *work) error {
	all, err := e.Store.Nodes(ctx)
	if err != nil {
		return err
	}
	at, known := node.Find(all, w.t.Run.Node)
	switch {
	case w.t.Run.Node != "" && known == 0 && wanted(&w.t):
		// It runs a version from before there were nodes, which takes steps from everybody's
		// queue. Whether it lives cannot be known, so it keeps its tasks until somebody stops them.
		return e.again(ctx, &w.t, strayPause)
	case known == 0:
		at = node.Node{ID: w.t.Run.Node, Name: w.t.Run.Node}
	case at.Works() && at.LostAt.IsZero():
		return e.sendOn(ctx, &w.t)
	}
	if e.Engineless {
		return e.enqueue(ctx, []queue.Job{{Kind: queue.Advance, Key: string(w.t.ID), Queue: queue.Workers}})
	}
	switch err := e.takeOver(ctx, w, at); {
	case errors.Is(err, errStays):
		return nil
	case err != nil:
		return err
	}
	return e.sendOn(ctx, &w.t)
}

// sendOn has the task looked at by whoever can; the store knows who that is.
func (e *Engine) sendOn(ctx context.Context, t *task.Task) error {
	return e.enqueue(ctx, advances([]task.Task{*t}))
}

// whereabouts are where a task stands that waits for a node, or the name of the node that
// it waits for because that one does not work, or nobody knows it.
func (e *Engine) whereabouts(ctx context.Context, t *task.Task) (in task.InLine, lost string, err error) {
	switch {
	case t.State == task.Queued:
		l, err := e.readLine(ctx)
		if err != nil {
			return in, "", err
		}
		return l.place(t.ID, e.lively()), "", nil
	case t.State == task.Proposed:
		if in.Why, err = e.whyUnrevised(ctx, t); err != nil {
			return in, "", err
		}
	}
	if t.State.Ended() || t.Run.Node == "" || t.Run.Node == e.Node {
		return in, "", nil
	}
	all, err := e.Store.Nodes(ctx)
	switch n, known := node.Find(all, t.Run.Node); {
	case known == 0:
		lost = t.Run.Node
	case !n.LostAt.IsZero(), !n.Works():
		lost = n.Name
	}
	return in, lost, err
}
