// Package azuredevops adapts Azure DevOps (Services and Server) to the ports of
// package forge, over azure-devops-go-api.
//
// What holds for every call:
//
//   - The credential is a personal access token or a token of Microsoft Entra. It goes to
//     the organization's own hosts and nowhere else; redirects are not followed, so that
//     it cannot follow one.
//   - Repositories are asked for by their GUID, never by a name: what a name means may
//     change. Work items and pull requests are numbered apart.
//   - What only reads is repeated a few times when the service stumbles; what writes is
//     not. A limit is an error that says how long to wait; the engine waits.
//   - Requests have a deadline, answers a size limit, lists a page limit.
//
// Azure DevOps has no drafts that can be reviewed and no texts of reviews: see review.go
// for what is a review here.
package azuredevops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	ado "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/core"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/identity"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/location"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/security"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/servicehooks"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// CallTimeout bounds one request and the reading of its answer.
const CallTimeout = 20 * time.Second

// Config is what [New] needs.
type Config struct {
	// OrganizationURL is https://dev.azure.com/ORGANIZATION, or a collection of a Server.
	OrganizationURL string
	// Credential is who CoderFlow is there.
	Credential Credential
	// GitCredential, if set, is another personal access token, which git uses: fetching and
	// pushing needs the scope Code (read & write) alone.
	GitCredential forge.Secret
	// WorkItems says which repository the work items of a project or an area are about.
	WorkItems []WorkItemRule
	// IsDirective tells whether a comment has a directive for a review, see review.go.
	IsDirective func(body string) bool
	// AllowHTTP permits an organization without TLS, for tests.
	AllowHTTP bool

	// Transport is below everything this package does; nil is a clone of
	// http.DefaultTransport.
	Transport http.RoundTripper
	Clock     func() time.Time // nil is time.Now
	Logger    *slog.Logger     // nil is silence
	// Observe, if set, is told of every request that was sent.
	Observe func(ctx context.Context, c wire.Call)
	// Sleep waits before a repetition; nil waits that long or until the request ends.
	Sleep func(request *http.Request, wait time.Duration) error
}

// Adapter implements [forge.Forge]. It is safe for concurrent use.
type Adapter struct {
	organization string // does not end with a slash
	origins      []*url.URL
	rules        []WorkItemRule
	isDirective  func(string) bool
	gitToken     forge.Secret
	credential   credential
	clock        func() time.Time
	log          *slog.Logger
	limits       *limits
	wire         http.RoundTripper // unauthenticated, guarded

	git        git.Client
	work       workitemtracking.Client
	core       core.Client
	identities identity.Client
	location   location.Client
	security   security.Client
	hooks      servicehooks.Client
	own        *ado.Client // of the organization, for the areas that others make clients of

	mu   sync.Mutex
	self forge.User
	// gitSubject is the account of the token for git.
	gitSubject forge.Subject
	kinds      map[string]forge.UserKind // by GUID; what an account is does not change
}

var _ forge.Forge = (*Adapter)(nil)

// Format implements fmt.Formatter: fmt would print the credential, as it asks unexported
// fields for nothing.
func (a *Adapter) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "Azure DevOps at "+a.organization)
}

// New checks the configuration without talking to the forge.
func New(c Config) (*Adapter, error) {
	organization, err := organizationURL(c.OrganizationURL, c.AllowHTTP)
	if err != nil {
		return nil, err
	}
	people := identityURL(organization)
	a := &Adapter{
		organization: strings.TrimSuffix(organization.String(), "/"), origins: []*url.URL{organization, people},
		isDirective: c.IsDirective, gitToken: c.GitCredential, clock: c.Clock, log: c.Logger, kinds: map[string]forge.UserKind{},
	}
	if a.rules, err = checkRules(c.WorkItems); err != nil {
		return nil, err
	}
	if a.isDirective == nil {
		a.isDirective = func(string) bool { return false }
	}
	if a.clock == nil {
		a.clock = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	a.limits = newLimits(a.clock)
	base := c.Transport
	if base == nil {
		base = wire.Transport(CallTimeout)
	}
	a.wire = &wire.Wire{Next: base, Log: a.log, Origins: a.origins, MaxAnswer: maxAnswer, Observe: c.Observe}
	if a.credential, err = newCredential(c, base, a.clock); err != nil {
		return nil, err
	}
	own := a.client(a.organization, a.credential)
	elsewhere := a.client(strings.TrimSuffix(people.String(), "/"), a.credential)
	for _, client := range []*call{own, elsewhere} {
		client.sleep = c.Sleep
	}
	a.connect(own, elsewhere)
	return a, nil
}

// connect makes the clients of the areas that are used. People are at a host of their own.
func (a *Adapter) connect(own, people *call) {
	a.own = own.api()
	api := *a.own
	a.git = &git.ClientImpl{Client: api}
	a.work = &workitemtracking.ClientImpl{Client: api}
	a.core = &core.ClientImpl{Client: api}
	a.location = &location.ClientImpl{Client: api}
	a.security = &security.ClientImpl{Client: api}
	a.hooks = &servicehooks.ClientImpl{Client: api}
	a.identities = &identity.ClientImpl{Client: *people.api()}
}

func (a *Adapter) client(base string, c credential) *call {
	return &call{adapter: a, base: base, credential: c, sleep: sleep}
}

// api is a client of the library that sends by way of the call.
func (c *call) api() *ado.Client {
	connection := &ado.Connection{BaseUrl: c.base, UserAgent: wire.UserAgent, SuppressFedAuthRedirect: true}
	return ado.NewClientWithOptions(connection, c.base, ado.WithHTTPClient(&http.Client{
		Transport: c, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}))
}

func organizationURL(text string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("azuredevops: organization URL: %w", err)
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, fmt.Errorf("azuredevops: organization URL %q: want https://dev.azure.com/ORGANIZATION", u.Redacted())
	case u.Scheme == "http" && !allowHTTP:
		return nil, fmt.Errorf("azuredevops: organization URL %q: the token would travel in the clear; want https", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("azuredevops: organization URL %q: user, query and fragment have no meaning here", u.Redacted())
	case strings.EqualFold(u.Hostname(), "dev.azure.com") && strings.Trim(u.Path, "/") == "":
		return nil, errors.New("azuredevops: organization URL: want https://dev.azure.com/ORGANIZATION, with the name of the organization")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// identityURL is where the service answers about people. A Server does it itself.
// https://learn.microsoft.com/rest/api/azure/devops/ims/identities/read-identities
func identityURL(organization *url.URL) *url.URL {
	u := *organization
	switch host := strings.ToLower(u.Hostname()); {
	case host == "dev.azure.com":
		u.Host = "vssps.dev.azure.com"
	case strings.HasSuffix(host, ".visualstudio.com"):
		u.Host = strings.TrimSuffix(host, ".visualstudio.com") + ".vssps.visualstudio.com"
	}
	return &u
}

// is returns what p points to, or the zero value: the service leaves out what is empty.
func is[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}

// at returns the time, or none.
func at(t *ado.Time) time.Time {
	if t == nil || t.Time.Year() <= 1 || t.Time.Year() >= 9999 {
		return time.Time{}
	}
	return t.Time.UTC()
}
