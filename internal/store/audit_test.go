package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
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
