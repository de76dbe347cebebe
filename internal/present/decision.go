package present

import (
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// Bounds of a shown reason tree.
const (
	maxDepth   = 8
	maxReasons = 100
)

// reasons draws the tree as a nested list.
func reasons(r policy.Reason) string {
	var b strings.Builder
	left := maxReasons
	drawReason(&b, r, 0, &left)
	return strings.TrimRight(b.String(), "\n")
}

func drawReason(b *strings.Builder, r policy.Reason, depth int, left *int) {
	if *left == 0 || depth == maxDepth {
		return
	}
	if *left--; *left == 0 {
		b.WriteString(strings.Repeat("  ", depth) + "- …\n")
		return
	}
	mark := "✗ "
	if r.OK {
		mark = "✓ "
	}
	b.WriteString(strings.Repeat("  ", depth) + "- " + mark + clipPlain(r.Text, 1_000) + "\n")
	for _, child := range r.Because {
		drawReason(b, child, depth+1, left)
	}
}

// missing draws the part of the tree that stands against, without its root:
// what a person has to change.
func missing(d policy.Decision) string {
	against := failing(d.Reason)
	if len(against.Because) == 0 {
		return reasons(against)
	}
	var b strings.Builder
	left := maxReasons
	for _, r := range against.Because {
		drawReason(&b, r, 0, &left)
	}
	return strings.TrimRight(b.String(), "\n")
}

// failing is r without the reasons in favour.
func failing(r policy.Reason) policy.Reason {
	kept := policy.Reason{OK: r.OK, Text: r.Text}
	for _, child := range r.Because {
		if !child.OK {
			kept.Because = append(kept.Because, failing(child))
		}
	}
	return kept
}

// Refusal tells somebody politely that what they asked for is not done, and why.
func Refusal(d policy.Decision) string {
	return "**CoderFlow did not do this, and nothing was changed.** What stands against it:\n\n" + missing(d) +
		"\n\nIf you should be able to do this, ask an administrator of CoderFlow for a role (a `RoleBinding` of your account), or ask somebody who has one.\n\n" +
		whole(d)
}

// whole folds the complete tree away.
func whole(d policy.Decision) string {
	version := Say("Decided under policy version %s.", d.PolicyVersion)
	if d.PolicyVersion == "" {
		version = Say("Decided without looking at the policy.")
	}
	return folded("The whole decision", Inert{reasons(d.Reason) + "\n\n" + version.markdown})
}

// Why answers /coderflow why with what is known about the task's state and the
// decisions that led to it, newest first.
func Why(t task.Task, decisions ...policy.Decision) string {
	text := Say("Task %s is **%s**: %s.", string(t.ID), Inert{stateName(t.State)}, Inert{stateWords(t.State)}).markdown
	if t.Failure != "" {
		text += "\n\n" + Block(t.Failure, 4_000).markdown
	}
	for _, d := range decisions {
		version := Say("Under policy version %s:", d.PolicyVersion)
		text += "\n\n" + version.markdown + "\n\n" + reasons(d.Reason)
	}
	if t.Failure == "" && len(decisions) == 0 {
		text += " Nothing was refused."
	}
	return text
}

// CommandProblem answers a line that looks like a command and cannot be followed.
func CommandProblem(text string) string {
	return "That did not work: " + Plain(text).markdown + "\n\n`/coderflow help` lists the commands."
}

// Cancelling answers /coderflow cancel.
func Cancelling(t task.Task) string {
	return Say("Cancelling task %s, which is %s. Its status comment tells when it has stopped.", string(t.ID), Inert{stateName(t.State)}).markdown
}

// Void tells that a proposal can no longer be approved.
func Void(reason string) string {
	return "**This proposal is void:** " + Plain(reason).markdown + "\n\n" +
		"What was reviewed is no longer certain, so nothing of it lands and no approval of it counts. Comment `/coderflow retry` on the issue for a new one."
}

// ApprovalRefused tells a reviewer why their approval was not followed.
func ApprovalRefused(reviewer forge.User, d policy.Decision) string {
	return Say("**The approval by %s does not count, and nothing was committed.** What stands against it:\n\n", reviewer).markdown +
		missing(d) + "\n\n" + whole(d)
}

// ApprovalCounted tells a reviewer that their approval counts, and what is missing.
func ApprovalCounted(reviewer forge.User, d policy.Decision) string {
	if d.WaitsForChecks() {
		return Say("**The approval by %s counts, and waits:** %s.", reviewer, Inert{clipPlain(strings.Join(d.Reason.Refusals(), "; "), 1_000)}).markdown +
			"\n\nNothing is committed before the required checks have passed. Then the approval is judged again by itself. If one of them ends otherwise, it takes a new review.\n\n" +
			whole(d)
	}
	return Say("**The approval by %s counts, and others are missing:** %s.", reviewer, Inert{clipPlain(strings.Join(d.Reason.Refusals(), "; "), 1_000)}).markdown +
		"\n\nNothing is committed before they are there. What is committed and deployed then is decided by the review that completes them: the text and the directives of this one have no effect.\n\n" +
		whole(d)
}

// Help lists the commands.
func Help(forge forge.Traits) string {
	return `**CoderFlow** lets a coding agent work on an issue in a sandbox and puts the result up for review. Nothing is committed, pushed or deployed without an approving review by somebody permitted.

Comment on an issue, at the start of a line, outside quotes and code:

| command | effect |
| --- | --- |
| ` + "`/coderflow run [--env E] [--agent A] [--base BRANCH] [text…]`" + ` | start a task; the text goes to the agent |
| ` + "`/coderflow run --agents A,B [text…]`" + ` | let several agents work on it side by side, each with a pull request of its own |
| ` + "`/coderflow run --supersede [text…]`" + ` | start anew in the place of what is open here |
| ` + "`/coderflow status`" + ` | show the newest task |
| ` + "`/coderflow revise TEXT`" + ` | on the pull request: let the agent go on from the proposal |
| ` + "`/coderflow rebase`" + ` | on the pull request: make the same change on the tip of the base branch |
| ` + "`/coderflow check [NAME…]`" + ` | on the pull request: run its checks again |
| ` + "`/coderflow judge [NAME…]`" + ` | on the pull request: ask its judges again |
| ` + "`/coderflow why`" + ` | show why it stands where it does |
| ` + "`/coderflow retry`" + ` | start again what ended, with the issue as it is now |
| ` + "`/coderflow cancel`" + ` | stop the task; closing the issue or the pull request does it too |
| ` + "`/coderflow help`" + ` | this text |

` + approving(forge)
}

// approving says in one paragraph how to approve.
func approving(forge forge.Traits) string {
	where := "On the draft pull request, submit a review with **Approve**. Its text becomes the commit message; lines in it"
	if forge.DirectivesInComments {
		where = "On the pull request, vote **Approve**. A comment of your own from before the vote with the line `/coderflow message` becomes the commit message; other lines in it"
	}
	return where + " such as `/coderflow deploy PROFILE key=value…` and `/coderflow no-deploy` say what to deploy, and `/coderflow target BRANCH` and `/coderflow no-push` where the commit goes."
}
