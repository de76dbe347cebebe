package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/task"
)

// taskFlags are of commands about one task.
type taskFlags struct {
	whereFlags
	Task string `arg:"" help:"Task id."`
}

type tasksShowCmd struct {
	taskFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (tasksShowCmd) Help() string {
	return `Exit status 4: there is no such task, or you may not see it.

Examples:

  coderflow tasks show zzp6hr35kqtq
  coderflow tasks show zzp6hr35kqtq -o yaml`
}

// Run shows a task.
func (c tasksShowCmd) Run(ctx context.Context, s streams) error {
	t, err := askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, t task.Task) (client.Task, error) { return l.withFreeze(ctx, t) },
		func(server *client.Client) (client.Task, error) { return server.Task(ctx, c.Task) })
	if err != nil {
		return err
	}
	return c.print(s, t, func(out *table) { drawTask(out, t) })
}

// drawTask leaves out what is not there.
func drawTask(out *table, t client.Task) {
	line := func(name, text string) {
		if text != "" {
			out.row(name, text)
		}
	}
	state := t.State
	if t.CancelRequested && !t.Ended {
		state += ", being cancelled"
	}
	line("task", t.ID)
	line("state", state)
	if t.Frozen != nil {
		line("frozen", fmt.Sprintf("%s, by %s since %s: %s", frozenWhat(*t.Frozen), frozenBy(*t.Frozen), t.Frozen.At.UTC().Format(time.RFC3339), t.Frozen.Reason))
	}
	if t.Line != nil {
		line("in line", fmt.Sprintf("%d of %d%s", t.Line.Place, t.Line.Waiting, dashed(t.Line.Why)))
	}
	line("failure", t.Failure)
	line("title", t.Title)
	line("environment", t.Environment)
	line("repository", fmt.Sprintf("%s (%s)", t.Repository.Name, t.Repository.Key))
	line("issue", fmt.Sprint(t.Issue))
	line("triggered by", t.TriggerURL)
	line("requested by", fmt.Sprintf("%s (%s)", t.Requester.Login, t.Requester.Subject))
	if t.Places > 0 {
		line("variant", fmt.Sprintf("%d of %d, %s, in group %s", t.Place, t.Places, t.Variant, t.Group))
	} else {
		line("variant", t.Variant)
	}
	line("replaced by", t.ReplacedBy)
	line("base", t.BaseBranch+" "+t.BaseCommit)
	line("pull request", t.PullRequestURL)
	line("landed as", t.LandedCommit)
	line("node", t.Run.Node)
	line("agent", t.Run.Agent)
	line("model", t.Run.Model)
	line("started", shown(t.Run.StartedAt))
	line("finished", shown(t.Run.FinishedAt))
	if t.Run.ExitCode != nil {
		line("exit code", fmt.Sprint(*t.Run.ExitCode))
	}
	line("because", t.Run.Reason)
	line("policy version", t.PolicyVersion)
	line("created", t.CreatedAt.UTC().Format(time.RFC3339))
	line("updated", t.UpdatedAt.UTC().Format(time.RFC3339))
}

// dashed is a reason behind what it is the reason of.
func dashed(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// shown is a time that may not have come; empty then.
func shown(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
