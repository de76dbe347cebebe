package signin_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/emulator/contract/contracttest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/signin/oidctest"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/token"
)

// world is the service over a real database, the local forge and two issuers.
type world struct {
	t        *testing.T
	mu       sync.Mutex
	time     time.Time
	hub      *emulator.Forge
	own      *oidctest.Issuer // provider "own", with a client secret
	other    *oidctest.Issuer // provider "other", a public client
	store    *store.Store
	service  *signin.Service
	log      safeBuffer
	bindings []policy.Binding
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const publicURL = "http://127.0.0.1:8080"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, time: time.Now().Truncate(time.Second)}
	app := emulator.DefaultApp()
	app.CallbackURLs = []string{"http://127.0.0.1/auth/github/callback"}
	hub, err := emulator.New(emulator.Options{Dir: t.TempDir(), Now: w.now, App: &app, Key: contracttest.Key(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = hub.Close() // the test is over
		if unknown := hub.Unknown(); len(unknown) > 0 {
			t.Errorf("the local forge does not know: %v", unknown)
		}
	})
	if err := hub.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"alice", "eve"} {
		if _, err := hub.CreateUser(login, emulator.UserOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.hub = hub
	w.own, w.other = oidctest.New(t, oidctest.Client{ID: "flow", Secret: "s3cret-of-own"}), oidctest.New(t, oidctest.Client{ID: "flow"})
	w.own.Now, w.other.Now = w.now, w.now
	w.store = storetest.SQLite(t)
	w.bind("github:"+w.id("alice"), "oidc:own/alice", "oidc:other/alice")
	w.service = w.newService(w.providers()...)
	return w
}

func (w *world) providers() []signin.Provider {
	log, client, info := slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), signin.NewHTTPClient(), w.hub.Info()
	secret := w.clientSecret()
	return []signin.Provider{
		signin.NewGitHub(signin.GitHubConfig{APIURL: info.APIURL, WebURL: info.GitURL, ClientID: info.ClientID, ClientSecret: secret, HTTP: client, Logger: log}),
		signin.NewOIDC(signin.OIDCConfig{Name: "own", Title: "Own", Issuer: w.own.URL, ClientID: "flow", ClientSecret: "s3cret-of-own", SubjectClaim: "sub", HTTP: client, Now: w.now}),
		signin.NewOIDC(signin.OIDCConfig{Name: "other", Title: "Other", Issuer: w.other.URL, ClientID: "flow", SubjectClaim: "sub", HTTP: client, Now: w.now}),
	}
}

func (w *world) newService(providers ...signin.Provider) *signin.Service {
	return signin.New(signin.Options{
		Providers: providers, Store: w.store, Policies: w, PublicURL: publicURL, Now: w.now,
		Logger: slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

func (w *world) bind(subjects ...string) {
	w.bindings = nil
	for _, text := range subjects {
		s, err := forge.ParseSubject(text)
		if err != nil {
			w.t.Fatal(err)
		}
		w.bindings = append(w.bindings, policy.Binding{Name: "b", Subject: s, Role: "viewer", Resource: "environment/staging"})
	}
}

// Policy implements signin.Policies.
func (w *world) Policy(context.Context) (*policy.Policy, error) {
	return &policy.Policy{Version: "v", Bindings: w.bindings, Environments: map[string]policy.Environment{"staging": {Name: "staging"}}}, nil
}

// id is a person's number at the local forge.
func (w *world) id(login string) string {
	for _, u := range w.hub.Info().Users {
		if u.Login == login {
			return forgeID(u.ID)
		}
	}
	w.t.Fatalf("nobody is called %s", login)
	return ""
}

// tokens are all tokens there are.
func (w *world) tokens() []token.Token {
	w.t.Helper()
	list, err := w.store.Tokens(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// visit asks for a page as a browser does that follows no redirect.
func (w *world) visit(address string) (location *url.URL) {
	w.t.Helper()
	answer, err := signin.NewHTTPClient().Get(address)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // nothing is read
	if location, err = answer.Location(); err != nil {
		w.t.Fatalf("%s: %d", address, answer.StatusCode)
	}
	return location
}

// browse signs in at an issuer and returns what the browser brings back.
func (w *world) browse(provider string) signin.Return {
	w.t.Helper()
	start, err := w.service.StartBrowser(w.t.Context(), provider, "/next", "a")
	if err != nil {
		w.t.Fatal(err)
	}
	if provider == "github" {
		return w.back("github", w.authorize(start.Address, "alice", "authorize"), start.Cookie)
	}
	return w.back(provider, w.visit(start.Address), start.Cookie)
}

func (w *world) back(provider string, to *url.URL, cookie string) signin.Return {
	w.t.Helper()
	if to.Path != "/auth/"+provider+"/callback" || "http://"+to.Host != publicURL {
		w.t.Fatalf("the provider leads to %s", to)
	}
	q := to.Query()
	return signin.Return{
		Provider: provider, State: q.Get("state"), Cookie: cookie, Error: q.Get("error"),
		Callback: signin.Callback{Code: forge.Secret(q.Get("code")), Issuer: q.Get("iss")},
	}
}

// authorize presses a button on the local forge's page.
func (w *world) authorize(address, login, decision string) *url.URL {
	w.t.Helper()
	return w.post(address, url.Values{"as": {login}, "decision": {decision}})
}

func (w *world) post(address string, form url.Values) *url.URL {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := signin.NewHTTPClient().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // nothing is read
	if answer.StatusCode >= 400 {
		w.t.Fatalf("%s: %d", address, answer.StatusCode)
	}
	to, _ := answer.Location()
	return to
}

// decide types the code at the local forge.
func (w *world) decide(code signin.DeviceCode, login, decision string) {
	w.t.Helper()
	w.post(code.Address, url.Values{"user_code": {code.UserCode}, "as": {login}, "decision": {decision}})
}

func (w *world) startDevice(provider string) signin.DeviceStart {
	w.t.Helper()
	start, err := w.service.StartDevice(w.t.Context(), provider, "a")
	if err != nil {
		w.t.Fatal(err)
	}
	return start
}
