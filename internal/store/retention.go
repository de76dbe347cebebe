package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/task"
)

// streamsOfTask are the names of a task's log streams as SQL: the output of its
// container, its deployments and examinations, and its models' transcript.
const streamsOfTask = `(s.stream IN ('task/' || t.id, 'model/' || t.id)
	OR s.stream IN (SELECT 'deploy/' || r.id FROM deploy_runs AS r WHERE r.task = t.id)
	OR s.stream IN (SELECT 'examination/' || x.id FROM examinations AS x WHERE x.task = t.id)
	OR s.stream IN (SELECT 'model/examination/' || x.id FROM examinations AS x WHERE x.task = t.id))`

// Owner is the task of a task's, a deployment run's or an examination's id, or task.ErrNotFound.
func (s *Store) Owner(ctx context.Context, id string) (task.Task, error) {
	var row taskRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).
		Where("id = ? OR id = (SELECT r.task FROM deploy_runs AS r WHERE r.id = ?) OR id = (SELECT r.task FROM deploy_runs_removed AS r WHERE r.id = ?) OR id = (SELECT x.task FROM examinations AS x WHERE x.id = ?)",
			text(id), text(id), text(id), text(id)))
	if err != nil {
		return task.Task{}, fmt.Errorf("find the task of %q: %w", id, err)
	}
	return row.task()
}

// EndedWithLogs lists, oldest first, tasks that ended before the time and whose
// output is still stored.
func (s *Store) EndedWithLogs(ctx context.Context, before time.Time, limit int64) ([]task.Task, error) {
	var ends []task.State
	for _, state := range task.States() {
		if state.Ended() {
			ends = append(ends, state)
		}
	}
	var rows []taskRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).
		Where("t.state IN (?)", bun.List(ends)).Where("t.reported = t.state").
		Where("NOT EXISTS (SELECT 1 FROM deploy_runs AS o WHERE o.task = t.id AND o.state IN (?))", bun.List(openRunStates)).
		Where("t.updated_at < ?", at(before)).
		Where("EXISTS (SELECT 1 FROM log_streams AS s WHERE s.removed_at IS NULL AND s.size > 0 AND "+streamsOfTask+")").
		Order("t.number").Limit(limit))
	if err != nil {
		return nil, fmt.Errorf("list tasks whose output is stored: %w", err)
	}
	return tasks(rows)
}

// RemoveLogs removes the output of a task. What it was about, who asked for it
// and the audit log stay.
func (t *Tx) RemoveLogs(ctx context.Context, id task.ID) error {
	const streams = `SELECT s.stream FROM log_streams AS s, tasks AS t WHERE t.id = ? AND ` + streamsOfTask
	for _, statement := range []struct {
		sql  string
		args []any
	}{
		{"DELETE FROM log_chunks WHERE stream IN (" + streams + ")", []any{text(string(id))}},
		{"UPDATE log_streams SET removed_at = ? WHERE removed_at IS NULL AND stream IN (" + streams + ")", []any{at(t.now()), text(string(id))}},
	} {
		if _, err := t.exec(ctx, t.tx.NewRaw(statement.sql, statement.args...)); err != nil {
			return fmt.Errorf("remove the output of task %s: %w", id, err)
		}
	}
	return nil
}
