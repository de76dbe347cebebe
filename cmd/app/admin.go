package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// with opens the database of an installation, for a command beside the server.
func (f configFlag) with(ctx context.Context, use func(*store.Store) error) error {
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(use(db), db.Close())
}

// open opens the database of an installation for a command beside the server.
func (f configFlag) open(ctx context.Context) (*store.Store, error) {
	cfg, err := f.load()
	if err != nil {
		return nil, err
	}
	return openStore(ctx, cfg, slog.New(slog.DiscardHandler))
}

// findTask finds a task by what a person typed.
func findTask(ctx context.Context, db *store.Store, id string) (task.Task, error) {
	parsed, err := task.ParseID(id)
	if err != nil {
		return task.Task{}, err
	}
	t, err := db.Task(ctx, parsed)
	if errors.Is(err, task.ErrNotFound) {
		return t, fmt.Errorf("there is no task %s; `coderflow tasks` lists them", id)
	}
	return t, err
}

type migrateCmd struct{ configFlag }

// Run migrates the database.
func (c migrateCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(*store.Store) error {
		_, err := fmt.Fprintln(s.out, "the database is at this version")
		return err
	})
}

type tasksCmd struct {
	List     tasksListCmd     `cmd:"" default:"withargs" help:"List tasks, newest first."`
	Logs     tasksLogsCmd     `cmd:"" help:"Print the output of a task's container."`
	Activity tasksActivityCmd `cmd:"" help:"Print what a task's agent did, in readable form."`
	Models   tasksModelsCmd   `cmd:"" help:"Print what a task did through the model gateway: spending, hosts, refusals."`
}

type tasksListCmd struct {
	configFlag
	Limit int `default:"50" help:"How many at the most."`
}

// Run lists tasks.
func (c tasksListCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error {
		tasks, err := db.Tasks(ctx, store.TaskFilter{Limit: c.Limit})
		if err != nil {
			return err
		}
		return printTasks(s, tasks)
	})
}

func printTasks(s streams, tasks []task.Task) error {
	table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "TASK\tSTATE\tENVIRONMENT\tREPOSITORY\tISSUE\tPULL REQUEST\tREQUESTED BY\tCREATED")
	for _, t := range tasks {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", t.ID, t.State, t.Environment, t.Repository.FullName(),
			t.Issue, t.PullRequest, t.Requester.Login, t.CreatedAt.UTC().Format("2006-01-02 15:04"))
	}
	return table.Flush()
}

type tasksLogsCmd struct {
	configFlag
	Task string `arg:"" help:"Task id."`
}

// Run prints a task's output with control characters made visible.
func (c tasksLogsCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error { return printLog(ctx, db, "task/"+c.Task, s.out) })
}

type auditCmd struct {
	configFlag
	Task string `help:"Only entries of this task."`
}

// Run prints the audit log, oldest entry first.
func (c auditCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error {
		filter := store.AuditFilter{Task: c.Task, Limit: 500}
		for {
			entries, err := db.AuditEntries(ctx, filter)
			if err != nil || len(entries) == 0 {
				return err
			}
			for _, e := range entries {
				fmt.Fprintf(s.out, "%d\t%s\t%s\t%s\t%s\t%s\n", e.Seq, e.At.UTC().Format(time.RFC3339), e.Actor, e.Action, e.Task, visible(string(e.Detail)))
				filter.AfterSeq = e.Seq
			}
		}
	})
}
