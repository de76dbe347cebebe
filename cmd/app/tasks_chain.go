package main

import (
	"context"
	"errors"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

type tasksChainCmd struct {
	taskFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (tasksChainCmd) Help() string {
	return `Who asked, what made the change, who approved it, which commit that made, where it was pushed and deployed: each
with the number of the entry of the audit log that proves it. It is read from the log and compared with the task's
records; what differs is told, and the exit status is 1 then.

Examples:

  coderflow tasks chain zzp6hr35kqtq
  coderflow tasks chain zzp6hr35kqtq -o json`
}

// Run prints the chain of a task.
func (c tasksChainCmd) Run(ctx context.Context, s streams) error {
	chain, err := askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, t task.Task) (audit.Chain, error) { return chains{l.Store}.Chain(ctx, t.ID) },
		func(server *client.Client) (audit.Chain, error) { return server.Chain(ctx, c.Task) })
	if err != nil {
		return err
	}
	if err := c.print(s, chain, func(t *table) { drawChain(t, chain) }); err != nil {
		return err
	}
	if len(chain.Differences) > 0 {
		return errDiffers
	}
	return nil
}

var errDiffers = errors.New("the audit log and the records of the task do not say the same")

// drawChain has a line for each act, and "none" for a step without.
func drawChain(t *table, chain audit.Chain) {
	t.row("STEP", "WHEN", "WHO", "ENTRY", "WHAT", "AT THE FORGE")
	for _, step := range chain.Steps {
		if len(step.Acts) == 0 {
			t.row(step.Name, "", "", "", "none", "")
		}
		for _, a := range step.Acts {
			what := a.What
			for _, f := range a.Facts {
				if f.Name == "commit" || f.Name == "digest" || f.Name == "image" || f.Name == "agent" {
					what += ", " + f.Name + " " + f.Value
				}
			}
			if a.Ended != "" {
				what += " (" + a.Ended + ")"
			}
			t.row(step.Name, a.At.UTC().Format(time.RFC3339), named(client.User{Subject: a.By, Login: a.Login}), a.Entry, what, dash(a.URL))
		}
	}
	if chain.Hidden > 0 {
		t.line("deployments that you may not see: %d", chain.Hidden)
	}
	for _, d := range chain.Differences {
		t.line("✗ %s", d)
	}
}

// chains are the approval chains of the store's tasks.
type chains struct{ *store.Store }

// Chain implements web.Chains.
func (s chains) Chain(ctx context.Context, id task.ID) (audit.Chain, error) {
	return engine.Chain(ctx, s, id)
}

// maxTaskLog bounds the entries of one task that are read.
const maxTaskLog = 50_000

// TaskLog implements engine.ChainReader, page by page.
func (s chains) TaskLog(ctx context.Context, id task.ID) (all []audit.Entry, err error) {
	const most = 1000
	for after := int64(0); len(all) < maxTaskLog; {
		list, err := s.AuditEntries(ctx, store.AuditFilter{Task: string(id), AfterSeq: after, Limit: most})
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
		if len(list) < most {
			break
		}
		after = list[most-1].Seq
	}
	return all, nil
}
