package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// Concurrency says beside which other runs a profile may run.
type Concurrency string

// Kinds of concurrency. Two runs exclude each other if one of the two asks for it.
const (
	PerEnvironment Concurrency = "environment" // no other run of the environment beside it
	PerProfile     Concurrency = "profile"     // no other run of the same profile beside it
	Unlimited      Concurrency = "unlimited"   // any
)

// Concurrencies are all kinds, in the order of the documentation.
var Concurrencies = []Concurrency{PerEnvironment, PerProfile, Unlimited}

// Excludes reports whether a run may not be under way beside the other one.
func (r Run) Excludes(other Run) bool {
	if r.ID == other.ID || r.Environment != other.Environment {
		return false
	}
	return alone(r.Concurrency) || alone(other.Concurrency) ||
		r.Profile == other.Profile && (r.Concurrency == PerProfile || other.Concurrency == PerProfile)
}

// alone takes what is not known for the strictest.
func alone(c Concurrency) bool { return c != PerProfile && c != Unlimited }

// Filter selects runs; a zero field selects all.
type Filter struct {
	Environments []string // those that the reader may see; nil: all, empty: none
	Environment  string
	Profile      string
	Commit       string
	State        string
	Task         task.ID
	Before       string // a run: only those that came before it
	Limit        int    // 0 means 100, at most 1000
}

// RequestKind is what is wrong with a request.
type RequestKind string

// Kinds of refusal of a request.
const (
	NotFound  RequestKind = "not_found" // there is none, or none that the requester may see
	Forbidden RequestKind = "forbidden" // a permission or the gate is in the way
	Invalid   RequestKind = "invalid"   // it could never be followed as it is
	Conflict  RequestKind = "conflict"  // the state of something else is in the way
	Frozen    RequestKind = "frozen"    // an emergency stop is in the way
)

// RequestError is a request for a deployment that was refused. Problem says for
// people what is wrong and what to do.
type RequestError struct {
	Problem string
	Kind    RequestKind
}

// Error implements error.
func (e *RequestError) Error() string { return e.Problem }

// Bounds of a request.
const (
	MaxReason = 500 // bytes
)

var (
	keyRule    = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)
	commitRule = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// ValidKey reports whether s can be a requester's key.
func ValidKey(s string) bool { return keyRule.MatchString(s) }

// ValidCommit reports whether s is a full commit id.
func ValidCommit(s string) bool { return commitRule.MatchString(s) }

// RequestID derives the id of a requested run from who asked and their key, so
// that the same request is the same run, however often and wherever it arrives.
func RequestID(by forge.Subject, key string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "coderflow.dev/deployment-request/v1\n%s\n%s", by, key))
	return hex.EncodeToString(sum[:8])
}

// Turn is the answer to a run that wants to begin.
type Turn struct {
	// Own tells that it may.
	Own bool
	// Behind is the run that it waits for, of the task; Queued tells that this one
	// waits too.
	Behind string
	Task   task.ID
	Queued bool
}

// String says for people what the run waits for; empty if it does not.
func (t Turn) String() string {
	if t.Own || t.Behind == "" {
		return ""
	}
	return "waits for deployment " + t.Behind
}
