package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// site is an installation without a server.
type site struct {
	t      *testing.T
	dir    string
	config string
	db     *store.Store
	w      *witness
}

func newSite(t *testing.T, entries int) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	data := filepath.Join(s.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	s.config = filepath.Join(s.dir, "coderflow.yaml")
	if err := os.WriteFile(s.config, []byte("dataDir: "+data+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.db = storetest.Open(t, store.Options{DSN: "sqlite", Path: filepath.Join(data, "coderflow.db")})
	var err error
	if s.w, err = openWitness(t.Context(), config.Config{DataDir: data}, s.db, true); err != nil {
		t.Fatal(err)
	}
	s.log(entries)
	return s
}

// log adds entries, and signs them.
func (s *site) log(entries int) {
	s.t.Helper()
	err := s.db.InTx(s.t.Context(), func(tx *store.Tx) error {
		var errs []error
		for i := range entries {
			entry, err := audit.New(now(), audit.System, audit.StorageRemoved, map[string]int{"n": i})
			errs = append(errs, err, tx.Audit(s.t.Context(), entry))
		}
		return errors.Join(errs...)
	})
	if err := errors.Join(err, s.w.Sign(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a command of this test's process.
func (s *site) run(args ...string) (out string, code int) {
	var to strings.Builder
	code = run(s.t.Context(), args, streams{out: &to, err: &to})
	return to.String(), code
}

func (s *site) must(args ...string) string {
	s.t.Helper()
	out, code := s.run(args...)
	if code != 0 {
		s.t.Fatalf("coderflow %s: status %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

// empty is the configuration of an installation that does not exist yet.
func (s *site) empty() (config, data string) {
	s.t.Helper()
	dir := s.t.TempDir()
	config, data = filepath.Join(dir, "coderflow.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(config, []byte("dataDir: "+data+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return config, data
}

func unpacked(t *testing.T, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What is cut off, changed or another file is refused, and leaves nothing: no
// database, no key, no data directory.
func TestADamagedBackupIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, 30)
	file := filepath.Join(s.dir, "whole.cfb")
	s.must("backup", file, "-c", s.config)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out := s.must("backup", "verify", file); !strings.Contains(out, "the backup holds") {
		t.Error(out)
	}
	changed := append([]byte{}, whole...)
	changed[len(changed)/2] ^= 1
	for name, content := range map[string][]byte{
		"empty": {}, "cut off": whole[:len(whole)/2], "without its last byte": whole[:len(whole)-1], "longer": append(append([]byte{}, whole...), 0),
		"twice": append(append([]byte{}, whole...), whole...), "a bit": changed, "something else": []byte(strings.Repeat("no backup ", 100)),
	} {
		bad := filepath.Join(s.dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		config, data := s.empty()
		out, code := s.run("restore", bad, "-c", config)
		if code != 1 || !strings.Contains(out, "the backup file is damaged") {
			t.Errorf("%s: status %d: %s", name, code, out)
		}
		if _, err := os.Lstat(data); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the data directory is there: %v", name, err)
		}
		if out, code := s.run("backup", "verify", bad); code != 1 {
			t.Errorf("%s: verified: status %d: %s", name, code, out)
		}
	}
}

// A backup that cannot be written whole leaves nothing under its name, nothing is
// written over, and a copy that somebody else made of the log is told from the own one.
func TestABackupIsWholeOrNotThere(t *testing.T) {
	t.Parallel()
	s := newSite(t, 5)
	file := filepath.Join(s.dir, "b", "monday.cfb")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var said strings.Builder
	if code := run(ctx, []string{"backup", file, "-c", s.config}, streams{out: &said, err: &said}); code != 1 {
		t.Errorf("an interrupted backup: status %d: %s", code, said.String())
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := s.run("backup", file, "-c", s.config); code != 1 || !strings.Contains(out, "overwrites nothing") {
		t.Errorf("status %d: %s", code, out)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "precious" {
		t.Errorf("%q, %v", content, err)
	}
	other := newSite(t, 5)
	mine := filepath.Join(s.dir, "b", "mine.cfb")
	out := s.must("backup", mine, "-c", s.config)
	if !strings.Contains(out, "no stored secret can be opened") {
		t.Errorf("that the keys are not in it is not said:\n%s", out)
	}
	if info, err := os.Stat(mine); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	key := filepath.Join(s.dir, "key")
	for of, holds := range map[*site]bool{s: true, other: false} {
		if err := os.WriteFile(key, []byte(of.w.key.Public()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := s.run("backup", "verify", mine, "--key", key); (code == 0) != holds {
			t.Errorf("by a key: status %d: %s", code, out)
		}
		note := filepath.Join(of.dir, "data", auditCheckpointFile)
		if out, code := s.run("backup", "verify", mine, "--checkpoint", note); (code == 0) != holds {
			t.Errorf("by a checkpoint: status %d: %s", code, out)
		}
	}
}

// A log whose past was changed is not restored, whoever hashed the file anew.
func TestThreat54ABackupOfAChangedLogIsNotRestored(t *testing.T) {
	t.Parallel()
	s := newSite(t, 12)
	err := statements(s.db, "DROP TRIGGER audit_no_update", "UPDATE audit SET actor = 'github:1' WHERE seq = 7")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.dir, "changed.cfb")
	s.must("backup", file, "-c", s.config)
	config, _ := s.empty()
	out, code := s.run("restore", file, "-c", config)
	if code != 1 || !strings.Contains(out, "entry 7 is not what was written") {
		t.Errorf("status %d: %s", code, out)
	}
}

// A data directory with something in it is left alone, and a restore that was
// interrupted is run again. No server starts in between.
func TestARestoreOverwritesNothingAndCanBeRunAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, 5)
	file := filepath.Join(s.dir, "b.cfb")
	s.must("backup", file, "-c", s.config)
	config, data := s.empty()
	precious := filepath.Join(data, "coderflow.db")
	if err := errors.Join(os.Mkdir(data, 0o700), os.WriteFile(precious, []byte("precious"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if out, code := s.run("restore", file, "-c", config); code != 1 || !strings.Contains(out, "coderflow.db is in it") {
		t.Errorf("status %d: %s", code, out)
	}
	if content, err := os.ReadFile(precious); err != nil || string(content) != "precious" {
		t.Errorf("%q, %v", content, err)
	}
	// As a restore leaves it that was killed when it had placed its files.
	err := errors.Join(os.Remove(precious), os.Mkdir(filepath.Join(data, partialDir), 0o700),
		os.WriteFile(filepath.Join(data, partialDir, "placed"), []byte(auditCheckpointFile+"\ngit\n../../etc"), 0o600),
		os.WriteFile(filepath.Join(data, auditCheckpointFile), []byte("half"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := claim(data); err == nil || !strings.Contains(err.Error(), "run it again") {
		t.Errorf("a server would start: %v", err)
	}
	s.must("restore", file, "-c", config)
	if _, err := os.Lstat(filepath.Join(data, partialDir)); !errors.Is(err, os.ErrNotExist) {
		t.Error("it is not finished")
	}
	bring(t, filepath.Join(s.dir, "data", auditKeyFile), filepath.Join(data, auditKeyFile))
	if out := s.must("audit", "verify", "-c", config); !strings.Contains(out, "the audit log holds") {
		t.Error(out)
	}
	if out := s.must("audit", "list", "-c", config); !strings.Contains(out, string(audit.RestoreDone)) || !strings.Contains(out, string(audit.FreezeSet)) {
		t.Errorf("the log does not say that it was restored:\n%s", fmt.Sprint(out))
	}
}
