package store_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

func TestUsageIsCountedByDay(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
		first := c.Now()
		spend := func(id, environment string, cost int64) {
			t.Helper()
			err := s.RecordModelRequest(t.Context(), task.ModelRequest{
				ID: id, Task: "t", Environment: environment, At: c.Now(), Usage: task.Usage{InputTokens: 10, OutputTokens: 5, CacheReadTokens: 1, Cost: cost},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		insertTask(t, s, newTask())
		spend("a", "staging", 100)
		spend("b", "production", 1000)
		c.jump(48 * time.Hour)
		insertTask(t, s, newTask())
		insertTask(t, s, newTask())
		spend("c", "staging", 10)
		last := task.DayUsage{Day: "2026-03-03", Tasks: 2, Requests: 1, Tokens: 16, Cost: 10}
		for environment, want := range map[string][]task.DayUsage{
			"":           {{Day: "2026-03-01", Tasks: 1, Requests: 2, Tokens: 32, Cost: 1100}, last},
			"staging":    {{Day: "2026-03-01", Tasks: 1, Requests: 1, Tokens: 16, Cost: 100}, last},
			"production": {{Day: "2026-03-01", Requests: 1, Tokens: 16, Cost: 1000}},
			"nowhere":    nil,
		} {
			got, err := s.UsageByDay(t.Context(), environment, first)
			if err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Errorf("in %q: %+v, want %+v, %v", environment, got, want, err)
			}
		}
		if got, err := s.UsageByDay(t.Context(), "", c.Now()); err != nil || len(got) != 1 {
			t.Errorf("since the second day: %+v, %v", got, err)
		}
		if counts, err := queue.Counts(t.Context(), s.DB()); err != nil || len(counts) != 0 {
			t.Errorf("no job is there, and counted are %+v, %v", counts, err)
		}
	})
}
