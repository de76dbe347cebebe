package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// secretsCmd is for whoever runs the server: it works on the database itself.
// Nothing prints a secret.
type secretsCmd struct {
	Set       secretsSetCmd       `cmd:"" help:"Store a secret from standard input or a file."`
	List      secretsListCmd      `cmd:"" help:"List the names of secrets; never what they say."`
	Remove    secretsRemoveCmd    `cmd:"" help:"Remove a secret."`
	RotateKey secretsRotateKeyCmd `cmd:"" help:"Seal all secrets with a new key and forget the former."`
}

// keyring is where an installation's key lies.
func keyring(cfg config.Config) *secret.Keyring {
	return secret.NewKeyring(filepath.Join(cfg.DataDir, "secrets.key"))
}

// slotArgs name a secret on the command line.
type slotArgs struct {
	Secret  string         `arg:"" placeholder:"ENVIRONMENT/NAME" help:"Which secret: staging/DB_PASSWORD."`
	Context secret.Context `required:"" enum:"task,deploy,gateway" help:"Who gets it: task (agents' containers), deploy (deployment profiles) or gateway (no container)."`
}

func (a slotArgs) slot() (secret.Slot, error) {
	environment, name, found := strings.Cut(a.Secret, "/")
	if !found {
		return secret.Slot{}, fmt.Errorf("%q: want ENVIRONMENT/NAME, for example staging/DB_PASSWORD", a.Secret)
	}
	slot := secret.Slot{Environment: environment, Context: a.Context, Name: name}
	return slot, slot.Check()
}

type secretsSetCmd struct {
	configFlag
	slotArgs
	File string `short:"f" type:"path" help:"Take the secret from this file, to the byte, instead of from standard input."`
}

// Help implements kong.HelpProvider.
func (secretsSetCmd) Help() string {
	return fmt.Sprintf(`A secret has %d bytes to %d KiB. From standard input, one line break at the end is left out. The environment's
containers of the context find it as the file /run/secrets/NAME.

Examples:

  coderflow secrets set staging/DB_PASSWORD --context deploy                ask for it
  pass show db | coderflow secrets set staging/DB_PASSWORD --context deploy
  coderflow secrets set staging/kubeconfig --context deploy -f kubeconfig`, secret.MinLength, secret.MaxLength>>10)
}

// Run stores the secret.
func (c secretsSetCmd) Run(ctx context.Context, s streams) error {
	slot, err := c.slot()
	if err != nil {
		return err
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	content, err := c.content(s)
	if err != nil {
		return err
	}
	return c.with(ctx, func(db *store.Store) error {
		if err := knownEnvironment(ctx, db, slot.Environment); err != nil {
			return err
		}
		keys := keyring(cfg)
		if err := createKey(ctx, db, keys); err != nil {
			return err
		}
		err := storeSecret(ctx, db, keys, slot, content)
		if err == nil {
			_, err = fmt.Fprintln(s.out, "stored:", slot)
		}
		return err
	})
}

// storeSecret seals and stores. A key that was changed in between, by another
// process, has the secret stored again: the former key may be forgotten already.
func storeSecret(ctx context.Context, db *store.Store, keys *secret.Keyring, slot secret.Slot, content []byte) error {
	for {
		sealed, key, err := keys.Seal(slot, content)
		if err != nil {
			return err
		}
		now := time.Now()
		err = db.InTx(ctx, func(tx *store.Tx) error {
			version, err := tx.SetSecret(ctx, store.Secret{Slot: slot, Sealed: sealed, SealedWith: key, SetAt: now, SetBy: operator()})
			if err != nil {
				return err
			}
			return auditSecret(ctx, tx, now, audit.SecretSet, slot, version)
		})
		if err != nil {
			return err
		}
		if current, err := keys.Current(); err != nil || current == key {
			return err
		}
	}
}

func (c secretsSetCmd) content(s streams) ([]byte, error) {
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // only read
		return io.ReadAll(io.LimitReader(f, secret.MaxLength+1))
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintf(s.err, "%s (it is not shown): ", c.Secret)
		content, err := term.ReadPassword(int(os.Stdin.Fd()))
		fmt.Fprintln(s.err)
		return content, err
	}
	content, err := io.ReadAll(io.LimitReader(os.Stdin, secret.MaxLength+2))
	return bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r")), err
}

func knownEnvironment(ctx context.Context, db *store.Store, name string) error {
	now, err := readInForce(ctx, db)
	if err != nil {
		return err
	}
	if now.set != nil {
		if _, known := now.set.Environments[name]; known {
			return nil
		}
	}
	return fmt.Errorf("there is no environment %q in force; `coderflow get` lists them", name)
}

// createKey makes the first key. Where secrets are stored already, a key that is
// missing was lost or moved, and a new one would hide that.
func createKey(ctx context.Context, db *store.Store, keys *secret.Keyring) error {
	_, err := keys.Current()
	if !errors.Is(err, secret.ErrNoKey) {
		return err
	}
	stored, listErr := db.Secrets(ctx, "")
	if listErr != nil {
		return listErr
	}
	if len(stored) > 0 {
		return fmt.Errorf("%w, but %d secrets are sealed with it: bring the file back, or remove them", err, len(stored))
	}
	return keys.Create()
}

func auditSecret(ctx context.Context, tx *store.Tx, when time.Time, action audit.Action, slot secret.Slot, version int64) error {
	detail := map[string]any{"context": slot.Context, "name": slot.Name}
	if version > 0 {
		detail["version"] = version
	}
	entry, err := audit.New(when, operator(), action, detail)
	if err != nil {
		return err
	}
	entry.Environment = slot.Environment
	return tx.Audit(ctx, entry)
}

type secretsListCmd struct {
	configFlag
	outputFlag
	Environment string `help:"Only of this environment."`
}

// secretReport is what is known of a secret besides what it says.
type secretReport struct {
	secret.Slot
	Version int64     `json:"version"`
	SetAt   time.Time `json:"setAt"`
	SetBy   string    `json:"setBy"`
}

// Run lists secrets.
func (c secretsListCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error {
		stored, err := db.Secrets(ctx, c.Environment)
		if err != nil {
			return err
		}
		reports := make([]secretReport, len(stored))
		for i, one := range stored {
			reports[i] = secretReport{one.Slot, one.Version, one.SetAt.UTC(), one.SetBy}
		}
		if done, err := c.encoded(s, reports); done {
			return err
		}
		table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "ENVIRONMENT\tCONTEXT\tNAME\tVERSION\tSET\tBY")
		for _, r := range reports {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", r.Environment, r.Context, r.Name, r.Version, r.SetAt.Format("2006-01-02 15:04"), visible(r.SetBy))
		}
		return table.Flush()
	})
}

type secretsRemoveCmd struct {
	configFlag
	slotArgs
}

// Run removes a secret. Containers that have it keep it until they end.
func (c secretsRemoveCmd) Run(ctx context.Context, s streams) error {
	slot, err := c.slot()
	if err != nil {
		return err
	}
	return c.with(ctx, func(db *store.Store) error {
		err := db.InTx(ctx, func(tx *store.Tx) error {
			if err := tx.RemoveSecret(ctx, slot); err != nil {
				return err
			}
			return auditSecret(ctx, tx, time.Now(), audit.SecretRemoved, slot, 0)
		})
		if errors.Is(err, task.ErrNotFound) {
			return fmt.Errorf("there is no secret %s; `coderflow secrets list` shows them", slot)
		}
		if err == nil {
			_, err = fmt.Fprintln(s.out, "removed:", slot)
		}
		return err
	})
}

type secretsRotateKeyCmd struct{ configFlag }

// Help implements kong.HelpProvider.
func (secretsRotateKeyCmd) Help() string {
	return `The server can run meanwhile. Interrupted, the command goes on where it stopped when it is run again; until it is
done the key file has both keys. Copies of the former key file open copies of the former database still.

Example:

  coderflow secrets rotate-key`
}

// Run changes the key. Every step can be the last of this process: the former
// keys are dropped only when nothing is sealed with them.
func (c secretsRotateKeyCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	keys := keyring(cfg)
	return c.with(ctx, func(db *store.Store) error {
		n, err := keys.Keys()
		if err != nil {
			return err
		}
		if n == 1 { // else a rotation was interrupted
			if err := keys.Add(); err != nil {
				return err
			}
		}
		resealed, err := reseal(ctx, db, keys)
		if err != nil {
			return err
		}
		if err := keys.DropOld(); err != nil {
			return err
		}
		err = db.InTx(ctx, func(tx *store.Tx) error {
			entry, err := audit.New(time.Now(), operator(), audit.SecretsResealed, map[string]any{"secrets": resealed})
			if err != nil {
				return err
			}
			return tx.Audit(ctx, entry)
		})
		if err == nil {
			_, err = fmt.Fprintf(s.out, "sealed %d secrets with a new key; the former is forgotten\n", resealed)
		}
		return err
	})
}

// reseal seals with the current key whatever is sealed with another, until
// nothing is: somebody may set a secret meanwhile.
func reseal(ctx context.Context, db *store.Store, keys *secret.Keyring) (done int, err error) {
	for {
		current, err := keys.Current()
		if err != nil {
			return done, err
		}
		stored, err := db.Secrets(ctx, "")
		if err != nil {
			return done, err
		}
		stored = slices.DeleteFunc(stored, func(one store.Secret) bool { return one.SealedWith == current })
		if len(stored) == 0 {
			return done, nil
		}
		for _, one := range stored {
			value, err := keys.Open(one.Slot, one.Sealed)
			if err != nil {
				return done, err
			}
			if one.Sealed, one.SealedWith, err = keys.Seal(one.Slot, value.Reveal()); err != nil {
				return done, err
			}
			err = db.InTx(ctx, func(tx *store.Tx) error {
				fresh, err := tx.ResealSecret(ctx, one)
				if fresh {
					done++
				}
				return err
			})
			if err != nil {
				return done, err
			}
		}
	}
}
