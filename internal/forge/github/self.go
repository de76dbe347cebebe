package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// Self implements [forge.Forge]: the bot account "SLUG[bot]" of the App. It never
// changes for an App, so it is asked for once: with the token of a repository that
// was used before, or else, the account being public, with none. A GitHub Enterprise
// Server in private mode answers only to the former.
func (a *Adapter) Self(ctx context.Context, _ string) (forge.User, error) {
	ref, known := a.tokens.some()
	if !known {
		return a.selfBy(ctx, a.client(&anonymous{a}))
	}
	client, err := a.rest(ref, opReadRepository)
	if err != nil {
		return forge.User{}, err
	}
	self, err := a.selfBy(ctx, client)
	if errors.Is(err, forge.ErrNotFound) { // that repository is gone
		return a.selfBy(ctx, a.client(&anonymous{a}))
	}
	return self, err
}

func (a *Adapter) selfBy(ctx context.Context, client *gh.Client) (forge.User, error) {
	a.selfMu.Lock()
	known := a.self
	a.selfMu.Unlock()
	if !known.Subject.IsZero() {
		return known, nil
	}
	app, err := a.app(ctx)
	if err != nil {
		return forge.User{}, err
	}
	login := app.GetSlug() + "[bot]"
	found, _, err := client.Users.Get(ctx, url.PathEscape(login))
	if err != nil {
		return forge.User{}, translate("read our own account "+login, err)
	}
	self := userOf(found)
	if self.Login != login || self.Subject.IsZero() || self.Kind != forge.Bot {
		return forge.User{}, fmt.Errorf("read our own account %s: GitHub answered about %q", login, self.Login)
	}
	a.selfMu.Lock()
	defer a.selfMu.Unlock()
	a.self = self
	return self, nil
}

func (a *Adapter) app(ctx context.Context) (*gh.App, error) {
	app, _, err := a.asApp().Apps.Get(ctx, "")
	if err != nil {
		return nil, translate("read our App", err)
	}
	if app.GetID() != a.appID || app.GetSlug() == "" {
		return nil, fmt.Errorf("read our App: GitHub answered about App %d, not %d", app.GetID(), a.appID)
	}
	return app, nil
}

// Ping implements [forge.Forge]: GitHub answers and takes our key.
func (a *Adapter) Ping(ctx context.Context) error {
	_, err := a.app(ctx)
	return err
}

// anonymous sends without a credential.
type anonymous struct{ adapter *Adapter }

// RoundTrip implements http.RoundTripper.
func (t *anonymous) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.adapter.limits.check(anybody); err != nil {
		return nil, errors.Join(err, closeBody(req))
	}
	res, err := t.adapter.wire.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := t.adapter.limits.observe(anybody, res); err != nil {
		return nil, err
	}
	return res, nil
}
