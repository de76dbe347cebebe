package main

import (
	"context"
	"crypto/rand"

	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/web"
)

// freezeDesk implements web.FreezeDesk, and serves the commands beside the server,
// whose caller has no subject.
type freezeDesk struct{ *store.Store }

// Freeze implements web.FreezeDesk.
func (d freezeDesk) Freeze(ctx context.Context, c web.FreezeChange) (f freeze.Freeze, fresh bool, err error) {
	by, detail := freezer(c)
	order := freeze.Freeze{ID: rand.Text(), Resource: c.Resource, Reason: c.Reason, By: by, Login: c.By.Login}
	err = d.InTx(ctx, func(tx *store.Tx) error {
		f, fresh, err = engine.SetFreeze(ctx, tx, c.When, order, detail)
		return err
	})
	return f, fresh, err
}

// Thaw implements web.FreezeDesk.
func (d freezeDesk) Thaw(ctx context.Context, c web.FreezeChange) (f freeze.Freeze, was bool, err error) {
	by, detail := freezer(c)
	err = d.InTx(ctx, func(tx *store.Tx) error {
		f, was, err = engine.LiftFreeze(ctx, tx, c.When, c.Resource, by, detail)
		return err
	})
	return f, was, err
}

func freezer(c web.FreezeChange) (by string, detail map[string]any) {
	if c.By.Subject.IsZero() {
		return operator(), nil
	}
	return c.By.Subject.String(), map[string]any{"by": "API", "using": c.Using, "request": c.Request, "decision": c.Decision}
}
