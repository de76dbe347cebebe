package archtest

// row is one line of the import table.
type row struct {
	pkg  string   // path below the module
	job  string   // its one job
	may  []string // packages of ours that it may import; "everything" for all
	uses []string // modules of others that it may import, by prefix
}

// everything is the right to name every package and module.
const everything = "everything"

var (
	// domain are the types that decisions are made of.
	domain = []string{"internal/approval", "internal/audit", "internal/deploy", "internal/forge", "internal/freeze", "internal/node", "internal/policy", "internal/task"}
	yaml   = []string{"github.com/goccy/go-yaml"}
	river  = "github.com/riverqueue/river"
)

// table says what may import what. Dependencies point down; adapters point
// inward; only cmd/app names them all. Test files and packages for tests (their
// names end in "test") are free, and nothing else may import the latter.
var table = []row{
	{"cmd/app", "the binary: commands, configuration, wiring", []string{everything}, nil},
	{"cmd/guest", "the helper inside containers", []string{"internal/guestproto", "internal/mux"}, []string{"golang.org/x/sys"}},

	{"internal/web", "webhooks, API, pages: thin handlers",
		plus(domain, "internal/agent/activity", "internal/console", "internal/engine", "internal/judge", "internal/manifest", "internal/queue", "internal/receipt", "internal/secret", "internal/signin", "internal/telemetry", "internal/token"), []string{"github.com/labstack/echo/v4", "github.com/prometheus/client_golang"}},
	{"internal/engine", "the steps, the reconciler, the ports they need",
		plus(domain, "internal/agent", "internal/agent/activity", "internal/atonce", "internal/command", "internal/gitops", "internal/guestproto", "internal/judge", "internal/manifest",
			"internal/present", "internal/prompt", "internal/queue", "internal/receipt", "internal/sandbox", "internal/secret"), []string{"golang.org/x/sync"}},

	{"internal/approval", "Gate, Grant, quorum", []string{"internal/atonce", "internal/forge", "internal/freeze", "internal/policy", "internal/task"}, nil},
	{"internal/freeze", "what is stopped, by whom and why", nil, nil},
	{"internal/node", "the processes of an installation, as they see each other", nil, nil},
	{"internal/policy", "decisions with reasons", []string{"internal/forge", "internal/task"}, []string{"golang.org/x/text"}},
	{"internal/task", "task, proposal, states", []string{"internal/forge"}, nil},
	{"internal/forge", "the neutral vocabulary and port of a forge", nil, nil},
	{"internal/atonce", "independent steps at the same time", nil, nil},
	{"internal/audit", "the append-only log", nil, []string{"golang.org/x/mod"}},
	{"internal/receipt", "what an approval did, as a document that others verify in a clone",
		[]string{"internal/approval", "internal/audit", "internal/forge", "internal/gitops", "internal/task"}, nil},

	{"internal/command", "what people write to the bot",
		[]string{"internal/approval", "internal/deploy", "internal/forge", "internal/policy", "internal/task"}, []string{"github.com/yuin/goldmark"}},
	{"internal/present", "what the bot writes to people, made inert",
		[]string{"internal/approval", "internal/command", "internal/deploy", "internal/forge", "internal/freeze", "internal/judge", "internal/policy", "internal/prompt", "internal/risk", "internal/task"}, nil},
	{"internal/console", "what people see in a browser, made inert", []string{"internal/agent/activity", "internal/task"},
		[]string{"github.com/alecthomas/chroma/v2"}},
	{"internal/prompt", "what the agent is told",
		[]string{"internal/forge", "internal/task"}, []string{"github.com/yuin/goldmark"}},

	{"internal/manifest", "environments, profiles and bindings as they are applied",
		[]string{"internal/agent", "internal/approval", "internal/deploy", "internal/forge", "internal/gitops", "internal/guestproto",
			"internal/node", "internal/policy", "internal/sandbox", "internal/strictyaml"}, nil},
	{"internal/config", "coderflow.yaml", []string{"internal/forge", "internal/node", "internal/strictyaml"}, []string{"golang.org/x/net/http/httpguts"}},
	{"internal/strictyaml", "YAML with every problem at its place", nil, yaml},

	{"internal/telemetry", "what work is about, in log lines and spans", nil, nil},
	{"internal/telemetry/otlp", "spans for a collector", []string{"internal/telemetry"}, []string{"go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf"}},

	{"internal/forge/wire", "what every request of an adapter passes", nil, nil},
	{"internal/forge/github", "adapter of GitHub", []string{"internal/atonce", "internal/forge", "internal/forge/wire"},
		[]string{"github.com/google/go-github/v62", "github.com/bradleyfalzon/ghinstallation/v2", "github.com/golang-jwt/jwt/v5"}},
	{"internal/forge/azuredevops", "adapter of Azure DevOps", []string{"internal/forge", "internal/forge/wire"},
		[]string{"github.com/microsoft/azure-devops-go-api/azuredevops/v7", "github.com/google/uuid", "github.com/yuin/goldmark", "golang.org/x/net/html", "golang.org/x/oauth2"}},
	{"internal/forge/github/appmanifest", "app.yml and the App-manifest flow", []string{"internal/forge", "internal/forge/github"},
		plus(yaml, "github.com/google/go-github/v62")},
	{"internal/forge/emulator", "a local GitHub or Azure DevOps", []string{"internal/forge"},
		[]string{"github.com/bluekeyes/go-gitdiff", "github.com/golang-jwt/jwt/v5", "github.com/graphql-go/graphql", "github.com/yuin/goldmark", "golang.org/x/net"}},
	{"internal/forge/emulator/contract", "GitHub's published descriptions, held to both sides",
		[]string{"internal/forge", "internal/forge/emulator"},
		[]string{"github.com/getkin/kin-openapi", "github.com/santhosh-tekuri/jsonschema/v6", "github.com/vektah/gqlparser/v2", "golang.org/x/text"}},
	{"internal/forge/emulator/contract/trim", "cuts the published descriptions to what is used", []string{"internal/forge/emulator/contract"},
		[]string{"github.com/vektah/gqlparser/v2"}},

	{"internal/risk", "what is dangerous about a change: rules as data", nil, nil},
	{"internal/gitops", "git on the host: bare repositories, trees, landing",
		[]string{"internal/approval", "internal/atonce", "internal/backup", "internal/forge", "internal/guestproto", "internal/risk", "internal/task"},
		[]string{"golang.org/x/text", "github.com/bluekeyes/go-gitdiff"}},
	{"internal/guestproto", "the protocol of the helper in containers", nil, nil},
	{"internal/mux", "a container's connections to its gateway as streams in two pipes", nil, []string{"github.com/libp2p/go-yamux/v5"}},
	{"internal/sandbox", "what a container is", []string{"internal/guestproto", "internal/secret", "internal/task"}, nil},
	{"internal/sandbox/docker", "containers on a Docker engine", []string{"internal/atonce", "internal/guestproto", "internal/mux", "internal/sandbox", "internal/task"},
		[]string{"github.com/docker", "github.com/containerd/errdefs", "github.com/opencontainers/image-spec", "golang.org/x/crypto/ssh", "golang.org/x/sys"}},
	{"internal/doctor", "what is wrong with an installation, and how to mend it",
		[]string{"internal/config", "internal/forge", "internal/forge/azuredevops", "internal/forge/github", "internal/sandbox"}, nil},
	{"internal/agent", "presets: argv, environment, HOME", []string{"internal/agent/activity", "internal/guestproto", "internal/sandbox"}, nil},
	{"internal/agent/activity", "what agents print, as events", nil, nil},
	{"internal/judge", "what an AI reviewer is asked and may answer", []string{"internal/agent/activity", "internal/gateway/strictjson", "internal/prompt", "internal/task"}, nil},
	{"internal/agent/image", "the presets' images, from npm packages", []string{"images/agents", "internal/agent", "internal/sandbox"}, nil},
	{"internal/gateway", "the only way out of a container",
		[]string{"internal/gateway/egress", "internal/gateway/inspect", "internal/gateway/strictjson", "internal/gateway/wire", "internal/secret"}, nil},
	{"internal/gateway/inspect", "what a request may ask of a model", []string{"internal/gateway/strictjson", "internal/gateway/wire", "internal/secret"}, nil},
	{"internal/gateway/egress", "which hosts and addresses may be reached", nil, nil},
	{"internal/gateway/wire", "routes, errors and usage of the model interfaces", nil, nil},
	{"internal/gateway/strictjson", "JSON that every reader reads alike", nil, nil},
	{"internal/secret", "values that never print, their redaction and their sealing", nil, []string{"filippo.io/age"}},
	{"internal/client", "the API from outside, and the contexts of its users",
		[]string{"internal/agent/activity", "internal/audit", "internal/policy", "internal/task", "internal/token"}, yaml},
	{"internal/token", "API tokens: text, hash, scope", []string{"internal/audit", "internal/forge", "internal/policy"}, nil},
	{"internal/signin", "people prove who they are: GitHub, OpenID Connect", []string{"internal/forge", "internal/policy", "internal/task", "internal/token"},
		[]string{"github.com/coreos/go-oidc/v3", "golang.org/x/oauth2"}},
	{"internal/deploy", "profiles, parameters, runs",
		[]string{"internal/approval", "internal/forge", "internal/sandbox", "internal/secret", "internal/task"}, nil},
	{"internal/backup", "the form of a backup file", nil, nil},
	{"internal/packaging", "archives, bills of materials and licences of a release", nil, []string{"github.com/CycloneDX/cyclonedx-go", "github.com/google/uuid"}},
	{"internal/packaging/release", "packs the programs of one platform", []string{"internal/packaging"}, nil},
	{"internal/queue", "durable jobs", nil, []string{river}},
	{"internal/store", "both databases",
		plus(domain, "internal/backup", "internal/engine", "internal/judge", "internal/manifest", "internal/queue", "internal/secret", "internal/signin", "internal/token"),
		[]string{"github.com/uptrace/bun", "github.com/jackc/pgx/v5", "golang.org/x/mod", "modernc.org/sqlite", river}},
}

func plus(list []string, more ...string) []string {
	return append(append([]string(nil), list...), more...)
}

// place is one file, or every file of a package, where something may stand.
type place struct {
	where string // package, or file
	why   string
}

// programs are where the host starts another program. git runs in gitops only:
// everywhere else it could meet a stranger's configuration.
var programs = []place{
	{"internal/gitops", "git with pinned settings, on bare repositories"},
	{"internal/forge/emulator", "the local forge serves git; it is a forge, not the host of agents"},
	{"cmd/guest", "runs inside the container"},
	{"cmd/app/login_browser.go", "a person's own browser, for a sign-in at their terminal; an address is its one argument"},
	{"internal/agent/image", "npm gets the packages of agents, by hash, and runs nothing of them"},
}

// minters are where a grant may become valid.
var minters = []place{{"internal/approval/gate.go", "Gate.Redeem, after it read the forge"}}

// pushers are where a credential that can push is asked for.
var pushers = []place{
	{"internal/approval/grant.go", "Grant.Credential: landing"},
	{"internal/engine/propose.go", "publication of the inert proposal"},
	{"internal/engine/people.go", "a person's own, for those two"},
	{"cmd/app/people_tokens.go", "narrows a person's own to the repository, for the engine alone"},
	{"cmd/app/audit_publish.go", "publication of checkpoints of the audit log, to a branch of their own"},
	{"internal/forge/hosts.go", "passes the question on to the forge of the repository, and asks by itself for nothing"},
	{"internal/engine/credential.go", "finds the credential for those two; itself a PushToken, so that its users are held too"},
}

// launchers are where a pipeline of another service is asked for a run.
var launchers = []place{
	{"internal/deploy/pipeline.go", "Executor.Queue, which takes a grant for exactly this run"},
	{"internal/forge/azuredevops/pipelines.go", "the adapter, for that one"},
}

// unsafely are where Go's type safety may be left, by which a grant's unexported
// fields could be reached.
var unsafely = []place{{"cmd/guest", "system calls that have no wrapper; holds no grant"}}
