package gateway

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/wire"
	"github.com/coderflow/coderflow/internal/secret"
)

// Protocol is the interface of a provider.
type Protocol = wire.Protocol

// The protocols.
const (
	Anthropic = wire.Anthropic
	OpenAI    = wire.OpenAI
	Gemini    = wire.Gemini
)

// Usage is what one or more exchanges used.
type Usage = wire.Usage

// Provider is where a model is.
type Provider struct {
	Name     string
	Protocol Protocol
	// URL is the base, with any path before the interface's own. Where it ends with
	// a version ("/v1", as OpenAI's clients want it), that stands for the version of
	// the request. Its query is added to every request.
	URL *url.URL
	Key secret.Value
	// Prices by model, or by a beginning with one trailing "*"; the longest fits.
	Prices map[string]Price
	// Header is added to every request, over what the agent sent.
	Header http.Header
}

// Price is in USD for a million tokens.
type Price struct{ Input, Output, CacheRead, CacheWrite float64 }

// Budget bounds what may be spent; zero is no bound. Tokens are all tokens, those
// read from a cache too. Costs are micro-USD. Days are days in UTC.
//
// A request is let through as long as something is left, whatever it may then
// use: its length cannot be known, and cutting its max_tokens would end an agent
// in the middle of a sentence. What runs at the same time is reckoned with what it
// may use at most, and further requests wait for it once that exceeds the rest.
// So the overrun is one answer at most, in each process that serves the
// environment.
type Budget struct {
	TaskTokens, DayTokens int64
	TaskCost, DayCost     int64
}

// Session is what one container may do.
type Session struct {
	// Task is whose it is: a task's id, or another name that stands for a container.
	Task, Environment string
	Provider          Provider
	// Models are names, or a beginning with one trailing "*". The first is the default.
	Models []string
	// Hosts may be reached by CONNECT: "example.com", "example.com:8443", "*.example.com".
	Hosts []string
	// MaxSent bounds what one tunnel may send, in bytes; 0: 16 MiB.
	MaxSent int64
	Budget  Budget
	// Secrets are redacted in requests. The provider's key always is. One that is a
	// canary ends the session where it appears in a request.
	Secrets []secret.Value
}

// Exchange is one request and what became of it.
type Exchange struct {
	ID, Task, Environment string
	At                    time.Time
	Protocol              Protocol
	Provider, Model       string
	Method, Path          string
	Status                int
	Refused               string // a short fixed word; empty if it went on
	Usage                 Usage
	Redactions            int
	FirstByte, Took       time.Duration // since the request's head was read
	RequestBytes          int64
	ResponseBytes         int64
}

// Ledger keeps what was spent.
type Ledger interface {
	// Spent is what the task, and the environment on the UTC day of the time, used so far.
	Spent(ctx context.Context, task, environment string, day time.Time) (byTask, byEnvironment Usage, err error)
	// Record adds an exchange.
	Record(ctx context.Context, e Exchange) error
}

// Journal keeps what happened.
type Journal interface {
	// Audit writes an entry of the audit log.
	Audit(ctx context.Context, task, kind string, data map[string]any) error
	// Trip writes down that a canary appeared in a request, and has the task stopped.
	Trip(ctx context.Context, task, canary, where string) error
	// Transcript appends one line of JSON, without a line break.
	Transcript(ctx context.Context, task string, line []byte) error
}

// Kinds of audit entries. Each names the task; data says the rest.
const (
	AuditRefused     = "gateway.refused"      // reason, message, count
	AuditBudget      = "gateway.budget"       // bound, limit, spent
	AuditConnect     = "gateway.connect"      // host, connections, sent, received
	AuditToolRemoved = "gateway.tool_removed" // what, count
	AuditRedacted    = "gateway.redacted"     // secrets were replaced in a request: count
)

// Metrics is told what happens. Its methods must not block.
type Metrics interface {
	// Exchange is called once for each request, refused ones too.
	Exchange(e Exchange)
	// Tunnel is called when a CONNECT ends.
	Tunnel(host string, sent, received int64)
}

type noMetrics struct{}

func (noMetrics) Exchange(Exchange)           {}
func (noMetrics) Tunnel(string, int64, int64) {}
