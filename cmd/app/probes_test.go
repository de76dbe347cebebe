package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// room is a process that could work so many jobs more.
type room int

// Free implements jobQueue.
func (r room) Free() int { return int(r) }

// probeSays asks the probe of a name; nil: it works.
func probeSays(t *testing.T, db *store.Store, jobs jobQueue, name string) error {
	t.Helper()
	for _, p := range ownProbes(db, jobs) {
		if p.Name == name {
			if p.Cause == "" || p.Fix == "" || p.Needs != "database" {
				t.Errorf("the probe %s says too little: %+v", name, p)
			}
			return p.Check(t.Context())
		}
	}
	t.Fatalf("there is no probe %s", name)
	return nil
}

func TestReadyTellsOfJobsThatNobodyTakes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		enqueue := func(key string, ago time.Duration) {
			t.Helper()
			err := db.InTx(t.Context(), func(tx *store.Tx) error {
				return tx.Enqueue(t.Context(), queue.Job{Kind: queue.Advance, Key: key, RunAt: time.Now().Add(-ago)})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		enqueue("fresh", 0)
		enqueue("later", -time.Hour)
		if err := probeSays(t, db, room(1), "queue"); err != nil {
			t.Errorf("a job that is ready since now: %v", err)
		}
		enqueue("old", 42*time.Minute)
		if err := probeSays(t, db, room(0), "queue"); err != nil {
			t.Errorf("where all are busy: %v", err)
		}
		if err := probeSays(t, db, room(3), "queue"); err == nil || err.Error() != "2 jobs are ready and not taken, the oldest for 42m0s, while there is room for 3" {
			t.Errorf("a job that nobody takes: %v", err)
		}
		waits, err := queue.Waits(t.Context(), db.DB(), db.Dialect())
		if err != nil || len(waits) != 1 || waits[0].Jobs != 2 || waits[0].Oldest < 42*time.Minute || waits[0].Oldest > 43*time.Minute {
			t.Errorf("waits: %+v, %v", waits, err)
		}
	})
}

func TestReadyTellsOfALogThatNobodySigns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		write := func(at time.Time) {
			t.Helper()
			entry, err := audit.New(at, audit.System, audit.DeliveryAccepted, map[string]any{"delivery": "x"})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.InTx(t.Context(), func(tx *store.Tx) error { return tx.Audit(t.Context(), entry) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := probeSays(t, db, room(1), "audit"); err != nil {
			t.Errorf("an empty log: %v", err)
		}
		write(time.Now().Add(-time.Hour))
		write(time.Now())
		if err := probeSays(t, db, room(1), "audit"); err == nil || err.Error() != "2 entries of the audit log are not signed, the oldest for 1h0m0s" {
			t.Errorf("a log that nobody signs: %v", err)
		}
		key := logKey(t)
		size, root, err := db.AuditHead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		note, err := key.Sign(size, root)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.InTx(t.Context(), func(tx *store.Tx) error { return tx.SaveCheckpoint(t.Context(), size, note) }); err != nil {
			t.Fatal(err)
		}
		if err := probeSays(t, db, room(1), "audit"); err != nil {
			t.Errorf("a log that is signed: %v", err)
		}
		state, err := db.AuditState(t.Context())
		if err != nil || state.Entries != size || state.Signed != size || time.Since(state.SignedAt) > time.Minute || !state.UnsignedFrom.IsZero() {
			t.Errorf("state: %+v, %v", state, err)
		}
		if bytes, err := db.Size(t.Context()); err != nil || bytes < 1<<12 {
			t.Errorf("the database has %d bytes: %v", bytes, err)
		}
	})
}

func logKey(t *testing.T) audit.Key {
	t.Helper()
	private, err := audit.NewKey("test/audit")
	if err != nil {
		t.Fatal(err)
	}
	key, err := audit.ParseKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestReadyTellsOfASchemaThatIsNotThisPrograms(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		if err := probeSays(t, db, room(1), "schema"); err != nil {
			t.Errorf("its own schema: %v", err)
		}
		_, known, err := db.SchemaVersion(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.DB().ExecContext(t.Context(), fmt.Sprintf("UPDATE schema_versions SET version = %d WHERE version = %d", known+1, known)); err != nil {
			t.Fatal(err)
		}
		if err := probeSays(t, db, room(1), "schema"); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("version %d, and this program is made for %d", known+1, known)) {
			t.Errorf("a newer schema: %v", err)
		}
	})
}

// The real server says what it lacks, with cause and fix, and that it lacks nothing any more.
func TestReadyTellsThatTheGuestHelperIsGone(t *testing.T) {
	t.Parallel()
	guest := filepath.Join(shortDir(t), "guest")
	program, err := os.ReadFile(binary + "-guest")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(guest, program, 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	w := newWorld(t, withExtra("sandbox: {guest: "+guest+"}"))
	w.unready()
	if err := os.Rename(guest, guest+".away"); err != nil {
		t.Fatal(err)
	}
	w.unready("guest")
	if err := os.Rename(guest+".away", guest); err != nil {
		t.Fatal(err)
	}
	w.wait("the helper again", func(context.Context) (bool, error) {
		var all any
		status, err := w.get("/readyz", &all)
		return status == 200, err
	})
}
