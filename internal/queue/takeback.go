package queue

import (
	"context"
	"fmt"
	"time"
)

// takeBackSQL makes the jobs that this node's former process ran available
// again. The attempt that was cut off counts, so that a job that kills its
// process every time is given up.
var takeBackSQL = map[Dialect]string{
	SQLite: `UPDATE river_job SET state = 'available' WHERE kind = 'step' AND state = 'running'
		AND json_extract(attempted_by, '$[#-1]') = ?`,
	Postgres: `UPDATE river_job SET state = 'available' WHERE kind = 'step' AND state = 'running'
		AND attempted_by[array_upper(attempted_by, 1)] = $1`,
}

// resignSQL ends the former process's term as River's leader, which would
// otherwise hold up the scheduler for 15 s.
var resignSQL = map[Dialect]string{
	SQLite:   `DELETE FROM river_leader WHERE leader_id = ?`,
	Postgres: `DELETE FROM river_leader WHERE leader_id = $1`,
}

const takeBackTimeout = 10 * time.Second

// takeBack relies on the promise of Options.Node: whatever runs under this name
// in the database died with the former process.
func (q *Queue) takeBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, takeBackTimeout)
	defer cancel()
	result, err := q.options.DB.ExecContext(ctx, takeBackSQL[q.options.Dialect], q.options.Node)
	if err != nil {
		return fmt.Errorf("make running jobs available: %w", err)
	}
	if n, err := result.RowsAffected(); err == nil && n > 0 {
		q.logger.InfoContext(ctx, "took back jobs of the former process", "jobs", n)
	}
	if _, err := q.options.DB.ExecContext(ctx, resignSQL[q.options.Dialect], q.options.Node); err != nil {
		return fmt.Errorf("end the former leadership: %w", err)
	}
	return nil
}
