package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

type judgesCalibrateCmd struct {
	configFlag
	outputFlag
	Environment string `arg:"" help:"Environment whose judges are measured."`
	Judge       string `help:"Only this one." placeholder:"NAME"`
	Tasks       int    `default:"5" help:"How many past changes are copied, the newest first."`
}

// Help implements kong.HelpProvider.
func (judgesCalibrateCmd) Help() string {
	return `Runs on a server's machine, beside the server or without it. Of each of the newest changes that landed, a copy gets one
known defect in a line that the change added, and another stays as it is; each judge is asked about both, in containers as
for a proposal, and spends money on models as there. What is measured is stored, and shown beside the judge's verdicts until
it is defined otherwise.

Examples:

  coderflow judges calibrate staging --tasks 10
  coderflow judges calibrate staging --judge strict -o json`
}

// maxCalibrated bounds what one calibration costs, in past changes.
const maxCalibrated = 100

// Run measures the judges.
func (c judgesCalibrateCmd) Run(ctx context.Context, s streams) error {
	if c.Tasks < 1 || c.Tasks > maxCalibrated {
		return usage("--tasks: want between 1 and %d", maxCalibrated)
	}
	return c.onNode(ctx, func(n node) error {
		past, err := landedTasks(ctx, n.db, c.Environment, c.Tasks)
		if err != nil {
			return err
		}
		if len(past) == 0 {
			return fmt.Errorf("no change has landed in environment %s yet, so there is nothing to copy", c.Environment)
		}
		measured, err := n.calibrate(ctx, engine.Calibration{
			Environment: c.Environment, Judge: c.Judge, Past: past, By: audit.System,
			Tell: func(text string) { fmt.Fprintln(s.err, oneLine(text)) },
		})
		if err != nil {
			return err
		}
		return c.print(s, measured, func(t *table) { drawMeasured(t, measured) })
	})
}

func drawMeasured(t *table, measured []judge.Measured) {
	t.row("JUDGE", "FOUND", "FALSE ALARMS", "NO VERDICT", "BY CATEGORY")
	for _, m := range measured {
		var kinds string
		for _, category := range slices.Sorted(maps.Keys(m.ByCategory)) {
			kinds += fmt.Sprintf("%s %d of %d  ", category, m.ByCategory[category].Found, m.ByCategory[category].Seeded)
		}
		t.row(m.Judge, fmt.Sprintf("%d of %d", m.Found, m.Seeded), fmt.Sprintf("%d of %d", m.Alarms, m.Clean), m.Broken, kinds)
	}
}

// landedTasks are those of the environment whose change landed, the newest first.
func landedTasks(ctx context.Context, db *store.Store, environment string, most int) ([]task.Task, error) {
	var landed []task.Task
	before := task.ID("")
	for len(landed) < most {
		page, err := db.TaskList(ctx, store.TaskFilter{Environments: []string{environment}, Limit: 100}, before)
		if err != nil || len(page) == 0 {
			return landed, err
		}
		for _, t := range page {
			if before = t.ID; t.State.HasLanded() && len(landed) < most {
				whole, err := db.Task(ctx, t.ID) // lists have no texts of requests
				if err != nil {
					return nil, err
				}
				landed = append(landed, whole)
			}
		}
	}
	return landed, nil
}

// calibrate makes an engine of this process's own: nothing of it is in a queue.
func (n node) calibrate(ctx context.Context, c engine.Calibration) ([]judge.Measured, error) {
	log := slog.New(slog.DiscardHandler)
	models, err := newModels(n.cfg, n.db, newFigures(n.db, nil, log), log, outside{})
	if err != nil {
		return nil, err
	}
	options := mirrorOptions(n.cfg, log)
	git, err := gitops.Beside(options)
	if err != nil {
		return nil, errors.Join(err, models.Close())
	}
	freezes := engine.NewFreezes(n.db, time.Now)
	if _, _, err := freezes.Look(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read what is frozen: %w", err), models.Close())
	}
	e := engine.New(engine.Options{
		Store: engineStore{n.db}, Git: git, Sandbox: n.runner, Storage: n.runner, Models: calibrating{modelsOf{models}}, Secrets: models.vault,
		Manifests: &rules{store: n.db, admins: n.cfg.Admins, image: n.cfg.Sandbox.Image}, Freezes: freezes, Logger: log, Now: time.Now,
	})
	measured, err := e.Calibrate(ctx, c, git)
	return measured, errors.Join(err, models.Close())
}

// calibrating gives the containers of a calibration ways that no examination has.
type calibrating struct{ modelsOf }

// OpenExamination implements engine.Models.
func (m calibrating) OpenExamination(ctx context.Context, x task.Examination, env manifest.Environment) (string, error) {
	return m.open(ctx, calibrateSession+string(x.Task)+"/"+x.ID, env)
}

// CloseExamination implements engine.Models.
func (m calibrating) CloseExamination(_ context.Context, id string) error {
	for _, session := range m.gateway.Sessions() {
		if strings.HasSuffix(session, "/"+id) {
			return m.gateway.Close(session)
		}
	}
	return nil
}
