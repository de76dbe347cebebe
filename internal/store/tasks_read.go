package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// Task returns a task, or task.ErrNotFound.
func (s *Store) Task(ctx context.Context, id task.ID) (task.Task, error) {
	var row taskRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("id = ?", text(string(id))))
	if err != nil {
		return task.Task{}, fmt.Errorf("read task %s: %w", id, err)
	}
	return row.task()
}

// OpenTasks lists, oldest first, tasks whose state is not an end and tasks whose
// end was not reported yet.
func (s *Store) OpenTasks(ctx context.Context) ([]task.Task, error) {
	var open []task.State
	for _, state := range task.States() {
		if !state.Ended() {
			open = append(open, state)
		}
	}
	// In two steps, each with an index: of both conditions together the databases make one pass over every task that
	// ever was.
	var numbers []int64
	err := s.fetch(ctx, s.read.NewRaw("SELECT number FROM tasks WHERE state IN (?) UNION SELECT number FROM tasks WHERE reported <> state",
		bun.List(open)), &numbers)
	if err != nil {
		return nil, fmt.Errorf("find the open tasks: %w", err)
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	var rows []taskRow
	err = s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("number IN (?)", bun.List(numbers)).Order("number"))
	if err != nil {
		return nil, fmt.Errorf("list the open tasks: %w", err)
	}
	return tasks(rows)
}

// LatestTask is the newest task of an issue, or the task of a pull request, of the
// repository; or task.ErrNotFound.
func (s *Store) LatestTask(ctx context.Context, repo forge.RepositoryRef, topic forge.Topic) (task.Task, error) {
	var row taskRow
	column := "issue"
	if topic.PullRequest {
		column = "pull_request"
	}
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).
		Where("repository_key = ?", text(repo.Key())).
		Where("? = ? AND ? <> 0", bun.Ident(column), topic.Number, bun.Ident(column)).
		Order("number DESC").Limit(1))
	if err != nil {
		return task.Task{}, fmt.Errorf("read the latest task of %s in %s: %w", topic, repo.Key(), err)
	}
	return row.task()
}

// TaskFilter selects tasks; a zero field selects all.
type TaskFilter struct {
	States       []task.State
	Environments []string // names; nil selects all, an empty list none
	Repository   forge.RepositoryRef
	Requester    string // a subject ("github:583231"), or the login that they had when they asked
	Text         string // words, each in the title, or the task's id, or the number of its issue or pull request
	Limit        int    // 0 means 100, at most 1000
	Offset       int
}

// Tasks lists tasks, newest first.
func (s *Store) Tasks(ctx context.Context, f TaskFilter) ([]task.Task, error) {
	if f.Environments != nil && len(f.Environments) == 0 {
		return nil, nil
	}
	var rows []taskRow
	query := f.narrow(s.read.NewSelect().Model(&rows)).Order("number DESC").
		Limit(limit(f.Limit)).Offset(int64(max(f.Offset, 0)))
	if err := s.fetch(ctx, query); err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	return tasks(rows)
}

func tasks(rows []taskRow) ([]task.Task, error) {
	list := make([]task.Task, 0, len(rows))
	for i := range rows {
		t, err := rows[i].task()
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

func cleaned(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = text(name)
	}
	return list
}

// limit bounds the length of a page.
func limit(wanted int) int64 {
	if wanted <= 0 {
		return 100
	}
	return int64(min(wanted, 1000))
}
