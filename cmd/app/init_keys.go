package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coderflow/coderflow/internal/secret"
)

type initKeysCmd struct {
	PublicURL string `required:"" help:"Where people reach this CoderFlow, for example https://coderflow.example.com; the audit log's key is named after it."`
	Dir       string `default:"secrets" type:"path" help:"Where the keys are written; it is made if it is missing."`
}

// Run makes the keys for an installation of several processes before the first of them starts: a single server makes its own.
// It overwrites none.
func (c initKeysCmd) Run(s streams) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the keys: %w", err)
	}
	log, secrets := filepath.Join(c.Dir, auditKeyFile), filepath.Join(c.Dir, secretsKeyFile)
	for _, path := range []string{log, secrets} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already, and stored secrets and the signed log would be lost with it", path)
		}
	}
	if _, err := makeAuditKey(c.PublicURL, log); err != nil {
		return err
	}
	if err := secret.NewKeyring(secrets).Create(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "%s\n%s\n\nPut both into the data directory of every server and worker before it starts for the first time.\n", log, secrets)
	return err
}

// Help implements kong.HelpProvider.
func (initKeysCmd) Help() string {
	return `Example:

  coderflow init keys --public-url https://coderflow.example.com --dir secrets`
}
