package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/token"
)

type tokenRow struct {
	bun.BaseModel `bun:"table:tokens,alias:k"`

	ID         string `bun:",pk"`
	Hash       string
	Name       string
	Owner      string
	Scope      string
	SignIn     bool
	CreatedAt  instant
	CreatedBy  string
	ExpiresAt  instant
	LastUsedAt instant
	RevokedAt  instant
	RevokedBy  string
	RefusedAt  instant
}

func (r *tokenRow) token() (token.Token, error) {
	t := token.Token{
		ID: r.ID, Name: r.Name, CreatedAt: r.CreatedAt.Time, CreatedBy: r.CreatedBy, ExpiresAt: r.ExpiresAt.Time,
		SignIn:     r.SignIn,
		LastUsedAt: r.LastUsedAt.Time, RevokedAt: r.RevokedAt.Time, RevokedBy: r.RevokedBy, RefusedAt: r.RefusedAt.Time,
	}
	var d decoder
	decode(&d, "scope", r.Scope, &t.Scope)
	owner, err := forge.ParseSubject(r.Owner)
	if err := errors.Join(d.err, err); err != nil {
		return token.Token{}, fmt.Errorf("token %s: %w", r.ID, err)
	}
	t.Owner = owner
	return t, nil
}

// InsertToken stores a new token by its hash.
func (t *Tx) InsertToken(ctx context.Context, k token.Token, hash token.Hash) error {
	if err := k.Check(); err != nil {
		return fmt.Errorf("insert token %s: %w", k.ID, err)
	}
	var e encoder
	row := &tokenRow{
		ID: text(k.ID), Hash: string(hash), Name: text(k.Name), Owner: k.Owner.String(), Scope: encode(&e, "the scope", k.Scope),
		SignIn: k.SignIn, CreatedAt: at(k.CreatedAt), CreatedBy: text(k.CreatedBy), ExpiresAt: at(k.ExpiresAt),
	}
	err := e.err
	if err == nil {
		_, err = t.exec(ctx, t.tx.NewInsert().Model(row))
	}
	if err != nil {
		return fmt.Errorf("insert token %s: %w", k.ID, err)
	}
	return nil
}

// RevokeToken ends a token. It reports false, and changes nothing, if it was
// revoked before; it fails with task.ErrNotFound if there is none.
func (t *Tx) RevokeToken(ctx context.Context, id, by string, when time.Time) (fresh bool, err error) {
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*tokenRow)(nil)).
		Set("revoked_at = ?", at(when)).Set("revoked_by = ?", text(by)).
		Where("id = ?", text(id)).Where("revoked_at IS NULL"))
	if err == nil && n == 0 {
		err = t.scan(ctx, t.tx.NewSelect().Model(&tokenRow{}).Column("id").Where("id = ?", text(id)))
	}
	if err != nil {
		return false, fmt.Errorf("revoke token %s: %w", id, err)
	}
	return n > 0, nil
}

// NoteRefusedUse records the first use of a token after its end and reports
// whether this was it.
func (t *Tx) NoteRefusedUse(ctx context.Context, id string, when time.Time) (first bool, err error) {
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*tokenRow)(nil)).
		Set("refused_at = ?", at(when)).Where("id = ?", text(id)).Where("refused_at IS NULL"))
	if err != nil {
		return false, fmt.Errorf("note the use of token %s after its end: %w", id, err)
	}
	return n > 0, nil
}

// TouchToken records that a token was used, unless the record is younger than
// token.TouchInterval.
func (s *Store) TouchToken(ctx context.Context, id string, when time.Time) error {
	err := s.InTx(ctx, func(t *Tx) error {
		_, err := t.exec(ctx, t.tx.NewUpdate().Model((*tokenRow)(nil)).
			Set("last_used_at = ?", at(when)).Where("id = ?", text(id)).
			Where("last_used_at IS NULL OR last_used_at <= ?", at(when.Add(-token.TouchInterval))))
		return err
	})
	if err != nil {
		return fmt.Errorf("note the use of token %s: %w", id, err)
	}
	return nil
}

// TokenByHash returns a token, ended or not, or task.ErrNotFound.
func (s *Store) TokenByHash(ctx context.Context, hash token.Hash) (token.Token, error) {
	var row tokenRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("hash = ?", string(hash))); err != nil {
		return token.Token{}, fmt.Errorf("look up a token: %w", err)
	}
	return row.token()
}

// Token returns a token by its id, ended or not, or task.ErrNotFound.
func (s *Store) Token(ctx context.Context, id string) (token.Token, error) {
	var row tokenRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("id = ?", text(id))); err != nil {
		return token.Token{}, fmt.Errorf("read token %s: %w", id, err)
	}
	return row.token()
}

// Tokens lists tokens, newest first, those that ended included, at most 1000.
func (s *Store) Tokens(ctx context.Context) ([]token.Token, error) {
	return s.tokens(ctx, forge.Subject{})
}

// TokensOf is [Store.Tokens] of one owner.
func (s *Store) TokensOf(ctx context.Context, owner forge.Subject) ([]token.Token, error) {
	if owner.IsZero() {
		return nil, errors.New("list the tokens of an owner: nobody is named")
	}
	return s.tokens(ctx, owner)
}

func (s *Store) tokens(ctx context.Context, owner forge.Subject) ([]token.Token, error) {
	var rows []tokenRow
	query := s.read.NewSelect().Model(&rows).Order("created_at DESC", "id").Limit(1000)
	if !owner.IsZero() {
		query.Where("owner = ?", owner.String())
	}
	if err := s.fetch(ctx, query); err != nil {
		return nil, fmt.Errorf("list the tokens: %w", err)
	}
	list := make([]token.Token, 0, len(rows))
	for i := range rows {
		t, err := rows[i].token()
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// tokensLock begins the key of the advisory lock under which PostgreSQL counts an
// owner's tokens. Its value means nothing.
const tokensLock = 0x746f6b73

// LiveTokens counts the owner's tokens that are good at the time. Until the
// transaction ends nobody else counts them, so that a bound on them holds.
func (t *Tx) LiveTokens(ctx context.Context, owner forge.Subject, when time.Time) (int, error) {
	if t.dialect == queue.Postgres {
		if _, err := t.exec(ctx, t.tx.NewRaw("SELECT pg_advisory_xact_lock(?, hashtext(?))", tokensLock, owner.String())); err != nil {
			return 0, fmt.Errorf("wait for the tokens of %s: %w", owner, err)
		}
	}
	var n int
	err := t.scan(ctx, t.tx.NewSelect().Model((*tokenRow)(nil)).ColumnExpr("COUNT(*)").
		Where("owner = ?", owner.String()).Where("revoked_at IS NULL").Where("expires_at > ?", at(when)), &n)
	if err != nil {
		return 0, fmt.Errorf("count the tokens of %s: %w", owner, err)
	}
	return n, nil
}
