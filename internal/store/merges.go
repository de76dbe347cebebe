package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/task"
)

// landedStates are those of tasks whose approval made a commit that is at the forge.
var landedStates = []task.State{task.Landed, task.Deploying, task.Done}

type mergeRow struct {
	bun.BaseModel `bun:"table:merges,alias:m"`

	RepositoryKey string
	CommitID      string
	Task          string
}

// SaveMerge remembers that a forge reported the commit as the merge of the task's
// pull request. It is where to look for an approval, and no authority.
func (t *Tx) SaveMerge(ctx context.Context, v task.Task, commit string) error {
	row := &mergeRow{RepositoryKey: text(v.Repository.Key()), CommitID: text(commit), Task: text(string(v.ID))}
	if _, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT DO NOTHING").Returning("NULL")); err != nil {
		return fmt.Errorf("remember the merge of task %s: %w", v.ID, err)
	}
	return nil
}

// Merged gives a run that waited for the merge its commit and its place in the
// queue. It reports false if the run does not wait for it any more.
func (t *Tx) Merged(ctx context.Context, id, commit, covers string) (bool, error) {
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*runRow)(nil)).
		Set("state = ?", deploy.Pending).Set("commit_id = ?", text(commit)).Set("covers = ?", text(covers)).Set("queued_at = ?", at(t.now())).
		Where("id = ?", text(id)).Where("state = ?", deploy.Armed))
	if err != nil {
		return false, fmt.Errorf("give deployment %s its commit: %w", id, err)
	}
	return n > 0, nil
}

// Covering lists, newest first, the tasks whose landed commit the commit is, and
// those whose merge it was once reported to be.
func (s *Store) Covering(ctx context.Context, commit string) (landed, merged []task.Task, err error) {
	const most = 100
	list := func(where string) ([]task.Task, error) {
		var rows []taskRow
		err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("t.state IN (?)", bun.List(landedStates)).
			Where(where, text(commit)).Order("t.number DESC").Limit(most))
		if err != nil {
			return nil, fmt.Errorf("look for approvals of commit %.12s: %w", commit, err)
		}
		return tasks(rows)
	}
	if landed, err = list("t.landed_commit = ? AND t.landed_commit <> ''"); err != nil {
		return nil, nil, err
	}
	merged, err = list("t.id IN (SELECT m.task FROM merges AS m WHERE m.commit_id = ?)")
	return landed, merged, err
}

// Unmerged lists, newest first, tasks of a repository that landed and whose merge
// was not seen.
func (s *Store) Unmerged(ctx context.Context, repositoryKey string, most int) ([]task.Task, error) {
	var rows []taskRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("t.state IN (?)", bun.List(landedStates)).
		Where("t.repository_key = ?", text(repositoryKey)).Where("t.landed_commit <> ''").Where("t.pull_request <> 0").
		Where("NOT EXISTS (SELECT 1 FROM merges AS m WHERE m.task = t.id)").Order("t.number DESC").Limit(limit(most)))
	if err != nil {
		return nil, fmt.Errorf("list what is not merged in %s: %w", repositoryKey, err)
	}
	return tasks(rows)
}

// TasksToDeploy lists the tasks with runs that can go on, or whose end is not shown
// at the forge, in whatever state the task is.
func (s *Store) TasksToDeploy(ctx context.Context) ([]task.ID, error) {
	return s.tasksOfRuns(ctx, "state IN (?) OR (forge_id <> '' AND shown <> state AND state NOT IN (?))",
		bun.List(openRunStates), bun.List([]deploy.RunState{deploy.Armed, deploy.Withheld}))
}

// TasksToMerge lists the tasks with runs that wait for the merge.
func (s *Store) TasksToMerge(ctx context.Context) ([]task.ID, error) {
	return s.tasksOfRuns(ctx, "state = ?", deploy.Armed)
}

func (s *Store) tasksOfRuns(ctx context.Context, where string, args ...any) ([]task.ID, error) {
	var rows []runRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Column("task").Where(where, args...).Order("number")); err != nil {
		return nil, fmt.Errorf("list tasks with deployments: %w", err)
	}
	return distinctTasks(rows), nil
}
