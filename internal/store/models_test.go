package store_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestSpendingIsSummedByTaskAndByDay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		record := func(id string, of task.ID, environment string, when time.Time, u task.Usage, refused string) {
			t.Helper()
			r := task.ModelRequest{ID: id, Task: of, Environment: environment, At: when, Usage: u, Refused: refused, Status: 200}
			for range 2 { // storing it again changes nothing
				if err := s.RecordModelRequest(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		u := task.Usage{Requests: 1, InputTokens: 10, OutputTokens: 5, CacheReadTokens: 3, CacheWriteTokens: 2, Cost: 7, Unpriced: 1, Redactions: 1}
		record("1", "aaaa", "staging", noon, u, "")
		record("2", "aaaa", "staging", noon.Add(time.Hour), u, "")
		record("3", "aaaa", "staging", noon, task.Usage{}, "the budget is spent")
		record("4", "bbbb", "staging", noon.In(time.FixedZone("", 13*3600)), u, "") // the same day in UTC
		record("5", "bbbb", "staging", noon.Add(12*time.Hour), u, "")
		record("6", "cccc", "production", noon, u, "")

		got, err := s.ModelUsage(t.Context(), "aaaa")
		want := task.Usage{
			Requests: 3, Refused: 1, InputTokens: 20, OutputTokens: 10, CacheReadTokens: 6, CacheWriteTokens: 4, Cost: 14, Unpriced: 2, Redactions: 2,
		}
		if result(t, got, err) != want || got.Tokens() != 40 {
			t.Errorf("of the task: %+v", got)
		}
		got, err = s.ModelUsageOfDay(t.Context(), "staging", noon)
		if result(t, got, err).Requests != 4 || got.InputTokens != 30 {
			t.Errorf("of the day: %+v", got)
		}
		got, err = s.ModelUsage(t.Context(), "nobody")
		if result(t, got, err) != (task.Usage{}) {
			t.Errorf("of nobody: %+v", got)
		}
	})
}

func TestWhatTheGatewayRefusedAndWhereATaskConnectedIsListed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for i, r := range []task.ModelRequest{
			{Method: "POST", Path: "/v1/files", Refused: "not allowed"},
			{Method: "POST", Path: "/v1/files", Refused: "not allowed"},
			{Method: "CONNECT", Path: "evil.example:443", Refused: "not on the list"},
			{Method: "CONNECT", Path: "packages.example:443", Sent: 10, Received: 100},
			{Method: "CONNECT", Path: "packages.example:443", Sent: 1},
			{Method: "POST", Path: "/v1/messages", Usage: task.Usage{InputTokens: 1}},
		} {
			r.ID, r.Task, r.At = string(rune('a'+i)), "aaaa", time.Now()
			if err := s.RecordModelRequest(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		refusals, err := s.ModelRefusals(t.Context(), "aaaa")
		want := []task.Refusal{{What: "POST /v1/files", Why: "not allowed", Count: 2}, {What: "CONNECT evil.example:443", Why: "not on the list", Count: 1}}
		if !slices.Equal(result(t, refusals, err), want) {
			t.Errorf("refused: %+v", refusals)
		}
		hosts, err := s.HostUses(t.Context(), "aaaa")
		if !slices.Equal(result(t, hosts, err), []task.HostUse{{Host: "packages.example:443", Connections: 2, Bytes: 111}}) {
			t.Errorf("hosts: %+v", hosts)
		}
		if u, err := s.ModelUsage(t.Context(), "aaaa"); result(t, u, err).Requests != 3 || u.Refused != 2 {
			t.Errorf("usage: %+v", u)
		}
	})
}

func TestOutputOfEndedTasksIsRemoved(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
		ended := storetest.TaskIn(t, s, newTask(), task.Failed)
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			ended.Reported = task.Failed
			return tx.SaveTask(ctx, &ended)
		})
		open := storetest.TaskIn(t, s, newTask(), task.Running)
		for _, id := range []task.ID{ended.ID, open.ID} {
			for _, stream := range []string{"task/", "model/"} {
				if err := s.AppendLog(t.Context(), stream+string(id), 0, []byte("output")); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.jump(time.Hour)
		before := c.Now().Add(-time.Minute)
		list, err := s.EndedWithLogs(t.Context(), before, 10)
		if list = result(t, list, err); len(list) != 1 || list[0].ID != ended.ID {
			t.Fatalf("ended with output: %+v", list)
		}
		if list, err = s.EndedWithLogs(t.Context(), before.Add(-time.Hour), 10); len(result(t, list, err)) != 0 {
			t.Errorf("too young: %+v", list)
		}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.RemoveLogs(ctx, ended.ID) })
		if list, err = s.EndedWithLogs(t.Context(), before, 10); len(result(t, list, err)) != 0 {
			t.Errorf("still listed: %+v", list)
		}
		for id, want := range map[task.ID]string{ended.ID: "", open.ID: "output"} {
			for _, stream := range []string{"task/", "model/"} {
				data, err := s.ReadLog(t.Context(), stream+string(id), 0, 100)
				if string(result(t, data, err)) != want {
					t.Errorf("%s%s: %q", stream, id, data)
				}
			}
		}
	})
}

func TestATranscriptIsCutAtItsLimit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, line := range []string{"aaaa\n", "too long for it\n", "b\n", "never\n", "never\n"} {
			if err := s.AddLog(t.Context(), "model/x", []byte(line), []byte("-\n"), 9); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.ReadLog(t.Context(), "model/x", 0, 100)
		if want := "aaaa\n-\nb\n"; string(result(t, got, err)) != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
