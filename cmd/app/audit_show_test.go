package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// A server that lies about an entry, its proof or its checkpoint is not believed.
func TestThreat54AnEntryThatIsNotInTheSignedLogIsNotProven(t *testing.T) {
	t.Parallel()
	s, cfg := storetest.SQLite(t), config.Config{DataDir: t.TempDir()}
	for range 7 {
		if err := s.InTx(t.Context(), func(tx *store.Tx) error {
			return tx.Audit(t.Context(), audit.Entry{Actor: "github:1", Action: audit.PushDone, Environment: "staging", Detail: json.RawMessage(`{"a":1}`)})
		}); err != nil {
			t.Fatal(err)
		}
	}
	w, err := openWitness(t.Context(), cfg, s, true)
	if err != nil {
		t.Fatal(err)
	}
	other, err := openWitness(t.Context(), config.Config{DataDir: t.TempDir()}, storetest.SQLite(t), true)
	if err != nil {
		t.Fatal(err)
	}
	note, proof, err := w.Prove(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := s.AuditEntry(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := entry.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*client.AuditProof)
		key    string
		proven bool
		fails  bool
	}{
		"as it is":          {func(*client.AuditProof) {}, w.PublicKey(), true, false},
		"another key":       {func(*client.AuditProof) {}, other.PublicKey(), false, false},
		"another line":      {func(p *client.AuditProof) { p.Leaf = strings.Replace(p.Leaf, "github:1", "github:2", 1) }, w.PublicKey(), false, false},
		"another entry":     {func(p *client.AuditProof) { p.Leaf = strings.Replace(p.Leaf, `"number":3`, `"number":4`, 1) }, w.PublicKey(), false, true},
		"another proof":     {func(p *client.AuditProof) { p.Proof.Hashes[0][0] ^= 1 }, w.PublicKey(), false, false},
		"proof of another":  {func(p *client.AuditProof) { p.Proof.Entry = 4 }, w.PublicKey(), false, false},
		"a longer log":      {func(p *client.AuditProof) { p.Checkpoint = strings.Replace(p.Checkpoint, "\n7\n", "\n8\n", 1) }, w.PublicKey(), false, false},
		"no signed log":     {func(p *client.AuditProof) { p.Checkpoint = "" }, w.PublicKey(), false, false},
		"a key in the file": {func(*client.AuditProof) {}, "nonsense", false, false},
	} {
		p := proof
		p.Hashes = slices.Clone(p.Hashes)
		shown := shownEntry{AuditProof: client.AuditProof{Leaf: string(leaf), Checkpoint: string(note), Proof: &p}}
		c.change(&shown.AuditProof)
		if err := shown.read(3); (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
		if err := shown.verify(c.key); err != nil || shown.Verified != (c.proven && !c.fails) || shown.Verified == (shown.Unproven != "") {
			t.Errorf("%s: %+v %v", name, shown, err)
		}
	}
	// And as the library has it that defines the form.
	signed, err := audit.OpenCheckpoint(note, w.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckRecord(proof.Hashes, signed.Size, signed.Root, 2, tlog.RecordHash(leaf)); err != nil {
		t.Error(err)
	}
}

func TestTimesOfFiltersAreMomentsDaysOrHowLongAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"24h": "2026-03-01T01:00:00Z", "2d": "2026-02-28T01:00:00Z", "2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T01:00:00+01:00": "2026-01-31T00:00:00Z",
	} {
		if got, err := timeFlag("--since", text, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, bad := range []auditFilterFlags{{Since: "yesterday"}, {Until: "-1h"}, {Action: "push"}, {Action: "%.*"}, {Repository: "acme/x"}, {Task: "x"}, {After: -1}} {
		if _, err := bad.filter(now); statusOf(err) != usageStatus {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
