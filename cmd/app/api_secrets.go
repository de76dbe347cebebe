package main

import (
	"context"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/web"
)

// secretDesk implements web.SecretDesk.
type secretDesk struct {
	db   *store.Store
	keys *secret.Keyring
}

// StoredSecrets implements web.SecretDesk.
func (d secretDesk) StoredSecrets(ctx context.Context, environment string) ([]web.StoredSecret, error) {
	stored, err := d.db.Secrets(ctx, environment)
	list := make([]web.StoredSecret, len(stored))
	for i, one := range stored {
		list[i] = viewSecret(one)
	}
	return list, err
}

func viewSecret(s store.Secret) web.StoredSecret {
	return web.StoredSecret{Slot: s.Slot, Canary: s.Canary, Version: s.Version, SetAt: s.SetAt.UTC(), SetBy: s.SetBy}
}

// SetSecret implements web.SecretDesk.
func (d secretDesk) SetSecret(ctx context.Context, c web.SecretChange, content []byte) (web.StoredSecret, error) {
	stored, err := d.put(ctx, c, content)
	return viewSecret(stored), err
}

// RemoveSecret implements web.SecretDesk.
func (d secretDesk) RemoveSecret(ctx context.Context, c web.SecretChange) error {
	return d.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.RemoveSecret(ctx, c.Slot); err != nil {
			return err
		}
		return noteSecret(ctx, tx, c, audit.SecretRemoved, 0)
	})
}

// put seals and stores. A key that was changed in between, by another process, has
// the secret stored again: the former key may be forgotten already.
func (d secretDesk) put(ctx context.Context, c web.SecretChange, content []byte) (store.Secret, error) {
	if err := createKey(ctx, d.db, d.keys); err != nil {
		return store.Secret{}, err
	}
	for {
		sealed, key, err := d.keys.Seal(c.Slot, content)
		if err != nil {
			return store.Secret{}, err
		}
		s := store.Secret{Slot: c.Slot, Sealed: sealed, SealedWith: key, Canary: c.Canary, SetAt: c.When, SetBy: c.By.String()}
		if c.By.IsZero() {
			s.SetBy = operator()
		}
		err = d.db.InTx(ctx, func(tx *store.Tx) error {
			if s.Version, err = tx.SetSecret(ctx, s); err != nil {
				return err
			}
			return noteSecret(ctx, tx, c, audit.SecretSet, s.Version)
		})
		if err != nil {
			return store.Secret{}, err
		}
		if current, err := d.keys.Current(); err != nil || current == key {
			return s, err
		}
	}
}

// noteSecret audits a change; whoever runs the server has no subject.
func noteSecret(ctx context.Context, tx *store.Tx, c web.SecretChange, action audit.Action, version int64) error {
	detail, by := map[string]any{"context": c.Slot.Context, "name": c.Slot.Name}, operator()
	if version > 0 {
		detail["version"] = version
	}
	if c.Canary {
		detail["canary"] = true
	}
	if !c.By.IsZero() {
		by, detail["by"], detail["using"], detail["request"] = c.By.String(), "API", c.Using, c.Request
	}
	entry, err := audit.New(c.When, by, action, detail)
	if err != nil {
		return err
	}
	entry.Environment = c.Slot.Environment
	return tx.Audit(ctx, entry)
}
