package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// Secret is a stored secret. What it says is sealed; the store never has the key.
type Secret struct {
	secret.Slot
	Sealed     []byte
	SealedWith string // public half of the key
	Canary     bool   // a decoy, see secret.Value.AsCanary
	Version    int64  // 1 at first; counts how often it was set
	SetAt      time.Time
	SetBy      string
}

type secretRow struct {
	bun.BaseModel `bun:"table:secrets,alias:s"`

	Environment string `bun:",pk"`
	Context     string `bun:",pk"`
	Name        string `bun:",pk"`
	Sealed      []byte
	SealedWith  string
	Canary      bool
	Version     int64
	SetAt       instant
	SetBy       string
}

func (r *secretRow) secret() Secret {
	return Secret{
		Slot:   secret.Slot{Environment: r.Environment, Context: secret.Context(r.Context), Name: r.Name},
		Sealed: r.Sealed, SealedWith: r.SealedWith, Canary: r.Canary, Version: r.Version, SetAt: r.SetAt.Time, SetBy: r.SetBy,
	}
}

func inSlot[Q interface {
	Where(string, ...any) Q
}](q Q, slot secret.Slot) Q {
	return q.Where("environment = ?", text(slot.Environment)).Where("context = ?", string(slot.Context)).Where("name = ?", text(slot.Name))
}

// SetSecret stores a secret in place of what its slot has, and returns its version.
func (t *Tx) SetSecret(ctx context.Context, s Secret) (version int64, err error) {
	if err := s.Check(); err != nil {
		return 0, err
	}
	row := &secretRow{
		Environment: s.Environment, Context: string(s.Context), Name: s.Name, Sealed: s.Sealed, SealedWith: text(s.SealedWith),
		Canary: s.Canary, Version: 1, SetAt: at(s.SetAt), SetBy: text(s.SetBy),
	}
	_, err = t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (environment, context, name) DO UPDATE").
		Set("sealed = EXCLUDED.sealed").Set("sealed_with = EXCLUDED.sealed_with").Set("canary = EXCLUDED.canary").Set("version = s.version + 1").
		Set("set_at = EXCLUDED.set_at").Set("set_by = EXCLUDED.set_by").Returning("NULL"))
	if err == nil {
		err = t.scan(ctx, inSlot(t.tx.NewSelect().Model((*secretRow)(nil)).Column("version"), s.Slot), &version)
	}
	if err != nil {
		return 0, fmt.Errorf("store the secret %s: %w", s.Slot, err)
	}
	return version, nil
}

// ResealSecret replaces what is sealed, with another key, if the secret is still
// the version that it was; it reports false if somebody set it meanwhile.
func (t *Tx) ResealSecret(ctx context.Context, s Secret) (done bool, err error) {
	n, err := t.exec(ctx, inSlot(t.tx.NewUpdate().Model((*secretRow)(nil)).
		Set("sealed = ?", s.Sealed).Set("sealed_with = ?", text(s.SealedWith)), s.Slot).Where("version = ?", s.Version))
	if err != nil {
		return false, fmt.Errorf("seal the secret %s again: %w", s.Slot, err)
	}
	return n > 0, nil
}

// RemoveSecret removes a secret, or fails with task.ErrNotFound.
func (t *Tx) RemoveSecret(ctx context.Context, slot secret.Slot) error {
	n, err := t.exec(ctx, inSlot(t.tx.NewDelete().Model((*secretRow)(nil)), slot))
	if err == nil && n == 0 {
		err = task.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("remove the secret %s: %w", slot, err)
	}
	return nil
}

// maxSecrets bounds one list; an installation with more has another problem.
const maxSecrets = 10_000

// Secrets lists the secrets of an environment, or of all if it is empty, in the
// order of their slots.
func (s *Store) Secrets(ctx context.Context, environment string) ([]Secret, error) {
	var rows []secretRow
	q := s.read.NewSelect().Model(&rows).Order("environment", "context", "name").Limit(maxSecrets)
	if environment != "" {
		q = q.Where("environment = ?", text(environment))
	}
	if err := s.fetch(ctx, q); err != nil && !errors.Is(err, task.ErrNotFound) {
		return nil, fmt.Errorf("list the secrets: %w", err)
	}
	list := make([]Secret, len(rows))
	for i := range rows {
		list[i] = rows[i].secret()
	}
	return list, nil
}
