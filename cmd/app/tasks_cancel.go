package main

import (
	"context"
	"fmt"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/task"
)

type tasksCancelCmd struct {
	taskFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (tasksCancelCmd) Help() string {
	return `Whoever requested the task may cancel it, and who has tasks:cancel in its environment. Doing it again is no
error. What was approved and is being carried out cannot be cancelled.

Example:

  coderflow tasks cancel zzp6hr35kqtq`
}

// Run asks to end a task.
func (c tasksCancelCmd) Run(ctx context.Context, s streams) error {
	t, err := askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, t task.Task) (client.Task, error) { return l.cancel(ctx, t) },
		func(server *client.Client) (client.Task, error) { return server.Cancel(ctx, c.Task) })
	if err != nil {
		return err
	}
	return c.print(s, t, func(out *table) {
		if t.Ended {
			out.line("task %s is %s", t.ID, t.State)
			return
		}
		out.line("%s", fmt.Sprintf("task %s is being cancelled; `coderflow tasks show %s` tells when it is over", t.ID, t.ID))
	})
}
