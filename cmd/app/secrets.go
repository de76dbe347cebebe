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
	"time"

	"golang.org/x/term"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/web"
)

// secretsCmd works at a server, on the secrets of environments where the caller
// manages them, and on everything on its machine. Nothing prints a secret.
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
	Context secret.Context `name:"for" required:"" enum:"task,deploy,gateway" help:"Who gets it: task (agents' containers), deploy (deployment profiles) or gateway (no container)."`
}

func (a slotArgs) slot() (secret.Slot, error) {
	environment, name, found := strings.Cut(a.Secret, "/")
	if !found {
		return secret.Slot{}, fmt.Errorf("%q: want ENVIRONMENT/NAME, for example staging/DB_PASSWORD", a.Secret)
	}
	slot := secret.Slot{Environment: environment, Context: a.Context, Name: name}
	if err := slot.Check(); err != nil {
		return slot, usage("%w", err)
	}
	return slot, nil
}

type secretsSetCmd struct {
	whereFlags
	slotArgs
	File   string `short:"f" type:"path" xor:"from" help:"Take the secret from this file, to the byte, instead of from standard input."`
	Canary bool   `help:"A decoy: a container that says it, sends it or puts it into a change is stopped."`
	Like   string `xor:"from" placeholder:"FORM" help:"With --canary: make a decoy that looks like one of aws-id, aws-key, github-token, password."`
}

// Help implements kong.HelpProvider.
func (secretsSetCmd) Help() string {
	return fmt.Sprintf(`A secret has %d bytes to %d KiB. From standard input, one line break at the end is left out. The environment's
containers of the context find it as the file /run/secrets/NAME.

Examples:

  coderflow secrets set staging/DB_PASSWORD --for deploy                ask for it
  pass show db | coderflow secrets set staging/DB_PASSWORD --for deploy
  coderflow secrets set staging/kubeconfig --for deploy -f kubeconfig
  coderflow secrets set staging/AWS_SECRET_ACCESS_KEY --for task --canary --like aws-key`, secret.MinLength, secret.MaxLength>>10)
}

// Run stores the secret.
func (c secretsSetCmd) Run(ctx context.Context, s streams) error {
	slot, err := c.slot()
	if err != nil {
		return err
	}
	content, err := c.content(s)
	if err != nil {
		return err
	}
	if _, err := secret.NewValue(slot.Name, content); err != nil {
		return err
	}
	at := secretAt(slot)
	at.Canary = c.Canary
	_, err = ask(ctx, c.whereFlags, s,
		func(l local) (none struct{}, err error) { return none, l.setSecret(ctx, slot, content, c.Canary) },
		func(server *client.Client) (none struct{}, err error) {
			return none, server.SetSecret(ctx, at, content)
		})
	if err != nil {
		return err
	}
	kind := "stored:"
	if c.Canary {
		kind = "stored, as a canary:"
	}
	_, err = fmt.Fprintln(s.out, kind, slot)
	return err
}

func secretAt(slot secret.Slot) client.Secret {
	return client.Secret{Environment: slot.Environment, Context: string(slot.Context), Name: slot.Name}
}

func (l local) setSecret(ctx context.Context, slot secret.Slot, content []byte, canary bool) error {
	cfg, err := l.cfg()
	if err != nil {
		return err
	}
	if err := knownEnvironment(ctx, l.Store, slot.Environment); err != nil {
		return err
	}
	_, err = secretDesk{l.Store, keyring(cfg)}.put(ctx, web.SecretChange{Slot: slot, Canary: canary, When: time.Now()}, content)
	return err
}

func (c secretsSetCmd) content(s streams) ([]byte, error) {
	if c.Like != "" {
		if !c.Canary {
			return nil, usage("--like makes a decoy: it needs --canary")
		}
		content, err := secret.NewDecoy(c.Like)
		if err != nil {
			return nil, usage("%w", err)
		}
		return content, nil
	}
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

type secretsListCmd struct {
	whereFlags
	outputFlag
	Environment string `help:"Only of this environment."`
}

// Help implements kong.HelpProvider.
func (secretsListCmd) Help() string {
	return `Examples:

  coderflow secrets list
  coderflow secrets list --environment staging -o json`
}

// Run lists secrets.
func (c secretsListCmd) Run(ctx context.Context, s streams) error {
	list, err := ask(ctx, c.whereFlags, s,
		func(l local) ([]client.Secret, error) { return l.secrets(ctx, c.Environment) },
		func(server *client.Client) ([]client.Secret, error) { return server.Secrets(ctx, c.Environment) })
	if err != nil {
		return err
	}
	return c.print(s, list, func(t *table) {
		t.row("ENVIRONMENT", "CONTEXT", "NAME", "KIND", "VERSION", "SET", "BY")
		for _, one := range list {
			kind := "secret"
			if one.Canary {
				kind = "canary"
			}
			t.row(one.Environment, one.Context, one.Name, kind, one.Version, stamp(one.SetAt), one.SetBy)
		}
	})
}

func (l local) secrets(ctx context.Context, environment string) ([]client.Secret, error) {
	stored, err := l.Secrets(ctx, environment)
	list := make([]client.Secret, len(stored))
	for i, one := range stored {
		list[i] = secretAt(one.Slot)
		list[i].Canary, list[i].Version, list[i].SetAt, list[i].SetBy = one.Canary, one.Version, one.SetAt.UTC(), one.SetBy
	}
	return list, err
}

type secretsRemoveCmd struct {
	whereFlags
	slotArgs
}

// Help implements kong.HelpProvider.
func (secretsRemoveCmd) Help() string {
	return `Containers that have the secret keep it until they end.

Examples:

  coderflow secrets remove staging/DB_PASSWORD --for deploy`
}

// Run removes a secret.
func (c secretsRemoveCmd) Run(ctx context.Context, s streams) error {
	slot, err := c.slot()
	if err != nil {
		return err
	}
	_, err = ask(ctx, c.whereFlags, s,
		func(l local) (none struct{}, err error) {
			err = secretDesk{db: l.Store}.RemoveSecret(ctx, web.SecretChange{Slot: slot, When: time.Now()})
			if errors.Is(err, task.ErrNotFound) {
				err = notFound("there is no secret %s; `coderflow secrets list` shows them", slot)
			}
			return none, err
		},
		func(server *client.Client) (none struct{}, err error) {
			return none, server.RemoveSecret(ctx, secretAt(slot))
		})
	if err == nil {
		_, err = fmt.Fprintln(s.out, "removed:", slot)
	}
	return err
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
		if err := resealPeople(ctx, db, keys); err != nil {
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
