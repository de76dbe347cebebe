package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/task"
)

// Lease makes owner the only one to work on the task for ttl and raises the
// epoch, so that a former owner's writes fail with task.ErrStale. It fails with
// task.ErrLeased while a lease stands, also one of the same owner: two
// goroutines of a process exclude each other too.
//
// Time only decides when a lease may be taken over; what keeps a former owner
// out is the epoch. So a clock that jumps forward costs a repeated step at
// most. One that jumps back must not lock a task for as long as it jumped:
// a lease that ends later than a fresh one possibly could, by twice its length,
// does not count either.
func (s *Store) Lease(ctx context.Context, id task.ID, owner string, ttl time.Duration) (task.Task, error) {
	if owner == "" || ttl <= 0 {
		return task.Task{}, fmt.Errorf("lease task %s: an owner and a positive time are needed", id)
	}
	now := s.now()
	var row taskRow
	err := s.InTx(ctx, func(t *Tx) error {
		n, err := t.exec(ctx, t.tx.NewUpdate().Model(&row).
			Set("lease_owner = ?", text(owner)).Set("lease_until = ?", at(now.Add(ttl))).Set("epoch = epoch + 1").
			Where("id = ?", text(string(id))).
			WhereGroup(" AND ", func(q *bun.UpdateQuery) *bun.UpdateQuery {
				return q.Where("lease_owner = ''").
					WhereOr("lease_until <= ?", at(now)).
					WhereOr("lease_until > ?", at(now.Add(2*ttl)))
			}))
		if err != nil {
			return err
		}
		if err := t.scan(ctx, t.tx.NewSelect().Model(&row).Where("id = ?", text(string(id)))); err != nil {
			return err
		}
		if n == 0 {
			return task.ErrLeased
		}
		return nil
	})
	if err != nil {
		return task.Task{}, fmt.Errorf("lease task %s: %w", id, err)
	}
	return row.task()
}

// Renew makes the owner's lease last ttl from now. It fails with task.ErrStale
// if the owner no longer holds it.
func (s *Store) Renew(ctx context.Context, id task.ID, owner string, ttl time.Duration) error {
	n, err := s.update(ctx, s.write.NewUpdate().Model((*taskRow)(nil)).
		Set("lease_until = ?", at(s.now().Add(ttl))).
		Where("id = ?", text(string(id))).Where("lease_owner = ?", text(owner)).Where("lease_owner <> ''"))
	if err == nil && n == 0 {
		err = task.ErrStale
	}
	if err != nil {
		return fmt.Errorf("renew the lease of task %s: %w", id, err)
	}
	return nil
}

// Release ends the owner's lease. A lease that is no longer the owner's is left
// alone, without an error.
func (s *Store) Release(ctx context.Context, id task.ID, owner string) error {
	_, err := s.update(ctx, s.write.NewUpdate().Model((*taskRow)(nil)).
		Set("lease_owner = ''").Set("lease_until = NULL").
		Where("id = ?", text(string(id))).Where("lease_owner = ?", text(owner)))
	if err != nil {
		return fmt.Errorf("release task %s: %w", id, err)
	}
	return nil
}

// ReleaseAll ends every lease of the owner, and of owners named "owner/…". A
// node calls it when it starts: whoever held them died with its former process.
func (s *Store) ReleaseAll(ctx context.Context, owner string) (released int64, err error) {
	released, err = s.update(ctx, leasesOf(s.write, owner))
	if err != nil {
		return 0, fmt.Errorf("release the leases of %s: %w", owner, err)
	}
	return released, nil
}

// leasesOf ends every lease of the owner, and of owners named "owner/…".
func leasesOf(db bun.IDB, owner string) *bun.UpdateQuery {
	prefix := text(owner) + "/"
	return db.NewUpdate().Model((*taskRow)(nil)).
		Set("lease_owner = ''").Set("lease_until = NULL").
		Where("lease_owner = ? OR substr(lease_owner, 1, ?) = ?", text(owner), len([]rune(prefix)), prefix)
}

// update runs one statement as a transaction of its own.
func (s *Store) update(ctx context.Context, statement executor) (int64, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	result, err := statement.Exec(ctx)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
