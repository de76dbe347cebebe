package queue

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// running holds the jobs that this process works on.
type running struct {
	mu  sync.Mutex
	ids map[int64]struct{}
}

func (r *running) begin(id int64) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[id] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.ids, id)
	}
}

func (r *running) has(id int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, has := r.ids[id]
	return has
}

// attempt names one run of a job.
type attempt struct {
	id     int64
	number int
}

// sweeper finds jobs that the database believes to run here and that do not: the
// answer to a fetch, or the record of an end, got lost with the connection.
// River gives up recording after three tries within seconds, and its own rescue
// waits for longer than the longest job.
type sweeper struct {
	queue *Queue
	// missing holds since when a run was not found here.
	missing map[attempt]time.Time
}

// sweepQueries find the runs of a node, and make one available again.
var (
	runsSQL = map[Dialect]string{
		SQLite: `SELECT id, attempt FROM river_job WHERE kind = 'step' AND state = 'running'
			AND json_extract(attempted_by, '$[#-1]') = ?`,
		Postgres: `SELECT id, attempt FROM river_job WHERE kind = 'step' AND state = 'running'
			AND attempted_by[array_upper(attempted_by, 1)] = $1`,
	}
	rerunSQL = map[Dialect]string{
		SQLite:   `UPDATE river_job SET state = 'available' WHERE id = ? AND attempt = ? AND state = 'running'`,
		Postgres: `UPDATE river_job SET state = 'available' WHERE id = $1 AND attempt = $2 AND state = 'running'`,
	}
)

// run sweeps until ctx ends.
func (s *sweeper) run(ctx context.Context) {
	tick := time.NewTicker(s.queue.options.LostAfter / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				s.queue.quiet.WarnContext(ctx, "lost jobs cannot be looked for", "error", err)
			}
		}
	}
}

func (s *sweeper) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, takeBackTimeout)
	defer cancel()
	runs, err := s.runs(ctx)
	if err != nil {
		return fmt.Errorf("list the running jobs: %w", err)
	}
	missing := map[attempt]time.Time{}
	for _, run := range runs {
		if s.queue.running.has(run.id) {
			continue
		}
		since, known := s.missing[run]
		if !known {
			since = time.Now()
		}
		missing[run] = since
		if time.Since(since) < s.queue.options.LostAfter {
			continue
		}
		s.queue.logger.WarnContext(ctx, "a job got lost and runs again", "job", run.id, "attempt", run.number)
		if _, err := s.queue.options.DB.ExecContext(ctx, rerunSQL[s.queue.options.Dialect], run.id, run.number); err != nil {
			return fmt.Errorf("make job %d available again: %w", run.id, err)
		}
	}
	s.missing = missing
	return nil
}

func (s *sweeper) runs(ctx context.Context) (runs []attempt, err error) {
	rows, err := s.queue.options.DB.QueryContext(ctx, runsSQL[s.queue.options.Dialect], s.queue.options.Node)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var run attempt
		if err := rows.Scan(&run.id, &run.number); err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, rows.Err()
}
