package present

import (
	"fmt"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// The Gate functions give the content of the check run "coderflow/gate". The
// caller adds the commit, the external id and the address.

// GateWaiting asks for an approval.
func GateWaiting(p task.Proposal) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckActionRequired, Title: "Waiting for an approving review",
		Summary: Say("This pull request holds an inert patch. An approving review by somebody permitted makes CoderFlow commit exactly what is pinned under\n\n%s", p.Digest).markdown,
	}
}

// GateRefused still waits, and says why the last approval did not count.
func GateRefused(d policy.Decision) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckActionRequired, Title: "The last approval does not count",
		Summary: "What stands against it:\n\n" + missing(d) + "\n\nThe whole decision:\n\n" + reasons(d.Reason),
	}
}

// GateLanding tells that an approval is being carried out.
func GateLanding(approver forge.User) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckPending, Title: "Approved; the commit is being made",
		Summary: Say("Approved by %s.", approver).markdown,
	}
}

// GateLanded is the only state that lets the pull request be merged.
func GateLanded(commit, digest string, approver forge.User) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckSuccess, Title: "Approved and committed",
		Summary: Say("Commit %s is the proposal %s, as approved by %s.", commit, digest, approver).markdown,
	}
}

// GateVoid tells that the proposal can no longer be approved.
func GateVoid(reason string) forge.GateCheck {
	return forge.GateCheck{Status: forge.CheckFailure, Title: "The proposal is void", Summary: Void(reason)}
}

// GateFailed tells that the task came to no good end.
func GateFailed(why string) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckFailure, Title: "The task failed",
		Summary: Block(why, 4_000).markdown + "\n\nNothing of this proposal lands. Comment `/coderflow retry` on the issue for a new one.",
	}
}

// GateCancelled ends the check without a result.
func GateCancelled(s task.State) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckCancelled, Title: fmt.Sprintf("The task is %s", stateName(s)),
		Summary: "Nothing of this proposal lands: " + stateWords(s) + ".",
	}
}

// Gate is the check for a task as it stands. The caller uses [GateRefused] while
// the last approval was refused.
func Gate(t task.Task, p task.Proposal, approver forge.User) forge.GateCheck {
	switch t.State {
	case task.Approved, task.Landing:
		return GateLanding(approver)
	case task.Landed, task.Deploying, task.Done:
		return GateLanded(t.LandedCommit, p.Digest, approver)
	case task.Superseded:
		return GateVoid(t.Failure)
	case task.Failed:
		return GateFailed(t.Failure)
	case task.Cancelled, task.Rejected, task.Expired, task.Refused, task.NoChange:
		return GateCancelled(t.State)
	}
	return GateWaiting(p)
}
