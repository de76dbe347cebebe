package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/forge"
)

// PersonToken is a person's token for git, sealed; the store never has the key.
type PersonToken struct {
	Subject      forge.Subject
	Login        string // display text
	Sealed       []byte
	SealedWith   string // public half of the key
	Version      int64  // counts how often it changed
	KeptAt       time.Time
	ExpiresAt    time.Time // zero: never
	RefreshUntil time.Time // zero: never
}

type personRow struct {
	bun.BaseModel `bun:"table:people_tokens,alias:p"`

	Subject      string `bun:",pk"`
	Login        string
	Sealed       []byte
	SealedWith   string
	Version      int64
	KeptAt       instant
	ExpiresAt    instant
	RefreshUntil instant
	ClaimedUntil instant
}

func (r *personRow) person() (PersonToken, error) {
	subject, err := forge.ParseSubject(r.Subject)
	if err != nil {
		return PersonToken{}, fmt.Errorf("read the token of %q: %w", r.Subject, err)
	}
	return PersonToken{
		Subject: subject, Login: r.Login, Sealed: r.Sealed, SealedWith: r.SealedWith, Version: r.Version,
		KeptAt: r.KeptAt.Time, ExpiresAt: r.ExpiresAt.Time, RefreshUntil: r.RefreshUntil.Time,
	}, nil
}

// KeepPersonToken stores a token in the place of what the person had.
func (t *Tx) KeepPersonToken(ctx context.Context, p PersonToken) error {
	row := &personRow{
		Subject: p.Subject.String(), Login: text(p.Login), Sealed: p.Sealed, SealedWith: text(p.SealedWith), Version: 1,
		KeptAt: at(p.KeptAt), ExpiresAt: at(p.ExpiresAt), RefreshUntil: at(p.RefreshUntil),
	}
	_, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (subject) DO UPDATE").
		Set("login = EXCLUDED.login").Set("sealed = EXCLUDED.sealed").Set("sealed_with = EXCLUDED.sealed_with").
		Set("version = p.version + 1").Set("kept_at = EXCLUDED.kept_at").Set("expires_at = EXCLUDED.expires_at").
		Set("refresh_until = EXCLUDED.refresh_until").Set("claimed_until = NULL").Returning("NULL"))
	if err != nil {
		return fmt.Errorf("keep the token of %s: %w", p.Subject, err)
	}
	return nil
}

// ClaimPersonToken gives the caller the refresh of exactly this version, until the
// time. It reports false if somebody else has it, or the token changed.
func (t *Tx) ClaimPersonToken(ctx context.Context, who forge.Subject, version int64, now, until time.Time) (own bool, err error) {
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*personRow)(nil)).Set("claimed_until = ?", at(until)).
		Where("subject = ?", who.String()).Where("version = ?", version).Where("(claimed_until IS NULL OR claimed_until <= ?)", at(now)))
	if err != nil {
		return false, fmt.Errorf("claim the refresh of the token of %s: %w", who, err)
	}
	return n > 0, nil
}

// ResealPersonToken replaces what is sealed, with another key, if the token is still
// the version that it was. A refresh that is under way goes on.
func (t *Tx) ResealPersonToken(ctx context.Context, p PersonToken) error {
	_, err := t.exec(ctx, t.tx.NewUpdate().Model((*personRow)(nil)).
		Set("sealed = ?", p.Sealed).Set("sealed_with = ?", text(p.SealedWith)).
		Where("subject = ?", p.Subject.String()).Where("version = ?", p.Version))
	if err != nil {
		return fmt.Errorf("seal the token of %s again: %w", p.Subject, err)
	}
	return nil
}

// ReplacePersonToken puts what was refreshed in the place of exactly p.Version. It reports false if the token changed or was forgotten.
func (t *Tx) ReplacePersonToken(ctx context.Context, p PersonToken) (done bool, err error) {
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*personRow)(nil)).
		Set("sealed = ?", p.Sealed).Set("sealed_with = ?", text(p.SealedWith)).Set("version = version + 1").
		Set("expires_at = ?", at(p.ExpiresAt)).Set("refresh_until = ?", at(p.RefreshUntil)).Set("claimed_until = NULL").
		Where("subject = ?", p.Subject.String()).Where("version = ?", p.Version))
	if err != nil {
		return false, fmt.Errorf("replace the token of %s: %w", p.Subject, err)
	}
	return n > 0, nil
}

// ForgetPersonToken removes a token of exactly this version, or with 0 of any; it
// reports false if there is none.
func (t *Tx) ForgetPersonToken(ctx context.Context, who forge.Subject, version int64) (done bool, err error) {
	n, err := t.exec(ctx, t.tx.NewDelete().Model((*personRow)(nil)).Where("subject = ?", who.String()).
		Where("(version = ? OR ? = 0)", version, version))
	if err != nil {
		return false, fmt.Errorf("forget the token of %s: %w", who, err)
	}
	return n > 0, nil
}

// PersonToken reads a token, or fails with task.ErrNotFound.
func (s *Store) PersonToken(ctx context.Context, who forge.Subject) (PersonToken, error) {
	var row personRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("subject = ?", who.String())); err != nil {
		return PersonToken{}, fmt.Errorf("read the token of %s: %w", who, err)
	}
	return row.person()
}

// PersonTokens lists all, by their subjects.
func (s *Store) PersonTokens(ctx context.Context) ([]PersonToken, error) {
	var rows []personRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Order("subject").Limit(maxSecrets)); err != nil {
		return nil, fmt.Errorf("list people's tokens: %w", err)
	}
	list := make([]PersonToken, len(rows))
	for i := range rows {
		var err error
		if list[i], err = rows[i].person(); err != nil {
			return nil, err
		}
	}
	return list, nil
}
