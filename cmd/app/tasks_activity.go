package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

type tasksActivityCmd struct {
	configFlag
	Task string `arg:"" help:"Task id."`
	JSON bool   `help:"Print each event as JSON, one a line, in full."`
}

// Run prints the events of a task's agent. They are the agent's word.
func (c tasksActivityCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error {
		t, err := findTask(ctx, db, c.Task)
		if err != nil {
			return err
		}
		parser := activity.NewParser(formatOf(t))
		for offset := int64(0); ; {
			piece, err := db.ReadLog(ctx, "task/"+c.Task, offset, 64<<10)
			if err != nil {
				return err
			}
			if len(piece) == 0 {
				return c.print(s, parser.Close())
			}
			offset += int64(len(piece))
			if err := c.print(s, parser.Feed(piece)); err != nil {
				return err
			}
		}
	})
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

func (c tasksActivityCmd) print(s streams, events []activity.Event) error {
	encoder := json.NewEncoder(s.out)
	for _, event := range events {
		var err error
		if c.JSON {
			err = encoder.Encode(event)
		} else if line := event.Line(); line != "" {
			_, err = fmt.Fprintln(s.out, visible(line))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
