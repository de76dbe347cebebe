package present

import (
	"fmt"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// CommitKeptFailure says why a task still waits although it was approved.
func CommitKeptFailure(commit string) string {
	return "commit " + commit + " was made and kept in CoderFlow, and nothing was pushed, as the review asked; to push, approve again without /coderflow no-push"
}

// CommitKept answers each review behind an approval that asked for the commit alone.
func CommitKept(reviewer forge.User, commit string) string {
	return Say("**As the review asked, commit %s was made and kept in CoderFlow, and nothing was pushed.** The approval by %s is used up. "+
		"To push, approve again without `/coderflow no-push`: that makes a commit of the same tree in the name of whoever approves then.", commit, reviewer).markdown
}

// GateHeld still waits for an approval, and says what holds the task up.
func GateHeld(p task.Proposal, why string) forge.GateCheck {
	check := GateWaiting(p)
	check.Title = "Waiting for another approving review"
	check.Summary = Block(why, 4_000).markdown + "\n\n" + check.Summary
	return check
}

// GateLandedOn tells of a commit that landed on a branch of its own.
func GateLandedOn(commit, digest string, approvers []forge.User, branch string) forge.GateCheck {
	check := GateLanded(commit, digest, approvers)
	check.Title = "Approved and committed to another branch"
	check.Summary += Say(" It landed on %s.", branch).markdown
	return check
}

// GateElsewhere ends the check on the patch of a pull request that is not to be merged.
func GateElsewhere(commit, branch string) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckCancelled, Title: "Landed on another branch; nothing here to merge",
		Summary: Say("The approved change is commit %s on %s. This commit holds the patch alone, and is not for merging.", commit, branch).markdown,
	}
}

// LandedElsewhere says on the pull request why it is closed.
func LandedElsewhere(commit, branch string, approvers []forge.User, reviewURL string) string {
	return Say("**Approved by %s (%s) and committed by CoderFlow as %s on branch %s.** This pull request only ever held the patch, so it is closed without a merge. Its branch is left; it can be deleted.",
		people(approvers), Link("the review", reviewURL), commit, branch).markdown
}

// LandedElsewhereBody replaces the description of a pull request whose change
// landed on another branch.
func LandedElsewhereBody(v PullRequestView, approvers []forge.User, reviewURL, branch string) string {
	return Shortened(LandedElsewhere(v.Task.LandedCommit, branch, approvers, reviewURL)+
		Say("\n\nFor %s.\n\n", Link(words(fmt.Sprintf("issue %d", v.Task.Issue)), v.IssueURL)).markdown+v.landedTable(), v.room())
}
