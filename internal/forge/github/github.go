// Package github adapts GitHub (github.com and GitHub Enterprise Server) to the
// ports of package forge, over go-github and ghinstallation.
//
// What holds for every call:
//
//   - The credential is an installation token for exactly one repository (by
//     id) with exactly the permissions in the table of permission.go. It goes to
//     the configured API and GraphQL hosts and nowhere else.
//   - The repository's name is only how the API is addressed: an answer counts
//     when the forge says that the name still belongs to the wanted id.
//   - Nothing is retried behind the caller's back, except once with a fresh token
//     after a 401. A limit is an error that says how long to wait; the engine waits.
//   - Requests have a deadline, answers a size limit, lists a page limit.
package github

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// CallTimeout bounds one request, its redirects and the reading of its answer.
const CallTimeout = 10 * time.Second

// Config is what [New] needs. The URLs may have any host and path.
type Config struct {
	APIURL     string // REST base, for example https://api.github.com/ or https://ghe.example.com/api/v3/
	GraphQLURL string // for example https://api.github.com/graphql
	GitURL     string // what repositories are cloned from, for example https://github.com
	AppID      int64
	PrivateKey []byte // the App's RSA key, PEM

	// Transport is below everything this package does; nil is a clone of
	// http.DefaultTransport.
	Transport http.RoundTripper
	Clock     func() time.Time // nil is time.Now
	Logger    *slog.Logger     // nil is silence
	// Observe, if set, is told of every request that was sent.
	Observe func(ctx context.Context, c wire.Call)
}

// Adapter implements [forge.Forge]. It is safe for concurrent use.
type Adapter struct {
	api     *url.URL // ends with a slash
	graphql *url.URL
	git     string // does not end with a slash
	appID   int64
	clock   func() time.Time
	log     *slog.Logger

	wire   http.RoundTripper // unauthenticated, guarded
	cache  *etagCache
	limits *limits
	tokens *minter

	selfMu sync.Mutex
	self   forge.User
}

var _ forge.Forge = (*Adapter)(nil)

// New checks the configuration without talking to the forge.
func New(c Config) (*Adapter, error) {
	api, err := baseURL("API", c.APIURL)
	if err != nil {
		return nil, err
	}
	graphql, err := baseURL("GraphQL", c.GraphQLURL)
	if err != nil {
		return nil, err
	}
	git, err := baseURL("git", c.GitURL)
	if err != nil {
		return nil, err
	}
	if c.AppID <= 0 {
		return nil, fmt.Errorf("github: App id %d: want the number shown on the App's settings page", c.AppID)
	}
	key, err := parseKey(c.PrivateKey)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(api.Path, "/") {
		api.Path += "/"
	}
	a := &Adapter{
		api: api, graphql: graphql, git: strings.TrimSuffix(git.String(), "/"), appID: c.AppID,
		clock: c.Clock, log: c.Logger, cache: newETagCache(),
	}
	if a.clock == nil {
		a.clock = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.limits = newLimits(a.clock)
	next := c.Transport
	if next == nil {
		next = wire.Transport(CallTimeout)
	}
	a.wire = &wire.Wire{Next: next, Log: a.log, Origins: []*url.URL{api, graphql}, MaxAnswer: maxAnswer, Observe: c.Observe}
	a.tokens = newMinter(a, key)
	return a, nil
}

func baseURL(what, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("github: %s URL: %w", what, err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("github: %s URL %q: want an absolute http or https URL", what, u.Redacted())
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("github: %s URL %q: user, query and fragment have no meaning here", what, u.Redacted())
	}
	return u, nil
}

// parseKey keeps the key's bytes out of the error.
func parseKey(pem []byte) (*rsa.PrivateKey, error) {
	if len(pem) == 0 {
		return nil, errors.New("github: no private key: download one from the App's settings page")
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(pem)
	if err != nil {
		return nil, fmt.Errorf("github: the private key is not an RSA key in PEM form: %w", err)
	}
	return key, nil
}

// rest returns a client whose requests carry a token for ref that allows op and
// nothing else. Clients are cheap; state worth keeping is in the Adapter.
func (a *Adapter) rest(ref forge.RepositoryRef, op operation) (*gh.Client, error) {
	id, err := repositoryID(ref)
	if err != nil {
		return nil, err
	}
	return a.client(&call{adapter: a, ref: ref, id: id, op: op}), nil
}

func (a *Adapter) client(rt http.RoundTripper) *gh.Client {
	client := gh.NewClient(a.httpClient(rt))
	client.BaseURL, client.UserAgent = a.api, wire.UserAgent
	return client
}

func (a *Adapter) httpClient(rt http.RoundTripper) *http.Client {
	return &http.Client{Transport: rt, Timeout: CallTimeout, CheckRedirect: sameOrigin}
}

// sameOrigin follows GitHub's redirects for renamed repositories, which stay on
// the host.
func sameOrigin(req *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("more than three redirects")
	}
	if from := via[0].URL; req.URL.Scheme != from.Scheme || req.URL.Host != from.Host {
		return fmt.Errorf("redirect from %s to another host, %s", from.Host, req.URL.Host)
	}
	return nil
}
