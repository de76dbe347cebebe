package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

type sandboxInspectCmd struct {
	configFlag
	outputFlag
	Task string `arg:"" help:"Task id."`
}

// inspection is everything about one task's container and workspace.
type inspection struct {
	Task        task.ID         `json:"task"`
	State       task.State      `json:"state"`
	Failure     string          `json:"failure,omitempty"`
	Environment string          `json:"environment"`
	Repository  string          `json:"repository"`
	BaseCommit  string          `json:"baseCommit,omitempty"`
	Run         task.Run        `json:"run"`
	Container   *containerState `json:"container,omitempty"`
	OutputBytes int64           `json:"outputBytes"`
	Usage       task.Usage      `json:"usage"`
	Refusals    []task.Refusal  `json:"refusals,omitempty"`
	Hosts       []task.HostUse  `json:"hosts,omitempty"`
	Things      []thing         `json:"things"`
}

// containerState is what the engine and pid 1 say now.
type containerState struct {
	State  sandbox.State   `json:"state"`
	Reason sandbox.Reason  `json:"reason,omitempty"`
	Detail string          `json:"detail,omitempty"`
	Phases []sandbox.Phase `json:"phases,omitempty"`
}

// Run prints the inspection.
func (c sandboxInspectCmd) Run(ctx context.Context, s streams) error {
	return c.onNode(ctx, func(n node) error {
		found, err := n.inspect(ctx, c.Task)
		if err != nil {
			return err
		}
		if done, err := c.encoded(s, found); done {
			return err
		}
		return found.print(s)
	})
}

func (n node) inspect(ctx context.Context, id string) (inspection, error) {
	t, err := findTask(ctx, n.db, id)
	if err != nil {
		return inspection{}, err
	}
	i := inspection{
		Task: t.ID, State: t.State, Failure: t.Failure, Environment: t.Environment, Repository: t.Repository.FullName(),
		BaseCommit: t.BaseCommit, Run: t.Run,
	}
	if i.Usage, err = n.db.ModelUsage(ctx, t.ID); err != nil {
		return i, err
	}
	if i.Refusals, err = n.db.ModelRefusals(ctx, t.ID); err != nil {
		return i, err
	}
	if i.Hosts, err = n.db.HostUses(ctx, t.ID); err != nil {
		return i, err
	}
	if i.OutputBytes, err = n.db.LogSize(ctx, "task/"+id); err != nil {
		return i, err
	}
	if i.Container, err = n.container(ctx, t); err != nil {
		return i, err
	}
	all, err := n.things(ctx)
	i.Things = slices.DeleteFunc(all, func(other thing) bool { return other.Task != id })
	return i, err
}

func (n node) container(ctx context.Context, t task.Task) (*containerState, error) {
	if t.Run.Container == "" {
		return nil, nil
	}
	status, err := n.runner.Inspect(ctx, t.Run.Container)
	if err != nil {
		return nil, err
	}
	return &containerState{State: status.State, Reason: status.Reason, Detail: status.Detail, Phases: status.Phases}, nil
}

func (i inspection) print(s streams) error {
	table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	line := func(name string, value any) { fmt.Fprintf(table, "%s\t%s\n", name, visible(fmt.Sprint(value))) }
	line("task", fmt.Sprintf("%s, %s, environment %s, %s at %.12s", i.Task, i.State, i.Environment, i.Repository, i.BaseCommit))
	if i.Failure != "" {
		line("failure", i.Failure)
	}
	line("agent", fmt.Sprintf("%s %s", i.Run.Agent, i.Run.Model))
	line("image", i.Run.Image)
	if c := i.Container; c != nil {
		line("container", fmt.Sprintf("%s, %s %s", i.Run.Container, c.State, c.Reason))
		if c.Detail != "" {
			line("", c.Detail)
		}
		for _, p := range c.Phases {
			line("  "+p.Name, fmt.Sprintf("exit status %d after %s %s", p.ExitCode, p.Took.Round(time.Millisecond), p.Problem))
		}
	}
	line("output", fmt.Sprintf("%s; `coderflow tasks logs %s` prints it", sizeWords(i.OutputBytes), i.Task))
	if i.Usage.Requests > 0 {
		line("models", present.Spent(i.Run.Model, i.Usage))
	}
	for _, h := range i.Hosts {
		line("reached", fmt.Sprintf("%s: %d connections, %s", h.Host, h.Connections, sizeWords(h.Bytes)))
	}
	for _, r := range i.Refusals {
		line("refused", fmt.Sprintf("%s, %d times: %s", r.What, r.Count, r.Why))
	}
	for _, t := range i.Things {
		line(t.Kind, fmt.Sprintf("%s, kept: %s", t.Name, t.Kept))
	}
	return table.Flush()
}
