package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestTasksAreFoundByWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		named := map[task.ID]string{}
		add := func(name string, change func(*task.Task)) task.ID {
			v := newTask()
			change(&v)
			named[v.ID] = name
			return insertTask(t, s, v).ID
		}
		plain := add("plain", func(v *task.Task) { v.Snapshot.Title = "The Login page is slow" })
		add("umlaut", func(v *task.Task) { v.Snapshot.Title = "ÜBERSICHT: 100% of a_b\\c"; v.Issue = 12 })
		add("ben's", func(v *task.Task) { v.Snapshot.Title = "login again"; v.Requester = ben; v.Issue = 1234 })
		add("far", func(v *task.Task) { v.Environment = "production"; v.Snapshot.Title = "login elsewhere" })
		add("long", func(v *task.Task) { v.Snapshot.Title = strings.Repeat("ä", 5000) + "\x00" })
		for text, want := range map[string][]string{
			"login": {"ben's", "plain"}, "LOGIN slow": {"plain"}, "slow login": {"plain"}, "übersicht": {"umlaut"}, "%": {"umlaut"}, "a_b": {"umlaut"}, "a%b": nil,
			`b\c`: {"umlaut"}, `\`: {"umlaut"}, "#12": {"umlaut"}, "12": {"umlaut"}, "login #1234": {"ben's"}, string(plain): {"plain"}, string(plain[:11]): nil,
			"' OR 1=1 --": nil, "elsewhere": nil, "äää": {"long"}, "\xff\x00": nil, strings.Repeat("x ", 500): nil,
		} {
			if got := found(t, s, named, store.TaskFilter{Text: text}); !slices.Equal(got, want) {
				t.Errorf("search for %q: %q, want %q", text, got, want)
			}
		}
		for who, want := range map[string][]string{
			"github:2": {"ben's"}, "BEN": {"ben's"}, "@ben": {"ben's"}, "github:9": nil, "be": nil,
		} {
			if got := found(t, s, named, store.TaskFilter{Requester: who}); !slices.Equal(got, want) {
				t.Errorf("asked by %q: %q, want %q", who, got, want)
			}
		}
	})
}

// found are the names of the tasks of staging that the filter finds.
func found(t *testing.T, s *store.Store, named map[task.ID]string, f store.TaskFilter) (names []string) {
	t.Helper()
	f.Environments = []string{"staging"}
	page, err := s.TaskList(t.Context(), f, "")
	if err != nil {
		t.Error(err)
	}
	for _, v := range page {
		names = append(names, named[v.ID])
	}
	return names
}

// What a list shows is what the task is, in each of its states.
func TestAListedTaskIsTheTaskWithoutItsTexts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v := newTask()
		v.Snapshot.Body, v.PullRequestURL, v.Failure = "long", "https://forge.example/1", "why"
		v = insertTask(t, s, v)
		v.State, v.PullRequest, v.Judged = task.Preparing, 9, []task.Judgement{{Review: "1"}}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &v) })
		whole, err := s.Task(t.Context(), v.ID)
		if err != nil {
			t.Fatal(err)
		}
		whole.Judged, whole.Snapshot = nil, task.Snapshot{Title: whole.Snapshot.Title}
		page, err := s.TaskList(t.Context(), store.TaskFilter{Text: "#9"}, "")
		if err != nil || len(page) != 1 || fmt.Sprintf("%+v", page[0]) != fmt.Sprintf("%+v", whole) {
			t.Errorf("%+v\nis not\n%+v, %v", page, whole, err)
		}
		counts, err := s.TasksByState(t.Context(), nil)
		if err != nil || len(counts) != 1 || counts[task.Preparing] != 1 {
			t.Errorf("counted %v, %v", counts, err)
		}
		if none, err := s.TasksByState(t.Context(), []string{}); err != nil || len(none) != 0 {
			t.Errorf("counted without environments: %v, %v", none, err)
		}
	})
}

// A database of before lists and finds what it has.
func TestTasksOfBeforeAreFoundToo(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, o store.Options) {
		s := atVersion(t, o, 19)
		v := newTask()
		_, err := s.DB().ExecContext(t.Context(), `INSERT INTO tasks (id, trigger_key, state, epoch, environment, repository_key, repository, issue, pull_request,
			base_branch, base_commit, requester, trigger_url, snapshot, policy_version, failure, run, approval_id, landed_commit, pull_request_url,
			cancel_requested, judged, reported, created_at, updated_at) VALUES ('`+string(v.ID)+`', 'x', 'queued', 0, 'staging', 'github:1', '{"host":"github","id":"1"}', 7, 0,
			'', '', '{"subject":"github:1","login":"Ann","kind":"person"}', '', '{"title":"Größe \"A\" \u003cb\u003e","body":""}', '', '', '{"exitCode":0}', '', '', '',
			`+map[bool]string{true: "FALSE", false: "0"}[s.Dialect() == "postgres"]+`, 'null', '', '2026-02-03T04:05:06.000007Z', '2026-02-03T04:05:06.000007Z')`)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, f := range []store.TaskFilter{{Text: `"a" <B>`}, {Requester: "ann"}, {Requester: "github:1"}} {
			page, err := s.TaskList(t.Context(), f, "")
			if err != nil || len(page) != 1 || page[0].Snapshot.Title != `Größe "A" <b>` {
				t.Errorf("%+v: %+v, %v", f, page, err)
			}
		}
	})
}
