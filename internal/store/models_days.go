package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/task"
)

// UsageByDay is what was asked for and spent on each day (UTC) since the given one
// on which there was something, oldest first; of one environment, or of all if the
// name is empty.
func (s *Store) UsageByDay(ctx context.Context, environment string, since time.Time) ([]task.DayUsage, error) {
	var spent []struct {
		Day                  string
		Requests, Cost       int64
		Input, Output, Cache int64
	}
	models := s.read.NewSelect().Model((*modelRow)(nil)).Where("method <> ?", methodConnect).Where("day >= ?", day(since)).
		ColumnExpr("day, COUNT(*) AS requests, CAST(SUM(cost) AS BIGINT) AS cost").
		ColumnExpr("CAST(SUM(input_tokens) AS BIGINT) AS input, CAST(SUM(output_tokens) AS BIGINT) AS output").
		ColumnExpr("CAST(SUM(cache_read_tokens + cache_write_tokens) AS BIGINT) AS cache").Group("day")
	var asked []struct {
		Day   string
		Tasks int
	}
	tasks := s.read.NewSelect().Model((*taskRow)(nil)).Where("created_at >= ?", at(since.UTC().Truncate(24*time.Hour))).
		ColumnExpr("SUBSTR(CAST(created_at AS TEXT), 1, 10) AS day, COUNT(*) AS tasks").GroupExpr("1")
	if environment != "" {
		models.Where("environment = ?", text(environment))
		tasks.Where("environment = ?", text(environment))
	}
	err := s.fetch(ctx, models, &spent)
	if err == nil {
		err = s.fetch(ctx, tasks, &asked)
	}
	if err != nil {
		return nil, fmt.Errorf("read what was spent by day: %w", err)
	}
	days := map[string]task.DayUsage{}
	for _, row := range spent {
		days[row.Day] = task.DayUsage{Day: row.Day, Requests: row.Requests, Tokens: row.Input + row.Output + row.Cache, Cost: row.Cost}
	}
	for _, row := range asked {
		d := days[row.Day]
		d.Day, d.Tasks = row.Day, row.Tasks
		days[row.Day] = d
	}
	return sortedDays(days), nil
}

func sortedDays(days map[string]task.DayUsage) []task.DayUsage {
	return slices.SortedFunc(maps.Values(days), func(a, b task.DayUsage) int { return cmp.Compare(a.Day, b.Day) })
}
