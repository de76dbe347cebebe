package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestThreat54TheDatabaseItselfRefusesToChangeWhatIsAppendOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, p := proposed(t, s)
		if _, err := insertApproval(t, s, newApproval(p, "review")); err != nil {
			t.Fatal(err)
		}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			if _, err := tx.InsertManifest(ctx, store.Manifest{Version: "v1", Content: []byte("a"), AppliedBy: audit.System}); err != nil {
				return err
			}
			return errors.Join(tx.Audit(ctx, entry(t, audit.TaskCreated, p.Task)), tx.Audit(ctx, entry(t, audit.TaskMoved, p.Task)))
		})
		values := "'2026-01-01T00:00:00.000000Z', 'x', 'x', '', '', 'null'"
		forbidden := []string{
			"UPDATE audit SET actor = 'github:1'", "DELETE FROM audit", "DELETE FROM audit WHERE seq = 2",
			"INSERT INTO audit VALUES (7, " + values + ")", "INSERT INTO audit VALUES (2, " + values + ")",
			"UPDATE manifests SET content = 'b'", "DELETE FROM manifests",
			"UPDATE approvals SET digest = 'sha256:0'", "UPDATE approvals SET approver = '{}', void_at = approved_at",
			"DELETE FROM approvals",
		}
		if s.Dialect() == queue.SQLite {
			forbidden = append(forbidden, "INSERT OR REPLACE INTO audit VALUES (1, "+values+")",
				"REPLACE INTO audit VALUES (2, "+values+")", "UPDATE OR REPLACE audit SET seq = 1 WHERE seq = 2",
				"REPLACE INTO approvals SELECT * FROM approvals")
		} else {
			forbidden = append(forbidden, "TRUNCATE audit", "TRUNCATE manifests", "TRUNCATE approvals CASCADE",
				"INSERT INTO audit VALUES (1, "+values+") ON CONFLICT (seq) DO UPDATE SET actor = 'y'")
		}
		for _, statement := range forbidden {
			if _, err := s.DB().ExecContext(t.Context(), statement); err == nil {
				t.Errorf("the database did it: %s", statement)
			} else if strings.Contains(err.Error(), "syntax") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		entries, err := s.AuditEntries(t.Context(), store.AuditFilter{})
		if len(result(t, entries, err)) != 2 || entries[0].Actor != audit.System {
			t.Errorf("the log is now %+v", entries)
		}
	})
}

func TestAuditNumbersHaveNoGapsWhateverHappensAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const writers = 30
		_, errs := together(t, writers, func(i int) (bool, error) {
			err := s.InTx(t.Context(), func(tx *store.Tx) error {
				for range 2 {
					if err := tx.Audit(t.Context(), entry(t, audit.TaskMoved, "t")); err != nil {
						return err
					}
				}
				if i%3 == 0 {
					return errAbort
				}
				return nil
			})
			return err == nil, err
		})
		for _, err := range errs {
			if !errors.Is(err, errAbort) {
				t.Error(err)
			}
		}
		entries, err := s.AuditEntries(t.Context(), store.AuditFilter{Limit: 1000})
		if len(result(t, entries, err)) != 2*writers*2/3 {
			t.Errorf("%d entries", len(entries))
		}
		for i, e := range entries {
			if e.Seq != int64(i)+1 {
				t.Fatalf("entry %d has number %d", i, e.Seq)
			}
		}
	})
}

func TestAuditEntriesAreFilteredAndPaged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		detail := json.RawMessage(`{"b":1,"a":"\u0000'\"ü"}`) // kept as written, not normalised
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			e := entry(t, audit.TaskCreated, "one")
			e.Detail = detail
			return errors.Join(tx.Audit(ctx, entry(t, audit.TaskCreated, "two")), tx.Audit(ctx, e),
				tx.Audit(ctx, entry(t, audit.TaskMoved, "two")))
		})
		one, err := s.AuditEntries(t.Context(), store.AuditFilter{Task: "one"})
		if len(result(t, one, err)) != 1 || one[0].Seq != 2 || string(one[0].Detail) != string(detail) {
			t.Errorf("the entries of one task: %+v", one)
		}
		page, err := s.AuditEntries(t.Context(), store.AuditFilter{AfterSeq: 1, Limit: 1})
		if len(result(t, page, err)) != 1 || page[0].Seq != 2 {
			t.Errorf("the second page: %+v", page)
		}
	})
}

// Each filter alone and together, in both directions.
func TestTheAuditLogIsFilteredByWhoWhatWhereAndWhen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		made := storetest.TaskIn(t, s, newTask(), task.Proposed)
		repo := made.Repository
		start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		add := func(actor string, action audit.Action, environment string, of task.ID, detail string) {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				start = start.Add(time.Minute)
				return tx.Audit(ctx, audit.Entry{At: start, Actor: actor, Action: action, Task: string(of), Environment: environment, Detail: json.RawMessage(detail)})
			})
		}
		add("github:1", audit.TaskCreated, "staging", made.ID, `{}`)
		add("github:2", audit.ApprovalRefused, "staging", made.ID, `{"text":"\"repository\":\"github:99\""}`)
		add("github:1", audit.RequestRefused, "production", "", `{"repository":"github:99"}`)
		add(audit.System, audit.PushIntent, "staging", "other", `{"under":{"repository":`+strconv.Quote(repo.Key())+`}}`)
		add(audit.System, audit.ManifestsApplied, "", "", `null`)
		first := time.Date(2026, 1, 2, 3, 5, 5, 0, time.UTC)
		for name, c := range map[string]struct {
			f    store.AuditFilter
			want []int64
		}{
			"all":                    {store.AuditFilter{}, []int64{1, 2, 3, 4, 5}},
			"newest first":           {store.AuditFilter{Newest: true, Limit: 2}, []int64{5, 4}},
			"newest first, second":   {store.AuditFilter{Newest: true, AfterSeq: 4, Limit: 2}, []int64{3, 2}},
			"actor":                  {store.AuditFilter{Actor: "github:1"}, []int64{1, 3}},
			"no such actor":          {store.AuditFilter{Actor: "github:1' OR '1'='1"}, nil},
			"action":                 {store.AuditFilter{Actions: []string{"approval.refused", "push.intended"}}, []int64{2, 4}},
			"actions of an object":   {store.AuditFilter{Actions: []string{"task.*", "manifests.*"}}, []int64{1, 5}},
			"no wildcard of SQL":     {store.AuditFilter{Actions: []string{"%.*", "t%"}}, nil},
			"environment":            {store.AuditFilter{Environment: "production"}, []int64{3}},
			"what may be seen":       {store.AuditFilter{Environments: []string{"staging", "other"}}, []int64{1, 2, 4}},
			"what may not be seen":   {store.AuditFilter{Environments: []string{"staging"}, Environment: "production"}, nil},
			"nothing may be seen":    {store.AuditFilter{Environments: []string{}}, nil},
			"since":                  {store.AuditFilter{Since: first.Add(3 * time.Minute)}, []int64{4, 5}},
			"until":                  {store.AuditFilter{Until: first.Add(time.Minute)}, []int64{1}},
			"repository of the task": {store.AuditFilter{Repository: repo}, []int64{1, 2, 4}},
			"repository that is named, and not in what somebody wrote": {
				store.AuditFilter{Repository: forge.RepositoryRef{Host: "github", ID: "99"}}, []int64{3}},
			"together": {store.AuditFilter{Actor: audit.System, Repository: repo, Since: first, Environments: []string{"staging"}}, []int64{4}},
		} {
			var got []int64
			entries, err := s.AuditEntries(t.Context(), c.f)
			for _, e := range result(t, entries, err) {
				got = append(got, e.Seq)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
		one, err := s.AuditEntry(t.Context(), 3)
		if result(t, one, err).Actor != "github:1" || one.Seq != 3 {
			t.Errorf("entry 3: %+v", one)
		}
		if _, err := s.AuditEntry(t.Context(), 6); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("entry 6: %v", err)
		}
	})
}

func TestAnAuditEntryThatIsNotJSONFailsTheTransaction(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		e := entry(t, audit.TaskCreated, "one")
		e.Detail = json.RawMessage("{")
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.Audit(ctx, e) }); err == nil {
			t.Error("it was written")
		}
	})
}
