package task

import "time"

// Usage is what was spent on models.
type Usage struct {
	Requests         int64 `json:"requests"`
	Refused          int64 `json:"refused,omitempty"` // of the requests, by the gateway
	InputTokens      int64 `json:"inputTokens"`       // without those of the cache
	OutputTokens     int64 `json:"outputTokens"`
	CacheReadTokens  int64 `json:"cacheReadTokens,omitempty"`
	CacheWriteTokens int64 `json:"cacheWriteTokens,omitempty"`
	// Cost is in millionths of a US dollar, of the requests whose price is known.
	Cost int64 `json:"cost,omitempty"`
	// Unpriced counts requests without a known price.
	Unpriced int64 `json:"unpriced,omitempty"`
	// Estimated counts requests whose answer broke off, so that tokens were estimated.
	Estimated int64 `json:"estimated,omitempty"`
	// Redactions counts secrets that were taken out of requests.
	Redactions int64 `json:"redactions,omitempty"`
}

// Tokens is everything that counts against a budget in tokens.
func (u Usage) Tokens() int64 {
	return u.InputTokens + u.OutputTokens + u.CacheReadTokens + u.CacheWriteTokens
}

// ModelRequest is one request to a model, answered or refused.
type ModelRequest struct {
	ID          string // unique
	Task        ID
	Deployment  string // whose container asked, or the examination; empty: the task's own
	Environment string
	At          time.Time
	Provider    string
	Model       string
	Method      string
	Path        string
	Status      int    // of the answer that the agent got
	Refused     string // why the gateway refused it; empty if it did not
	Usage       Usage  // of this request alone
	FirstByte   time.Duration
	Took        time.Duration
	Sent        int64 // bytes
	Received    int64 // bytes
}

// Refusal is something that a task tried and the gateway refused.
type Refusal struct {
	What  string // "POST /v1/files", "CONNECT example.com:443"
	Why   string
	Count int64
}

// HostUse is how much a task talked to one permitted host.
type HostUse struct {
	Host        string // with its port
	Connections int64
	Bytes       int64 // both ways
}

// DayUsage is what was asked for and spent on one day (UTC).
type DayUsage struct {
	Day      string // 2026-03-01
	Tasks    int    // that were asked for
	Requests int64  // to models
	Tokens   int64  // in and out, those of caches too
	Cost     int64  // in millionths of a US dollar, of what has a price
}
