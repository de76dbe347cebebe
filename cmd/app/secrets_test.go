package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/secret"
)

// The value must not be in the database, its journal, the log or any output, and
// nobody but the key's owner can read the key (row 35).
func TestSecretsAreStoredSealedAndNeverShown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const value = "correct horse battery staple"
	set := func(name string, context string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "value")
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		return d.must("secrets", "set", "staging/"+name, "--for", context, "-f", file)
	}
	shown := set("DB_PASSWORD", "deploy") + set("DB_PASSWORD", "deploy") + set("REGISTRY", "task")
	shown += d.must("secrets", "list") + d.must("secrets", "list", "-o", "json") + d.must("audit")
	if !strings.Contains(shown, "DB_PASSWORD") || !strings.Contains(shown, `"version": 2`) || !strings.Contains(shown, "secret.set") {
		t.Errorf("the list does not tell what there is:\n%s", shown)
	}
	before, err := os.ReadFile(filepath.Join(filepath.Join(d.dir, "data"), "secrets.key"))
	if err != nil {
		t.Fatal(err)
	}
	shown += d.must("secrets", "rotate-key")
	after, err := os.ReadFile(filepath.Join(filepath.Join(d.dir, "data"), "secrets.key"))
	if err != nil || bytes.Equal(before, after) || strings.Count(string(after), "AGE-SECRET-KEY-") != 1 {
		t.Errorf("the key was not changed: %v", err)
	}
	shown += d.must("secrets", "rotate-key") + d.must("secrets", "list", "--environment", "staging")
	if strings.Contains(shown, value) || strings.Contains(shown, "AGE-SECRET") {
		t.Errorf("the secret was shown:\n%s", shown)
	}
	if out, err := exec.Command("grep", "-rlaF", value, filepath.Join(d.dir, "data")).CombinedOutput(); err == nil {
		t.Errorf("the secret lies in %s", out)
	}
	d.must("secrets", "remove", "staging/DB_PASSWORD", "--for", "deploy")
	for name, c := range map[string]struct {
		arguments []string
		says      string
	}{
		"removed twice":       {[]string{"secrets", "remove", "staging/DB_PASSWORD", "--for", "deploy"}, "there is no secret staging/deploy/DB_PASSWORD"},
		"unknown environment": {[]string{"secrets", "set", "nowhere/X", "--for", "task", "-f", "secrets_test.go"}, `there is no environment "nowhere"`},
		"a path":              {[]string{"secrets", "set", "staging/../x", "--for", "task", "-f", "secrets_test.go"}, "a name has up to 64"},
		"too short":           {[]string{"secrets", "set", "staging/X", "--for", "task", "-f", "/dev/null"}, "at least"},
		"too long":            {[]string{"secrets", "set", "staging/X", "--for", "task", "-f", "/bin/sh"}, "at most"},
	} {
		if out, code := d.run(c.arguments...); code == 0 || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit status %d: %s", name, code, out)
		}
	}
	if err := os.Remove(filepath.Join(filepath.Join(d.dir, "data"), "secrets.key")); err != nil {
		t.Fatal(err)
	}
	if out, code := d.run("secrets", "set", "staging/X", "--for", "task", "-f", "secrets.go"); code == 0 || strings.Contains(out, "stored") {
		t.Errorf("a lost key was replaced: %s", out)
	}
}

// A rotation that was killed between its steps is finished by the next one, and
// every secret opens at every moment.
func TestAnInterruptedKeyChangeIsFinished(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.must("secrets", "set", "staging/A", "--for", "task", "-f", file)
	keys := secret.NewKeyring(filepath.Join(filepath.Join(d.dir, "data"), "secrets.key"))
	if err := keys.Add(); err != nil { // and killed here
		t.Fatal(err)
	}
	d.must("secrets", "set", "staging/B", "--for", "task", "-f", file)
	if out := d.must("secrets", "rotate-key"); !strings.Contains(out, "sealed 1 secrets") {
		t.Errorf("%s", out)
	}
	if n, err := keys.Keys(); n != 1 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
	db, err := (configFlag{Config: d.config}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	stored, err := db.Secrets(t.Context(), "")
	if err != nil || len(stored) != 2 {
		t.Fatalf("%d secrets, %v", len(stored), err)
	}
	for _, one := range stored {
		if v, err := keys.Open(one.Slot, one.Sealed); err != nil || string(v.Reveal()) != "correct horse" {
			t.Errorf("%s: %v", one.Slot, err)
		}
	}
}

// At a server a secret is set by whoever manages those of the environment, and by
// nobody else; nothing on the way has it.
func TestThreat53SecretsAreSetAtAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mariasToken, _ := w.token(maria)
	tomsToken, _ := w.token(tom)
	at, stranger := newSeat(t, "http://"+w.address, tomsToken), newSeat(t, "http://"+w.address, mariasToken)
	const value = "correct horse battery staple"
	file := at.write("value", value)
	at.must("secrets", "set", "staging/DB_PASSWORD", "--for", "deploy", "-f", file)
	if list := w.bothWays(at, "secrets", "list", "-o", "yaml"); !strings.Contains(list, "DB_PASSWORD") || !strings.Contains(list, w.subject(tom)) {
		t.Errorf("%s", list)
	}
	stranger.fails(refusedStatus, `"secrets:manage"`, "secrets", "set", "staging/X", "--for", "deploy", "-f", stranger.write("value", value))
	stranger.fails(refusedStatus, `"secrets:manage"`, "secrets", "list")
	at.fails(notFoundStatus, "no such environment", "secrets", "set", "production/X", "--for", "deploy", "-f", file)
	at.must("secrets", "remove", "staging/DB_PASSWORD", "--for", "deploy")
	at.fails(notFoundStatus, "no such secret", "secrets", "remove", "staging/DB_PASSWORD", "--for", "deploy")
	if out, err := exec.Command("grep", "-rlaF", value, w.dir).CombinedOutput(); err == nil || strings.Contains(w.log.String(), value) {
		t.Errorf("the secret lies in %s, or in the log", out)
	}
}
