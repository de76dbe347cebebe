package main

import (
	"context"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

type tasksModelsCmd struct {
	taskFlags
	outputFlag
	Transcript bool `help:"Print every request and answer instead, one JSON document a line; secrets are redacted. On the server's machine only."`
}

// Help implements kong.HelpProvider.
func (tasksModelsCmd) Help() string {
	return `Examples:

  coderflow tasks models zzp6hr35kqtq
  coderflow tasks models zzp6hr35kqtq -o json`
}

// Run shows what a task did through the gateway.
func (c tasksModelsCmd) Run(ctx context.Context, s streams) error {
	if c.Transcript {
		return c.transcript(ctx, s)
	}
	r, err := askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, t task.Task) (client.Models, error) { return l.models(ctx, t) },
		func(server *client.Client) (client.Models, error) { return server.Models(ctx, c.Task) })
	if err != nil {
		return err
	}
	return c.print(s, r, func(t *table) { drawModels(t, r) })
}

func (c tasksModelsCmd) transcript(ctx context.Context, s streams) error {
	_, err := askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, t task.Task) (done struct{}, err error) {
			return done, printLog(ctx, l.Store, "model/"+string(t.ID), s.out)
		},
		func(*client.Client) (done struct{}, err error) {
			return done, usage("--transcript: only on the server's machine; the API does not give transcripts")
		})
	return err
}

func drawModels(t *table, r client.Models) {
	t.line("%s: %s", r.Agent, present.Spent(r.Model, r.Usage))
	if n := r.Usage.Redactions; n > 0 {
		t.line("secrets taken out of requests: %d", n)
	}
	if len(r.Hosts) > 0 {
		t.line("")
		t.row("REACHED", "CONNECTIONS", "BYTES")
	}
	for _, h := range r.Hosts {
		t.row(h.Host, h.Connections, h.Bytes)
	}
	if len(r.Refusals) > 0 {
		t.line("")
		t.row("REFUSED", "TIMES", "WHY")
	}
	for _, refused := range r.Refusals {
		t.row(refused.What, refused.Count, refused.Why)
	}
}
