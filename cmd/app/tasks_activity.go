package main

import (
	"context"
	"strings"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/task"
)

type tasksActivityCmd struct {
	taskFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (tasksActivityCmd) Help() string {
	return `These are the agent's own words. -o json prints each event in full, one a line, -o yaml one a document.

Examples:

  coderflow tasks activity zzp6hr35kqtq
  coderflow tasks activity zzp6hr35kqtq -o json`
}

// Run prints the events of a task's agent.
func (c tasksActivityCmd) Run(ctx context.Context, s streams) error {
	show := func(e activity.Event) error { return c.printEach(s, e, e.Line()) }
	_, err := askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, t task.Task) (done struct{}, err error) { return done, l.activity(ctx, t, show) },
		func(server *client.Client) (done struct{}, err error) {
			return done, activityAt(ctx, server, c.Task, show)
		})
	return err
}

// activityAt hands over what the server has so far.
func activityAt(ctx context.Context, server *client.Client, id string, each func(activity.Event) error) error {
	for next := int64(0); ; {
		part, err := server.Activity(ctx, id, next)
		if err != nil {
			return err
		}
		for _, event := range part.Items {
			if err := each(event); err != nil {
				return err
			}
		}
		if part.End || part.Next == next {
			return nil
		}
		next = part.Next
	}
}

// formatOf is how the task's agent writes; before it started nothing is written.
func formatOf(t task.Task) activity.Format {
	name, _, _ := strings.Cut(t.Run.Agent, " ")
	preset, err := agent.Lookup(name)
	if err != nil {
		return activity.Text
	}
	return preset.Output
}
