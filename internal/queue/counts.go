package queue

import (
	"context"
	"database/sql"
	"fmt"
)

// Count is how many jobs of a queue are in a state.
type Count struct {
	Queue string
	State string // River's word: available, scheduled, running, retryable, discarded
	Jobs  int
}

// Counts counts the jobs that are not done, and those that were given up, of every node.
func Counts(ctx context.Context, db *sql.DB) (counts []Count, err error) {
	rows, err := db.QueryContext(ctx, `SELECT queue, CAST(state AS TEXT), COUNT(*) FROM river_job
		WHERE state NOT IN ('completed', 'cancelled') GROUP BY queue, state ORDER BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("count the jobs: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Queue, &c.State, &c.Jobs); err != nil {
			return nil, fmt.Errorf("count the jobs: %w", err)
		}
		counts = append(counts, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count the jobs: %w", err)
	}
	return counts, nil
}
