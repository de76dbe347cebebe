package emulator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// Forge is one local GitHub, or one local organization of Azure DevOps. Make it with New, serve it with Start, and end it with Close.
type Forge struct {
	opts     Options
	log      *slog.Logger
	base     string // public address without a trailing slash
	console  string // of the App's own pages, without a trailing slash; empty: pages do not lead there
	listener net.Listener
	server   *http.Server
	git      gitRunner
	routes   []route
	// azureLocations are the routes of Azure DevOps.
	azureLocations []azureLocation
	hub            *hub // webhook deliveries; has its own lock

	mu      sync.Mutex
	lastID  int64
	users   []*user
	apps    []*app
	repos   []*repository
	teams   []*team
	tokens  map[string]*installationToken
	codes   map[string]*app // of the App-manifest flow, one use each
	oauth   oauthState
	azure   *azureState // nil on GitHub
	notices []Notification
	unknown []string
	fault   func(*http.Request) *Fault
	calls   int64 // for the rate-limit headers
}

// New makes the state and binds the address, so that Info is complete; nothing is served until Start.
func New(opts Options) (*Forge, error) {
	if opts.Dir == "" {
		return nil, errors.New("emulator: Options.Dir is required")
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	opts.Dir = dir
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Join(dir, "repositories"), 0o700); err != nil {
		return nil, fmt.Errorf("emulator: making %s: %w", dir, err)
	}
	f := &Forge{opts: opts, log: opts.Logger, lastID: 1000,
		tokens: map[string]*installationToken{}, codes: map[string]*app{}, oauth: newOAuthState()}
	if f.git, err = newGit(dir); err != nil {
		return nil, err
	}
	if f.listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", opts.Listen); err != nil {
		return nil, fmt.Errorf("emulator: listening on %s: %w", opts.Listen, err)
	}
	f.base = strings.TrimSuffix(opts.BaseURL, "/")
	if f.base == "" {
		f.base = "http://" + f.listener.Addr().String()
	}
	f.hub = newHub(f)
	if err := f.begin(); err != nil {
		return nil, errors.Join(err, f.listener.Close())
	}
	return f, nil
}

// begin makes what is there from the start: an App on GitHub, CoderFlow's account on Azure DevOps.
func (f *Forge) begin() error {
	switch f.opts.Kind {
	case "", forge.GitHub:
		f.routes = f.routeTable()
		return f.createDefaultApp()
	case forge.AzureDevOps:
		return f.beginAzure()
	}
	return fmt.Errorf("emulator: Options.Kind is %q, not %q or %q", f.opts.Kind, forge.GitHub, forge.AzureDevOps)
}

func (f *Forge) createDefaultApp() error {
	manifest := DefaultApp()
	if f.opts.App != nil {
		manifest = *f.opts.App
	}
	if f.opts.Key == nil {
		_, err := f.CreateApp(manifest)
		return err
	}
	_, err := f.createApp(manifest, f.opts.Key)
	return err
}

// Start serves until ctx ends or Close is called. It returns at once.
func (f *Forge) Start(ctx context.Context) error {
	server, listener := &http.Server{Handler: f.handler(), ReadHeaderTimeout: 10 * time.Second}, f.listener
	f.server = server
	f.hub.start(ctx)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			f.log.ErrorContext(ctx, "local forge stopped serving", "error", err)
		}
	}()
	context.AfterFunc(ctx, func() { _ = f.Close() })
	return nil
}

// Close stops serving and delivering. The files below Options.Dir stay.
func (f *Forge) Close() error {
	f.hub.stop()
	if f.server == nil {
		return f.listener.Close()
	}
	return f.server.Close()
}

// Info is what a client needs to know, as printed by `coderflow forge --json`.
type Info struct {
	BaseURL           string `json:"baseURL"`
	APIURL            string `json:"apiURL"`
	GraphQLURL        string `json:"graphqlURL"`
	GitURL            string `json:"gitURL"`
	HTMLURL           string `json:"htmlURL"`
	AppID             int64  `json:"appID"`
	AppSlug           string `json:"appSlug"`
	InstallationID    int64  `json:"installationID"`
	PrivateKeyFile    string `json:"privateKeyFile"`
	WebhookSecret     string `json:"webhookSecret"`
	WebhookSecretFile string `json:"webhookSecretFile"`
	// The App's client, with which people sign in.
	ClientID         string           `json:"clientID"`
	ClientSecretFile string           `json:"clientSecretFile"`
	Users            []UserInfo       `json:"users"`
	Repositories     []RepositoryInfo `json:"repositories"`
	// Azure is what a client of Azure DevOps needs instead of the App.
	Azure *AzureInfo `json:"azureDevOps,omitempty"`
}

// UserInfo names a person and the token that acts as that person.
type UserInfo struct {
	Login string `json:"login"`
	ID    int64  `json:"id"`
	Token string `json:"token"`
	GUID  string `json:"guid,omitempty"` // of the identity, at Azure DevOps
	Mail  string `json:"mail,omitempty"` // the unique name, at Azure DevOps
}

// RepositoryInfo names a repository.
type RepositoryInfo struct {
	FullName string `json:"fullName"`
	ID       int64  `json:"id"`
	GUID     string `json:"guid,omitempty"` // at Azure DevOps
}

// Info describes the first App, its first installation, and all users and repositories.
func (f *Forge) Info() Info {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.azure != nil {
		return f.azureInfo()
	}
	a := f.apps[0]
	info := Info{BaseURL: f.base, APIURL: f.apiURL(""), GraphQLURL: f.base + "/api/graphql", GitURL: f.base,
		HTMLURL: f.base + "/", AppID: a.id, AppSlug: a.slug, PrivateKeyFile: f.appFile(a, "private-key.pem"),
		WebhookSecret: a.webhookSecret, WebhookSecretFile: f.appFile(a, "webhook-secret"),
		ClientID: a.clientID, ClientSecretFile: f.appFile(a, "client-secret"),
		Users: []UserInfo{}, Repositories: []RepositoryInfo{}}
	if len(a.installations) > 0 {
		info.InstallationID = a.installations[0].id
	}
	for _, u := range f.users {
		if u.kind == typeUser {
			info.Users = append(info.Users, UserInfo{Login: u.login, ID: u.id, Token: u.token})
		}
	}
	for _, r := range f.repos {
		info.Repositories = append(info.Repositories, RepositoryInfo{FullName: r.fullName(), ID: r.id})
	}
	return info
}

func (f *Forge) apiURL(path string) string { return f.base + "/api/v3/" + path }

// now is the forge's time, in the whole seconds that GitHub shows.
func (f *Forge) now() time.Time { return f.opts.Now().UTC().Truncate(time.Second) }

// newID returns the next number; ids are unique over all kinds of objects and never used again.
func (f *Forge) newID() int64 {
	f.lastID++
	return f.lastID
}

// randomHex returns n random bytes in hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the program instead
	return hex.EncodeToString(b)
}

// Fail installs a function that may return a fault for any request to the REST API, GraphQL or git.
// It is called before authentication, must be safe for concurrent use, and nil removes it.
func (f *Forge) Fail(fault func(*http.Request) *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Unknown lists what was asked for and is not emulated, in order.
func (f *Forge) Unknown() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.unknown...)
}

// recordUnknown needs the lock.
func (f *Forge) recordUnknown(what string) {
	f.unknown = append(f.unknown, what)
	f.log.Warn("not emulated", "what", what)
}
