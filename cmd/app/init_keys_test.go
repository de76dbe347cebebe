package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/secret"
)

func TestKeysAreMadeForAllProcessesAndNeverOverwritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	var out bytes.Buffer
	command := initKeysCmd{PublicURL: "https://coderflow.example.com", Dir: dir}
	if err := command.Run(streams{out: &out}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, auditKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if key, err := audit.ParseKey(string(text)); err != nil || !strings.HasPrefix(key.Public(), "coderflow.example.com/audit+") {
		t.Errorf("the key of the log: %v", err)
	}
	if n, err := secret.NewKeyring(filepath.Join(dir, secretsKeyFile)).Keys(); n != 1 || err != nil {
		t.Errorf("%d keys for secrets, %v", n, err)
	}
	for _, name := range []string{auditKeyFile, secretsKeyFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		if strings.Contains(out.String(), "PRIVATE") {
			t.Errorf("it prints %s", out.String())
		}
	}
	if err := os.Remove(filepath.Join(dir, secretsKeyFile)); err != nil {
		t.Fatal(err)
	}
	if err := command.Run(streams{out: &out}); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("over a key: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, secretsKeyFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half of the keys are new: %v", err)
	}
}
