package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// verified goes through the whole stored log.
func verified(t *testing.T, s *store.Store, signed ...audit.Checkpoint) audit.Report {
	t.Helper()
	last, err := s.AuditExtent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.Verify(audit.Stored{Entries: s.AuditLog(t.Context(), last), Hashes: s.AuditHashes(t.Context(), last), Checkpoints: signed})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// logged writes n entries from four goroutines, in five transactions of each.
func logged(t *testing.T, s *store.Store, n int) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 5 {
				inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
					var errs []error
					for j := range max(n/20, 1) {
						e := entry(t, audit.TaskMoved, "t")
						e.Detail = json.RawMessage(fmt.Sprintf(`{ "n": %d, "text": "<b>\u00e4" }`, i*100+j))
						errs = append(errs, tx.Audit(ctx, e))
					}
					return errors.Join(errs...)
				})
			}
		})
	}
	all.Wait()
}

func TestTheTreeGrowsWithTheLog(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		if size, root, err := s.AuditHead(t.Context()); err != nil || size != 0 || verified(t, s).Root != root {
			t.Errorf("an empty log: %d %s %v", size, root, err)
		}
		logged(t, s, 60)
		size, root, err := s.AuditHead(t.Context())
		if r := verified(t, s); err != nil || size != 60 || r.Entries != 60 || len(r.Findings) > 0 || r.Root != root {
			t.Errorf("%d %s %v: %+v", size, root, err, r)
		}
		tree := s.AuditTree(t.Context())
		entries, err := s.AuditEntries(t.Context(), store.AuditFilter{AfterSeq: 16, Limit: 1})
		leaf, leafErr := result(t, entries, err)[0].Leaf()
		proof, proofErr := tlog.ProveRecord(60, 16, tree)
		if err := errors.Join(leafErr, proofErr, tlog.CheckRecord(proof, 60, root, 16, tlog.RecordHash(leaf))); err != nil {
			t.Errorf("the 17th entry: %v", err)
		}
	})
}

// Somebody owns the database, and takes the triggers away first.
func TestThreat54ChangesInTheDatabaseAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   []string
		want int64
	}{
		"changed":          {[]string{"UPDATE audit SET actor = 'github:1' WHERE seq = 7"}, 7},
		"detail, a blank":  {[]string{"UPDATE audit SET detail = detail || ' ' WHERE seq = 7"}, 7},
		"not JSON":         {[]string{"UPDATE audit SET detail = '{' WHERE seq = 7"}, 7},
		"time":             {[]string{"UPDATE audit SET at = (SELECT at FROM audit WHERE seq = 1) WHERE seq = 7"}, 7},
		"removed":          {[]string{"DELETE FROM audit WHERE seq = 7"}, 7},
		"removed, renamed": {[]string{"DELETE FROM audit WHERE seq = 7", "UPDATE audit SET seq = 7 WHERE seq = 20"}, 7},
		"cut off":          {[]string{"DELETE FROM audit WHERE seq > 12"}, 13},
		"hashes cut off":   {[]string{"DELETE FROM audit_hashes WHERE position > 21"}, 13},
		"both cut off":     {[]string{"DELETE FROM audit WHERE seq > 12", "DELETE FROM audit_hashes WHERE position > 21"}, 13},
		"added in front":   {[]string{"INSERT INTO audit SELECT 0, at, actor, action, task, environment, detail FROM audit WHERE seq = 20"}, 1},
		"added":            {[]string{"INSERT INTO audit SELECT 21, at, actor, action, task, environment, detail FROM audit WHERE seq = 20"}, 21},
		"swapped":          {[]string{"UPDATE audit SET seq = 0 WHERE seq = 7", "UPDATE audit SET seq = 7 WHERE seq = 8", "UPDATE audit SET seq = 8 WHERE seq = 0"}, 7},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				logged(t, s, 20)
				size, root, err := s.AuditHead(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, statement := range append(withoutTriggers(s), c.do...) {
					if _, err := s.DB().ExecContext(t.Context(), statement); err != nil {
						t.Fatalf("%s: %v", statement, err)
					}
				}
				r := verified(t, s, audit.Checkpoint{Origin: "log", Size: size, Root: root})
				if len(r.Findings) == 0 || r.Findings[0].Seq != c.want {
					t.Errorf("want entry %d, found %v", c.want, r.Findings)
				}
			})
		})
	}
}

func withoutTriggers(s *store.Store) []string {
	if s.Dialect() == queue.Postgres {
		return []string{"ALTER TABLE audit DISABLE TRIGGER USER", "ALTER TABLE audit_hashes DISABLE TRIGGER USER"}
	}
	return []string{
		"DROP TRIGGER audit_append", "DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete",
		"DROP TRIGGER audit_hashes_no_update", "DROP TRIGGER audit_hashes_no_delete",
	}
}

func TestThreat54TheDatabaseRefusesToChangeTheTreeAndItsCheckpoints(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		logged(t, s, 20)
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.SaveCheckpoint(ctx, 5, []byte("five")), tx.SaveCheckpoint(ctx, 3, []byte("three")), tx.SaveCheckpoint(ctx, 5, []byte("other")))
		})
		for _, statement := range []string{
			"UPDATE audit_hashes SET hash = hash", "DELETE FROM audit_hashes", "UPDATE audit_checkpoints SET size = 4", "DELETE FROM audit_checkpoints",
		} {
			if _, err := s.DB().ExecContext(t.Context(), statement); err == nil {
				t.Errorf("the database did it: %s", statement)
			}
		}
		notes, err := s.Checkpoints(t.Context())
		if len(notes) != 1 || string(notes[0]) != "five" {
			t.Errorf("checkpoints: %q, %v", notes, err)
		}
	})
}

// A log that was written before there was a tree gets one, and so does what a server
// of an earlier version adds. What was signed and changed is found all the same.
func TestALogOlderThanItsTreeGetsOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		logged(t, s, 1200)
		size, root, err := s.AuditHead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		do := func(statements ...string) {
			t.Helper()
			for _, statement := range statements {
				if _, err := s.DB().ExecContext(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
		}
		signed := audit.Checkpoint{Origin: "log", Size: size, Root: root}
		do(append(withoutTriggers(s), "DELETE FROM audit_hashes")...)
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := verified(t, s, signed); len(r.Findings) > 0 || r.Root != root {
			t.Errorf("hashed by the migration: %+v", r)
		}
		do("INSERT INTO audit SELECT 1201, at, actor, action, task, environment, detail FROM audit WHERE seq = 1200")
		logged(t, s, 20)
		if r := verified(t, s, signed); len(r.Findings) > 0 || r.Entries != 1221 {
			t.Errorf("after an entry of an earlier version: %+v", r)
		}
		do("DELETE FROM audit_hashes", "UPDATE audit SET actor = 'github:1' WHERE seq = 7")
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := verified(t, s, signed); len(r.Findings) != 1 || !strings.Contains(r.Findings[0].What, "first 1200 entries") {
			t.Errorf("hashed again after a change: %+v", r)
		}
	})
}

// Appending costs the same at the end of a long log as at its start.
func BenchmarkAppend(b *testing.B) {
	for _, length := range []int{100, 100_000} {
		b.Run(fmt.Sprint(length), func(b *testing.B) {
			s := storetest.SQLite(b)
			write := func(n int) {
				err := s.InTx(b.Context(), func(tx *store.Tx) error {
					for range n {
						if err := tx.Audit(b.Context(), audit.Entry{Actor: audit.System, Action: audit.TaskMoved}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			for range length / 100 {
				write(100)
			}
			for b.Loop() {
				write(1)
			}
		})
	}
}
