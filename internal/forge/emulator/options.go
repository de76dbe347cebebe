package emulator

import (
	"crypto/rsa"
	"log/slog"
	"net/http"
	"time"
)

// Options configure a Forge. Only Dir is required.
type Options struct {
	// Kind is forge.GitHub (the default) or forge.AzureDevOps: which service the forge is. It serves
	// nothing of the other.
	Kind string
	// Azure is what only an Azure DevOps organization has.
	Azure AzureOptions
	// Dir holds the bare repositories, the App's private key and the webhook secret (both mode 0600).
	Dir string
	// Listen is the TCP address to bind; default "127.0.0.1:0".
	Listen string
	// BaseURL is what links are built from; default "http://" + the bound address.
	BaseURL string
	// Now is the clock of everything the forge dates or expires; default time.Now.
	Now func() time.Time
	// Logger receives one line per refused push, failed delivery and unknown call; default discards.
	Logger *slog.Logger
	// App is the GitHub App that exists from the start; nil means DefaultApp().
	App *AppManifest
	// Key is that App's; nil means a new one, which takes a while to find.
	Key *rsa.PrivateKey
	// Middleware wraps the REST API and GraphQL, for validation against a specification.
	Middleware func(http.Handler) http.Handler
	// OnDelivery sees every webhook attempt just before it is sent, or dropped by DropDeliveries.
	OnDelivery func(event string, header http.Header, body []byte)
}

// AppManifest mirrors GitHub's App manifest (app.yml): what the App is called, may do and wants to hear.
// https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
type AppManifest struct {
	Name           string            `json:"name" yaml:"name"`
	URL            string            `json:"url" yaml:"url"`
	Description    string            `json:"description,omitempty" yaml:"description"`
	HookAttributes HookAttributes    `json:"hook_attributes" yaml:"hook_attributes"`
	RedirectURL    string            `json:"redirect_url,omitempty" yaml:"redirect_url"`
	CallbackURLs   []string          `json:"callback_urls,omitempty" yaml:"callback_urls"`
	SetupURL       string            `json:"setup_url,omitempty" yaml:"setup_url"`
	Public         bool              `json:"public" yaml:"public"`
	Events         []string          `json:"default_events" yaml:"default_events"`
	Permissions    map[string]string `json:"default_permissions" yaml:"default_permissions"`
}

// HookAttributes are the webhook settings of an App manifest.
type HookAttributes struct {
	URL    string `json:"url" yaml:"url"`
	Active *bool  `json:"active,omitempty" yaml:"active"`
}

// DefaultApp is the App that a Forge has when Options name none: the permissions and events of the whole
// flow, and no `workflows` permission.
func DefaultApp() AppManifest {
	return AppManifest{
		Name: "CoderFlow", URL: "https://coderflow.dev", Description: "Turns issues into reviewed changes.",
		Events: []string{"issues", "issue_comment", "pull_request", "pull_request_review", "push", "check_run"},
		Permissions: map[string]string{"metadata": "read", "contents": "write", "issues": "write",
			"pull_requests": "write", "checks": "write", "deployments": "write", "statuses": "write", "members": "read"},
	}
}

// UserOptions are the optional attributes of a new user.
type UserOptions struct {
	Name  string
	Email string
	// Organization makes an account that owns repositories but cannot act.
	Organization bool
	// SiteAdmin marks the user as such in payloads; it grants nothing.
	SiteAdmin bool
}

// RepositoryOptions are the optional attributes of a new repository.
type RepositoryOptions struct {
	Description   string
	Private       bool
	DefaultBranch string // default "main"
	// RefuseDrafts answers a draft pull request with 422, as GitHub does for some private repositories.
	RefuseDrafts bool
	// FromDirectory adds every regular file below a directory to the first commit.
	FromDirectory string
	// Message of the first commit; default "Initial commit".
	Message string
}

// Protection is the protection of one branch. The zero value forbids force pushes and deletion only.
type Protection struct {
	RequiredReviews     int      // approving reviews of the latest head by people with write access
	DismissStaleReviews bool     // a push dismisses approvals
	RequiredChecks      []string // check run names or status contexts that must have succeeded
	EnforceAdmins       bool     // administrators are bound too
	RestrictPushes      bool     // only AllowPush may push (and merge)
	AllowPush           []string // logins or App slugs
	AllowForcePushes    bool
	AllowDeletions      bool
}

// Fault is one injected failure. The zero value is no fault.
type Fault struct {
	// Status, if not 0, is answered instead of performing the request.
	Status int
	// Header is added to that answer, e.g. Retry-After.
	Header http.Header
	// Message is its JSON message; default the status text.
	Message string
	// Documentation is its documentation_url, by which clients tell rate limits apart; default the REST docs.
	Documentation string
	// DropResponse performs the request and then closes the connection without answering.
	DropResponse bool
	// Delay is waited before anything else happens.
	Delay time.Duration
}

// SecondaryRateLimit is the fault GitHub answers to a client that writes too fast.
func SecondaryRateLimit(retryAfter string) *Fault {
	return &Fault{Status: http.StatusForbidden, Header: http.Header{"Retry-After": {retryAfter}},
		Message:       "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
		Documentation: docsAddress + "/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}
}
