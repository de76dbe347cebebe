package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/token"
	"github.com/coderflow/coderflow/internal/web"
)

// newSignIn wires signing in: with GitHub, if the App's client is configured, and
// with each OpenID Connect provider. Without either, nobody can, and it is nil.
func newSignIn(cfg config.Config, db *store.Store, policies signin.Policies, kept *purse, log *slog.Logger) *web.SignIn {
	providers := signInProviders(cfg, log)
	if len(providers) == 0 {
		return nil
	}
	options := signin.Options{
		Providers: providers, Store: db, Policies: policies, PublicURL: cfg.PublicURL, Logger: log, Now: time.Now,
	}
	if kept != nil {
		options.Keeper = kept
	}
	return &web.SignIn{
		Flows: signin.New(options),
		End: func(ctx context.Context, k token.Token, when time.Time) error {
			if err := kept.loggedOut(ctx, k, k.Owner); err != nil {
				return err
			}
			return db.InTx(ctx, func(tx *store.Tx) error {
				fresh, err := tx.RevokeToken(ctx, k.ID, k.Owner.String(), when)
				if err != nil || !fresh {
					return err
				}
				return auditToken(ctx, tx, when, k.Owner.String(), token.Revoked, k.ID, map[string]any{"why": "logged out"})
			})
		},
		Secure: strings.HasPrefix(cfg.PublicURL, "https:"),
	}
}

// pagesURL is where people who sign in read this server's pages; empty if nobody can.
func pagesURL(cfg config.Config) string {
	if (cfg.GitHub == nil || cfg.GitHub.OAuth == nil) && len(cfg.OIDC) == 0 {
		return ""
	}
	return cfg.PublicURL
}

func signInProviders(cfg config.Config, log *slog.Logger) []signin.Provider {
	var providers []signin.Provider
	client := signin.NewHTTPClient()
	if cfg.GitHub != nil && cfg.GitHub.OAuth != nil {
		providers = append(providers, gitHubSignIn(cfg, client, log))
	}
	for _, o := range cfg.OIDC {
		providers = append(providers, signin.NewOIDC(signin.OIDCConfig{
			Name: o.Name, Title: o.Title, Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret,
			SubjectClaim: o.SubjectClaim, Scopes: o.Scopes, HTTP: client, Now: time.Now,
		}))
	}
	return providers
}

func gitHubSignIn(cfg config.Config, client *http.Client, log *slog.Logger) *signin.GitHub {
	return signin.NewGitHub(signin.GitHubConfig{
		APIURL: cfg.GitHub.APIURL, WebURL: cfg.GitHub.GitURL, ClientID: cfg.GitHub.OAuth.ClientID,
		ClientSecret: cfg.GitHub.OAuth.ClientSecret, Keep: cfg.GitHub.OAuth.UseForGit, HTTP: client, Logger: log,
	})
}

// newPurse keeps people's tokens; nil where that is not switched on.
func newPurse(cfg config.Config, db *store.Store, v *vault, log *slog.Logger) *purse {
	if cfg.GitHub == nil || cfg.GitHub.OAuth == nil || !cfg.GitHub.OAuth.UseForGit {
		return nil
	}
	return &purse{db: db, keys: keyring(cfg), hub: gitHubSignIn(cfg, signin.NewHTTPClient(), log), vault: v, log: log, now: time.Now}
}

// loggedOut forgets what is kept of whoever ends a sign-in of theirs; of a nil purse
// nothing is.
func (p *purse) loggedOut(ctx context.Context, k token.Token, by forge.Subject) error {
	if p == nil || !k.SignIn || k.Owner.Host != forge.GitHub {
		return nil
	}
	return p.end(ctx, k.Owner, by.String(), "logged out")
}
