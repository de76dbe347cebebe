package present

import (
	"fmt"
	"strings"

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

// GateCounting waits for more approvals: it shows those that count and what is
// missing, and why the last one does not count if it does not.
func GateCounting(t task.Task, d policy.Decision, refused *policy.Decision) forge.GateCheck {
	summary := counting(t, d) + "\n\nThe whole decision:\n\n" + reasons(d.Reason)
	if refused != nil {
		summary += "\n\nThe last approval does not count:\n\n" + missing(*refused)
	}
	check := forge.GateCheck{Status: forge.CheckActionRequired, Title: "Waiting for more approvals", Summary: summary}
	if d.WaitsForChecks() {
		check.Title = "Approved; waiting for required checks"
	}
	return check
}

// counting shows the approvals that count, one of each person, and what is missing.
func counting(t task.Task, d policy.Decision) string {
	newest := map[forge.Subject]task.Judgement{}
	var people []forge.Subject
	for _, j := range t.Judged {
		if _, known := newest[j.Reviewer.Subject]; j.Counted && !known {
			people = append(people, j.Reviewer.Subject)
		}
		if j.Counted {
			newest[j.Reviewer.Subject] = j
		}
	}
	text := "**" + clipPlain(strings.Join(d.Reason.Refusals(), "; "), 1_000) + ".** What counts so far:\n"
	for _, person := range people {
		j := newest[person]
		text += "\n- " + Say("%s, in %s", j.Reviewer, Link(words("a review"), j.URL)).markdown
	}
	return text
}

// GateLanding tells that an approval is being carried out.
func GateLanding(approvers []forge.User) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckPending, Title: "Approved; the commit is being made",
		Summary: Say("Approved by %s.", people(approvers)).markdown,
	}
}

// GateLanded is the only state that lets the pull request be merged.
func GateLanded(commit, digest string, approvers []forge.User) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckSuccess, Title: "Approved and committed",
		Summary: Say("Commit %s is the proposal %s, as approved by %s.", commit, digest, people(approvers)).markdown,
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

// GateReplaced tells that another task took the place of this one.
func GateReplaced(why string) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckCancelled, Title: "Superseded",
		Summary: Say("Nothing of this proposal lands: %s.", Plain(why)).markdown,
	}
}

// Gate is the check for a task as it stands. The caller uses [GateRefused] while
// the last approval was refused.
func Gate(t task.Task, p task.Proposal, approvers ...forge.User) forge.GateCheck {
	switch t.State {
	case task.Approved, task.Landing:
		return GateLanding(approvers)
	case task.Landed, task.Deploying, task.Done:
		return GateLanded(t.LandedCommit, p.Digest, approvers)
	case task.Superseded:
		if t.ReplacedBy != "" {
			return GateReplaced(t.Failure)
		}
		return GateVoid(t.Failure)
	case task.Failed:
		return GateFailed(t.Failure)
	case task.Cancelled, task.Rejected, task.Expired, task.Refused, task.NoChange:
		return GateCancelled(t.State)
	}
	return GateWaiting(p)
}

// people lists accounts: "ada and grace".
func people(users []forge.User) Inert {
	texts := make([]string, len(users))
	for i, u := range users {
		texts[i] = Say("%s", u).markdown
	}
	if len(texts) < 2 {
		return Inert{strings.Join(texts, "")}
	}
	return Inert{strings.Join(texts[:len(texts)-1], ", ") + " and " + texts[len(texts)-1]}
}
