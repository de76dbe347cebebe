package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/task"
)

// The server signs its log, everybody can verify that with the library that
// defines the form, and a change in the database is named; the server signs no
// log that is another one.
func TestThreat54TheAuditLogIsSignedAndAChangeIsNamed(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withExtra(looksOften))
	w.publishesCheckpoints()
	w.start()
	w.taskOf(w.run(maria).Number, task.Proposed)
	d := &desk{t: t, dir: w.dir, config: w.in.config}
	verifier, err := note.NewVerifier(strings.TrimSpace(w.text("/audit/key")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open([]byte(w.published()), note.VerifierList(verifier)); err != nil {
		t.Errorf("published: %v", err)
	}
	first := w.text("/audit/checkpoint")
	if _, err := note.Open([]byte(first), note.VerifierList(verifier)); err != nil {
		t.Errorf("%v:\n%s", err, first)
	}
	kept := filepath.Join(w.dir, "kept.checkpoint")
	size, _, err := w.db().AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.wait("a checkpoint of the task", func(context.Context) (bool, error) {
		signed, err := strconv.ParseInt(strings.Split(w.text("/audit/checkpoint"), "\n")[1], 10, 64)
		return signed >= size, err
	})
	if err := os.WriteFile(kept, []byte(w.text("/audit/checkpoint")), 0o600); err != nil {
		t.Fatal(err)
	}
	w.othersProve(kept)
	if out := d.must("audit", "show", "3"); !strings.Contains(out, "✓ the log of ") {
		t.Error(out)
	}
	if out := d.must("audit", "verify", "--checkpoint", kept); !strings.Contains(out, "the audit log holds") {
		t.Error(out)
	}
	lines := strings.Split(strings.TrimSpace(d.must("audit", "export")), "\n")
	if !strings.HasPrefix(lines[2], `{"number":3,"at":"`) || !strings.HasPrefix(d.must("audit", "export", "--format", "csv"), "number,at,actor") {
		t.Errorf("exported %q", lines[:3])
	}
	w.server.kill()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, "data", "coderflow.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"DROP TRIGGER audit_no_update", "UPDATE audit SET actor = 'github:1' WHERE seq = 3"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if out, _, code := w.command("", "audit", "verify", "-c", w.in.config, "--checkpoint", kept); code != 1 || !strings.Contains(out, "✗ entry 3 is not what was written") {
		t.Errorf("status %d:\n%s", code, out)
	}
}

// publishesCheckpoints has the server publish them in the sample repository.
func (w *world) publishesCheckpoints() {
	w.t.Helper()
	f, err := os.OpenFile(w.in.config, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = fmt.Fprintf(f, "\naudit:\n  publish: {repository: 'github:%d', name: %s}\n", w.hub.Info().Repositories[0].ID, sampleRepo)
	if err := errors.Join(err, f.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// published is the checkpoint in the branch, which has one file and no other history.
func (w *world) published() (text string) {
	w.t.Helper()
	w.wait("a published checkpoint", func(context.Context) (bool, error) {
		return w.tip("coderflow-audit") != "", nil
	})
	w.pushAs(tom, "coderflow-audit", func(git func(...string) string) {
		if files := git("ls-tree", "-r", "--name-only", "HEAD"); files != "checkpoint" {
			w.t.Errorf("the branch has %q", files)
		}
		if base := git("rev-list", "--max-parents=0", "HEAD", "origin/main"); len(strings.Fields(base)) != 2 {
			w.t.Errorf("the branch has the history of another: %s", base)
		}
		text = git("show", "HEAD:checkpoint") + "\n"
	})
	return text
}

// othersProve checks with upstream's library what everybody can ask the server: every
// exported line is in the log that the kept checkpoint is of, which leads to the newest.
func (w *world) othersProve(kept string) {
	w.t.Helper()
	before, err := os.ReadFile(kept)
	if err != nil {
		w.t.Fatal(err)
	}
	older, newer := w.checkpoint(string(before)), w.checkpoint(w.text("/audit/checkpoint"))
	d := &desk{t: w.t, dir: w.dir, config: w.in.config}
	n := int64(0)
	for line := range strings.Lines(d.must("audit", "export")) {
		if n++; n > older.N {
			break
		}
		proof := w.hashes(fmt.Sprintf("/audit/proof?entry=%d&size=%d", n, older.N))
		if err := tlog.CheckRecord(proof, older.N, older.Hash, n-1, tlog.RecordHash([]byte(strings.TrimSuffix(line, "\n")))); err != nil {
			w.t.Errorf("entry %d: %v", n, err)
		}
	}
	if older.N < newer.N {
		proof := w.hashes(fmt.Sprintf("/audit/consistency?from=%d&to=%d", older.N, newer.N))
		if err := tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash); err != nil {
			w.t.Error(err)
		}
	}
	if n < 3 {
		w.t.Errorf("%d entries", n)
	}
}

// checkpoint reads a note's text, whose signature was looked at before.
func (w *world) checkpoint(text string) (tree tlog.Tree) {
	w.t.Helper()
	lines := strings.Split(text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		w.t.Fatal(err)
	}
	return tlog.Tree{N: size, Hash: root}
}

func (w *world) hashes(path string) []tlog.Hash {
	w.t.Helper()
	var proof struct{ Hashes []tlog.Hash }
	if err := json.Unmarshal([]byte(w.text(path)), &proof); err != nil {
		w.t.Fatal(err)
	}
	return proof.Hashes
}

// text is what a page of the server says.
func (w *world) text(path string) string {
	w.t.Helper()
	var text string
	w.wait(path, func(context.Context) (bool, error) {
		response, err := http.Get("http://" + w.address + path)
		if err != nil {
			return false, err
		}
		defer response.Body.Close() //nolint:errcheck // it was read
		all, err := io.ReadAll(response.Body)
		text = string(all)
		return response.StatusCode == http.StatusOK, err
	})
	return text
}
