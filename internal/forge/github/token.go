package github

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

const (
	// refreshBefore is how much life a token handed out has left; a git transfer
	// that starts with it should end with it. GitHub's live an hour.
	refreshBefore = 5 * time.Minute
	maxTokens     = 1024
)

// scope is what a token is good for.
type scope struct {
	repository   int64   // 0: no repository, but what is the organization's
	organization account // zero with a repository
	permissions  permissions
}

func (s scope) key() tokenKey { return tokenKey{s.repository, s.organization, s.permissions.String()} }

type tokenKey struct {
	repository   int64
	organization account
	permissions  string
}

// grant is a token and whose rate limit it uses.
type grant struct {
	token        forge.Token
	installation int64
}

// minter finds installations and mints, narrows and keeps installation tokens.
// Tokens live in this process's memory only.
type minter struct {
	adapter *Adapter
	key     *rsa.PrivateKey

	mu        sync.Mutex
	slots     map[tokenKey]*slot
	installed map[int64]installed // by repository id
	doomed    []grant             // to be revoked, which failed
}

// installed is a repository and the installation that covers it.
type installed struct {
	ref          forge.RepositoryRef
	installation int64
}

// slot serializes minting for one key, so that a burst of calls mints once.
type slot struct {
	busy  chan struct{} // capacity 1
	grant grant         // guarded by busy
}

func newMinter(a *Adapter, key *rsa.PrivateKey) *minter {
	return &minter{adapter: a, key: key, slots: map[tokenKey]*slot{}, installed: map[int64]installed{}}
}

// token returns a token with at least [refreshBefore] to live.
func (m *minter) token(ctx context.Context, ref forge.RepositoryRef, want scope) (grant, error) {
	s := m.slot(want.key())
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return grant{}, ctx.Err()
	}
	if s.grant.token.Expires.Sub(m.adapter.clock()) > refreshBefore {
		return s.grant, nil
	}
	fresh, err := m.mint(ctx, ref, want)
	if err != nil {
		return grant{}, err
	}
	s.grant = fresh
	return fresh, nil
}

func (m *minter) slot(key tokenKey) *slot {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, found := m.slots[key]
	if !found {
		if len(m.slots) >= maxTokens { // minting again is cheap; running out of memory is not
			clear(m.slots)
		}
		s = &slot{busy: make(chan struct{}, 1)}
		m.slots[key] = s
	}
	return s
}

// drop forgets a token that the forge refused, unless another call already did.
func (m *minter) drop(want scope, refused grant) {
	s := m.slot(want.key())
	s.busy <- struct{}{}
	defer func() { <-s.busy }()
	if s.grant.token.Value == refused.token.Value {
		s.grant = grant{}
	}
}

// mint finds the installation and asks it for a token. An installation that is
// gone (the App was installed anew) is looked up once more.
func (m *minter) mint(ctx context.Context, ref forge.RepositoryRef, want scope) (grant, error) {
	if want.repository == 0 {
		return m.mintForOrganization(ctx, want)
	}
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	installation, known, err := m.installation(ctx, ref, want.repository)
	if err != nil {
		return grant{}, err
	}
	token, err := m.ask(ctx, installation, want)
	if errors.Is(err, forge.ErrNotFound) {
		m.forget(want.repository)
		if known {
			if installation, _, err = m.installation(ctx, ref, want.repository); err != nil {
				return grant{}, err
			}
			token, err = m.ask(ctx, installation, want)
		}
	}
	if err != nil {
		return grant{}, fmt.Errorf("token for %s (%s): %w", ref.FullName(), want.permissions, err)
	}
	m.adapter.log.InfoContext(ctx, "minted an installation token", "repository", ref.Key(),
		"installation", installation, "permissions", want.permissions.String(), "expires", token.Expires)
	return grant{token: token, installation: installation}, nil
}

// ask mints through ghinstallation. Its transport holds state of one token, so
// each mint has its own; the cache above is keyed by more than it knows.
func (m *minter) ask(ctx context.Context, installation int64, want scope) (forge.Token, error) {
	tr := ghinstallation.NewFromAppsTransport(m.appTransport(), installation)
	tr.BaseURL = strings.TrimSuffix(m.adapter.api.String(), "/")
	tr.InstallationTokenOptions = &gh.InstallationTokenOptions{Permissions: want.permissions.request()}
	if want.repository != 0 {
		tr.InstallationTokenOptions.RepositoryIDs = []int64{want.repository}
	}
	value, err := tr.Token(ctx)
	if err != nil {
		return forge.Token{}, mintError(err)
	}
	if err := checkNarrowed(tr, want); err != nil {
		return forge.Token{}, err
	}
	expires, _, err := tr.Expiry()
	if err != nil {
		return forge.Token{}, fmt.Errorf("token's expiry: %w", err)
	}
	return forge.Token{
		Value: forge.Secret(value), Expires: expires,
		Source: fmt.Sprintf("github app installation %d", installation),
	}, nil
}

// checkNarrowed refuses a token that covers anything but the one repository, or,
// for an organization, that has another permission than the wanted one.
func checkNarrowed(tr *ghinstallation.Transport, want scope) error {
	if want.repository == 0 {
		return checkOrganization(tr, want.permissions)
	}
	covered, err := tr.Repositories()
	if err != nil {
		return fmt.Errorf("token's repositories: %w", err)
	}
	if len(covered) != 1 || covered[0].GetID() != want.repository {
		return fmt.Errorf("the forge returned a token for %d repositories, not for repository %d alone: %w",
			len(covered), want.repository, forge.ErrForbidden)
	}
	return nil
}

// checkOrganization: a token without a repository covers all of the
// installation's, so it may have no permission on what is in them. GitHub adds
// metadata: read to every token.
func checkOrganization(tr *ghinstallation.Transport, want permissions) error {
	granted, err := tr.Permissions()
	if err != nil {
		return fmt.Errorf("token's permissions: %w", err)
	}
	got, err := levels(&granted)
	if err != nil {
		return err
	}
	for name, level := range got {
		if want[name] != level && (name != "metadata" || level != read) {
			return fmt.Errorf("the forge returned a token with %s: %s, which was not asked for: %w", name, level, forge.ErrForbidden)
		}
	}
	return nil
}

// mintError reads GitHub's own words, which ghinstallation leaves unread.
func mintError(err error) error {
	var failed *ghinstallation.HTTPError
	if !errors.As(err, &failed) || failed.Response == nil {
		return fmt.Errorf("ask for an installation token: %w", err)
	}
	words := bodyWords(failed.Response)
	switch status := failed.Response.StatusCode; {
	case status == http.StatusNotFound,
		status == http.StatusUnprocessableEntity && strings.Contains(strings.ToLower(words), "repositor"):
		return fmt.Errorf("installation %d does not cover it (GitHub: %s): %w", failed.InstallationID, words, forge.ErrNotFound)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("the App id and private key are not accepted (GitHub: %s): %w", words, forge.ErrForbidden)
	case status == http.StatusForbidden, status == http.StatusUnprocessableEntity:
		return fmt.Errorf("installation %d does not grant it (GitHub: %s): %w", failed.InstallationID, words, forge.ErrForbidden)
	default:
		return fmt.Errorf("ask for an installation token: GitHub answered %d: %s", status, words)
	}
}

// installation finds the App's installation for the repository. known tells that
// the answer is remembered, not new.
func (m *minter) installation(ctx context.Context, ref forge.RepositoryRef, repository int64) (id int64, known bool, err error) {
	m.mu.Lock()
	remembered, known := m.installed[repository]
	m.mu.Unlock()
	if known {
		return remembered.installation, true, nil
	}
	found, _, err := m.adapter.asApp().Apps.FindRepositoryInstallation(ctx, ref.Owner, ref.Name)
	if err != nil {
		return 0, false, translate("find the App's installation on "+ref.FullName(), err)
	}
	m.mu.Lock()
	m.installed[repository] = installed{ref, found.GetID()}
	m.mu.Unlock()
	return found.GetID(), false, nil
}

func (m *minter) forget(repository int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.installed, repository)
}

// some returns any repository that has the App, if one is known.
func (m *minter) some() (ref forge.RepositoryRef, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, covered := range m.installed {
		return covered.ref, true
	}
	return forge.RepositoryRef{}, false
}

// asApp returns a client that speaks as the App itself, with a JWT.
func (a *Adapter) asApp() *gh.Client { return a.client(a.tokens.appTransport()) }

func (m *minter) appTransport() *ghinstallation.AppsTransport {
	return ghinstallation.NewAppsTransportFromPrivateKey(&appWire{m.adapter}, m.adapter.appID, m.key)
}

// Who has limits without being an installation.
const (
	appItself = 0
	anybody   = -1
	// administrators are all credentials that they gave, together.
	administrators = -2
)

// appWire is below ghinstallation: limits, and no credential in what errors hold.
type appWire struct{ adapter *Adapter }

// RoundTrip implements http.RoundTripper.
func (w *appWire) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := w.adapter.limits.check(appItself); err != nil {
		return nil, errors.Join(err, closeBody(req))
	}
	res, err := w.adapter.wire.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Request = req.Clone(req.Context())
	res.Request.Header.Del("Authorization")
	if err := w.adapter.limits.observe(appItself, res); err != nil {
		return nil, err
	}
	return res, nil
}
