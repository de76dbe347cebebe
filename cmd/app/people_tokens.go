package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
	"github.com/coderflow/coderflow/internal/web"
)

// purse keeps the tokens of people who signed in, for git. It implements
// signin.Keeper and engine.People.
type purse struct {
	db    *store.Store
	keys  *secret.Keyring
	hub   tokenMaker
	vault *vault
	log   *slog.Logger
	now   func() time.Time
}

// tokenMaker is GitHub's part; *signin.GitHub is one.
type tokenMaker interface {
	RefreshToken(ctx context.Context, refresh forge.Secret) (signin.UserToken, error)
	ScopeToken(ctx context.Context, access forge.Secret, ref forge.RepositoryRef, write bool) (forge.Secret, error)
	Revoke(ctx context.Context, access forge.Secret)
}

const (
	// refreshBefore is how much life a token has left that is used as it is.
	refreshBefore = 15 * time.Minute
	// claimLife is how long one process has for a refresh. One that needs longer
	// may find its answer taken for lost.
	claimLife = 45 * time.Second
	claimPoll = 200 * time.Millisecond
)

// pair is what is sealed.
type pair struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh,omitempty"`
}

func (p *purse) seal(who forge.Subject, t signin.UserToken) (sealed []byte, key string, err error) {
	content, err := json.Marshal(pair{t.Access.Reveal(), t.Refresh.Reveal()})
	if err != nil {
		return nil, "", errors.New("a token cannot be written")
	}
	return p.keys.Seal(secret.PersonSlot(who.String()), content)
}

// open fails if what is stored was sealed for somebody else.
func (p *purse) open(stored store.PersonToken) (pair, error) {
	value, err := p.keys.Open(secret.PersonSlot(stored.Subject.String()), stored.Sealed)
	if err != nil {
		return pair{}, err
	}
	var kept pair
	if json.Unmarshal(value.Reveal(), &kept) != nil || kept.Access == "" {
		return pair{}, errors.New("what is kept is no token")
	}
	return kept, p.hide(stored.Subject, kept.Access, kept.Refresh)
}

// hide has the texts taken out of whatever a container says from now on.
func (p *purse) hide(who forge.Subject, texts ...string) error {
	for i, text := range texts {
		if text == "" {
			continue
		}
		value, err := secret.NewValue("git-token/"+who.ID, []byte(text))
		if err != nil {
			return err
		}
		p.vault.hold(fmt.Sprintf("%s/%d", who, i), value)
	}
	return nil
}

// Keep implements signin.Keeper.
func (p *purse) Keep(ctx context.Context, who signin.Identity) error {
	if who.Subject.Host != forge.GitHub || who.Token == nil {
		return errors.New("only tokens of GitHub are kept")
	}
	if err := createKey(ctx, p.db, p.keys); err != nil {
		return err
	}
	replaced := p.had(ctx, who.Subject)
	sealed, key, err := p.seal(who.Subject, *who.Token)
	if err != nil {
		return err
	}
	kept := store.PersonToken{
		Subject: who.Subject, Login: who.Login, Sealed: sealed, SealedWith: key, KeptAt: p.now(),
		ExpiresAt: who.Token.ExpiresAt, RefreshUntil: who.Token.RefreshUntil,
	}
	if err := p.hide(who.Subject, who.Token.Access.Reveal(), who.Token.Refresh.Reveal()); err != nil {
		return err
	}
	err = p.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.KeepPersonToken(ctx, kept); err != nil {
			return err
		}
		return noteGitToken(ctx, tx, p.now(), who.Subject.String(), audit.GitTokenKept, who.Subject, map[string]any{"expiresAt": kept.ExpiresAt, "refreshUntil": kept.RefreshUntil})
	})
	if err != nil {
		return err
	}
	if replaced != "" {
		p.hub.Revoke(ctx, forge.Secret(replaced))
	}
	return p.sealedWell(ctx, key)
}

// had is the token that is kept of a person already; empty if that is none.
func (p *purse) had(ctx context.Context, who forge.Subject) string {
	stored, err := p.db.PersonToken(ctx, who)
	if err != nil {
		return ""
	}
	kept, err := p.open(stored)
	if err != nil {
		return ""
	}
	return kept.Access
}

// sealedWell seals again what was sealed with a key that was changed in between, by
// another process: it may be forgotten in a moment.
func (p *purse) sealedWell(ctx context.Context, key string) error {
	if current, err := p.keys.Current(); err != nil || current == key {
		return err
	}
	return resealPeople(ctx, p.db, p.keys)
}

// noteGitToken audits what happened to a token; never the token.
func noteGitToken(ctx context.Context, tx *store.Tx, when time.Time, by string, action audit.Action, who forge.Subject, detail map[string]any) error {
	detail["subject"] = who
	entry, err := audit.New(when, by, action, detail)
	if err != nil {
		return err
	}
	return tx.Audit(ctx, entry)
}

// forgetGitToken removes what is kept of a person, of any version if that is 0,
// audited. It reports false if there is none.
func forgetGitToken(ctx context.Context, tx *store.Tx, when time.Time, by string, who forge.Subject, version int64, why string) (bool, error) {
	done, err := tx.ForgetPersonToken(ctx, who, version)
	if err != nil || !done {
		return false, err
	}
	return true, noteGitToken(ctx, tx, when, by, audit.GitTokenForgotten, who, map[string]any{"why": why})
}

const signInAgain = "; sign in at CoderFlow again to give it another"

// GitToken implements engine.People. What git gets is good for one repository and
// its content alone.
func (p *purse) GitToken(ctx context.Context, who forge.Subject, ref forge.RepositoryRef, push bool) (forge.Token, error) {
	stored, kept, err := p.fresh(ctx, who, p.now().Add(refreshBefore))
	if err != nil {
		return forge.Token{}, err
	}
	scoped, err := p.hub.ScopeToken(ctx, forge.Secret(kept.Access), ref, push)
	if errors.Is(err, signin.ErrTokenEnded) { // before its time: refreshed once, and tried again
		if stored, kept, err = p.refresh(ctx, stored, kept); err != nil {
			return forge.Token{}, err
		}
		scoped, err = p.hub.ScopeToken(ctx, forge.Secret(kept.Access), ref, push)
	}
	switch {
	case errors.Is(err, signin.ErrTokenEnded):
		return forge.Token{}, p.lost(ctx, stored, "GitHub says that it was revoked"+signInAgain)
	case errors.Is(err, signin.ErrTokenShort):
		return forge.Token{}, &engine.OwnTokenError{Why: "GitHub does not narrow it to " + ref.FullName() + ": the person, or the App, has no such access there"}
	case err != nil:
		return forge.Token{}, err
	}
	if err := p.hide(who, "", "", scoped.Reveal()); err != nil {
		return forge.Token{}, err
	}
	return forge.Token{Value: scoped, Source: fmt.Sprintf("github user %s (%s), own sign-in", stored.Login, who.ID)}, nil
}

// fresh is what is kept of a person, good until the time at least.
func (p *purse) fresh(ctx context.Context, who forge.Subject, until time.Time) (store.PersonToken, pair, error) {
	stored, err := p.db.PersonToken(ctx, who)
	if errors.Is(err, task.ErrNotFound) {
		return stored, pair{}, engine.ErrNoOwnToken
	}
	if err != nil {
		return stored, pair{}, err
	}
	kept, err := p.open(stored)
	if err != nil {
		p.log.ErrorContext(ctx, "a person's token cannot be opened", "subject", who.String(), "error", err)
		return stored, pair{}, &engine.OwnTokenError{Why: "it cannot be opened on this server" + signInAgain}
	}
	if stored.ExpiresAt.IsZero() || until.Before(stored.ExpiresAt) {
		return stored, kept, nil
	}
	return p.refresh(ctx, stored, kept)
}

// refresh gets a new pair in the place of exactly the stored one. Of all processes
// one asks GitHub, for a refresh token is good once; the others wait for it.
func (p *purse) refresh(ctx context.Context, stored store.PersonToken, kept pair) (store.PersonToken, pair, error) {
	who := stored.Subject
	if kept.Refresh == "" || !stored.RefreshUntil.IsZero() && !p.now().Before(stored.RefreshUntil) {
		return stored, pair{}, p.lost(ctx, stored, "it has expired, and nothing renews it"+signInAgain)
	}
	for {
		own := false
		err := p.db.InTx(ctx, func(tx *store.Tx) (err error) {
			own, err = tx.ClaimPersonToken(ctx, who, stored.Version, p.now(), p.now().Add(claimLife))
			return err
		})
		if err != nil {
			return stored, pair{}, err
		}
		if own {
			return p.renew(ctx, stored, kept)
		}
		now, err := p.db.PersonToken(ctx, who)
		if errors.Is(err, task.ErrNotFound) {
			return stored, pair{}, engine.ErrNoOwnToken
		}
		if err != nil {
			return stored, pair{}, err
		}
		if now.Version != stored.Version {
			kept, err := p.open(now)
			return now, kept, err
		}
		select {
		case <-ctx.Done():
			return stored, pair{}, ctx.Err()
		case <-time.After(claimPoll):
		}
	}
}

// renew asks GitHub. An answer that is lost on the way has used the refresh token up
// all the same: then GitHub refuses it the next time, and the person signs in again.
func (p *purse) renew(ctx context.Context, stored store.PersonToken, kept pair) (store.PersonToken, pair, error) {
	who := stored.Subject
	got, err := p.hub.RefreshToken(ctx, forge.Secret(kept.Refresh))
	if errors.Is(err, signin.ErrTokenEnded) {
		return stored, pair{}, p.lost(ctx, stored, "GitHub does not renew it: it was revoked, or the answer to its last renewal was lost"+signInAgain)
	}
	if err != nil {
		return stored, pair{}, err
	}
	fresh := stored
	fresh.ExpiresAt, fresh.RefreshUntil = got.ExpiresAt, got.RefreshUntil
	if fresh.Sealed, fresh.SealedWith, err = p.seal(who, got); err != nil {
		return stored, pair{}, err
	}
	if err := p.hide(who, got.Access.Reveal(), got.Refresh.Reveal()); err != nil {
		return stored, pair{}, err
	}
	done := false
	keep := context.WithoutCancel(ctx) // it is the only copy
	err = p.db.InTx(keep, func(tx *store.Tx) (err error) {
		if done, err = tx.ReplacePersonToken(keep, fresh); err != nil || !done {
			return err
		}
		return noteGitToken(keep, tx, p.now(), audit.System, audit.GitTokenRefreshed, who, map[string]any{"expiresAt": fresh.ExpiresAt})
	})
	switch {
	case err != nil:
		return stored, pair{}, fmt.Errorf("keep a renewed token: %w", err)
	case !done: // forgotten, or given anew, meanwhile: what was got is nobody's
		p.hub.Revoke(keep, got.Access)
		return stored, pair{}, engine.ErrNoOwnToken
	}
	fresh.Version++
	if err := p.sealedWell(keep, fresh.SealedWith); err != nil {
		return stored, pair{}, err
	}
	return fresh, pair{got.Access.Reveal(), got.Refresh.Reveal()}, nil
}

// lost forgets a token that is good for nothing any more, and says why. One that the
// person gave meanwhile stays, and is tried when the step is.
func (p *purse) lost(ctx context.Context, stored store.PersonToken, why string) error {
	done := false
	err := p.db.InTx(ctx, func(tx *store.Tx) (err error) {
		done, err = forgetGitToken(ctx, tx, p.now(), audit.System, stored.Subject, stored.Version, why)
		return err
	})
	switch {
	case err != nil:
		return err
	case !done:
		return fmt.Errorf("the token of %s changed while it was used", stored.Subject)
	}
	return &engine.OwnTokenError{Why: why}
}

// end forgets what is kept of a person and ends it at GitHub, as far as that answers.
func (p *purse) end(ctx context.Context, who forge.Subject, by, why string) error {
	stored, err := p.db.PersonToken(ctx, who)
	if errors.Is(err, task.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	kept, opened := p.open(stored)
	err = p.db.InTx(ctx, func(tx *store.Tx) error {
		_, err := forgetGitToken(ctx, tx, p.now(), by, who, 0, why)
		return err
	})
	if err == nil && opened == nil {
		p.hub.Revoke(ctx, forge.Secret(kept.Access))
	}
	return err
}

// people is the engine's port; nil where nothing is kept.
func (p *purse) people() engine.People {
	if p == nil {
		return nil
	}
	return p
}

// tokenDesk ends tokens; with that of a sign-in, what is kept of the person for git
// is forgotten.
type tokenDesk struct {
	apiStore
	kept *purse
}

// EndToken implements web.TokenDesk.
func (d tokenDesk) EndToken(ctx context.Context, c web.TokenChange) (token.Token, error) {
	if err := d.kept.loggedOut(ctx, c.Token, c.By); err != nil {
		return token.Token{}, err
	}
	return d.apiStore.EndToken(ctx, c)
}

// keptTokens implements web.GitTokens.
type keptTokens struct{ db *store.Store }

// KeptGitToken implements web.GitTokens.
func (k keptTokens) KeptGitToken(ctx context.Context, who forge.Subject) (web.KeptToken, bool, error) {
	stored, err := k.db.PersonToken(ctx, who)
	if errors.Is(err, task.ErrNotFound) {
		return web.KeptToken{}, false, nil
	}
	return web.KeptToken{KeptAt: stored.KeptAt.UTC(), GoodUntil: good(stored)}, err == nil, err
}

// good is until when a token can be renewed; nil: for ever.
func good(stored store.PersonToken) *time.Time {
	until := stored.RefreshUntil
	if until.IsZero() {
		until = stored.ExpiresAt
	}
	return moment(until)
}
