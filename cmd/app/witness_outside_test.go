package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// unchanged fails if there is another checkpoint than before, in the database or beside it.
func unchanged(t *testing.T, s *store.Store, dir string) func() {
	t.Helper()
	look := func() (stored, kept string) {
		note, err := s.LastCheckpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(filepath.Join(dir, auditCheckpointFile))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(note), string(file)
	}
	stored, kept := look()
	return func() {
		t.Helper()
		if now, file := look(); now != stored || file != kept {
			t.Errorf("there is another checkpoint now:\n%s\n%s", now, file)
		}
	}
}

// A command, on a machine with a key that is not the log's, would have put a note into
// the database that no server signs past.
func TestThreat54AnotherKeyThanTheLogsSignsNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		cfg := served(t, "")
		w, err := openWitness(t.Context(), cfg, s, true)
		if err := errors.Join(err, writeEntry(t.Context(), s), w.Sign(t.Context()), writeEntry(t.Context(), s)); err != nil {
			t.Fatal(err)
		}
		other := served(t, "")
		text, err := makeAuditKey(other.PublicURL, filepath.Join(other.DataDir, auditKeyFile))
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := audit.ParseKey(string(text))
		if err != nil {
			t.Fatal(err)
		}
		same := unchanged(t, s, cfg.DataDir)
		var refused *foreignKeyError
		if _, err := openWitness(t.Context(), other, s, false); !errors.As(err, &refused) {
			t.Errorf("a command with another key: %v", err)
		}
		forced := &witness{db: s, key: foreign, publics: []string{foreign.Public()}, dir: t.TempDir(), signs: true}
		if note, _, err := forced.newestStored(t.Context()); note != nil || err != nil {
			t.Errorf("what another key signed is taken: %q %v", note, err)
		}
		if err := forced.save(t.Context(), 2, mustSign(t, foreign, s)); !errors.As(err, &refused) {
			t.Errorf("a note of another key is stored: %v", err)
		}
		same()
		if err := changeAuditKey(t.Context(), s, foreign.Public(), "known to somebody"); err != nil {
			t.Fatal(err)
		}
		if _, err := openWitness(t.Context(), cfg, s, false); !errors.As(err, &refused) {
			t.Errorf("a command with the former key: %v", err)
		}
		if err := w.Sign(t.Context()); !errors.As(err, &refused) {
			t.Errorf("a server that runs on with the former key: %v", err)
		}
		same()
		next, err := openWitness(t.Context(), other, s, true)
		if err := errors.Join(err, next.Sign(t.Context())); err != nil {
			t.Errorf("the log cannot be signed any more: %v", err)
		}
	})
}

func mustSign(t *testing.T, key audit.Key, s *store.Store) []byte {
	t.Helper()
	size, root, err := s.AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	note, err := key.Sign(size, root)
	if err != nil {
		t.Fatal(err)
	}
	return note
}

// A command has neither the published branch nor the data directory to itself, and so
// signs nothing, whatever the log is.
func TestThreat54OutsideTheServerNothingIsSigned(t *testing.T) {
	t.Parallel()
	s, cfg := storetest.SQLite(t), served(t, "")
	w, err := openWitness(t.Context(), cfg, s, true)
	if err := errors.Join(err, writeEntry(t.Context(), s), w.Sign(t.Context()), writeEntry(t.Context(), s)); err != nil {
		t.Fatal(err)
	}
	command, err := openWitness(t.Context(), cfg, s, false)
	if err != nil {
		t.Fatal(err)
	}
	same := unchanged(t, s, cfg.DataDir)
	var early *notSignedError
	if note, _, err := command.Covering(t.Context(), 1); err != nil || string(note) != string(w.Checkpoint()) {
		t.Errorf("what was signed is not used: %v", err)
	}
	if _, _, err := command.Covering(t.Context(), 2); !errors.As(err, &early) || early.signed != 1 {
		t.Errorf("an entry that no checkpoint has: %v", err)
	}
	if err := command.Sign(t.Context()); !errors.Is(err, errOnlyServers) {
		t.Errorf("a command signs: %v", err)
	}
	same()
	if err := w.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, c, err := command.Covering(t.Context(), 2); err != nil || c.Size != 2 {
		t.Errorf("what the server signed meanwhile: %+v %v", c, err)
	}
}
