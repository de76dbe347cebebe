package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/web"
)

type nodesCmd struct {
	List   nodesListCmd   `cmd:"" default:"withargs" help:"List the processes of the installation and what they have to do."`
	Drain  nodesDrainCmd  `cmd:"" help:"Have a node take no tasks any more, for maintenance."`
	Resume nodesResumeCmd `cmd:"" help:"Have a drained node take tasks again."`
	Forget nodesForgetCmd `cmd:"" help:"Remove a lost node that never comes back from the list."`
}

type nodesListCmd struct {
	whereFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (nodesListCmd) Help() string {
	return `RUNNING is how many agents run there, of how many at once; TASKS how many tasks that have not ended are its. It needs
server:manage.

Examples:

  coderflow nodes
  coderflow nodes list -o json`
}

// Run lists the nodes.
func (c nodesListCmd) Run(ctx context.Context, s streams) error {
	list, err := ask(ctx, c.whereFlags, s, func(l local) ([]client.Node, error) { return l.nodes(ctx) }, func(server *client.Client) ([]client.Node, error) { return server.Nodes(ctx) })
	if err != nil {
		return err
	}
	return c.print(s, list, func(out *table) {
		out.row("NODE", "NAME", "STATE", "ROLE", "RUNNING", "TASKS", "LABELS", "VERSION", "LAST SEEN")
		for _, n := range list {
			running := "-"
			if n.Slots > 0 {
				running = fmt.Sprintf("%d/%d", n.Running, n.Slots)
			}
			out.row(n.ID, n.Name, n.State, roleOf(n), running, fmt.Sprint(n.Tasks), strings.Join(n.Labels, ","), n.Version, n.SeenAt.UTC().Format(time.RFC3339))
		}
	})
}

func roleOf(n client.Node) string {
	switch {
	case !n.Serves:
		return "worker"
	case n.Slots == 0:
		return "server"
	}
	return "server, worker"
}

type nodesDrainCmd struct {
	whereFlags
	outputFlag
	Node string `arg:"" help:"Its id, or a name that only one has."`
	Wait bool   `help:"Wait until nothing is left on it, so that its process can be ended for good."`
}

// Help implements kong.HelpProvider.
func (nodesDrainCmd) Help() string {
	return `Nothing begins on it any more. What runs there ends there; proposals that wait and approvals go on at another node, if
there is one that takes tasks. It stays drained, over restarts too, until 'coderflow nodes resume'. It needs server:manage.

Exit status 4: there is no such node.

Examples:

  coderflow nodes drain runner-1 --wait
  coderflow nodes drain k3j2h1g0f9d8`
}

// drainPace is how often a node that is waited for is looked at.
const drainPace = 2 * time.Second

// Run drains a node.
func (c nodesDrainCmd) Run(ctx context.Context, s streams) error {
	n, err := ask(ctx, c.whereFlags, s,
		func(l local) (client.Node, error) { return l.changeNode(ctx, c.Node, nodeDesk.Drain) },
		func(server *client.Client) (client.Node, error) { return server.DrainNode(ctx, c.Node) })
	for said := -1; err == nil && c.Wait && n.Tasks > 0; {
		if n.Tasks != said {
			said = n.Tasks
			fmt.Fprintf(s.err, "%s has %d tasks left, %d agents run\n", n.Name, n.Tasks, n.Running)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(drainPace):
		}
		n, err = c.look(ctx, s, n.ID)
	}
	if err != nil {
		return err
	}
	return c.print(s, n, func(out *table) {
		if n.Tasks == 0 {
			out.line("%s is drained and has no tasks; `coderflow nodes resume %s` lets it take some again", n.Name, n.ID)
			return
		}
		out.line("%s takes no tasks any more; it has %d left", n.Name, n.Tasks)
	})
}

func (c nodesDrainCmd) look(ctx context.Context, s streams, id string) (client.Node, error) {
	list, err := ask(ctx, c.whereFlags, s, func(l local) ([]client.Node, error) { return l.nodes(ctx) }, func(server *client.Client) ([]client.Node, error) { return server.Nodes(ctx) })
	if err != nil {
		return client.Node{}, err
	}
	for _, n := range list {
		if n.ID == id {
			return n, nil
		}
	}
	return client.Node{}, notFound("node %s is gone", id)
}

type nodesResumeCmd struct {
	whereFlags
	outputFlag
	Node string `arg:"" help:"Its id, or a name that only one has."`
}

// Help implements kong.HelpProvider.
func (nodesResumeCmd) Help() string {
	return `Exit status 4: there is no such node.

Example:

  coderflow nodes resume runner-1`
}

// Run resumes a node.
func (c nodesResumeCmd) Run(ctx context.Context, s streams) error {
	n, err := ask(ctx, c.whereFlags, s,
		func(l local) (client.Node, error) { return l.changeNode(ctx, c.Node, nodeDesk.Resume) },
		func(server *client.Client) (client.Node, error) { return server.ResumeNode(ctx, c.Node) })
	if err != nil {
		return err
	}
	return c.print(s, n, func(out *table) { out.line("%s takes tasks", n.Name) })
}

type nodesForgetCmd struct {
	whereFlags
	outputFlag
	Node string `arg:"" help:"Its id, or a name that only one has."`
}

// Help implements kong.HelpProvider.
func (nodesForgetCmd) Help() string {
	return `Only of a node that is lost and that no task waits for. Its tasks are then on no node: what is still asked of them is done by
any other. If its process starts again, it is back in the list.

Exit status 4: there is no such node.

Example:

  coderflow nodes forget runner-1`
}

// Run forgets a node.
func (c nodesForgetCmd) Run(ctx context.Context, s streams) error {
	n, err := ask(ctx, c.whereFlags, s,
		func(l local) (client.Node, error) { return l.changeNode(ctx, c.Node, nodeDesk.Forget) },
		func(server *client.Client) (client.Node, error) { return server.ForgetNode(ctx, c.Node) })
	if err != nil {
		return err
	}
	return c.print(s, n, func(out *table) { out.line("%s is forgotten", n.Name) })
}

func (l local) desk() nodeDesk { return nodeDesk{l.Store, &rules{store: l.Store}} }

func (l local) nodes(ctx context.Context) ([]client.Node, error) {
	all, err := l.desk().Nodes(ctx)
	list := make([]client.Node, len(all))
	for i, n := range all {
		list[i] = reportNode(n)
	}
	return list, err
}

func (l local) changeNode(ctx context.Context, name string, do func(nodeDesk, context.Context, web.NodeChange) (web.NodeStatus, error)) (client.Node, error) {
	n, err := do(l.desk(), ctx, web.NodeChange{Node: name, When: time.Now()})
	if errors.Is(err, task.ErrNotFound) {
		err = notFound("there is no node %q", name)
	}
	return reportNode(n), err
}

func reportNode(n web.NodeStatus) client.Node {
	return client.Node{
		ID: n.ID, Name: n.Name, State: string(n.State()), Labels: append([]string{}, n.Labels...), Serves: n.Serves, Slots: n.Slots, Running: n.Running,
		Tasks: n.Tasks, Version: n.Version, StartedAt: n.StartedAt.UTC(), SeenAt: n.SeenAt.UTC(), DrainedAt: moment(n.DrainedAt), LostAt: moment(n.LostAt),
	}
}
