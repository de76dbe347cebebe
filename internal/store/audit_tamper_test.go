package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// tampering is what somebody with the database can do to one entry; ":n" is its number.
// Numbers are unique at any moment, so that what moves goes by negative ones.
var tampering = map[string][]string{
	"actor":       {"UPDATE audit SET actor = 'github:1' WHERE seq = :n"},
	"action":      {"UPDATE audit SET action = 'approval.recorded' WHERE seq = :n"},
	"task":        {"UPDATE audit SET task = task || 'x' WHERE seq = :n"},
	"environment": {"UPDATE audit SET environment = 'production' WHERE seq = :n"},
	"detail":      {`UPDATE audit SET detail = '{"n": -1}' WHERE seq = :n`},
	"time":        {"UPDATE audit SET at = (SELECT MAX(at) FROM audit) WHERE seq = :n"},
	"hash":        {"UPDATE audit_hashes SET hash = (SELECT hash FROM audit_hashes WHERE position = 0) WHERE position = :h"},
	"removed":     {"DELETE FROM audit WHERE seq = :n"},
	"removed, the rest moved up": {
		"DELETE FROM audit WHERE seq = :n", "UPDATE audit SET seq = -seq WHERE seq > :n", "UPDATE audit SET seq = -seq - 1 WHERE seq < 0"},
	"added before, the rest moved down": {
		"UPDATE audit SET seq = -seq WHERE seq >= :n", "UPDATE audit SET seq = -seq + 1 WHERE seq < 0",
		"INSERT INTO audit SELECT :n, at, 'github:1', action, task, environment, detail FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)"},
	"swapped with the next": {
		"UPDATE audit SET seq = -1 WHERE seq = :n", "UPDATE audit SET seq = :n WHERE seq = :n + 1", "UPDATE audit SET seq = :n + 1 WHERE seq = -1"},
}

// with puts the entry's number, and the position of its hash, into statements.
func with(number int, forms []string) []string {
	list := make([]string, len(forms))
	for i, form := range forms {
		list[i] = strings.NewReplacer(":n", strconv.Itoa(number), ":h", strconv.FormatInt(tlog.StoredHashIndex(0, int64(number-1)), 10)).Replace(form)
	}
	return list
}

// Each kind of change of each single entry, directly in the database: verification
// names the entry. So many entries that the tree has several edges.
func TestThreat54EachChangeOfEachEntryIsNamedInBothDatabases(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const entries = 11
		signed := tamperable(t, s, entries)
		if r := verified(t, s, signed); len(r.Findings) > 0 {
			t.Fatalf("before: %+v", r)
		}
		for kind, forms := range tampering {
			for n := 1; n <= entries; n++ {
				if n == entries && kind == "swapped with the next" || n == 1 && kind == "hash" || n == entries && kind == "time" {
					continue // there is no next one; it has this one already
				}
				do(t, s, with(n, forms)...)
				r := verified(t, s, signed)
				if len(r.Findings) == 0 || r.Findings[0].Seq != int64(n) {
					t.Errorf("%s of entry %d: %v", kind, n, r.Findings)
				}
				do(t, s, "DELETE FROM audit", "INSERT INTO audit SELECT * FROM audit_before", "DELETE FROM audit_hashes", "INSERT INTO audit_hashes SELECT * FROM hashes_before")
			}
		}
		if r := verified(t, s, signed); len(r.Findings) > 0 {
			t.Errorf("after: %+v", r)
		}
	})
}

// tamperable is a signed log whose triggers are out of the way, with a copy of it.
func tamperable(t *testing.T, s *store.Store, entries int) audit.Checkpoint {
	t.Helper()
	for i := range entries {
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			return tx.Audit(ctx, audit.Entry{
				At: time.Unix(int64(i), 0), Actor: audit.System, Action: audit.TaskMoved, Task: fmt.Sprint("task", i), Environment: "staging",
				Detail: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i)),
			})
		})
	}
	size, root, err := s.AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do(t, s, withoutTriggers(s)...)
	do(t, s, "CREATE TABLE audit_before AS SELECT * FROM audit", "CREATE TABLE hashes_before AS SELECT * FROM audit_hashes")
	return audit.Checkpoint{Origin: "log", Size: size, Root: root}
}

func do(t *testing.T, s *store.Store, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := s.DB().ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// Whoever writes the hashes anew, too, is found between two checkpoints.
func TestThreat54ALogWhoseHashesWereWrittenAnewIsFoundBetweenItsCheckpoints(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		logged(t, s, 20)
		var signed []audit.Checkpoint
		for range 3 {
			size, root, err := s.AuditHead(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			signed = append(signed, audit.Checkpoint{Origin: "log", Size: size, Root: root})
			logged(t, s, 20)
		}
		do(t, s, append(withoutTriggers(s), "UPDATE audit SET actor = 'github:1' WHERE seq = 27", "DELETE FROM audit_hashes")...)
		if err := s.Migrate(t.Context()); err != nil { // hashes what is there
			t.Fatal(err)
		}
		r := verified(t, s, signed...)
		if r.Checkpoints != 1 || len(r.Findings) != 2 || r.Findings[0].What != "the signed checkpoint of the first 40 entries does not hold: something among entries 21 to 40 was changed, added or removed" {
			t.Errorf("%+v", r)
		}
	})
}

// What ages is removed, and the log about it stays whole: it needs none of that.
func TestRetentionNeverBreaksVerification(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		made := storetest.TaskIn(t, s, newTask(), task.Failed)
		if err := s.AppendLog(t.Context(), "task/"+string(made.ID), 0, []byte("output")); err != nil {
			t.Fatal(err)
		}
		logged(t, s, 20)
		size, root, err := s.AuditHead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				return errors.Join(tx.RemoveLogs(ctx, made.ID), tx.Audit(ctx, entry(t, audit.StorageRemoved, made.ID)))
			})
		}
		if left, err := s.ReadLog(t.Context(), "task/"+string(made.ID), 0, 100); err != nil || len(left) > 0 {
			t.Errorf("the output is still there: %q, %v", left, err)
		}
		if r := verified(t, s, audit.Checkpoint{Origin: "log", Size: size, Root: root}); len(r.Findings) > 0 || r.Entries != size+3 || r.Checkpoints != 1 {
			t.Errorf("%+v", r)
		}
	})
}
