package azuredevops

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// Where Microsoft Entra issues tokens, and for what: the id is that of Azure DevOps.
// https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/service-principal-managed-identity
const (
	DefaultTokenEndpoint = "https://login.microsoftonline.com"
	entraScope           = "499b84ac-1321-427f-aa17-267ca6975798/.default"
)

// renewBefore is how long before its end a token is not used any more.
const renewBefore = 5 * time.Minute

// Credential is a personal access token, or a service principal of Microsoft Entra.
type Credential struct {
	Token forge.Secret
	Entra *ServicePrincipal
}

// ServicePrincipal is an application of a tenant with a secret.
type ServicePrincipal struct {
	Tenant   string
	ClientID string
	Secret   forge.Secret
	// Endpoint is where tokens are issued; empty is [DefaultTokenEndpoint].
	Endpoint string
}

// credential is what requests are sent with.
type credential interface {
	// token returns a valid one, and when it ends; zero: nobody told.
	token(ctx context.Context) (forge.Secret, time.Time, error)
	// header is the value of Authorization for the token.
	header(token forge.Secret) string
	// drop forgets a token that the service refused; another one may be had.
	drop(token forge.Secret) (another bool)
	// source is for the audit log.
	source() string
}

func newCredential(c Config, base http.RoundTripper, clock func() time.Time) (credential, error) {
	token := strings.TrimSpace(c.Credential.Token.Reveal())
	switch {
	case token != "" && c.Credential.Entra != nil:
		return nil, errors.New("azuredevops: a token and a service principal are configured; want one of them")
	case token != "":
		return accessToken(token), nil
	case c.Credential.Entra == nil:
		return nil, errors.New("azuredevops: no credential: make a personal access token at ORGANIZATION/_usersSettings/tokens, or configure a service principal")
	}
	return newEntra(*c.Credential.Entra, c.AllowHTTP, base, clock)
}

// accessToken is a personal access token. It is never logged.
type accessToken forge.Secret

func (t accessToken) token(context.Context) (forge.Secret, time.Time, error) {
	return forge.Secret(t), time.Time{}, nil
}

// header is basic authentication with any name.
// https://learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate
func (accessToken) header(token forge.Secret) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(":"+token.Reveal()))
}

func (accessToken) drop(forge.Secret) bool { return false }
func (accessToken) source() string         { return "azure devops personal access token" }

// entra gets tokens for a service principal and keeps one until shortly before its end.
type entra struct {
	config clientcredentials.Config
	client *http.Client
	clock  func() time.Time

	mu   sync.Mutex
	have *oauth2.Token
}

func newEntra(p ServicePrincipal, allowHTTP bool, base http.RoundTripper, clock func() time.Time) (*entra, error) {
	if p.Tenant == "" || p.ClientID == "" || p.Secret.Reveal() == "" {
		return nil, errors.New("azuredevops: a service principal needs a tenant, a client id and a secret")
	}
	if p.Endpoint == "" {
		p.Endpoint = DefaultTokenEndpoint
	}
	u, err := url.Parse(p.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !allowHTTP) || u.User != nil {
		return nil, errors.New("azuredevops: the token endpoint is not an https address such as " + DefaultTokenEndpoint)
	}
	return &entra{
		config: clientcredentials.Config{
			ClientID: p.ClientID, ClientSecret: p.Secret.Reveal(), Scopes: []string{entraScope}, AuthStyle: oauth2.AuthStyleInParams,
			TokenURL: strings.TrimSuffix(p.Endpoint, "/") + "/" + url.PathEscape(p.Tenant) + "/oauth2/v2.0/token",
		},
		client: &http.Client{
			Transport: &wire.Wire{Next: base, Log: slog.New(slog.DiscardHandler), Origins: []*url.URL{u}, MaxAnswer: 1 << 20}, Timeout: CallTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		clock: clock,
	}, nil
}

func (e *entra) token(ctx context.Context) (forge.Secret, time.Time, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.have != nil && e.clock().Before(e.have.Expiry.Add(-renewBefore)) {
		return forge.Secret(e.have.AccessToken), e.have.Expiry, nil
	}
	asked := e.clock()
	got, err := e.config.Token(context.WithValue(ctx, oauth2.HTTPClient, e.client))
	if err != nil {
		return "", time.Time{}, entraRefusal(err)
	}
	life := time.Duration(got.ExpiresIn) * time.Second
	if life <= renewBefore {
		life = renewBefore + time.Minute
	}
	got.Expiry = asked.Add(life) // by our clock, which may be a test's
	e.have = got
	return forge.Secret(got.AccessToken), got.Expiry, nil
}

// entraRefusal keeps the words of the answer; the library's error has the whole of it.
func entraRefusal(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return fmt.Errorf("get a token from Microsoft Entra: %w", err)
	}
	words := clip(refused.ErrorDescription)
	if words == "" {
		words = clip(refused.ErrorCode)
	}
	if refused.Response != nil && refused.Response.StatusCode >= 500 {
		return fmt.Errorf("get a token from Microsoft Entra: it answered %d", refused.Response.StatusCode)
	}
	return fmt.Errorf("get a token from Microsoft Entra: %w (%s); check tenant, client id and secret", forge.ErrForbidden, words)
}

func (*entra) header(token forge.Secret) string { return "Bearer " + token.Reveal() }

func (e *entra) drop(token forge.Secret) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.have != nil && e.have.AccessToken == token.Reveal() {
		e.have = nil
	}
	return true
}

func (e *entra) source() string {
	return "azure devops service principal " + e.config.ClientID
}
