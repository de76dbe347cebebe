// Package deploy runs what an admin wrote for a commit that a human approved.
package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// RunState is where a deployment run is. It only moves forward.
type RunState string

// States of a run. A container is created before Created is recorded and
// started only after: so a run in Created whose container is gone may have run,
// and is Unknown, never started again. A pipeline is asked for its run once, after
// Created is recorded: so a run in Created is looked for there, and never asked for
// again.
const (
	Armed     RunState = "armed"     // waits for the forge to report the merge
	Pending   RunState = "pending"   // its turn has not come; nothing was created
	Created   RunState = "created"   // its container exists; it may have been started
	Running   RunState = "running"   // its container was started
	Succeeded RunState = "succeeded" // exit status 0
	Failed    RunState = "failed"    // another exit status, a limit, or it could not be prepared
	Unknown   RunState = "unknown"   // the outcome cannot be learnt
	Withheld  RunState = "withheld"  // the gate no longer permitted it when its turn came
)

// Ended reports whether the state is final.
func (s RunState) Ended() bool {
	return s == Succeeded || s == Failed || s == Unknown || s == Withheld
}

// Trigger is what makes a deployment happen.
type Trigger = approval.Trigger

// Triggers of a deployment.
const (
	ByReview     = approval.ByReview     // a directive in the approving review
	OnApproval   = approval.OnApproval   // the environment deploys every approval
	OnMerge      = approval.OnMerge      // the environment deploys every merge
	ByRequest    = approval.ByRequest    // a person or service asked for it
	CoversLanded = approval.CoversLanded // the commit is the one that the approval made
	CoversMerge  = approval.CoversMerge  // the forge reports it as the merge of that one
)

// Run is the record of one deployment.
type Run struct {
	ID         string
	Task       task.ID
	ApprovalID string
	Trigger    Trigger
	// RequestedBy is who asked: the reviewer whose words armed it, or the person or
	// service of a request.
	RequestedBy forge.User
	// Reason is what the request says it is for: free text, one line, no authority.
	Reason string
	// Key is the requester's own key: the same one asks for the same run.
	Key string
	// Covers is what Commit is to the approval: CoversLanded or CoversMerge.
	Covers string
	// ArmedAs is the number of the arming in the approval; -1 for a request.
	ArmedAs        int
	Environment    string
	Profile        string
	ProfileVersion string // manifest version the script was taken from
	Script         string // as it ran
	Parameters     map[string]string
	Repository     forge.RepositoryRef
	Commit         string // empty while it waits for the merge
	ArmedBy        forge.User
	Concurrency    Concurrency
	State          RunState
	Container      string
	Pipeline       PipelineRecord // of a profile that runs one
	Stopped        Stop           // see Tx.StopRun of package store; Save does not write it
	ExitCode       int
	Detail         string   // why it failed or is unknown, for people
	ForgeID        string   // the forge's own deployment
	Shown          RunState // the state last shown at the forge
	Reach          Reach    // what it could reach, and did; complete once it has ended
	CreatedAt      time.Time
	ClaimedAt      time.Time // since when it holds its turn; zero: it does not
	TriedAt        time.Time // of a pending run: when it first could not be prepared; zero: it was not tried
	StartedAt      time.Time
	FinishedAt     time.Time
}

// HasExitCode reports whether ExitCode is a script's own: a pipeline has none, nor has
// what never ran.
func (r Run) HasExitCode() bool {
	return r.Pipeline.IsZero() && (r.State == Succeeded || r.State == Failed && !r.StartedAt.IsZero())
}

// RunID derives the id of the n-th deployment armed by an approval, so that the
// same arming is the same run whoever retries it.
func RunID(approvalID string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "coderflow.dev/deployment/v1\n%s\n%d", approvalID, n))
	return hex.EncodeToString(sum[:8])
}

// Since names the moment from which on the profile must not change, in words.
func (r Run) Since() string {
	if r.Trigger == ByRequest {
		return "the request"
	}
	return "the approval"
}
