package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

type judgesCmd struct {
	List      judgesListCmd      `cmd:"" help:"List what the judges of a task said."`
	Show      judgesShowCmd      `cmd:"" help:"Print a verdict in full."`
	Calibrate judgesCalibrateCmd `cmd:"" help:"Measure judges: known defects in copies of past changes, and how many of them each finds."`
}

type judgesListCmd struct {
	taskFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (judgesListCmd) Help() string {
	return `At a server, without what each spent and what was measured of it.

Examples:

  coderflow judges list zzp6hr35kqtq
  coderflow judges list zzp6hr35kqtq -o json`
}

// judgeRow is one try of a judge.
type judgeRow struct {
	task.Examination
	Usage    task.Usage      `json:"usage"`
	Measured *judge.Measured `json:"measured,omitempty"`
}

// Run lists every try.
func (c judgesListCmd) Run(ctx context.Context, s streams) error {
	rows, err := askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, t task.Task) ([]judgeRow, error) { return judgeRows(ctx, l.Store, t.ID) },
		func(server *client.Client) ([]judgeRow, error) {
			all, err := server.Examinations(ctx, c.Task)
			rows := []judgeRow{}
			for _, x := range ofKind(all, task.Judge) {
				rows = append(rows, judgeRow{Examination: x})
			}
			return rows, err
		})
	if err != nil {
		return err
	}
	return c.print(s, rows, func(t *table) {
		t.row("JUDGE", "ID", "REVISION", "TRY", "STATE", "SAYS", "COST", "MEASURED")
		for _, r := range rows {
			t.row(r.Name, r.ID, r.Revision, r.Attempt, r.State, r.Summary, present.Dollars(r.Usage.Cost), measuredWords(r.Measured))
		}
	})
}

func judgeRows(ctx context.Context, db *store.Store, id task.ID) ([]judgeRow, error) {
	all, err := db.Examinations(ctx, id)
	if err != nil {
		return nil, err
	}
	rows := []judgeRow{}
	for _, x := range ofKind(all, task.Judge) {
		row := judgeRow{Examination: x}
		if row.Usage, err = db.ContainerUsage(ctx, x.ID); err != nil {
			return nil, err
		}
		m, err := db.Measured(ctx, x.Environment, x.Name, x.Definition)
		switch {
		case err == nil:
			row.Measured = &m
		case !errors.Is(err, task.ErrNotFound):
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func measuredWords(m *judge.Measured) string {
	if m == nil {
		return "never"
	}
	return fmt.Sprintf("finds %d of %d, %d false alarms of %d", m.Found, m.Seeded, m.Alarms, m.Clean)
}

type judgesShowCmd struct {
	configFlag
	outputFlag
	Examination string `arg:"" help:"Id, as judges list shows it."`
}

// Help implements kong.HelpProvider.
func (judgesShowCmd) Help() string {
	return `Works on the database of this machine.

Example:

  coderflow judges show 3hcwrqfjk2ab`
}

// Run prints one try.
func (c judgesShowCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error {
		x, err := db.Examination(ctx, c.Examination)
		if err != nil && !errors.Is(err, task.ErrNotFound) {
			return err
		}
		if err != nil || x.Kind != task.Judge {
			return notFound("there is no verdict %q; `coderflow judges list TASK` lists those of a task", c.Examination)
		}
		return c.print(s, x, func(t *table) { drawVerdict(t, x) })
	})
}

func drawVerdict(t *table, x task.Examination) {
	t.line("judge %s about revision %d of task %s: %s", x.Name, x.Revision, x.Task, x.State)
	t.line("%s", oneLine(x.Summary))
	var v judge.Verdict
	if x.State != task.ExaminationPassed || json.Unmarshal(x.Result, &v) != nil {
		return
	}
	t.line("\n%s", v.Summary)
	for _, a := range judge.Aspects() {
		t.line("\n%s %d of %d", a, v.Scores[a].Score, judge.MaxScore)
		t.line("%s", v.Scores[a].Notes)
	}
	for _, f := range v.Findings {
		t.line("\n%s at %s line %d: %s", f.Severity, oneLine(f.Path), f.Line, oneLine(f.Title))
		t.line("%s", f.Text)
	}
}
