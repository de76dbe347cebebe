package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/task"
)

// unlisted are the columns that no list shows, and which are large.
var unlisted = []string{"snapshot", "judged", "title_search"}

// TaskList is a page of tasks, newest first, that came before the given one; all,
// if that is empty. Pages stay whole while tasks are added. Of a task's snapshot it
// has the title alone, and it has not what the gate said about reviews: those may be
// megabytes. A task that the filter's environments do not have is like one that does
// not exist: nothing came before.
func (s *Store) TaskList(ctx context.Context, f TaskFilter, before task.ID) ([]task.Task, error) {
	if f.Environments != nil && len(f.Environments) == 0 {
		return nil, nil
	}
	var rows []taskRow
	// The inner query reads the index tasks_list alone (SQLite).
	numbers := f.narrow(s.read.NewSelect().Model((*taskRow)(nil)).Column("number")).Order("number DESC").Limit(limit(f.Limit)).Offset(int64(max(f.Offset, 0)))
	if before != "" {
		last := s.read.NewSelect().Model((*taskRow)(nil)).Column("number").Where("id = ?", text(string(before)))
		if f.Environments != nil {
			last.Where("environment IN (?)", bun.List(cleaned(f.Environments)))
		}
		numbers.Where("number < (?)", last)
	}
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).ExcludeColumn(unlisted...).Where("number IN (?)", numbers).Order("number DESC"))
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	list := make([]task.Task, len(rows))
	for i := range rows {
		if list[i], err = rows[i].listed(); err != nil {
			return nil, fmt.Errorf("list tasks: %w", err)
		}
	}
	return list, nil
}

// listed is the task of a row without its [unlisted] columns.
func (r *taskRow) listed() (task.Task, error) {
	r.Snapshot, r.Judged = "{}", "null"
	t, err := r.task()
	t.Snapshot.Title = r.Title
	return t, err
}

// TasksByState counts the tasks of the environments by their state; nil: of all.
func (s *Store) TasksByState(ctx context.Context, environments []string) (map[task.State]int, error) {
	if environments != nil && len(environments) == 0 {
		return nil, nil
	}
	var rows []struct {
		State string
		Count int
	}
	query := TaskFilter{Environments: environments}.narrow(s.read.NewSelect().Model((*taskRow)(nil)).ColumnExpr("state, COUNT(*) AS count")).Group("state")
	if err := s.fetch(ctx, query, &rows); err != nil {
		return nil, fmt.Errorf("count the tasks: %w", err)
	}
	counts := map[task.State]int{}
	for _, row := range rows {
		counts[task.State(row.State)] = row.Count
	}
	return counts, nil
}
