package task

import (
	"fmt"
	"slices"
)

// State is where a task is on its way. The table [Transitions] is the only
// definition of the way; docs/states.md is drawn from it and the store guards
// every transition with it in SQL.
type State string

// States on the way.
const (
	Queued     State = "queued"     // accepted, nothing done yet
	Preparing  State = "preparing"  // mirror fetched, workspace filled, container created
	Running    State = "running"    // the agent's container runs, on its own
	Collecting State = "collecting" // the container is gone; its changes become a tree and a proposal
	Proposed   State = "proposed"   // a draft pull request carries the patch; waits for a human
	Approved   State = "approved"   // a permitted human approved exactly this proposal
	Landing    State = "landing"    // the commit is made and pushed
	Landed     State = "landed"     // the forge has the commit
	Deploying  State = "deploying"  // armed deployments run
)

// States in which a task ends. Nothing leaves them.
const (
	Done       State = "done"       // landed, and every armed deployment has an outcome
	NoChange   State = "no_change"  // the agent changed nothing
	Refused    State = "refused"    // the proposal broke a rule that no approval can lift
	Failed     State = "failed"     // something went wrong, named in the task
	Cancelled  State = "cancelled"  // a permitted person cancelled it
	Rejected   State = "rejected"   // its pull request was closed without landing
	Superseded State = "superseded" // void: the branch or base was changed by someone else, or another task took its place
	Expired    State = "expired"    // nobody decided in time
)

// Transition is one permitted change of state.
type Transition struct {
	From, To State
	// When says in a few words what causes it, for docs/states.md.
	When string
}

const byCancel = "/coderflow cancel, or the issue was closed"

const tookPlace = "another task took its place: an approved variant, or a newer request"

const nodeLost = "its node was lost, and its environment has it begin anew"

// Transitions is the whole state machine.
var Transitions = []Transition{
	{Queued, Preparing, "a worker takes the task"},
	{Queued, Cancelled, byCancel},
	{Queued, Superseded, tookPlace},
	{Queued, Failed, "it cannot be prepared"},
	{Preparing, Running, "the container was started"},
	{Preparing, Cancelled, byCancel},
	{Preparing, Superseded, tookPlace},
	{Preparing, Failed, "it cannot be prepared"},
	{Preparing, Queued, nodeLost},
	{Preparing, Proposed, "a revision cannot be prepared; the former proposal stands"},
	{Running, Collecting, "the agent ended with success"},
	{Running, Failed, "the agent failed, timed out or broke a limit"},
	{Running, Queued, nodeLost},
	{Running, Proposed, "the agent failed to make a revision; the former proposal stands"},
	{Running, Cancelled, byCancel},
	{Running, Superseded, tookPlace},
	{Collecting, Proposed, "branch, carrier commit and draft pull request exist; or a revision came to nothing and the former proposal stands"},
	{Collecting, Queued, nodeLost},
	{Collecting, NoChange, "the tree equals the base"},
	{Collecting, Refused, "a path, size or file kind is not permitted"},
	{Collecting, Failed, "collecting or proposing failed"},
	{Collecting, Cancelled, byCancel},
	{Collecting, Superseded, tookPlace},
	{Proposed, Approved, "Gate.Record accepts an approving review"},
	{Proposed, Preparing, "a revision was asked for: /coderflow revise, or a review that requests changes"},
	{Proposed, Collecting, "/coderflow rebase: the same change on the tip of the base branch"},
	{Proposed, Superseded, "the branch or the base of the pull request was changed, or " + tookPlace},
	{Proposed, Rejected, "the pull request was closed"},
	{Proposed, Cancelled, byCancel},
	{Proposed, Expired, "nobody decided in time"},
	{Approved, Landing, "Gate.Redeem gives a grant"},
	{Approved, Proposed, "Gate.Redeem refuses: the approval no longer stands"},
	{Approved, Superseded, "the branch or the base of the pull request was changed, or " + tookPlace},
	{Approved, Rejected, "the pull request was closed"},
	{Approved, Cancelled, byCancel},
	{Landing, Landed, "the forge has the commit"},
	{Landing, Proposed, "the approval no longer stands, the forge refused the push, or the commit was kept and not pushed"},
	{Landing, Superseded, "somebody else moved the proposal branch"},
	{Landing, Rejected, "the pull request was closed before the push"},
	{Landing, Failed, "the commit cannot be made"},
	{Landed, Deploying, "the approval armed a deployment"},
	{Landed, Done, "nothing to deploy"},
	{Deploying, Done, "every armed deployment has an outcome"},
}

// States returns every state, those on the way first.
func States() []State {
	return []State{
		Queued, Preparing, Running, Collecting, Proposed, Approved, Landing, Landed, Deploying,
		Done, NoChange, Refused, Failed, Cancelled, Rejected, Superseded, Expired,
	}
}

// CanMove reports whether from → to is in the table.
func CanMove(from, to State) bool {
	return slices.ContainsFunc(Transitions, func(t Transition) bool { return t.From == from && t.To == to })
}

// Ended reports whether nothing leaves s.
func (s State) Ended() bool {
	return !slices.ContainsFunc(Transitions, func(t Transition) bool { return t.From == s })
}

// CarriedOut reports whether what was approved is being carried out: such a task
// cannot be cancelled any more.
func (s State) CarriedOut() bool { return s == Landing || s == Landed || s == Deploying }

// HasLanded reports whether the forge has the commit of a task in this state.
func (s State) HasLanded() bool { return s == Landed || s == Deploying || s == Done }

// Valid reports whether s is a state at all.
func (s State) Valid() bool { return slices.Contains(States(), s) }

// TransitionError is a change of state that the table does not have.
type TransitionError struct{ From, To State }

// Error implements error.
func (e *TransitionError) Error() string {
	return fmt.Sprintf("a task cannot go from %s to %s", e.From, e.To)
}
