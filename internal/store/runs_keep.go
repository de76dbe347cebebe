package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/deploy"
)

// endedRunStates are the ends of a run.
var endedRunStates = []deploy.RunState{deploy.Succeeded, deploy.Failed, deploy.Unknown, deploy.Withheld}

// OpenRuns counts the runs of an environment that have not ended.
func (s *Store) OpenRuns(ctx context.Context, environment string) (int, error) {
	var n int
	err := s.fetch(ctx, s.read.NewSelect().Model((*runRow)(nil)).ColumnExpr("COUNT(*)").
		Where("environment = ?", text(environment)).Where("state IN (?)", bun.List(openRunStates)), &n)
	if err != nil {
		return 0, fmt.Errorf("count the deployments of environment %s: %w", environment, err)
	}
	return n, nil
}

// RunEnvironments lists, sorted, the environments that have runs, also those that
// are not declared any more.
func (s *Store) RunEnvironments(ctx context.Context) ([]string, error) {
	var names []string
	err := s.fetch(ctx, s.read.NewSelect().Model((*runRow)(nil)).ColumnExpr("DISTINCT r.environment").Order("environment"), &names)
	if err != nil {
		return nil, fmt.Errorf("list the environments with deployments: %w", err)
	}
	return names, nil
}

// SurplusRuns lists, oldest first, the ended runs of an environment beyond the
// newest keep. The newest success of each profile is not among them: a rollback
// needs it.
func (s *Store) SurplusRuns(ctx context.Context, environment string, keep, most int) ([]deploy.Run, error) {
	ended := func(column string) *bun.SelectQuery {
		return s.read.NewSelect().TableExpr("deploy_runs AS k").ColumnExpr(column).Where("k.environment = ?", text(environment))
	}
	newest := ended("k.number").Where("k.state IN (?)", bun.List(endedRunStates)).Order("k.number DESC").Limit(int64(max(keep, 0)))
	successes := ended("MAX(k.number)").Where("k.state = ?", deploy.Succeeded).Group("k.profile")
	var rows []runRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).
		Where("r.environment = ?", text(environment)).Where("r.state IN (?)", bun.List(endedRunStates)).
		Where("r.number NOT IN (?)", newest).Where("r.number NOT IN (?)", successes).Order("r.number").Limit(limit(most)))
	if err != nil {
		return nil, fmt.Errorf("list the deployments that environment %s does not keep: %w", environment, err)
	}
	return runs(rows)
}

// RemoveRun removes the record and the output of a run that has ended. What the
// audit log says of it stays, and its id stays known.
func (t *Tx) RemoveRun(ctx context.Context, r deploy.Run) error {
	stream := "deploy/" + text(r.ID)
	for _, statement := range []struct {
		sql  string
		args []any
	}{
		{"INSERT INTO deploy_runs_removed (id, task) SELECT id, task FROM deploy_runs WHERE id = ? AND state IN (?) ON CONFLICT DO NOTHING",
			[]any{text(r.ID), bun.List(endedRunStates)}},
		{"DELETE FROM log_chunks WHERE stream = ? AND EXISTS (SELECT 1 FROM deploy_runs_removed WHERE id = ?)", []any{stream, text(r.ID)}},
		{"UPDATE log_streams SET removed_at = ? WHERE removed_at IS NULL AND stream = ? AND EXISTS (SELECT 1 FROM deploy_runs_removed WHERE id = ?)",
			[]any{at(t.now()), stream, text(r.ID)}},
		{"DELETE FROM deploy_runs WHERE id = ? AND state IN (?)", []any{text(r.ID), bun.List(endedRunStates)}},
	} {
		if _, err := t.exec(ctx, t.tx.NewRaw(statement.sql, statement.args...)); err != nil {
			return fmt.Errorf("remove deployment %s: %w", r.ID, err)
		}
	}
	return nil
}

// removedRun reports whether a run of the id was there once.
func (t *Tx) removedRun(ctx context.Context, id string) (bool, error) {
	var n int
	err := t.scan(ctx, t.tx.NewSelect().TableExpr("deploy_runs_removed").ColumnExpr("COUNT(*)").Where("id = ?", text(id)), &n)
	return n > 0, err
}
