package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
)

// foreignKeyError is a process that would use another key than its log's.
type foreignKeyError struct{ path, want, have string }

// Error implements error.
func (e *foreignKeyError) Error() string {
	what := "there is no " + e.path
	if e.have != "" {
		what = e.path + " is the key " + keyName(e.have)
	}
	return fmt.Sprintf("the audit log of this database is signed with the key %s, and %s: copy the file %s of a server that works on this database there, "+
		"or from a backup; if nobody has it any more, `coderflow audit change-key` makes a new one and says so in the log", keyName(e.want), what, auditKeyFile)
}

// keyName is name and number of a public key, without the key.
func keyName(public string) string {
	parts := strings.SplitN(strings.TrimSpace(public), "+", 3)
	return strings.Join(parts[:min(2, len(parts))], "+")
}

// openWithAny opens a checkpoint that one of the keys signed.
func openWithAny(signed []byte, publics []string) (c audit.Checkpoint, err error) {
	err = fmt.Errorf("%w: there is no key", audit.ErrCheckpoint)
	for _, public := range publics {
		if c, err = audit.OpenCheckpoint(signed, public); err == nil {
			return c, nil
		}
	}
	return audit.Checkpoint{}, err
}

// join makes the key the log's, if the log has none and nobody else signed it; and
// fails if it is another one's.
func (w *witness) join(ctx context.Context) error {
	path := filepath.Join(w.dir, auditKeyFile)
	if len(w.publics) == 0 {
		note, err := w.db.LastCheckpoint(ctx) // of a version that kept no keys
		if err != nil {
			return err
		}
		if note != nil {
			if _, err := audit.OpenCheckpoint(note, w.key.Public()); err != nil {
				return fmt.Errorf("the audit log of this database was signed by another server: %w; copy the file %s of that one to %s", err, auditKeyFile, path)
			}
		}
		public, err := w.db.FirstAuditKey(ctx, w.key.Public())
		if err != nil {
			return err
		}
		w.publics = []string{public}
	}
	return w.ownKey()
}

// ownKey fails if the key is not the one that is in force.
func (w *witness) ownKey() error {
	if w.publics[0] != w.key.Public() {
		return &foreignKeyError{path: filepath.Join(w.dir, auditKeyFile), want: w.publics[0], have: w.key.Public()}
	}
	return nil
}

type auditChangeKeyCmd struct {
	configFlag
	Reason string `required:"" help:"Why, for the audit log."`
}

// Help implements kong.HelpProvider.
func (auditChangeKeyCmd) Help() string {
	return `Makes a new key for the audit log of this machine's server, which must be stopped: when the key is lost, or may be known
to somebody. The change is an entry of the log. Former checkpoints are verified with the former key, which the database
keeps; copy the new DATADIR/audit.key to the other servers of this database and tell those who verify: /audit/key.

Example:

  coderflow audit change-key --reason "the disk with audit.key is gone"`
}

// Run changes the key.
func (c auditChangeKeyCmd) Run(ctx context.Context, s streams) (err error) {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	_, lock, err := claim(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	return c.with(ctx, func(db *store.Store) error {
		path := filepath.Join(cfg.DataDir, auditKeyFile)
		if before, err := os.ReadFile(path); err == nil {
			if err := writeDurably(path+"."+time.Now().UTC().Format("20060102T150405"), before, os.O_EXCL); err != nil {
				return fmt.Errorf("keep the former key: %w", err)
			}
		}
		text, err := makeAuditKey(cfg.PublicURL, path)
		if err != nil {
			return err
		}
		key, err := audit.ParseKey(string(text))
		if err != nil {
			return err
		}
		if err := changeAuditKey(ctx, db, key.Public(), c.Reason); err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "the audit log is signed with the key %s from now on\n", keyName(key.Public()))
		return err
	})
}

func changeAuditKey(ctx context.Context, db *store.Store, public, reason string) error {
	return db.InTx(ctx, func(tx *store.Tx) error {
		before, err := tx.NewAuditKey(ctx, public)
		if err != nil {
			return err
		}
		entry, err := audit.New(time.Now(), operator(), audit.KeyChanged, map[string]any{"from": before, "to": public, "reason": reason})
		if err != nil {
			return err
		}
		return tx.Audit(ctx, entry)
	})
}
