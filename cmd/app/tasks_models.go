package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

type tasksModelsCmd struct {
	configFlag
	Task       string `arg:"" help:"Task id."`
	Transcript bool   `help:"Print every request and answer instead, one JSON document a line; secrets are redacted."`
	JSON       bool   `help:"Print as JSON."`
}

// modelReport is what `tasks models --json` prints.
type modelReport struct {
	Task     task.ID        `json:"task"`
	Agent    string         `json:"agent,omitempty"`
	Model    string         `json:"model,omitempty"`
	Usage    task.Usage     `json:"usage"`
	Refusals []task.Refusal `json:"refusals"`
	Hosts    []task.HostUse `json:"hosts"`
}

// Run shows what a task did through the gateway.
func (c tasksModelsCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error {
		if c.Transcript {
			return printLog(ctx, db, "model/"+c.Task, s.out)
		}
		report, err := readModels(ctx, db, c.Task)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s, report)
		}
		return report.print(s)
	})
}

func readModels(ctx context.Context, db *store.Store, id string) (modelReport, error) {
	t, err := findTask(ctx, db, id)
	if err != nil {
		return modelReport{}, err
	}
	r := modelReport{Task: t.ID, Agent: t.Run.Agent, Model: t.Run.Model}
	if r.Usage, err = db.ModelUsage(ctx, t.ID); err != nil {
		return r, err
	}
	if r.Refusals, err = db.ModelRefusals(ctx, t.ID); err != nil {
		return r, err
	}
	r.Hosts, err = db.HostUses(ctx, t.ID)
	return r, err
}

func (r modelReport) print(s streams) error {
	fmt.Fprintf(s.out, "%s: %s\n", r.Agent, present.Spent(r.Model, r.Usage))
	if n := r.Usage.Redactions; n > 0 {
		fmt.Fprintf(s.out, "secrets taken out of requests: %d\n", n)
	}
	table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	if len(r.Hosts) > 0 {
		fmt.Fprintln(table, "\nREACHED\tCONNECTIONS\tBYTES")
	}
	for _, h := range r.Hosts {
		fmt.Fprintf(table, "%s\t%d\t%d\n", visible(h.Host), h.Connections, h.Bytes)
	}
	if len(r.Refusals) > 0 {
		fmt.Fprintln(table, "\nREFUSED\tTIMES\tWHY")
	}
	for _, refused := range r.Refusals {
		fmt.Fprintf(table, "%s\t%d\t%s\n", visible(refused.What), refused.Count, visible(refused.Why))
	}
	return table.Flush()
}
