package web

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/signin/oidctest"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/token"
)

// signInWorld is a server at which people sign in with a real issuer, over a real
// database.
type signInWorld struct {
	t      *testing.T
	issuer *oidctest.Issuer
	store  *store.Store
	server *httptest.Server
	log    bytes.Buffer
	api    *apiWorld // its rules
	parts  *API
}

// TouchToken and TokenByHash are the store's.
type signInTokens struct{ *store.Store }

func (signInTokens) TokenRefused(context.Context, token.Token, time.Time) error { return nil }

func newSignInWorld(t *testing.T, secure bool, limits ...Limits) *signInWorld {
	t.Helper()
	w := &signInWorld{t: t, issuer: oidctest.New(t, oidctest.Client{ID: "flow", Secret: "hush"}), store: storetest.SQLite(t)}
	w.api = newAPIWorld(t, Limits{}, policy.Binding{
		Name: "b", Subject: forge.Subject{Host: forge.OIDC, ID: "own/alice"}, Role: "viewer", Resource: "environment/staging",
	})
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: &w.log, mu: &w.api.mu}, nil))
	var handler http.Handler
	start := httptest.NewServer
	if secure {
		start = httptest.NewTLSServer
	}
	w.server = start(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(w.server.Close)
	provider := signin.NewOIDC(signin.OIDCConfig{
		Name: "own", Title: "Own <b>", Issuer: w.issuer.URL, ClientID: "flow", ClientSecret: "hush", SubjectClaim: "sub", HTTP: signin.NewHTTPClient(), Now: time.Now,
	})
	w.parts = &API{Tokens: signInTokens{w.store}, Policies: w.api, Tasks: w.api, TaskBook: w.api, Comparisons: comparing{}, Format: w.api.options.API.Format, Manifests: w.api, Deployments: w.api, Chains: w.api, Records: w.api, TokenDesk: w.api, SecretDesk: w.api, Freezes: w.api.options.API.Freezes, Nodes: nodeBook{}}
	if len(limits) > 0 {
		w.parts.Limits = limits[0]
	}
	handler = New(Options{
		Inbox: &inbox{}, Logger: log, Now: time.Now, API: w.parts,
		SignIn: &SignIn{
			Flows:  signin.New(signin.Options{Providers: []signin.Provider{provider}, Store: w.store, Policies: w.api, PublicURL: w.server.URL, Logger: log, Now: time.Now}),
			End:    w.end,
			Secure: secure,
		},
	})
	return w
}

func (w *signInWorld) end(ctx context.Context, k token.Token, when time.Time) error {
	return w.store.InTx(ctx, func(tx *store.Tx) error { _, err := tx.RevokeToken(ctx, k.ID, k.Owner.String(), when); return err })
}

// browser keeps cookies and follows redirects, as long as stop does not say so.
func (w *signInWorld) browser(stop func(*http.Request) bool) *http.Client {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: w.server.Client().Transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if stop != nil && stop(r) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

func atCallback(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/callback") }

func (w *signInWorld) get(c *http.Client, address string) (*http.Response, string) {
	w.t.Helper()
	answer, err := c.Get(address)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer, string(body)
}

func (w *signInWorld) login() string { return w.server.URL + "/auth/login?provider=own" }

func (w *signInWorld) session(c *http.Client) string {
	base, err := url.Parse(w.server.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, cookie := range c.Jar.Cookies(base) {
		if strings.HasSuffix(cookie.Name, sessionCookie) {
			return cookie.Value
		}
	}
	return ""
}

func (w *signInWorld) tokens() []token.Token {
	w.t.Helper()
	list, err := w.store.Tokens(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}
