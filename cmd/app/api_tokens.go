package main

import (
	"context"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/token"
	"github.com/coderflow/coderflow/internal/web"
)

// OwnedTokens implements web.TokenDesk.
func (s apiStore) OwnedTokens(ctx context.Context, owner forge.Subject) ([]token.Token, error) {
	if owner.IsZero() {
		return s.Tokens(ctx)
	}
	return s.TokensOf(ctx, owner)
}

// MakeToken implements web.TokenDesk.
func (s apiStore) MakeToken(ctx context.Context, c web.TokenChange, hash token.Hash, most int) error {
	return s.InTx(ctx, func(tx *store.Tx) error {
		live, err := tx.LiveTokens(ctx, c.Token.Owner, c.When)
		if err != nil {
			return err
		}
		if live >= most {
			return web.ErrTooManyTokens
		}
		if err := tx.InsertToken(ctx, c.Token, hash); err != nil {
			return err
		}
		return noteToken(ctx, tx, c, token.Created, map[string]any{
			"owner": c.Token.Owner, "name": c.Token.Name, "scope": c.Token.Scope, "expiresAt": c.Token.ExpiresAt,
		})
	})
}

// EndToken implements web.TokenDesk.
func (s apiStore) EndToken(ctx context.Context, c web.TokenChange) (token.Token, error) {
	err := s.InTx(ctx, func(tx *store.Tx) error {
		fresh, err := tx.RevokeToken(ctx, c.Token.ID, c.By.String(), c.When)
		if err != nil || !fresh {
			return err
		}
		return noteToken(ctx, tx, c, token.Revoked, map[string]any{"owner": c.Token.Owner})
	})
	if err != nil {
		return token.Token{}, err
	}
	return s.Token(ctx, c.Token.ID)
}

func noteToken(ctx context.Context, tx *store.Tx, c web.TokenChange, action audit.Action, detail map[string]any) error {
	detail["by"], detail["using"], detail["request"] = "API", c.Using, c.Request
	return auditToken(ctx, tx, c.When, c.By.String(), action, c.Token.ID, detail)
}
