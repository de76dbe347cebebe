package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

type tripRow struct {
	bun.BaseModel `bun:"table:canary_trips,alias:c"`

	Task        string `bun:",pk"`
	Deployment  string `bun:",pk"`
	Environment string
	Canary      string `bun:",pk"`
	Place       string `bun:",pk"`
	Spot        string
	At          instant
}

// InsertTrip stores that a canary appeared. It reports false, and stores nothing,
// if it is known to have appeared at this place of the container.
func (t *Tx) InsertTrip(ctx context.Context, trip secret.Trip) (fresh bool, err error) {
	row := &tripRow{
		Task: text(trip.Task), Deployment: text(trip.Deployment), Environment: text(trip.Environment), Canary: text(trip.Canary),
		Place: string(trip.Place), Spot: text(trip.Where), At: at(trip.At),
	}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (task, deployment, canary, place) DO NOTHING").Returning("NULL"))
	if err != nil {
		return false, fmt.Errorf("store that canary %s of task %s appeared: %w", trip.Canary, trip.Task, err)
	}
	return n > 0, nil
}

// Trips lists the canaries that appeared in what belongs to a task, the first first.
func (s *Store) Trips(ctx context.Context, id task.ID) ([]secret.Trip, error) {
	var rows []tripRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("task = ?", text(string(id))).Order("at", "place", "canary")); err != nil {
		return nil, fmt.Errorf("list the canaries of task %s that appeared: %w", id, err)
	}
	list := make([]secret.Trip, len(rows))
	for i, r := range rows {
		list[i] = secret.Trip{
			Task: r.Task, Deployment: r.Deployment, Environment: r.Environment, Canary: r.Canary,
			Place: secret.Place(r.Place), Where: r.Spot, At: r.At.Time,
		}
	}
	return list, nil
}

// TripCount is how often canaries of an environment appeared at a place.
type TripCount struct {
	Environment, Place string
	Count              int64
}

// TripCounts counts the canaries that appeared, ever.
func (s *Store) TripCounts(ctx context.Context) ([]TripCount, error) {
	var list []TripCount
	err := s.fetch(ctx, s.read.NewSelect().Model((*tripRow)(nil)).ColumnExpr("environment, place, COUNT(*) AS count").
		Group("environment", "place").Order("environment", "place"), &list)
	if err != nil {
		return nil, fmt.Errorf("count the canaries that appeared: %w", err)
	}
	return list, nil
}
