package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

func writeEntry(ctx context.Context, s *store.Store) error {
	return s.InTx(ctx, func(tx *store.Tx) error {
		return tx.Audit(ctx, audit.Entry{Actor: audit.System, Action: audit.TaskMoved})
	})
}

// served is a server's data directory with the key of another one; empty: with none.
func served(t *testing.T, key string) config.Config {
	t.Helper()
	cfg := config.Config{DataDir: t.TempDir()}
	if key != "" {
		text, err := os.ReadFile(filepath.Join(key, auditKeyFile))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cfg.DataDir, auditKeyFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cfg
}

// checked verifies log, hashes and every checkpoint with the keys of the database.
func checked(t *testing.T, w *witness) audit.Report {
	t.Helper()
	signed, findings, err := w.signed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last, err := w.db.AuditExtent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sortCheckpoints(signed)
	r, err := audit.Verify(audit.Stored{Entries: w.db.AuditLog(t.Context(), last), Hashes: w.db.AuditHashes(t.Context(), last), Checkpoints: signed})
	if err != nil {
		t.Fatal(err)
	}
	r.Findings = append(r.Findings, findings...)
	return r
}

// Two servers write and sign one log at once, and neither takes what the other did
// for a log that was written anew.
func TestServersOfOneDatabaseSignOneLogWithOneKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first := served(t, "")
		one, err := openWitness(t.Context(), first, s, true)
		if err != nil {
			t.Fatal(err)
		}
		two, err := openWitness(t.Context(), served(t, first.DataDir), s, true)
		if err != nil {
			t.Fatal(err)
		}
		work, ctx := errgroup.WithContext(t.Context())
		for _, w := range []*witness{one, two} {
			work.Go(func() error {
				for range 20 {
					if err := errors.Join(writeEntry(ctx, s), w.Sign(ctx)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := work.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(one.Sign(t.Context()), two.Sign(t.Context())); err != nil || string(one.Checkpoint()) != string(two.Checkpoint()) {
			t.Errorf("%v: they vouch for\n%s\nand\n%s", err, one.Checkpoint(), two.Checkpoint())
		}
		if r := checked(t, one); len(r.Findings) > 0 || r.Entries != 40 || r.Checkpoints < 2 {
			t.Errorf("%+v", r)
		}
	})
}

func TestAServerWithAnotherKeyThanItsLogDoesNotStart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first := served(t, "")
		if _, err := openWitness(t.Context(), first, s, true); err != nil {
			t.Fatal(err)
		}
		elsewhere := served(t, "")
		if _, err := openWitness(t.Context(), elsewhere, storetest.SQLite(t), true); err != nil {
			t.Fatal(err)
		}
		for name, cfg := range map[string]config.Config{"no key": served(t, ""), "another key": elsewhere} {
			_, err := openWitness(t.Context(), cfg, s, true)
			foreign := (*foreignKeyError)(nil)
			if !errors.As(err, &foreign) || !strings.Contains(err.Error(), "copy the file audit.key") {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := os.Stat(filepath.Join(cfg.DataDir, auditKeyFile)); name == "no key" && !errors.Is(err, os.ErrNotExist) {
				t.Error("a server that may not sign made itself a key")
			}
		}
	})
}

// A log that was signed before the database kept the key is the key's that signed.
func TestThreat54AnUnknownKeyDoesNotTakeOverASignedLog(t *testing.T) {
	t.Parallel()
	s, cfg := storetest.SQLite(t), served(t, "")
	w, err := openWitness(t.Context(), cfg, s, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writeEntry(t.Context(), s), w.Sign(t.Context()), statements(s, "DROP TRIGGER audit_keys_no_delete", "DELETE FROM audit_keys")); err != nil {
		t.Fatal(err)
	}
	if _, err := openWitness(t.Context(), served(t, ""), s, true); err == nil || !strings.Contains(err.Error(), "signed by another server") {
		t.Errorf("%v", err)
	}
	if _, err := openWitness(t.Context(), cfg, s, true); err != nil {
		t.Error(err)
	}
}

func TestAChangedKeyIsInTheLogAndFormerCheckpointsHold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		cfg := served(t, "")
		w, err := openWitness(t.Context(), cfg, s, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(writeEntry(t.Context(), s), w.Sign(t.Context()), os.Remove(filepath.Join(cfg.DataDir, auditKeyFile))); err != nil {
			t.Fatal(err)
		}
		text, err := makeAuditKey(cfg.PublicURL, filepath.Join(cfg.DataDir, auditKeyFile))
		if err != nil {
			t.Fatal(err)
		}
		key, err := audit.ParseKey(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := changeAuditKey(t.Context(), s, key.Public(), "lost"); err != nil {
			t.Fatal(err)
		}
		next, err := openWitness(t.Context(), cfg, s, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Sign(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := checked(t, next); len(r.Findings) > 0 || r.Checkpoints != 3 { // the newest is beside the database, too
			t.Errorf("%+v", r)
		}
		entry, err := s.AuditEntry(t.Context(), 2)
		if err != nil || entry.Action != audit.KeyChanged || !strings.Contains(string(entry.Detail), w.PublicKey()) || !strings.Contains(string(entry.Detail), key.Public()) {
			t.Errorf("%+v %v", entry, err)
		}
		if err := w.Sign(t.Context()); err == nil {
			t.Error("the former key signs on")
		}
	})
}
