package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
)

// credentialForge mints the App's tokens and knows which credentials it takes.
type credentialForge struct {
	Forge
	accepts map[forge.Secret]string // "fetch", or "push" for both
	down    error
	checked []string
}

func (f *credentialForge) ReadToken(context.Context, forge.RepositoryRef) (forge.Token, error) {
	return forge.Token{Value: "app-read", Source: "the App"}, nil
}

func (f *credentialForge) PushToken(context.Context, forge.RepositoryRef) (forge.Token, error) {
	return forge.Token{Value: "app-push", Source: "the App"}, nil
}

func (f *credentialForge) CheckCredential(_ context.Context, _ forge.RepositoryRef, c forge.Secret, push bool) error {
	f.checked = append(f.checked, c.Reveal())
	switch level := f.accepts[c]; {
	case f.down != nil:
		return f.down
	case level == "push", level == "fetch" && !push:
		return nil
	}
	return fmt.Errorf("the token expired: %w", forge.ErrForbidden)
}

type fixedManifests struct{ set *manifest.Set }

func (m fixedManifests) Manifests(context.Context) (*manifest.Set, error) { return m.set, nil }

const providers = `apiVersion: coderflow.dev/v1
kind: Team
metadata: {name: builders}
spec: {members: ["github:3"]}
---
apiVersion: coderflow.dev/v1
kind: GitProvider
metadata: {name: of-builders}
spec: {credential: builders-bot, team: builders, fallback: true}
---
apiVersion: coderflow.dev/v1
kind: GitProvider
metadata: {name: shop-pushes}
spec: {credential: shop-bot, repositories: [{name: acme/shop, id: 1001}], operations: [push], fallback: FALLBACK}
---
apiVersion: coderflow.dev/v1
kind: GitProvider
metadata: {name: unknown-to-server}
spec: {credential: nowhere, repositories: [{name: acme/other, id: 1002}], fallback: FALLBACK}
`

func credentialEngine(t *testing.T, f *credentialForge, fallback string) *Engine {
	t.Helper()
	set, err := manifest.Parse(map[string][]byte{"x.yaml": []byte(strings.ReplaceAll(providers, "FALLBACK", fallback))})
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{
		Forge: f, Manifests: fixedManifests{set}, Logger: slog.New(slog.DiscardHandler),
		GitCredentials: GitCredentials{"builders-bot": "b-secret", "shop-bot": "s-secret"},
	})
}

func TestTheCredentialIsTheRepositorysThenTheTeamsThenTheApps(t *testing.T) {
	t.Parallel()
	shop := forge.RepositoryRef{Host: forge.GitHub, ID: "1001", Owner: "acme", Name: "shop"}
	other, third := shop, shop
	other.ID, third.ID = "1002", "1003"
	stranger := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "4"}}
	works := map[forge.Secret]string{"b-secret": "push", "s-secret": "push"}
	rows := map[string]struct {
		accepts  map[forge.Secret]string
		fallback string
		who      forge.User
		ref      forge.RepositoryRef
		push     bool
		want     string // the token's value and source, or the error's text
	}{
		"override":                    {works, "false", rob, shop, true, `s-secret git provider "shop-pushes", credential "shop-bot"`},
		"override is for pushes only": {works, "false", stranger, shop, false, "app-read the App"},
		"team":                        {works, "false", rob, third, true, `b-secret git provider "of-builders", credential "builders-bot"`},
		"somebody else":               {works, "false", stranger, third, true, "app-push the App"},
		"refused":                     {nil, "false", rob, shop, true, `the credential of git provider "shop-pushes" cannot be used: the token expired`},
		"refused, next is the team's": {map[forge.Secret]string{"b-secret": "push"}, "true", rob, shop, true, `b-secret git provider "of-builders", credential "builders-bot" (git provider "shop-pushes" cannot be used: the token expired`},
		"refused, next is the App":    {nil, "true", stranger, shop, true, `app-push the App (git provider "shop-pushes" cannot be used: the token expired`},
		"both refused":                {nil, "true", rob, shop, true, `cannot be used: the token expired: the forge does not allow this; git provider "of-builders" cannot be used`},
		"reads only":                  {map[forge.Secret]string{"s-secret": "fetch"}, "false", rob, shop, true, "cannot be used"},
		"the server has none":         {works, "false", rob, other, false, `the server has no credential "nowhere"`},
		"the server has none, go on":  {works, "true", stranger, other, false, `app-read the App (git provider "unknown-to-server" cannot be used: the server has no credential "nowhere"`},
		"a service asks as it is":     {works, "false", forge.User{Subject: forge.Subject{Host: forge.Service, ID: "ci"}}, third, false, "app-read the App"},
		"nobody is in no team":        {works, "false", forge.User{}, third, false, "app-read the App"},
	}
	for name, row := range rows {
		e := credentialEngine(t, &credentialForge{accepts: row.accepts}, row.fallback)
		ask := source{e: e, who: row.who}.ReadToken
		if row.push {
			ask = source{e: e, who: row.who}.PushToken
		}
		token, err := ask(t.Context(), row.ref)
		got := token.Value.Reveal() + " " + token.Source
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, row.want) {
			t.Errorf("%s: %s", name, got)
		}
		if strings.Contains(token.Source, "-secret") {
			t.Errorf("%s: the source tells the credential: %s", name, token.Source)
		}
	}
}

// An outage says nothing about a credential: the next one is not tried.
func TestAnOutageIsNoRefusalOfACredential(t *testing.T) {
	t.Parallel()
	f := &credentialForge{down: errors.New("502")}
	e := credentialEngine(t, f, "true")
	_, err := source{e: e, who: rob}.PushToken(t.Context(), forge.RepositoryRef{Host: forge.GitHub, ID: "1001"})
	if refused := (*CredentialError)(nil); err == nil || errors.As(err, &refused) || len(f.checked) != 1 {
		t.Errorf("%v after %v", err, f.checked)
	}
}
