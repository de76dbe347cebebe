package main

import (
	"context"

	"github.com/coderflow/coderflow/internal/client"
)

type tasksCmd struct {
	List      tasksListCmd      `cmd:"" default:"withargs" help:"List tasks, newest first."`
	Show      tasksShowCmd      `cmd:"" help:"Show one task."`
	Logs      tasksLogsCmd      `cmd:"" help:"Print the output of a task's container."`
	Diff      tasksDiffCmd      `cmd:"" help:"Print the diff that is up for approval."`
	Revisions tasksRevisionsCmd `cmd:"" help:"List how often a proposal was sent back, by whom, and what became of it."`
	Cancel    tasksCancelCmd    `cmd:"" help:"Stop a task."`
	Activity  tasksActivityCmd  `cmd:"" help:"Print what a task's agent did, in readable form."`
	Chain     tasksChainCmd     `cmd:"" help:"Print how a task came to what it did: who asked, approved, pushed and deployed, by the audit log."`
	Models    tasksModelsCmd    `cmd:"" help:"Print what a task did through the model gateway: spending, hosts, refusals."`
}

// maxTasks is how many the database gives at once.
const maxTasks = 1000

type tasksListCmd struct {
	whereFlags
	outputFlag
	State       string `placeholder:"STATE,…" predictor:"state" help:"Only tasks in one of these states."`
	Environment string `placeholder:"NAME" help:"Only tasks of this environment."`
	Repository  string `placeholder:"HOST:ID" help:"Only tasks of this repository, by the forge's own id: github:1296269."`
	Requester   string `placeholder:"WHO" help:"Only tasks that WHO asked for: github:583231, or the login that they had then."`
	Search      string `placeholder:"TEXT" help:"Only tasks with each of these words in the title, or as id, or as number of the issue or pull request."`
	Limit       int    `default:"50" help:"How many at the most, up to 1000."`
}

// Help implements kong.HelpProvider.
func (tasksListCmd) Help() string {
	return `Examples:

  coderflow tasks
  coderflow tasks list --state queued,running --environment staging
  coderflow tasks list --search 'login #7' --requester octocat
  coderflow tasks list --repository github:1296269 --limit 5 -o json`
}

// Run lists tasks.
func (c tasksListCmd) Run(ctx context.Context, s streams) error {
	if c.Limit < 1 || c.Limit > maxTasks {
		return usage("--limit: want 1 to %d", maxTasks)
	}
	filter := client.TaskFilter{State: c.State, Environment: c.Environment, Repository: c.Repository, Requester: c.Requester, Text: c.Search, Limit: c.Limit}
	tasks, err := ask(ctx, c.whereFlags, s,
		func(l local) ([]client.Task, error) { return l.tasks(ctx, filter) },
		func(server *client.Client) ([]client.Task, error) { return server.Tasks(ctx, filter) })
	if err != nil {
		return err
	}
	return c.print(s, tasks, func(t *table) {
		t.row("TASK", "STATE", "ENVIRONMENT", "REPOSITORY", "ISSUE", "PULL REQUEST", "REQUESTED BY", "CREATED")
		for _, task := range tasks {
			t.row(task.ID, task.State, task.Environment, task.Repository.Name, task.Issue, task.PullRequest, task.Requester.Login,
				task.CreatedAt.UTC().Format(minutes))
		}
	})
}

// minutes is how tables show a time, in UTC.
const minutes = "2006-01-02 15:04"
