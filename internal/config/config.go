package config

import (
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// Config is a complete, checked configuration.
type Config struct {
	Listen    string // host:port
	PublicURL string // without a slash at the end
	DataDir   string // absolute
	Database  Database
	Docker    Docker
	GitHub    *GitHub // nil: not configured
	// AzureDevOps is nil where it is not configured. A server needs one of the two, and can have both.
	AzureDevOps *AzureDevOps
	Admins      []forge.Subject
	Bootstrap   string // absolute path of manifests for an empty database; empty: none
	Worker      Worker
	Reconcile   Reconcile
	Log         Log
	Sandbox     Sandbox
	Models      map[string]Model // providers by name
	// GitCredentials are what GitProvider manifests name.
	GitCredentials map[string]forge.Secret
	OIDC           []OIDC // by name
	// Publish is where checkpoints of the audit log are published; nil: nowhere.
	Publish *Publish
	// MetricsFrom are the networks beside this machine that may read the metrics.
	MetricsFrom []netip.Prefix
	// Tracing is where traces are sent; nil: nowhere.
	Tracing *Tracing
}

// Tracing is a collector of traces that speaks OTLP over HTTP.
type Tracing struct {
	Endpoint    string      // base address, without a slash at the end
	Headers     http.Header // that go with each request, a secret
	SampleRatio float64     // share of tasks that are traced, above 0 and up to 1
}

// Publish is a branch for checkpoints of the audit log.
type Publish struct {
	Repository forge.RepositoryRef // the id decides; the name is where it is now
	Branch     string
	Interval   time.Duration
}

// Database says where state is kept.
type Database struct {
	Postgres bool
	// DSN is the PostgreSQL URL, which may hold a password, or the path of the SQLite file.
	DSN forge.Secret
}

// Docker says which engine runs containers, and how it is reached.
type Docker struct {
	Host string // unix:///path, tcp://host:port or ssh://user@host[:port][/socket]
	// Files is "auto", "bind" or "copy": how files come into containers.
	Files string
	TLS   DockerTLS
	SSH   DockerSSH
}

// DockerTLS are absolute paths of files with PEM; all are empty where the engine is not reached over TLS.
type DockerTLS struct{ CAFile, CertFile, KeyFile string }

// DockerSSH are absolute paths; both are empty where the engine is not reached over SSH.
type DockerSSH struct{ IdentityFile, KnownHostsFile string }

// GitHub is the GitHub App.
type GitHub struct {
	APIURL        string // ends with a slash
	GraphQLURL    string
	GitURL        string // without a slash at the end
	AllowHTTP     bool   // plain http to hosts other than this machine
	AppID         int64
	PrivateKey    forge.Secret // PEM
	WebhookSecret forge.Secret
	OAuth         *OAuth // nil: not configured
}

// OAuth is the App's client, for people who sign in.
type OAuth struct {
	ClientID     string
	ClientSecret forge.Secret
	// UseForGit keeps the tokens of people who sign in and fetches, publishes and
	// lands with them; see docs/git-providers.md.
	UseForGit bool
	// GitFallback lets the next source take the place of a person's token that
	// cannot be used.
	GitFallback bool
}

// OIDC is a client at an OpenID Connect provider, for people who sign in.
type OIDC struct {
	Name         string
	Title        string // that people read
	Issuer       string // exactly as the provider says it
	ClientID     string
	ClientSecret forge.Secret // empty: a public client
	SubjectClaim string       // of the ID token, which identifies a person for ever
	Scopes       []string     // beside openid
}

// AzureDevOps is an organization and how to reach it.
type AzureDevOps struct {
	OrganizationURL string // without a slash at the end
	GitURL          string // without a slash at the end
	AllowHTTP       bool   // plain http to hosts other than this machine
	// Token is a personal access token; empty with Entra.
	Token forge.Secret
	Entra *Entra // nil: Token is used
	// TokenForGit is another personal access token, for git alone; empty: git uses the one above.
	TokenForGit forge.Secret
	WorkItems   []WorkItemRule
	Webhook     AzureWebhook
}

// Entra is a service principal of Microsoft Entra.
type Entra struct {
	TenantID     string
	ClientID     string
	ClientSecret forge.Secret
	AuthorityURL string // without a slash at the end
}

// WorkItemRule says which repository the work items of a project, or of an area of it, are about.
type WorkItemRule struct {
	Project  string
	AreaPath string // with the project in front, "Web Shop\\Desk"; empty: the whole project
	// Repository is NAME in the project, or PROJECT/NAME.
	Repository string
}

// AzureWebhook is how the service hooks of the organization authenticate.
type AzureWebhook struct {
	Username string
	// Passwords are those that a delivery may come with: one a subscription, and the
	// former one too while one is changed.
	Passwords []forge.Secret
}

// Worker is the work of one process: what it runs containers for.
type Worker struct {
	Enabled     bool     // false: it has no Docker engine and only answers requests and deliveries
	Concurrency int      // tasks whose container may run at once
	Name        string   // that people call the node; never empty
	Labels      []string // that environments can ask for
	// LostAfter is how long another node may give no sign of life before it is taken for dead.
	LostAfter time.Duration
}

// Reconcile is the search for deliveries that never came.
type Reconcile struct {
	Interval time.Duration
	// Evidence is how often the audit log is held against the forge.
	Evidence time.Duration
}

// Log is what is logged and how.
type Log struct {
	Level  slog.Level
	Format string // "text" or "json"
}

// Sandbox is what containers are made from.
type Sandbox struct {
	Image string // where an environment names none
	Guest string // absolute path of the guest helper; empty: beside the server's binary
	// Workspaces is "auto", "overlay" or "copy".
	Workspaces string
	// Checked-out commits that no task uses are dropped after BaseAge, and the
	// oldest ones first while all take more than BaseSize bytes.
	BaseAge  time.Duration
	BaseSize int64
}

// Model is a provider of models: where it is, how to speak to it, and its key,
// which only the gateway uses.
type Model struct {
	Protocol string // "anthropic", "openai" or "gemini"
	URL      string // without a slash at the end
	Key      forge.Secret
	Prices   map[string]Price // by model; a name may end with "*"
}

// Price is in US dollars for a million tokens.
type Price struct{ Input, Output, CacheRead, CacheWrite float64 }

// SQLitePath is the database file of the embedded default.
func (c Config) SQLitePath() string { return filepath.Join(c.DataDir, "coderflow.db") }
