package config

import sy "github.com/coderflow/coderflow/internal/strictyaml"

// file is coderflow.yaml as it is written. Its tags are the one list of keys:
// the variables and the documentation are derived from them.
type file struct {
	Listen      string       `yaml:"listen"`
	PublicURL   string       `yaml:"publicURL"`
	DataDir     string       `yaml:"dataDir"`
	Database    string       `yaml:"database"`
	Docker      dockerFile   `yaml:"docker"`
	GitHub      *githubFile  `yaml:"github"`
	AzureDevOps *azureFile   `yaml:"azureDevOps"`
	Admins      []string     `yaml:"admins"`
	Bootstrap   string       `yaml:"bootstrap"`
	Worker      workerFile   `yaml:"worker"`
	Reconcile   reconcileKey `yaml:"reconcile"`
	Log         logFile      `yaml:"log"`
	Sandbox     sandboxFile  `yaml:"sandbox"`
	// Models are the providers of models by the name that environments use.
	Models map[string]modelFile `yaml:"models"`
	// GitCredentials are tokens for git by the name that git providers use.
	GitCredentials map[string]gitCredentialFile `yaml:"gitCredentials"`
	// OIDC are the OpenID Connect providers by the name that subjects have.
	OIDC map[string]oidcFile `yaml:"oidc"`
	// Audit is where checkpoints of the audit log go.
	Audit auditFile `yaml:"audit"`
	// Tracing is where traces are sent.
	Tracing tracingFile `yaml:"tracing"`
	Metrics metricsFile `yaml:"metrics"`
}

type tracingFile struct {
	Endpoint    string  `yaml:"endpoint"`
	AllowHTTP   bool    `yaml:"allowHTTP"`
	HeadersFile string  `yaml:"headersFile"`
	SampleRatio float64 `yaml:"sampleRatio"`
}

type metricsFile struct {
	From []string `yaml:"from"`
}

type auditFile struct {
	Publish *publishFile `yaml:"publish"`
}

type publishFile struct {
	Repository string      `yaml:"repository"`
	Name       string      `yaml:"name"`
	Branch     string      `yaml:"branch"`
	Interval   sy.Duration `yaml:"interval"`
}

type dockerFile struct {
	Host  string        `yaml:"host"`
	Files string        `yaml:"files"`
	TLS   dockerTLSFile `yaml:"tls"`
	SSH   dockerSSHFile `yaml:"ssh"`
}

type dockerTLSFile struct {
	CAFile   string `yaml:"caFile"`
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
}

type dockerSSHFile struct {
	IdentityFile   string `yaml:"identityFile"`
	KnownHostsFile string `yaml:"knownHostsFile"`
}

type githubFile struct {
	APIURL            string     `yaml:"apiURL"`
	GraphQLURL        string     `yaml:"graphqlURL"`
	GitURL            string     `yaml:"gitURL"`
	AllowHTTP         bool       `yaml:"allowHTTP"`
	AppID             int64      `yaml:"appID"`
	PrivateKeyFile    string     `yaml:"privateKeyFile"`
	WebhookSecretFile string     `yaml:"webhookSecretFile"`
	OAuth             *oauthFile `yaml:"oauth"`
}

type oauthFile struct {
	ClientID         string `yaml:"clientID"`
	ClientSecretFile string `yaml:"clientSecretFile"`
	UseForGit        bool   `yaml:"useForGit"`
	GitFallback      bool   `yaml:"gitFallback"`
}

type oidcFile struct {
	Title            string   `yaml:"title"`
	Issuer           string   `yaml:"issuer,required"`
	ClientID         string   `yaml:"clientID,required"`
	ClientSecretFile string   `yaml:"clientSecretFile"`
	SubjectClaim     string   `yaml:"subjectClaim"`
	Scopes           []string `yaml:"scopes"`
}

type azureFile struct {
	OrganizationURL string         `yaml:"organizationURL"`
	GitURL          string         `yaml:"gitURL"`
	AllowHTTP       bool           `yaml:"allowHTTP"`
	TokenFile       string         `yaml:"tokenFile"`
	Entra           *entraFile     `yaml:"entra"`
	GitTokenFile    string         `yaml:"gitTokenFile"`
	WorkItems       []workItemFile `yaml:"workItems"`
	Webhook         azureWebhook   `yaml:"webhook"`
}

type entraFile struct {
	TenantID         string `yaml:"tenantID"`
	ClientID         string `yaml:"clientID"`
	ClientSecretFile string `yaml:"clientSecretFile"`
	AuthorityURL     string `yaml:"authorityURL"`
}

type workItemFile struct {
	Project    string `yaml:"project"`
	AreaPath   string `yaml:"areaPath"`
	Repository string `yaml:"repository,required"`
}

type azureWebhook struct {
	Username      string   `yaml:"username"`
	PasswordFile  string   `yaml:"passwordFile"`
	PasswordFiles []string `yaml:"passwordFiles"`
}

type workerFile struct {
	Enabled     bool        `yaml:"enabled"`
	Concurrency int         `yaml:"concurrency"`
	Name        string      `yaml:"name"`
	Labels      []string    `yaml:"labels"`
	LostAfter   sy.Duration `yaml:"lostAfter"`
}

type reconcileKey struct {
	Interval sy.Duration `yaml:"interval"`
	Evidence sy.Duration `yaml:"evidence"`
}

type logFile struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

type sandboxFile struct {
	Image      string `yaml:"image"`
	Guest      string `yaml:"guest"`
	Workspaces string `yaml:"workspaces"`
	// The cache of checked-out commits.
	BaseAge  sy.Duration `yaml:"baseAge"`
	BaseSize sy.Size     `yaml:"baseSize"`
}

type gitCredentialFile struct {
	TokenFile string `yaml:"tokenFile"`
}

type modelFile struct {
	Protocol  string               `yaml:"protocol,required"`
	URL       string               `yaml:"url"`
	AllowHTTP bool                 `yaml:"allowHTTP"`
	KeyFile   string               `yaml:"keyFile"`
	Prices    map[string]priceFile `yaml:"prices"`
}

// priceFile is in US dollars for a million tokens.
type priceFile struct {
	Input      float64 `yaml:"input,required"`
	Output     float64 `yaml:"output,required"`
	CacheRead  float64 `yaml:"cacheRead"`
	CacheWrite float64 `yaml:"cacheWrite"`
}

const (
	defaultListen     = "127.0.0.1:8080"
	defaultAPIURL     = "https://api.github.com/"
	defaultGraphQLURL = "https://api.github.com/graphql"
	defaultGitURL     = "https://github.com"
)

// Example returns a configuration with every key of the common case, for
// `coderflow init` and the documentation.
func Example() string { return example }

const example = `# CoderFlow's configuration. Unknown keys are errors. Each key can be overridden
# by a variable, for example github.appID by CODERFLOW_GITHUB_APP_ID.

listen: 127.0.0.1:8080
publicURL: https://coderflow.example.com   # where people and the forge reach this server
dataDir: /var/lib/coderflow                # mirrors, database, sockets
database: sqlite                           # or postgres://user@host/coderflow

docker:
  host: unix:///var/run/docker.sock        # or tcp:// or ssh://, see docs/engines.md

github:
  apiURL: https://api.github.com/          # raw REST base, any host and path
  graphqlURL: https://api.github.com/graphql
  gitURL: https://github.com               # clone base
  appID: 1
  privateKeyFile: /etc/coderflow/github.pem          # mode 0600
  webhookSecretFile: /etc/coderflow/webhook-secret   # mode 0600

# Azure DevOps instead of GitHub, or beside it: coderflow init azure-devops writes this section.
#azureDevOps:
#  organizationURL: https://dev.azure.com/acme
#  tokenFile: /etc/coderflow/azure-devops-token       # mode 0600; or entra: {tenantID, clientID, clientSecretFile}
#  webhook:
#    username: coderflow
#    passwordFiles: [/etc/coderflow/hooks/web-shop]   # mode 0600; one a service hook subscription

# People sign in with their GitHub account: client id and secret of the App, whose
# device flow has to be on. Remove the # once you have them.
#  oauth:
#    clientID: Iv1.0123456789abcdef
#    clientSecretFile: /etc/coderflow/github-client-secret   # mode 0600
#    useForGit: false    # true: keep people's tokens, and fetch and push in their name; see docs/git-providers.md
#    gitFallback: false  # true: where such a token cannot be used, the next source is

# … or with an OpenID Connect provider, as oidc:NAME/ID.
#oidc:
#  entra:
#    title: Entra ID
#    issuer: https://login.microsoftonline.com/TENANT/v2.0
#    clientID: 00000000-0000-0000-0000-000000000000
#    clientSecretFile: /etc/coderflow/entra-client-secret   # mode 0600
#    subjectClaim: oid

# Who may do everything: HOST:ID. https://api.github.com/users/LOGIN shows the id.
admins: ["github:583231"]

bootstrap: manifests/    # applied when the database is empty

worker:
  concurrency: 2         # containers at once
#  name: runner-1        # what people call this node; default: the machine's name
#  labels: [gpu]         # that environments can ask for
reconcile:
  interval: 2m           # how often to look for deliveries that never came
  evidence: 1h           # how often to hold the audit log against the forge
log:
  level: info            # debug, info, warn or error
  format: text           # or json
sandbox:
  image: coderflow/sandbox:dev   # where an environment names none
  workspaces: auto               # overlay where the engine can, else copy

# Where models are. Environments name a provider; agents never see its key. Remove the # once you have one.
#models:
#  anthropic:
#    protocol: anthropic                       # anthropic, openai or gemini
#    url: https://api.anthropic.com            # or a proxy of yours that speaks the same
#    keyFile: /etc/coderflow/anthropic.key     # mode 0600
#    prices:                                   # US dollars for a million tokens, for budgets in money
#      claude-sonnet-4-5*: {input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75}
`
