package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/task"
)

type lookRow struct {
	bun.BaseModel `bun:"table:evidence_looks,alias:l"`

	RepositoryKey string `bun:",pk"`
	At            instant
	Look          string
	AfterTask     string
}

type differenceRow struct {
	bun.BaseModel `bun:"table:evidence_differences,alias:d"`

	RepositoryKey string `bun:",pk"`
	Kind          string `bun:",pk"`
	Subject       string `bun:",pk"`
	Scope         string
	Difference    string
	FoundAt       instant
	SeenAt        instant
}

// LandedTasks lists, newest first, tasks of a repository whose approval was carried
// out: from the newest, or from the one before a task on.
func (s *Store) LandedTasks(ctx context.Context, repositoryKey string, before task.ID, most int) ([]task.Task, error) {
	var rows []taskRow
	query := s.read.NewSelect().Model(&rows).Where("t.state IN (?)", bun.List(landedStates)).
		Where("t.repository_key = ?", text(repositoryKey)).Order("t.number DESC").Limit(limit(most))
	if before != "" {
		query.Where("t.number < (SELECT b.number FROM tasks AS b WHERE b.id = ?)", text(string(before)))
	}
	if err := s.fetch(ctx, query); err != nil {
		return nil, fmt.Errorf("list what landed in %s: %w", repositoryKey, err)
	}
	return tasks(rows)
}

// CountLandedTasks counts them.
func (s *Store) CountLandedTasks(ctx context.Context, repositoryKey string) (n int, err error) {
	err = s.fetch(ctx, s.read.NewSelect().Model((*taskRow)(nil)).ColumnExpr("COUNT(*)").
		Where("t.state IN (?)", bun.List(landedStates)).Where("t.repository_key = ?", text(repositoryKey)), &n)
	if err != nil {
		return 0, fmt.Errorf("count what landed in %s: %w", repositoryKey, err)
	}
	return n, nil
}

// LandedRepositories are the keys of the repositories in which something landed.
func (s *Store) LandedRepositories(ctx context.Context) (keys []string, err error) {
	err = s.fetch(ctx, s.read.NewSelect().Model((*taskRow)(nil)).ColumnExpr("DISTINCT t.repository_key").
		Where("t.state IN (?)", bun.List(landedStates)).Order("repository_key"), &keys)
	if err != nil {
		return nil, fmt.Errorf("list where something landed: %w", err)
	}
	return keys, nil
}

// TasksWithoutRecord lists tasks that the log says were pushed and that the
// database does not have, by their last entry.
func (s *Store) TasksWithoutRecord(ctx context.Context, most int) (entries []audit.Entry, err error) {
	var rows []auditRow
	err = s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("e.action = ?", string(audit.PushDone)).
		Where("NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = e.task)").Order("e.seq").Limit(limit(most)))
	if err != nil {
		return nil, fmt.Errorf("look for tasks of the audit log that have no record: %w", err)
	}
	for i := range rows {
		entries = append(entries, rows[i].entry())
	}
	return entries, nil
}

// EvidenceLook is the last look at a repository; the zero value if there was none.
func (s *Store) EvidenceLook(ctx context.Context, repositoryKey string) (audit.Look, error) {
	var row lookRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("repository_key = ?", text(repositoryKey)))
	if errors.Is(err, task.ErrNotFound) {
		return audit.Look{}, nil
	}
	if err != nil {
		return audit.Look{}, fmt.Errorf("read the last look at %s: %w", repositoryKey, err)
	}
	return row.look()
}

func (r *lookRow) look() (look audit.Look, err error) {
	var d decoder
	decode(&d, "look", r.Look, &look)
	look.After, look.At = r.AfterTask, r.At.Time
	return look, d.err
}

// EvidenceLooks are the last looks at all repositories.
func (s *Store) EvidenceLooks(ctx context.Context) ([]audit.Look, error) {
	var rows []lookRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Order("repository_key")); err != nil {
		return nil, fmt.Errorf("list the last looks at the forges: %w", err)
	}
	looks := make([]audit.Look, 0, len(rows))
	for i := range rows {
		look, err := rows[i].look()
		if err != nil {
			return nil, err
		}
		looks = append(looks, look)
	}
	return looks, nil
}

// maxDifferences bounds how many differences are read, and kept of one repository.
const maxDifferences = 5000

// EvidenceDifferences are the differences that are known, of one repository or, for
// an empty key, of all, the oldest first.
func (s *Store) EvidenceDifferences(ctx context.Context, repositoryKey string) ([]audit.Difference, error) {
	var rows []differenceRow
	query := s.read.NewSelect().Model(&rows).Order("found_at", "repository_key", "kind", "subject").Limit(maxDifferences)
	if repositoryKey != "" {
		query.Where("repository_key = ?", text(repositoryKey))
	}
	if err := s.fetch(ctx, query); err != nil {
		return nil, fmt.Errorf("list differences between the log and the forges: %w", err)
	}
	list := make([]audit.Difference, 0, len(rows))
	for _, r := range rows {
		var d decoder
		var found audit.Difference
		decode(&d, "difference", r.Difference, &found)
		if d.err != nil {
			return nil, d.err
		}
		found.Scope, found.FoundAt, found.SeenAt = r.Scope, r.FoundAt.Time, r.SeenAt.Time
		list = append(list, found)
	}
	return list, nil
}

// CountDifferences counts the differences that are known, by kind.
func (s *Store) CountDifferences(ctx context.Context) (map[audit.DifferenceKind]int, error) {
	var rows []struct {
		Kind string
		N    int
	}
	err := s.fetch(ctx, s.read.NewSelect().Model((*differenceRow)(nil)).Column("kind").ColumnExpr("COUNT(*) AS n").Group("kind"), &rows)
	if err != nil {
		return nil, fmt.Errorf("count differences between the log and the forges: %w", err)
	}
	counts := map[audit.DifferenceKind]int{}
	for _, r := range rows {
		counts[audit.DifferenceKind(r.Kind)] = r.N
	}
	return counts, nil
}

// SaveLook replaces the last look at a repository and what is known to differ: gone
// are forgotten, found are kept with the time when they were found first.
func (t *Tx) SaveLook(ctx context.Context, look audit.Look, found, gone []audit.Difference) error {
	var e encoder
	row := &lookRow{RepositoryKey: text(look.Repository), At: at(look.At), Look: text(encode(&e, "the look", look)), AfterTask: text(look.After)}
	if e.err != nil {
		return e.err
	}
	_, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (repository_key) DO UPDATE").
		Set("at = EXCLUDED.at").Set("look = EXCLUDED.look").Set("after_task = EXCLUDED.after_task").Returning("NULL"))
	if err != nil {
		return fmt.Errorf("save the look at %s: %w", look.Repository, err)
	}
	for _, d := range gone {
		_, err := t.exec(ctx, t.tx.NewDelete().Model((*differenceRow)(nil)).Where("repository_key = ?", text(look.Repository)).
			Where("kind = ?", string(d.Kind)).Where("subject = ?", text(d.Subject)))
		if err != nil {
			return fmt.Errorf("forget a difference of %s: %w", look.Repository, err)
		}
	}
	for _, d := range found {
		row := &differenceRow{
			RepositoryKey: text(look.Repository), Kind: string(d.Kind), Subject: text(d.Subject), Scope: text(d.Scope),
			Difference: text(encode(&e, "the difference", d)), FoundAt: at(d.FoundAt), SeenAt: at(d.SeenAt),
		}
		if e.err != nil {
			return e.err
		}
		_, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (repository_key, kind, subject) DO UPDATE").
			Set("scope = EXCLUDED.scope").Set("difference = EXCLUDED.difference").Set("seen_at = EXCLUDED.seen_at").Returning("NULL"))
		if err != nil {
			return fmt.Errorf("save a difference of %s: %w", look.Repository, err)
		}
	}
	return nil
}
