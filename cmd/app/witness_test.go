package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// A log whose beginning is another one than what was signed is signed no more, as
// long as either the file or the database still has what was signed.
func TestThreat54ARewrittenLogIsNotSigned(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(s *store.Store, dir string) error{
		"both there":       func(*store.Store, string) error { return nil },
		"the file is gone": func(_ *store.Store, dir string) error { return os.Remove(filepath.Join(dir, auditCheckpointFile)) },
		"the row is gone": func(s *store.Store, _ string) error {
			return statements(s, "DROP TRIGGER audit_checkpoints_no_delete", "DELETE FROM audit_checkpoints")
		},
		"the key was changed": func(_ *store.Store, dir string) error { return os.Remove(filepath.Join(dir, auditKeyFile)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, cfg := storetest.SQLite(t), config.Config{DataDir: t.TempDir()}
			add := func(actor string, n int) {
				t.Helper()
				for range n {
					e := audit.Entry{Actor: actor, Action: audit.TaskMoved}
					if err := s.InTx(t.Context(), func(tx *store.Tx) error { return tx.Audit(t.Context(), e) }); err != nil {
						t.Fatal(err)
					}
				}
			}
			sign := func() ([]byte, error) {
				before, _ := os.ReadFile(filepath.Join(cfg.DataDir, auditCheckpointFile))
				w, err := openWitness(t.Context(), cfg, s, true)
				if err != nil {
					return before, err
				}
				return before, w.Sign(t.Context())
			}
			add("ann", 5)
			for range 2 {
				if _, err := sign(); err != nil {
					t.Fatal(err)
				}
				add("ann", 1)
			}
			if err := errors.Join(statements(s, "DROP TRIGGER audit_no_delete", "DROP TRIGGER audit_hashes_no_delete",
				"DELETE FROM audit_hashes WHERE position >= 3", "DELETE FROM audit WHERE seq >= 3"), forget(s, cfg.DataDir)); err != nil {
				t.Fatal(err)
			}
			add("eve", 6)
			before, err := sign()
			if err == nil {
				t.Error("it was signed")
			}
			if now, _ := os.ReadFile(filepath.Join(cfg.DataDir, auditCheckpointFile)); string(now) != string(before) {
				t.Error("the checkpoint is another one now")
			}
		})
	}
}

func statements(s *store.Store, list ...string) error {
	for _, statement := range list {
		if _, err := s.DB().Exec(statement); err != nil {
			return err
		}
	}
	return nil
}

func TestACheckpointThatCoversAnEntryIsSignedWhenThereIsNone(t *testing.T) {
	t.Parallel()
	s, cfg := storetest.SQLite(t), config.Config{DataDir: t.TempDir()}
	add := func() {
		t.Helper()
		e := audit.Entry{Actor: "ann", Action: audit.TaskMoved}
		if err := s.InTx(t.Context(), func(tx *store.Tx) error { return tx.Audit(t.Context(), e) }); err != nil {
			t.Fatal(err)
		}
	}
	here, err := openWitness(t.Context(), cfg, s, true)
	if err != nil {
		t.Fatal(err)
	}
	there, err := openWitness(t.Context(), cfg, s, true) // another process of the same log
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := here.Covering(t.Context(), 1); err == nil {
		t.Error("an empty log covers an entry")
	}
	add()
	first, c, err := here.Covering(t.Context(), 1)
	if opened, bad := audit.OpenCheckpoint(first, here.PublicKey()); err != nil || bad != nil || c.Size != 1 || opened != c {
		t.Fatalf("%+v, %v, %v", c, err, bad)
	}
	add()
	if again, _, err := here.Covering(t.Context(), 1); err != nil || string(again) != string(first) {
		t.Errorf("it was signed again: %v", err)
	}
	if _, c, err := there.Covering(t.Context(), 2); err != nil || c.Size != 2 {
		t.Errorf("the other process: %+v, %v", c, err)
	}
	if _, c, err := here.Covering(t.Context(), 2); err != nil || c.Size != 2 {
		t.Errorf("what the other process signed is not taken: %+v, %v", c, err)
	}
	if err := statements(s, "DROP TRIGGER audit_no_update", "UPDATE audit_hashes SET hash = x'00'"); err == nil {
		t.Fatal("the hashes can be changed with their triggers")
	}
	if err := statements(s, "DROP TRIGGER audit_hashes_no_update", "UPDATE audit_hashes SET hash = zeroblob(32)"); err != nil {
		t.Fatal(err)
	}
	add()
	if _, _, err := here.Covering(t.Context(), 3); !errors.Is(err, errRewritten) {
		t.Errorf("a log that was changed is signed: %v", err)
	}
}
