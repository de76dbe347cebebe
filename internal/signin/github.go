package signin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/oauth2"

	"github.com/coderflow/coderflow/internal/forge"
)

// GitHubConfig is a GitHub App's client.
type GitHubConfig struct {
	APIURL       string // ends with a slash
	WebURL       string // of the pages, without a slash at the end
	ClientID     string
	ClientSecret forge.Secret
	// Keep leaves the person's token good, for a Keeper.
	Keep   bool
	HTTP   *http.Client
	Logger *slog.Logger
}

// GitHub lets people sign in with their account there. It asks for no scope: who
// somebody is needs none.
// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
type GitHub struct {
	endpoint
	api  string
	keep bool
	log  *slog.Logger
}

// GitHubName is GitHub's name as a provider, which no other can have.
const GitHubName = forge.GitHub

// NewGitHub makes the provider. It asks GitHub nothing.
func NewGitHub(c GitHubConfig) *GitHub {
	return &GitHub{api: c.APIURL, keep: c.Keep, log: c.Logger, endpoint: endpoint{http: c.HTTP, config: oauth2.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(),
		Endpoint: oauth2.Endpoint{
			AuthURL: c.WebURL + "/login/oauth/authorize", TokenURL: c.WebURL + "/login/oauth/access_token",
			DeviceAuthURL: c.WebURL + "/login/device/code", AuthStyle: oauth2.AuthStyleInParams,
		},
	}}}
}

// Name implements Provider.
func (g *GitHub) Name() string { return GitHubName }

// Title implements Provider.
func (g *GitHub) Title() string { return "GitHub" }

// AuthURL implements Provider.
func (g *GitHub) AuthURL(_ context.Context, redirect string, s Secrets) (string, error) {
	return g.authURL(redirect, s), nil
}

// Exchange implements Provider.
func (g *GitHub) Exchange(ctx context.Context, redirect string, back Callback, s Secrets) (Identity, error) {
	answer, err := g.exchange(ctx, redirect, back.Code, s.Verifier)
	if err != nil {
		return Identity{}, err
	}
	return g.identity(ctx, tokenOf(answer))
}

// StartDevice implements Provider.
func (g *GitHub) StartDevice(ctx context.Context) (DeviceCode, error) { return g.startDevice(ctx) }

// AskDevice implements Provider.
func (g *GitHub) AskDevice(ctx context.Context, code forge.Secret) (Identity, error) {
	answer, err := g.askDevice(ctx, code)
	if err != nil {
		return Identity{}, err
	}
	return g.identity(ctx, answer.token())
}

// identity asks whose the token is, and ends the token unless it is to be kept.
func (g *GitHub) identity(ctx context.Context, t UserToken) (who Identity, err error) {
	if !g.keep {
		defer g.Revoke(ctx, t.Access)
	} else {
		defer func() {
			if err != nil {
				g.Revoke(ctx, t.Access)
				return
			}
			who.Token = &t
		}()
	}
	access := t.Access
	var account struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
		Type  string `json:"type"`
	}
	if err := g.get(ctx, "user", access, &account); err != nil {
		return Identity{}, fmt.Errorf("ask GitHub who signed in: %w", err)
	}
	if account.Type != "User" {
		return Identity{}, refused(fmt.Sprintf("only people sign in; GitHub says this account is of type %.20q", account.Type), nil)
	}
	subject, err := forge.ParseSubject(forge.GitHub + ":" + strconv.FormatInt(account.ID, 10))
	if err != nil {
		return Identity{}, refused("GitHub did not say who signed in", err)
	}
	return Identity{Subject: subject, Login: account.Login}, nil
}

func (g *GitHub) get(ctx context.Context, path string, access forge.Secret, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.api+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+access.Reveal())
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("User-Agent", "coderflow")
	answer, err := g.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %d", answer.StatusCode)
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return errors.New("its answer cannot be read")
	}
	return nil
}

// Revoke ends the token, which has done what it was for, with those that were made
// of it. If GitHub cannot, the token ends by itself, and nobody has it.
// https://docs.github.com/rest/apps/oauth-applications#delete-an-app-token
func (g *GitHub) Revoke(ctx context.Context, access forge.Secret) {
	body, err := json.Marshal(map[string]string{"access_token": access.Reveal()})
	if err != nil {
		return
	}
	address := g.api + "applications/" + url.PathEscape(g.config.ClientID) + "/token"
	r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodDelete, address, bytes.NewReader(body))
	if err != nil {
		return
	}
	r.SetBasicAuth(g.config.ClientID, g.config.ClientSecret)
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "coderflow")
	answer, err := g.http.Do(r)
	if err == nil {
		_ = answer.Body.Close() // nothing is read
		if answer.StatusCode == http.StatusNoContent {
			return
		}
		err = fmt.Errorf("it answers %d", answer.StatusCode)
	}
	g.log.WarnContext(ctx, "a user's token, which is not needed any more, was not revoked at GitHub; it expires", "error", err)
}
