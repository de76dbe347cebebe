package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// Without --key anybody may have written the file, and what it says reaches a terminal.
func TestARestoreTellsNothingOfTheFileThatATerminalFollows(t *testing.T) {
	t.Parallel()
	r := &reading{log: []string{"log+\x1b[2J\n 9. Start the former server."}}
	r.ended.ID, r.settled.Tasks = "\x1b]0;title\a", 1
	var out strings.Builder
	if err := r.print(&out, config.Config{DataDir: t.TempDir()}, restoreCmd{}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\x1b\a") || strings.Contains(text, "\n 9.") || !strings.Contains(text, `log+\u001b`) {
		t.Errorf("%q", text)
	}
}

// What was frozen when the backup was taken is frozen again, and --thawed says so.
func TestARestoreTellsWhatIsFrozen(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3)
	for resource, want := range map[string]string{
		"":                            "It goes to work at once.",
		freeze.Environment("staging"): "but not in what was frozen when the backup was taken: environment staging.",
		freeze.Server:                 "It is frozen: it takes no requests",
	} {
		if resource != "" {
			err := s.db.InTx(t.Context(), func(tx *store.Tx) error {
				f := freeze.Freeze{ID: string(task.NewID()), Resource: resource, By: "github:1", Reason: "it burns"}
				_, _, err := engine.SetFreeze(t.Context(), tx, now(), f, nil)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(t.TempDir(), "b.cfb")
		s.must("backup", file, "-c", s.config)
		config, _ := s.empty()
		out := s.must("restore", file, "-c", config, "--thawed")
		if !strings.Contains(out, want) || strings.Contains(out, "Let it go on: coderflow thaw") != (resource == freeze.Server) {
			t.Errorf("%q is frozen: want %q in\n%s", resource, want, out)
		}
		if resource != "" {
			err := s.db.InTx(t.Context(), func(tx *store.Tx) error {
				_, _, err := engine.LiftFreeze(t.Context(), tx, now(), resource, "github:1", nil)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A restore that was killed when the database had its name is ended by the next one; a
// database that something else made there meanwhile is not taken for it.
func TestARestoreThatWasKilledAtItsEndIsEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3)
	file := filepath.Join(s.dir, "b.cfb")
	s.must("backup", file, "-c", s.config)
	for _, own := range []bool{true, false} {
		path, data := s.empty()
		s.must("restore", file, "-c", path)
		named := filepath.Join(data, "coderflow.db")
		whole, err := os.ReadFile(named)
		p := &placing{cfg: config.Config{DataDir: data}}
		if err = errors.Join(err, os.Remove(named), p.clear(), os.WriteFile(p.place("coderflow.db"), whole, 0o600), p.name()); err != nil {
			t.Fatal(err)
		}
		if !own { // it was killed before, and this is another's
			if err := os.WriteFile(p.place("coderflow.db"), whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, code := s.run("restore", file, "-c", path)
		_, err = os.Lstat(p.place(""))
		if own != (code == 0) || own != strings.Contains(out, "this file was not read") || own != errors.Is(err, os.ErrNotExist) {
			t.Errorf("own %v: status %d: %s, %v", own, code, out, err)
		}
		if now, err := os.ReadFile(named); err != nil || string(now) != string(whole) {
			t.Errorf("own %v: the database was changed: %v", own, err)
		}
	}
}
