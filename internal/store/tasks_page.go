package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/task"
)

// TasksBefore is [Store.Tasks] from the task that came before the given one on,
// so that pages stay whole while tasks are added. A task that the filter's
// environments do not have is like one that does not exist: nothing came before.
func (s *Store) TasksBefore(ctx context.Context, f TaskFilter, before task.ID) ([]task.Task, error) {
	if len(f.Environments) == 0 {
		return nil, nil
	}
	var rows []taskRow
	environments := bun.List(cleaned(f.Environments))
	query := s.read.NewSelect().Model(&rows).Where("environment IN (?)", environments).
		Where("number < (SELECT number FROM tasks WHERE id = ? AND environment IN (?))", text(string(before)), environments).
		Order("number DESC").Limit(limit(f.Limit))
	if len(f.States) > 0 {
		query.Where("state IN (?)", bun.List(f.States))
	}
	if f.Repository.ID != "" {
		query.Where("repository_key = ?", text(f.Repository.Key()))
	}
	if err := s.fetch(ctx, query); err != nil {
		return nil, fmt.Errorf("list tasks before %s: %w", before, err)
	}
	return tasks(rows)
}
