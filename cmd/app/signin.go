package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/token"
	"github.com/coderflow/coderflow/internal/web"
)

// newSignIn wires signing in: with GitHub, if the App's client is configured, and
// with each OpenID Connect provider. Without either, nobody can, and it is nil.
func newSignIn(cfg config.Config, db *store.Store, policies signin.Policies, log *slog.Logger) *web.SignIn {
	providers := signInProviders(cfg, log)
	if len(providers) == 0 {
		return nil
	}
	return &web.SignIn{
		Flows: signin.New(signin.Options{
			Providers: providers, Store: db, Policies: policies, PublicURL: cfg.PublicURL, Logger: log, Now: time.Now,
		}),
		End: func(ctx context.Context, k token.Token, when time.Time) error {
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

func signInProviders(cfg config.Config, log *slog.Logger) []signin.Provider {
	var providers []signin.Provider
	client := signin.NewHTTPClient()
	if cfg.GitHub != nil && cfg.GitHub.OAuth != nil {
		providers = append(providers, signin.NewGitHub(signin.GitHubConfig{
			APIURL: cfg.GitHub.APIURL, WebURL: cfg.GitHub.GitURL, ClientID: cfg.GitHub.OAuth.ClientID,
			ClientSecret: cfg.GitHub.OAuth.ClientSecret, HTTP: client, Logger: log,
		}))
	}
	for _, o := range cfg.OIDC {
		providers = append(providers, signin.NewOIDC(signin.OIDCConfig{
			Name: o.Name, Title: o.Title, Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret,
			SubjectClaim: o.SubjectClaim, Scopes: o.Scopes, HTTP: client, Now: time.Now,
		}))
	}
	return providers
}
