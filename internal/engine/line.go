package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// line is who waits for a place to run and who has one, oldest first, with what the
// environments ask for. Nothing of it is kept: it is read anew for every decision.
type line struct {
	places []task.Place
	set    *manifest.Set
}

// free is how many more agents the node may run.
func (l line) free(n node.Node) int {
	busy := 0
	for _, p := range l.places {
		if !p.Waits() && p.Node == n.ID {
			busy++
		}
	}
	return max(n.Slots-busy, 0)
}

// running counts agents by environment, on all nodes.
func (l line) running() map[string]int {
	count := map[string]int{}
	for _, p := range l.places {
		if !p.Waits() {
			count[p.Environment]++
		}
	}
	return count
}

// full reports whether an environment runs as many agents as it may.
func (l line) full(environment string, running map[string]int) bool {
	most := l.set.Environments[environment].Scheduling.MaxRunning
	return most > 0 && running[environment] >= most
}

// order is in which order those that wait would begin if there were places enough, of
// those that can: the environment with the fewest agents first, so that none of them
// starves beside a busy one, and in it the oldest task. can says who is among them.
func (l line) order(most int, can func(task.Place) bool) []task.ID {
	running := l.running()
	waiting := map[string][]int{} // by environment, indices of places
	var names []string
	for i, p := range l.places {
		if !p.Waits() || p.Unwanted || !can(p) {
			continue
		}
		if waiting[p.Environment] == nil {
			names = append(names, p.Environment)
		}
		waiting[p.Environment] = append(waiting[p.Environment], i)
	}
	var order []task.ID
	for len(order) < most {
		names = slices.DeleteFunc(names, func(name string) bool { return len(waiting[name]) == 0 || l.full(name, running) })
		if len(names) == 0 {
			break
		}
		name := slices.MinFunc(names, func(a, b string) int {
			return cmp.Or(cmp.Compare(running[a], running[b]), cmp.Compare(waiting[a][0], waiting[b][0]))
		})
		order = append(order, l.places[waiting[name][0]].Task)
		waiting[name] = waiting[name][1:]
		running[name]++
	}
	return order
}

// next are the tasks that the node may begin now.
func (l line) next(n node.Node) []task.ID {
	return l.order(l.free(n), func(p task.Place) bool { return n.Takes(l.labels(p.Environment)) })
}

func (l line) labels(environment string) []string {
	return l.set.Environments[environment].Scheduling.Labels
}

// room reports whether the node may run another agent for the task, which does not wait in
// the line: it revises what it proposed. An agent that revises needs the labels, too.
func (l line) room(n node.Node, t *task.Task) bool {
	return n.Takes(l.labels(t.Environment)) && l.free(n) > 0 && !l.full(t.Environment, l.running())
}

// best is the node that should begin a task of the environment: the one with the most free
// places, and of equals the first one of the list.
func (l line) best(nodes []node.Node, environment string) (node.Node, bool) {
	var best node.Node
	most := 0
	for _, n := range nodes {
		if free := l.free(n); free > most && n.Takes(l.labels(environment)) {
			best, most = n, free
		}
	}
	return best, most > 0
}

// place is where a waiting task stands, for people.
func (l line) place(id task.ID, nodes []node.Node) task.InLine {
	i := slices.IndexFunc(l.places, func(p task.Place) bool { return p.Task == id })
	if i < 0 || !l.places[i].Waits() {
		return task.InLine{}
	}
	environment := l.places[i].Environment
	unlimited := line{places: l.places, set: &manifest.Set{}}
	order := unlimited.order(len(l.places), func(task.Place) bool { return true })
	in := task.InLine{Place: slices.Index(order, id) + 1, Waiting: len(order)}
	in.Why = l.why(environment, nodes)
	return in
}

// why says what an agent of the environment waits for besides a free place and those before it.
func (l line) why(environment string, nodes []node.Node) string {
	labels := l.labels(environment)
	able := slices.ContainsFunc(nodes, func(n node.Node) bool { return n.Takes(labels) })
	running := l.running()
	switch {
	case !able && len(labels) > 0:
		return "no node that takes tasks has the labels " + strings.Join(labels, ", ")
	case !able:
		return "no node takes tasks now"
	case l.full(environment, running):
		return fmt.Sprintf("environment %s runs as many agents as it may: %d", environment, running[environment])
	}
	return ""
}

// PlaceInLine is where a task stands, for people.
func PlaceInLine(places []task.Place, set *manifest.Set, nodes []node.Node, id task.ID) task.InLine {
	return line{places, set}.place(id, nodes)
}

// errNotYet is a task whose turn it is not.
var errNotYet = errors.New("it is not the task's turn")

// readLine reads the line without keeping others from it.
func (e *Engine) readLine(ctx context.Context) (line, error) {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return line{}, fmt.Errorf("read the manifests: %w", err)
	}
	places, err := e.Store.Line(ctx)
	return line{places, set}, err
}

// takePlace fails with errNotYet unless the task may have an agent on this node now. It is
// asked in the transaction that gives it the place, and nobody else gives one meanwhile.
func (e *Engine) takePlace(ctx context.Context, tx Tx, id task.ID, set *manifest.Set, me node.Node) error {
	places, err := tx.LockLine(ctx)
	if err != nil {
		return err
	}
	for i, p := range places { // the transaction has it here already
		if p.Task == id {
			places[i].State, places[i].Node = task.Queued, ""
		}
	}
	if !slices.Contains(line{places, set}.next(me), id) {
		return errNotYet
	}
	return nil
}

// Schedule has this node begin what it may: it is called often, and when a place came free.
func (e *Engine) Schedule(ctx context.Context) error {
	if e.Engineless {
		return nil
	}
	l, err := e.readLine(ctx)
	if err != nil {
		return err
	}
	var jobs []queue.Job
	for _, id := range l.next(e.self()) {
		jobs = append(jobs, queue.Job{Kind: queue.Advance, Key: string(id), Queue: queue.NodeQueue(e.Node)})
	}
	return e.enqueue(ctx, jobs)
}

// scheduleSoon does so after a place came free; if it fails, the next turn does it.
func (e *Engine) scheduleSoon(ctx context.Context) {
	if err := e.Schedule(ctx); err != nil && ctx.Err() == nil {
		e.Logger.DebugContext(ctx, "a free place is filled later", "error", err)
	}
}
