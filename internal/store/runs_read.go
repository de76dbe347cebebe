package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/task"
)

// DeployRuns lists the deployment runs of a task in the order they were armed.
func (s *Store) DeployRuns(ctx context.Context, id task.ID) ([]deploy.Run, error) {
	var rows []runRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("task = ?", text(string(id))).Order("number"))
	if err != nil {
		return nil, fmt.Errorf("list the deployment runs of task %s: %w", id, err)
	}
	return runs(rows)
}

// Deployment is one run, or task.ErrNotFound.
func (s *Store) Deployment(ctx context.Context, id string) (deploy.Run, error) {
	var row runRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("id = ?", text(id))); err != nil {
		return deploy.Run{}, fmt.Errorf("read deployment %q: %w", id, err)
	}
	return row.run()
}

// Deployments lists runs, newest first, and the cursor of the next page, which is
// empty on the last one. A cursor of a run that the filter's environments do not
// have is like one that does not exist: nothing came before.
func (s *Store) Deployments(ctx context.Context, f deploy.Filter) (list []deploy.Run, next string, err error) {
	if f.Environments != nil && len(f.Environments) == 0 {
		return nil, "", nil
	}
	var rows []runRow
	most := limit(f.Limit)
	query := s.read.NewSelect().Model(&rows).Order("number DESC").Limit(most + 1)
	for column, value := range map[string]string{
		"environment": f.Environment, "profile": f.Profile, "commit_id": f.Commit, "state": f.State, "task": string(f.Task),
	} {
		if value != "" {
			query.Where("? = ?", bun.Ident("r."+column), text(value))
		}
	}
	before := s.read.NewSelect().Model((*runRow)(nil)).ModelTableExpr("deploy_runs AS b").Column("b.number").Where("b.id = ?", text(f.Before))
	if f.Environments != nil {
		visible := bun.List(cleaned(f.Environments))
		query.Where("r.environment IN (?)", visible)
		before.Where("b.environment IN (?)", visible)
	}
	if f.Before != "" {
		query.Where("r.number < (?)", before)
	}
	if err := s.fetch(ctx, query); err != nil {
		return nil, "", fmt.Errorf("list deployments: %w", err)
	}
	if int64(len(rows)) > most {
		rows = rows[:most]
		next = rows[most-1].ID
	}
	list, err = runs(rows)
	return list, next, err
}

func runs(rows []runRow) ([]deploy.Run, error) {
	list := make([]deploy.Run, 0, len(rows))
	for i := range rows {
		r, err := rows[i].run()
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}
