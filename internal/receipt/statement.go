// Package receipt makes and checks receipts: what an approval did, in one document
// that a clone, the document and the log's public key are enough to verify.
//
// A receipt is an in-toto statement in a DSSE envelope. What it says of decisions and
// effects is read from entries of the audit log, which it carries line by line with
// their proofs; what it says of the change is computed from the clone. It proves what
// is in it. That nothing else is in the log, only the whole log proves.
package receipt

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
)

// Names of the formats.
const (
	PayloadType   = "application/vnd.in-toto+json"
	MediaType     = "application/vnd.dsse.envelope.v1+json"
	statementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://coderflow.dev/receipt/v1"
)

// Statement is an in-toto statement,
// https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
type Statement struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     Receipt   `json:"predicate"`
}

// Subject is what a statement is about: the landed commit, and its tree.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// Receipt is the predicate.
type Receipt struct {
	Approval    string     `json:"approval"`
	Task        string     `json:"task"`
	Environment string     `json:"environment"`
	Repository  Repository `json:"repository"`
	Proposal    Proposal   `json:"proposal"`
	Commit      Commit     `json:"commit"`
	Record
	// Checks and Judges are the last ones of the proposal when the gate decided, as the
	// entry of the approval names them; empty lists if there were none.
	Checks []Result `json:"checks"`
	Judges []Result `json:"judges"`
	// DeploymentsNotShown counts deployments in environments that whoever asked for
	// the receipt may not look at.
	DeploymentsNotShown int `json:"deploymentsNotShown"`
	Log                 Log `json:"log"`
}

// Repository is where it landed. Key is the identity, Name how the forge called it.
type Repository struct {
	Key  string `json:"key"`
	Name string `json:"name"`
}

// Proposal is what its digest pins, but for the change, which is the clone's.
type Proposal struct {
	Revision      int    `json:"revision"`
	BaseBranch    Raw    `json:"baseBranch"`
	Base          string `json:"base"`
	Tree          string `json:"tree"`
	Ignored       int    `json:"ignored"`
	Risks         []Risk `json:"risks"`
	Message       string `json:"message"`
	PolicyVersion string `json:"policyVersion"`
	Digest        string `json:"digest"`
}

// Risk is a risk as the reviewers saw it.
type Risk struct {
	Name    string `json:"name"`
	Rule    string `json:"rule"`
	Path    Raw    `json:"path"`
	Line    int    `json:"line"`
	Removed bool   `json:"removed"`
	Why     string `json:"why"`
	Excerpt string `json:"excerpt"`
	More    int    `json:"more"`
}

// Commit is what the commit says besides what the approval and the proposal decide.
type Commit struct {
	ID        string    `json:"id"`
	Committer Identity  `json:"committer"`
	At        time.Time `json:"at"` // both dates, UTC, whole seconds
	Message   string    `json:"message"`
}

// Identity is a name and an address in a commit.
type Identity struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Record is what the entries of the log say, and nothing else: [read] makes it of
// them, on both sides.
type Record struct {
	Request Request `json:"request"`
	// Approvers are the reviews of the quorum, the commit's author first.
	Approvers   []approval.Reviewed `json:"approvers"`
	ApprovedAt  time.Time           `json:"approvedAt"`
	Push        Push                `json:"push"`
	Deployments []Deployment        `json:"deployments"`
}

// Request is who asked for it, where and when, and the digest of the text.
type Request struct {
	By   string    `json:"by"`
	URL  string    `json:"url"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
	// Requester is the account as the approval named it.
	Requester forge.User `json:"requester"`
}

// Push is what became of the commit.
type Push struct {
	// Outcome is "pushed", "was there already", "found at the forge" or "kept": made,
	// and not pushed, as the approval asked.
	Outcome  string    `json:"outcome"`
	Ref      string    `json:"ref"`
	Expected string    `json:"expected"` // where the ref pointed to before; empty: it was made
	At       time.Time `json:"at"`
}

// Deployment is one deployment under the approval, as far as it came.
type Deployment struct {
	ID             string    `json:"id"`
	Environment    string    `json:"environment"`
	Profile        string    `json:"profile"`
	ProfileVersion string    `json:"profileVersion"`
	Commit         string    `json:"commit"`
	Covers         string    `json:"covers"`
	RequestedBy    string    `json:"requestedBy"`
	State          string    `json:"state"`
	ExitCode       *int      `json:"exitCode"`
	At             time.Time `json:"at"` // of the last entry about it
}

// Result is what became of a check, or what a judge recommended; the state of a judge
// that gave no verdict.
type Result struct {
	Examination string `json:"examination"`
	Name        string `json:"name"`
	Attempt     int    `json:"attempt"`
	Definition  string `json:"definition"` // "sha256:…" of what an admin defined
	Outcome     string `json:"outcome"`
}

// Log are the entries behind the receipt, and the checkpoint that they are proven in.
type Log struct {
	Checkpoint string  `json:"checkpoint"`
	Entries    []Entry `json:"entries"`
}

// Entry is one entry of the log: its line as it was hashed, and the proof.
type Entry struct {
	Leaf  string          `json:"leaf"`
	Proof audit.Inclusion `json:"proof"`
}

// Raw is text as git has it, which need not be UTF-8. What is not is base64 in an
// object, so that nothing is lost.
type Raw string

// MarshalJSON implements json.Marshaler.
func (r Raw) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(r)) {
		return json.Marshal(string(r))
	}
	return json.Marshal(rawBytes{[]byte(r)})
}

type rawBytes struct {
	Base64 []byte `json:"base64"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Raw) UnmarshalJSON(text []byte) error {
	var plain string
	if err := json.Unmarshal(text, &plain); err == nil {
		*r = Raw(plain)
		return nil
	}
	var raw rawBytes
	if err := json.Unmarshal(text, &raw); err != nil {
		return fmt.Errorf("want text, or bytes in base64: %w", err)
	}
	*r = Raw(raw.Base64)
	return nil
}
