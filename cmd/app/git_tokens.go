package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/store"
)

// gitTokensCmd works on the server's machine. Nothing prints a token.
type gitTokensCmd struct {
	List   gitTokensListCmd   `cmd:"" help:"List of whom a token is kept."`
	Forget gitTokensForgetCmd `cmd:"" help:"Forget the token of a person."`
}

type gitTokensListCmd struct {
	configFlag
	outputFlag
}

// Help implements kong.HelpProvider.
func (gitTokensListCmd) Help() string {
	return `Example:

  coderflow git-tokens list`
}

// keptOf is a token as it is listed.
type keptOf struct {
	Subject   string     `json:"subject"`
	Login     string     `json:"login"`
	KeptAt    time.Time  `json:"keptAt"`
	GoodUntil *time.Time `json:"goodUntil,omitempty"`
}

// Run lists them.
func (c gitTokensListCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error {
		stored, err := db.PersonTokens(ctx)
		if err != nil {
			return err
		}
		list := []keptOf{}
		for _, p := range stored {
			list = append(list, keptOf{p.Subject.String(), p.Login, p.KeptAt.UTC(), good(p)})
		}
		return c.print(s, list, func(t *table) {
			t.row("SUBJECT", "LOGIN", "KEPT", "GOOD UNTIL")
			for _, p := range list {
				t.row(p.Subject, p.Login, stamp(p.KeptAt), dash(shown(p.GoodUntil)))
			}
		})
	})
}

type gitTokensForgetCmd struct {
	configFlag
	Subject string `arg:"" placeholder:"SUBJECT" help:"Whose: github:NUMBER."`
}

// Help implements kong.HelpProvider.
func (gitTokensForgetCmd) Help() string {
	return `It is ended at GitHub too, if that answers. What is under way with it fails or goes on with the next source.

Example:

  coderflow git-tokens forget github:583231`
}

// Run forgets one.
func (c gitTokensForgetCmd) Run(ctx context.Context, s streams) error {
	who, err := forge.ParseSubject(c.Subject)
	if err != nil {
		return usage("%w", err)
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return c.with(ctx, func(db *store.Store) error {
		if _, err := db.PersonToken(ctx, who); err != nil {
			return notFound("no token of %s is kept; `coderflow git-tokens list` lists them", who)
		}
		log := newLogger(cfg.Log, s.err)
		kept := newPurse(cfg, db, newVault(cfg, db, nil), log)
		if kept == nil { // switched off by now: nobody to tell
			err = db.InTx(ctx, func(tx *store.Tx) error {
				_, err := forgetGitToken(ctx, tx, time.Now(), operator(), who, 0, "forgotten by an administrator")
				return err
			})
		} else {
			err = kept.end(ctx, who, operator(), "forgotten by an administrator")
		}
		if err == nil {
			_, err = fmt.Fprintln(s.out, "forgotten:", who)
		}
		return err
	})
}

// resealPeople seals with the current key whatever of people is sealed with another.
// What no key opens is forgotten: they sign in again.
func resealPeople(ctx context.Context, db *store.Store, keys *secret.Keyring) error {
	for {
		current, err := keys.Current()
		if err != nil {
			return err
		}
		stored, err := db.PersonTokens(ctx)
		if err != nil {
			return err
		}
		stored = slices.DeleteFunc(stored, func(p store.PersonToken) bool { return p.SealedWith == current })
		if len(stored) == 0 {
			return nil
		}
		for _, p := range stored {
			slot := secret.PersonSlot(p.Subject.String())
			value, err := keys.Open(slot, p.Sealed)
			if errors.Is(err, secret.ErrOtherKey) {
				err = db.InTx(ctx, func(tx *store.Tx) error {
					_, err := forgetGitToken(ctx, tx, time.Now(), operator(), p.Subject, p.Version, "no key opens it")
					return err
				})
				if err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return err
			}
			if p.Sealed, p.SealedWith, err = keys.Seal(slot, value.Reveal()); err != nil {
				return err
			}
			if err := db.InTx(ctx, func(tx *store.Tx) error { return tx.ResealPersonToken(ctx, p) }); err != nil {
				return err
			}
		}
	}
}
