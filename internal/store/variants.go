package store

import (
	"context"
	"fmt"

	"github.com/coderflow/coderflow/internal/task"
)

// Variants lists the tasks of a group by their place, and none for the group "".
func (s *Store) Variants(ctx context.Context, group task.ID) ([]task.Task, error) {
	if group == "" {
		return nil, nil
	}
	var rows []taskRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("group_id = ?", text(string(group))).Order("place"))
	if err != nil {
		return nil, fmt.Errorf("list the variants of %s: %w", group, err)
	}
	return tasks(rows)
}

// Replace marks the task as one in whose place another was approved or started,
// whoever holds it: the epoch stays. The first to take its place stays. It reports
// false if the task is marked already.
func (t *Tx) Replace(ctx context.Context, id, by task.ID) (fresh bool, err error) {
	t.moves = true
	if by == "" || by == id {
		return false, fmt.Errorf("replace task %s: another task is needed", id)
	}
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*taskRow)(nil)).
		Set("replaced_by = ?", text(string(by))).Set("updated_at = ?", at(t.now())).
		Where("id = ?", text(string(id))).Where("replaced_by = ''"))
	if err != nil {
		return false, fmt.Errorf("replace task %s: %w", id, err)
	}
	return n > 0, nil
}

// choose makes v the one variant of its group that is approved, and marks the
// others, or fails with task.ErrReplaced if another one was chosen before.
//
// The row of the group's first task is locked before any other, so that of two that
// are approved at the same time the later waits here, and then sees its own mark:
// locking its own row first, each would wait for the other.
func (t *Tx) choose(ctx context.Context, v task.Task) error {
	if v.Group == "" {
		return nil
	}
	group, id := text(string(v.Group)), text(string(v.ID))
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*taskRow)(nil)).Set("group_id = group_id").Where("id = ?", group))
	if err != nil || n == 0 {
		return fmt.Errorf("lock group %s (%d rows): %w", v.Group, n, orNotFound(err))
	}
	n, err = t.exec(ctx, t.tx.NewUpdate().Model((*taskRow)(nil)).Set("group_id = group_id").Where("id = ?", id).Where(unreplaced))
	if err != nil {
		return fmt.Errorf("read whether another variant was approved: %w", err)
	}
	if n == 0 {
		return task.ErrReplaced
	}
	others := t.tx.NewUpdate().Model((*taskRow)(nil)).Set("replaced_by = ?", id).Set("updated_at = ?", at(t.now())).
		Where("group_id = ?", group).Where("id <> ?", id).Where("replaced_by = ''")
	if _, err := t.exec(ctx, others); err != nil {
		return fmt.Errorf("mark the other variants of %s: %w", v.Group, err)
	}
	return nil
}

func orNotFound(err error) error {
	if err == nil {
		return task.ErrNotFound
	}
	return err
}

// unreplaced keeps a task that another took the place of from becoming approved; one
// that is approved already is ended by its next step.
const unreplaced = "replaced_by = '' OR state = 'approved'"
