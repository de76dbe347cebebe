package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// What somebody with the right to force does to the branch is found, also by a server
// that starts after it, as long as the database or the data directory remembers.
func TestThreat54ABranchThatWasRemovedOrSetBackIsNotLookedPast(t *testing.T) {
	t.Parallel()
	changes := map[string]func(b *heldBranch){
		"is gone":                  func(b *heldBranch) { b.notes = nil },
		"was set back":             func(b *heldBranch) { b.notes = b.notes[:1] },
		"has an older note on top": func(b *heldBranch) { b.notes = append(b.notes, b.notes[0]) },
	}
	forgets := map[string]func(s *store.Store, dir string) error{
		"nothing":       func(*store.Store, string) error { return nil },
		"the directory": func(_ *store.Store, dir string) error { return os.Remove(filepath.Join(dir, auditPublishedFile)) },
		"the database": func(s *store.Store, _ string) error {
			return statements(s, "DROP TRIGGER audit_published_no_delete", "DELETE FROM audit_published")
		},
	}
	for forgotten, forget := range forgets {
		t.Run("forgotten: "+forgotten, func(t *testing.T) {
			t.Parallel()
			s, cfg, branch := storetest.SQLite(t), served(t, ""), &heldBranch{}
			w := publishing(t, cfg, s, branch)
			for range 3 {
				if err := errors.Join(writeEntry(t.Context(), s), w.Publish(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(forget(s, cfg.DataDir), writeEntry(t.Context(), s)); err != nil {
				t.Fatal(err)
			}
			before := slices.Clone(branch.notes)
			for name, change := range changes {
				branch.notes = slices.Clone(before)
				change(branch)
				notes := len(branch.notes)
				for when, w := range map[string]*witness{"the one that runs": w, "one that starts": publishing(t, cfg, s, branch)} {
					var suspect *suspectBranchError
					if err := w.Publish(t.Context()); !errors.As(err, &suspect) || len(branch.notes) != notes {
						t.Errorf("a branch that %s, and %s: published: %v", name, when, err)
					}
					if err := w.Sign(t.Context()); !errors.As(err, &suspect) {
						t.Errorf("a branch that %s, and %s: signed: %v", name, when, err)
					}
				}
			}
			branch.notes = before
			if err := errors.Join(w.Publish(t.Context()), publishing(t, cfg, s, branch).Publish(t.Context())); err != nil || len(branch.notes) != 4 {
				t.Errorf("the branch is as it was: %v", err)
			}
		})
	}
}

// The reverse: what was removed comes back as a new history, with the whole database.
func TestThreat54ALogWrittenAnewIsNotPublishedWhereTheBranchWasRemoved(t *testing.T) {
	t.Parallel()
	s, cfg, branch := storetest.SQLite(t), served(t, ""), &heldBranch{}
	w := publishing(t, cfg, s, branch)
	if err := errors.Join(writeEntry(t.Context(), s), w.Publish(t.Context()), os.Remove(filepath.Join(cfg.DataDir, auditCheckpointFile))); err != nil {
		t.Fatal(err)
	}
	anew := storetest.SQLite(t)
	if err := errors.Join(writeEntry(t.Context(), anew), writeEntry(t.Context(), anew)); err != nil {
		t.Fatal(err)
	}
	branch.notes = nil
	if err := publishing(t, cfg, anew, branch).Publish(t.Context()); err == nil || !strings.Contains(err.Error(), "it was at commit commit1") || branch.notes != nil {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(cfg.DataDir, auditPublishedFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := publishing(t, cfg, anew, branch).Publish(t.Context()); err == nil || branch.notes != nil {
		t.Errorf("what is remembered cannot be read: %v", err)
	}
}

// An operator who names another branch begins there.
func TestAnotherBranchBeginsANewHistory(t *testing.T) {
	t.Parallel()
	s, cfg, branch := storetest.SQLite(t), served(t, ""), &heldBranch{}
	w := publishing(t, cfg, s, branch)
	if err := errors.Join(writeEntry(t.Context(), s), w.Publish(t.Context())); err != nil {
		t.Fatal(err)
	}
	other := &heldBranch{}
	w.publishTo(&config.Publish{Branch: "coderflow-audit-2"}, other, anyToken{})
	if err := w.Publish(t.Context()); err != nil || len(other.notes) != 1 {
		t.Fatalf("%v", err)
	}
	branch.notes = nil // the file is of the other one now
	if err := publishing(t, cfg, s, branch).Publish(t.Context()); !errors.Is(err, gitops.ErrNoBranch) && (err == nil || !strings.Contains(err.Error(), "is gone")) {
		t.Errorf("the former branch, removed, and named again: %v", err)
	}
}
