package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/task"
)

type checksCmd struct {
	List checksListCmd `cmd:"" default:"withargs" help:"List the checks of a task, with every attempt."`
	Show checksShowCmd `cmd:"" help:"Show one check of a task."`
	Logs checksLogsCmd `cmd:"" help:"Print what a check wrote."`
}

type checksListCmd struct {
	taskFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (checksListCmd) Help() string {
	return `Examples:

  coderflow checks zzp6hr35kqtq
  coderflow checks list zzp6hr35kqtq -o json`
}

// Run lists checks.
func (c checksListCmd) Run(ctx context.Context, s streams) error {
	all, err := examinations(ctx, c.taskFlags, s)
	if err != nil {
		return err
	}
	checks := ofKind(all, task.Check)
	return c.print(s, checks, func(t *table) {
		t.row("CHECK", "REVISION", "ATTEMPT", "STATE", "TOOK", "ID", "WHAT IT SAYS")
		for _, x := range checks {
			t.row(x.Name, x.Revision, x.Attempt, x.State, tookOf(x), x.ID, x.Summary)
		}
	})
}

// tookOf is how long it ran; a dash if it did not, or does still.
func tookOf(x task.Examination) string {
	if x.StartedAt.IsZero() || x.FinishedAt.Before(x.StartedAt) {
		return "-"
	}
	return x.FinishedAt.Sub(x.StartedAt).Round(100 * time.Millisecond).String()
}

// examinations are those of a task, oldest first.
func examinations(ctx context.Context, f taskFlags, s streams) ([]task.Examination, error) {
	return askTask(ctx, f.whereFlags, s, f.Task,
		func(l local, t task.Task) ([]task.Examination, error) { return l.Examinations(ctx, t.ID) },
		func(server *client.Client) ([]task.Examination, error) { return server.Examinations(ctx, f.Task) })
}

func ofKind(all []task.Examination, kind task.ExaminationKind) []task.Examination {
	found := []task.Examination{}
	for _, x := range all {
		if x.Kind == kind {
			found = append(found, x)
		}
	}
	return found
}

// checkFlags name one check of a task.
type checkFlags struct {
	taskFlags
	Check string `arg:"" optional:"" placeholder:"NAME" help:"Name of the check, whose last attempt is meant, or an id. Default: the only one."`
}

// find is the examination of an id, or the last attempt of a name for the newest revision.
func (f checkFlags) find(all []task.Examination) (task.Examination, error) {
	checks := ofKind(all, task.Check)
	if len(checks) == 0 {
		return task.Examination{}, notFound("task %s has no checks", f.Task)
	}
	var names []string
	latest := task.LatestExaminations(checks, checks[len(checks)-1].Revision)
	for _, x := range latest {
		if x.Name == f.Check || f.Check == "" && len(latest) == 1 {
			return x, nil
		}
		names = append(names, x.Name)
	}
	for _, x := range all {
		if x.ID == f.Check {
			return x, nil
		}
	}
	if f.Check == "" {
		return task.Examination{}, usage("which check? The task has %s", strings.Join(names, ", "))
	}
	return task.Examination{}, notFound("task %s has no check %q; it has %s", f.Task, f.Check, strings.Join(names, ", "))
}

type checksShowCmd struct {
	checkFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (checksShowCmd) Help() string {
	return `Examples:

  coderflow checks show zzp6hr35kqtq tests
  coderflow checks show zzp6hr35kqtq tests -o yaml`
}

// Run shows one check.
func (c checksShowCmd) Run(ctx context.Context, s streams) error {
	all, err := examinations(ctx, c.taskFlags, s)
	if err != nil {
		return err
	}
	x, err := c.find(all)
	if err != nil {
		return err
	}
	return c.print(s, x, func(t *table) {
		t.row("id", x.ID)
		t.row("check", x.Name)
		t.row("state", x.State)
		t.row("says", x.Summary)
		t.row("of", fmt.Sprintf("revision %d, %s", x.Revision, x.Digest))
		t.row("attempt", x.Attempt)
		t.row("asked for by", x.RequestedBy)
		t.row("defined as", fmt.Sprintf("%s, in manifests %s", x.Definition, x.PolicyVersion))
		t.row("container", x.Container)
		t.row("image", x.Image)
		t.row("exit status", x.ExitCode)
		t.row("took", tookOf(x))
	})
}

type checksLogsCmd struct {
	checkFlags
	Follow bool `short:"f" help:"Go on until the check has ended."`
}

// Help implements kong.HelpProvider.
func (checksLogsCmd) Help() string {
	return `What a terminal would act on is shown as escapes.

Examples:

  coderflow checks logs zzp6hr35kqtq tests
  coderflow checks logs -f zzp6hr35kqtq tests`
}

// Run prints what a check wrote with control characters made visible.
func (c checksLogsCmd) Run(ctx context.Context, s streams) error {
	all, err := examinations(ctx, c.taskFlags, s)
	if err != nil {
		return err
	}
	x, err := c.find(all)
	if err != nil {
		return err
	}
	reader := logReader{
		follow: c.Follow, out: s.out, sleep: sleep,
		warn: func(text string) { fmt.Fprintln(s.err, "coderflow:", visible(text)) },
	}
	_, err = askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, _ task.Task) (done struct{}, err error) {
			return done, reader.run(ctx, func(from int64) (client.LogPiece, error) { return l.examinationPiece(ctx, x.ID, from) })
		},
		func(server *client.Client) (done struct{}, err error) {
			return done, reader.run(ctx, func(from int64) (client.LogPiece, error) {
				return server.ExaminationLog(ctx, c.Task, x.ID, from, c.Follow)
			})
		})
	return err
}

// examinationPiece reads a piece that ends with a whole character.
func (l local) examinationPiece(ctx context.Context, id string, from int64) (client.LogPiece, error) {
	x, err := l.Examination(ctx, id) // before the log: what is written after it is seen the next time
	if err != nil {
		return client.LogPiece{}, err
	}
	text, err := l.ReadLog(ctx, x.LogStream(), from, logPiece)
	over := x.State.Ended() && len(text) < logPiece
	if !over {
		text = whole(text)
	}
	return client.LogPiece{Text: string(text), Next: from + int64(len(text)), End: over}, err
}
