package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/task"
)

type freezeRow struct {
	bun.BaseModel `bun:"table:freezes,alias:f"`

	ID       string `bun:",pk"`
	Resource string
	Reason   string
	FrozenBy string
	Login    string
	FrozenAt instant
	ThawedAt instant
}

func (r freezeRow) freeze() freeze.Freeze {
	return freeze.Freeze{
		ID: r.ID, Resource: r.Resource, Reason: r.Reason, By: r.FrozenBy, Login: r.Login,
		At: r.FrozenAt.Time, ThawedAt: r.ThawedAt.Time,
	}
}

func freezesOf(rows []freezeRow) freeze.Set {
	set := make(freeze.Set, len(rows))
	for i, r := range rows {
		set[i] = r.freeze()
	}
	return set
}

func inForce(query *bun.SelectQuery) *bun.SelectQuery {
	return query.Where("thawed_at IS NULL").Order("frozen_at", "id")
}

// Freezes are those in force.
func (s *Store) Freezes(ctx context.Context) (freeze.Set, error) {
	var rows []freezeRow
	if err := s.fetch(ctx, inForce(s.read.NewSelect().Model(&rows))); err != nil {
		return nil, fmt.Errorf("read what is frozen: %w", err)
	}
	return freezesOf(rows), nil
}

// FreezesInForce are those in force, as the transaction sees them.
func (t *Tx) FreezesInForce(ctx context.Context) (freeze.Set, error) {
	var rows []freezeRow
	if err := t.scan(ctx, inForce(t.tx.NewSelect().Model(&rows))); err != nil {
		return nil, fmt.Errorf("read what is frozen: %w", err)
	}
	return freezesOf(rows), nil
}

// FreezesSince are those of the environments, and of the whole server, that were in
// force at any time since then, ended or not.
func (s *Store) FreezesSince(ctx context.Context, since time.Time, environments ...string) ([]freeze.Freeze, error) {
	resources := []string{freeze.Server}
	for _, name := range environments {
		resources = append(resources, text(freeze.Environment(name)))
	}
	var rows []freezeRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("resource IN (?)", bun.List(resources)).
		Where("(thawed_at IS NULL OR thawed_at > ?)", at(since)).Order("frozen_at", "id"))
	if err != nil {
		return nil, fmt.Errorf("read what was frozen: %w", err)
	}
	return freezesOf(rows), nil
}

// Freeze puts a freeze in force, unless its resource is frozen already: then it
// returns the one that is, and false.
//
// Every step that is under way in its scope loses its epoch, so that none of them
// changes a state any more: whoever holds a task from before fails with task.ErrStale
// at its next write, and whoever takes one later sees the freeze.
func (t *Tx) Freeze(ctx context.Context, f freeze.Freeze) (stands freeze.Freeze, fresh bool, err error) {
	row := &freezeRow{
		ID: text(f.ID), Resource: text(f.Resource), Reason: text(f.Reason), FrozenBy: text(f.By), Login: text(f.Login),
		FrozenAt: at(orTime(f.At, t.now())),
	}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (resource) WHERE thawed_at IS NULL DO NOTHING").Returning("NULL"))
	if err != nil {
		return stands, false, fmt.Errorf("freeze %s: %w", f.Resource, err)
	}
	if n == 0 {
		stands, err = t.freezeOf(ctx, f.Resource)
		return stands, false, err
	}
	query := t.tx.NewUpdate().Model((*taskRow)(nil)).Set("epoch = epoch + 1").
		WhereGroup(" AND ", func(q *bun.UpdateQuery) *bun.UpdateQuery {
			return q.Where("lease_owner <> ''").WhereOr("state IN (?)", bun.List(movingStates())).
				WhereOr("id IN (SELECT task FROM deploy_runs WHERE state IN (?))", bun.List(openRunStates))
		})
	if name := row.freeze().Name(); name != "" {
		query.WhereGroup(" AND ", func(q *bun.UpdateQuery) *bun.UpdateQuery {
			return q.Where("environment = ?", name).
				WhereOr("id IN (SELECT task FROM deploy_runs WHERE environment = ? AND state IN (?))", name, bun.List(openRunStates))
		})
	}
	if _, err := t.exec(ctx, query); err != nil {
		return stands, false, fmt.Errorf("fence off what is under way: %w", err)
	}
	return row.freeze(), true, nil
}

// movingStates are those of tasks that the engine goes on with.
func movingStates() []task.State {
	var moving []task.State
	for _, s := range task.States() {
		if !s.Ended() && s != task.Done {
			moving = append(moving, s)
		}
	}
	return moving
}

func (t *Tx) freezeOf(ctx context.Context, resource string) (freeze.Freeze, error) {
	var row freezeRow
	err := t.scan(ctx, t.tx.NewSelect().Model(&row).Where("resource = ?", text(resource)).Where("thawed_at IS NULL"))
	if err != nil {
		return freeze.Freeze{}, fmt.Errorf("read the freeze of %s: %w", resource, err)
	}
	return row.freeze(), nil
}

// Thaw ends the freeze of a resource; false: it is not frozen. Time that was spent
// frozen counts for no deployment that waits for its start.
func (t *Tx) Thaw(ctx context.Context, resource string) (freeze.Freeze, bool, error) {
	f, err := t.freezeOf(ctx, resource)
	if errors.Is(err, task.ErrNotFound) {
		return f, false, nil
	}
	if err != nil {
		return f, false, err
	}
	now := at(t.now())
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*freezeRow)(nil)).Set("thawed_at = ?", now).
		Where("id = ?", f.ID).Where("thawed_at IS NULL"))
	if err != nil || n == 0 { // 0: somebody else was faster
		return f, false, err
	}
	f.ThawedAt = now.Time
	restart := t.tx.NewUpdate().Model((*runRow)(nil)).Set("claimed_at = CASE WHEN state = ? THEN ? ELSE claimed_at END", deploy.Created, now).
		Set("started_at = CASE WHEN state = ? AND started_at IS NOT NULL THEN ? ELSE started_at END", deploy.Pending, now).
		Where("state IN (?)", bun.List([]deploy.RunState{deploy.Created, deploy.Pending}))
	if name := f.Name(); name != "" {
		restart.WhereGroup(" AND ", func(q *bun.UpdateQuery) *bun.UpdateQuery {
			return q.Where("environment = ?", name).WhereOr("task IN (SELECT id FROM tasks WHERE environment = ?)", name)
		})
	}
	if _, err := t.exec(ctx, restart); err != nil {
		return f, false, fmt.Errorf("restart the clocks of deployments: %w", err)
	}
	return f, true, nil
}
