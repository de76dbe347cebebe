package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/task"
)

type cursorRow struct {
	bun.BaseModel `bun:"table:cursors,alias:c"`

	Name string `bun:",pk"`
	At   instant
}

// SetCursor stores a time under a name.
func (t *Tx) SetCursor(ctx context.Context, name string, when time.Time) error {
	row := &cursorRow{Name: text(name), At: at(when)}
	_, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (name) DO UPDATE").Set("at = EXCLUDED.at").Returning("NULL"))
	if err != nil {
		return fmt.Errorf("set cursor %s: %w", name, err)
	}
	return nil
}

// InsertCursor stores a time under a name. It reports false, and stores nothing,
// if the name is known.
func (t *Tx) InsertCursor(ctx context.Context, name string, when time.Time) (fresh bool, err error) {
	row := &cursorRow{Name: text(name), At: at(when)}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (name) DO NOTHING").Returning("NULL"))
	if err != nil {
		return false, fmt.Errorf("insert cursor %s: %w", name, err)
	}
	return n > 0, nil
}

// DropCursor forgets a name; one that is not known is fine.
func (t *Tx) DropCursor(ctx context.Context, name string) error {
	if _, err := t.exec(ctx, t.tx.NewDelete().Model((*cursorRow)(nil)).Where("name = ?", text(name))); err != nil {
		return fmt.Errorf("drop cursor %s: %w", name, err)
	}
	return nil
}

// CursorsOf lists the names that begin with prefix, which has no character that LIKE
// takes for another.
func (s *Store) CursorsOf(ctx context.Context, prefix string) (names []string, err error) {
	var rows []cursorRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("name LIKE ?", prefix+"%").Order("name")); err != nil {
		return nil, fmt.Errorf("list cursors %s: %w", prefix, err)
	}
	for _, row := range rows {
		names = append(names, row.Name)
	}
	return names, nil
}

// Cursor returns the stored time under a name, or the zero time.
func (s *Store) Cursor(ctx context.Context, name string) (time.Time, error) {
	var row cursorRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("name = ?", text(name)))
	if errors.Is(err, task.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read cursor %s: %w", name, err)
	}
	return row.At.Time, nil
}
