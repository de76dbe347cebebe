package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/task"
)

type modelRow struct {
	bun.BaseModel `bun:"table:model_requests,alias:m"`

	ID               string `bun:",pk"`
	Task             string
	Deployment       string
	Environment      string
	Day              string
	At               instant
	Provider         string
	Model            string
	Method           string
	Path             string
	Status           int
	Refused          string
	InputTokens      int64
	OutputTokens     int64
	CacheReadTokens  int64
	CacheWriteTokens int64
	Cost             int64
	Unpriced         int64
	Estimated        int64
	Redactions       int64
	FirstByte        int64
	Took             int64
	Sent             int64
	Received         int64
}

// day is the budget's day, in UTC.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// RecordModelRequest stores a request once by its id.
func (s *Store) RecordModelRequest(ctx context.Context, r task.ModelRequest) error {
	u := r.Usage
	row := &modelRow{
		ID: text(r.ID), Task: text(string(r.Task)), Deployment: text(r.Deployment), Environment: text(r.Environment), Day: day(r.At), At: at(r.At),
		Provider: text(r.Provider), Model: text(r.Model), Method: text(r.Method), Path: text(r.Path), Status: r.Status, Refused: text(r.Refused),
		InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, CacheReadTokens: u.CacheReadTokens, CacheWriteTokens: u.CacheWriteTokens,
		Cost: u.Cost, Unpriced: u.Unpriced, Estimated: u.Estimated, Redactions: u.Redactions,
		FirstByte: r.FirstByte.Microseconds(), Took: r.Took.Microseconds(), Sent: r.Sent, Received: r.Received,
	}
	err := s.InTx(ctx, func(t *Tx) error {
		_, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (id) DO NOTHING").Returning("NULL"))
		return err
	})
	if err != nil {
		return fmt.Errorf("record a model request of task %s: %w", r.Task, err)
	}
	return nil
}

// usageRow sums requests. The casts keep PostgreSQL from answering NUMERIC.
type usageRow struct {
	Requests, Refused                                            int64
	InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens int64
	Cost, Unpriced, Estimated, Redactions                        int64
}

var usageColumns = func() string {
	columns := "COUNT(*) AS requests, CAST(COALESCE(SUM(CASE WHEN refused <> '' THEN 1 ELSE 0 END), 0) AS BIGINT) AS refused"
	for _, name := range []string{
		"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost", "unpriced", "estimated", "redactions",
	} {
		columns += ", CAST(COALESCE(SUM(" + name + "), 0) AS BIGINT) AS " + name
	}
	return columns
}()

// ModelUsage is what a task has spent on models.
func (s *Store) ModelUsage(ctx context.Context, id task.ID) (task.Usage, error) {
	u, err := s.usage(ctx, s.read.NewSelect().Where("task = ?", text(string(id))).Where("deployment = ''"))
	if err != nil {
		return u, fmt.Errorf("read what task %s spent on models: %w", id, err)
	}
	return u, nil
}

// ContainerUsage is what one container other than a task's own has spent on models: an
// examination's.
func (s *Store) ContainerUsage(ctx context.Context, id string) (task.Usage, error) {
	u, err := s.usage(ctx, ofRun(id)(s.read.NewSelect()))
	if err != nil {
		return u, fmt.Errorf("read what %s spent on models: %w", id, err)
	}
	return u, nil
}

// ModelUsageOfDay is what all tasks of an environment have spent on models on
// the day (UTC) of the time.
func (s *Store) ModelUsageOfDay(ctx context.Context, environment string, when time.Time) (task.Usage, error) {
	u, err := s.usage(ctx, s.read.NewSelect().Where("environment = ?", text(environment)).Where("day = ?", day(when)))
	if err != nil {
		return u, fmt.Errorf("read what environment %s spent on models: %w", environment, err)
	}
	return u, nil
}

func (s *Store) usage(ctx context.Context, query *bun.SelectQuery) (task.Usage, error) {
	var row usageRow
	query = query.Model((*modelRow)(nil)).ColumnExpr(usageColumns).Where("method <> ?", methodConnect)
	if err := s.fetch(ctx, query, &row); err != nil {
		return task.Usage{}, err
	}
	return task.Usage(row), nil
}

// methodConnect marks a connection to a permitted host, which is no request to a model.
const methodConnect = "CONNECT"

// maxListed bounds what is listed of one task: an agent can try as many things as it likes.
const maxListed = 50

// ModelRefusals lists what a task tried and the gateway refused, the most frequent first, at most 50.
func (s *Store) ModelRefusals(ctx context.Context, id task.ID) ([]task.Refusal, error) {
	list, err := s.refusals(ctx, ofTask(id))
	if err != nil {
		return nil, fmt.Errorf("list what the gateway refused task %s: %w", id, err)
	}
	return list, nil
}

// narrowed is a query about the container of a task, or of a deployment.
type narrowed func(*bun.SelectQuery) *bun.SelectQuery

func ofTask(id task.ID) narrowed {
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("task = ?", text(string(id))).Where("deployment = ''")
	}
}

func ofRun(id string) narrowed {
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("deployment = ?", text(id)).Where("deployment <> ''")
	}
}

func (s *Store) refusals(ctx context.Context, of narrowed) (list []task.Refusal, err error) {
	err = s.fetch(ctx, of(s.read.NewSelect().Model((*modelRow)(nil))).
		ColumnExpr("method || ' ' || path AS what, refused AS why, COUNT(*) AS count").Where("refused <> ''").
		GroupExpr("method, path, refused").OrderExpr("COUNT(*) DESC, method, path, refused").Limit(maxListed), &list)
	return list, err
}

// HostUses lists the hosts that a task talked to, the most used first, at most 50.
func (s *Store) HostUses(ctx context.Context, id task.ID) ([]task.HostUse, error) {
	list, err := s.hostUses(ctx, ofTask(id))
	if err != nil {
		return nil, fmt.Errorf("list the hosts of task %s: %w", id, err)
	}
	return list, nil
}

func (s *Store) hostUses(ctx context.Context, of narrowed) (list []task.HostUse, err error) {
	err = s.fetch(ctx, of(s.read.NewSelect().Model((*modelRow)(nil))).
		ColumnExpr("path AS host, COUNT(*) AS connections, CAST(SUM(sent + received) AS BIGINT) AS bytes").
		Where("method = ?", methodConnect).Where("refused = ''").
		Group("path").OrderExpr("bytes DESC, path").Limit(maxListed), &list)
	return list, err
}

// Reached lists the hosts that a deployment talked to, and what it was refused, at
// most 50 of each.
func (s *Store) Reached(ctx context.Context, run string) (used []task.HostUse, refused []task.Refusal, err error) {
	if used, err = s.hostUses(ctx, ofRun(run)); err == nil {
		refused, err = s.refusals(ctx, ofRun(run))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list what deployment %s reached: %w", run, err)
	}
	return used, refused, nil
}
