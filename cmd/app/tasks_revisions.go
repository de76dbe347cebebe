package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/web"
)

type tasksRevisionsCmd struct {
	taskFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (tasksRevisionsCmd) Help() string {
	return `The first proposal is the request's own; here are the rounds after it. One that came to nothing left the proposal
before it as it was. How two of them differ is shown by tasks diff, with --revision and --against.

Examples:

  coderflow tasks revisions zzp6hr35kqtq`
}

// Run lists the revisions of a task's proposal.
func (c tasksRevisionsCmd) Run(ctx context.Context, s streams) error {
	list, err := askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, t task.Task) ([]task.Revision, error) { return l.Revisions(ctx, t.ID) },
		func(server *client.Client) ([]task.Revision, error) { return server.Revisions(ctx, c.Task) })
	if err != nil {
		return err
	}
	if list == nil {
		list = []task.Revision{}
	}
	return c.print(s, list, func(out *table) { drawRevisions(out, list) })
}

func drawRevisions(out *table, list []task.Revision) {
	if len(list) == 0 {
		out.line("the proposal was not revised")
		return
	}
	out.row("REVISION", "AFTER", "BY", "STATE", "ASKED FOR BY", "STARTED", "SAID")
	for _, r := range list {
		var who, said []string
		for _, f := range r.Feedback {
			who = append(who, f.By.Login)
			text := strings.Join(strings.Fields(f.Text), " ")
			if n := len(f.Remarks); n > 0 {
				text += fmt.Sprintf(" (%d remarks on lines)", n)
			}
			said = append(said, text)
		}
		out.row(fmt.Sprint(r.Number), fmt.Sprint(r.After), string(r.Kind), string(r.State), strings.Join(who, ", "),
			r.StartedAt.UTC().Format(time.RFC3339), strings.TrimSpace(strings.Join(said, "; ")))
		if r.Outcome != "" {
			out.row("", "", "", "", "", "", r.Outcome)
		}
	}
}

// revisionOf reads one proposal of a task; 0 is the one that is up.
func (l local) revisionOf(ctx context.Context, t task.Task, number int) (p task.Proposal, err error) {
	if number == 0 {
		p, err = l.Proposal(ctx, t.ID)
		if errors.Is(err, task.ErrNotFound) {
			return p, notFound("the task has no proposal; its state says why: %s", t.State)
		}
	} else {
		p, err = l.ProposalBefore(ctx, t.ID, number+1)
		if errors.Is(err, task.ErrNotFound) || err == nil && p.Revision != number {
			return p, notFound("the task has proposed no revision %d", number)
		}
	}
	if err == nil {
		err = p.Verify()
	}
	return p, err
}

// between compares two proposals in the mirrors of this server, which may be running.
func (l local) between(ctx context.Context, from, to task.Proposal) ([]byte, error) {
	cfg, err := l.cfg()
	if err != nil {
		return nil, err
	}
	compared, err := gitops.CompareIn(ctx, gitOptions(cfg.DataDir), gitops.CompareRequest{Repository: to.Repository, From: from.Tree, To: to.Tree})
	switch {
	case errors.Is(err, gitops.ErrObjectMissing):
		return nil, notFound("the results of these revisions are not on this server")
	case err == nil && compared.Cut:
		return nil, web.ErrDiffTooLong
	}
	return compared.Diff, err
}

// comparisons compare proposals for the API.
type comparisons struct{ engine *engine.Engine }

// Between implements web.Comparisons.
func (c comparisons) Between(ctx context.Context, from, to task.Proposal) ([]byte, error) {
	compared, err := c.engine.Between(ctx, from, to)
	switch {
	case errors.Is(err, gitops.ErrObjectMissing):
		return nil, task.ErrNotFound
	case err == nil && compared.Cut:
		return nil, web.ErrDiffTooLong
	}
	return compared.Diff, err
}
