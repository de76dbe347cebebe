package present

import (
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/policy"
)

// maxProfiles bounds the deployments that are described.
const maxProfiles = 30

func (v PullRequestView) approve() string {
	text := "## How to approve\n\n" + v.steps() + "\n\n" + v.needed() +
		Say("Who may: a person with the permission %s in environment %s (role %s or %s), with write access to the repository, %s. Bots cannot. "+
			"An approval has to be of the commit that this pull request shows now.",
			string(policy.TasksApprove), v.Task.Environment, "environment-admin", "server-admin", v.requester()).markdown +
		"\n\n" + v.whereDirectives() + "\n\n" + directives + v.targets()
	return text + "\n\n" + v.deployments()
}

// steps are what a reviewer does, in the words of the forge.
func (v PullRequestView) steps() string {
	if v.Traits.DirectivesInComments {
		return "1. Read the patch under *Files*.\n" +
			"2. Vote **Approve**. *Approve with suggestions* is no approval. " + v.words() + "\n" +
			"3. " + v.revising("comment on the lines of the patch and then vote *Wait for author* or *Reject*", "Such a vote") + rebasing
	}
	return "1. Read the patch under *Files changed*.\n" +
		"2. *Review changes* → **Approve**. " + v.words() + "\n" +
		"3. " + v.revising("submit a review that requests changes, with comments on the lines of the patch", "A review that requests changes") + rebasing
}

const rebasing = " `/coderflow rebase` makes the same change on the tip of the base branch."

// revising says how to ask for another revision: by objecting, which is called objection,
// or by a command.
func (v PullRequestView) revising(object, objection string) string {
	const goesOn = "comment `/coderflow revise TEXT`: the agent goes on from here, and this pull request shows another revision. "
	if !v.ReviseOnReview {
		return "To ask for changes, " + goesOn + objection + " does not make it go on in this environment, but while such a review stands, nothing lands."
	}
	return "To ask for changes, " + object + ", or " + goesOn + "While such a review stands, nothing lands."
}

// whereDirectives says where a reviewer writes what is to be done with the approval.
func (v PullRequestView) whereDirectives() string {
	if v.Traits.DirectivesInComments {
		return "A vote has no text. What is to be done with it is said in a comment of your own on this pull request, **before** you vote: " +
			"the newest one with such a line counts, if it was not edited. (`/coderflow message` alone makes a comment one whose text is the commit message.)"
	}
	return "Lines of the review that begin with `/coderflow` are directives:"
}

// needed says how many must approve, where that is not simply one.
func (v PullRequestView) needed() string {
	r := v.Requirement
	if r.Approvals <= 1 && len(r.From) == 0 && len(r.Because) == 0 {
		return ""
	}
	text := "**This change needs " + clipPlain(r.String(), 500) + ".** Each counts for one person; the text and the directives of the review that completes them are the ones that count.\n\n"
	if len(r.Because) == 0 {
		return text
	}
	for _, why := range r.Because[:min(len(r.Because), maxRows)] {
		text += "- " + clipPlain(why, 500) + "\n"
	}
	return text + "\n"
}

func (v PullRequestView) requester() Inert {
	if v.Requirement.RequesterMayApprove {
		return Say("the requester %s among them", v.Task.Requester)
	}
	return Say("other than the requester %s", v.Task.Requester)
}

func (v PullRequestView) words() string {
	switch {
	case v.Traits.DirectivesInComments && v.MessageRule == policy.MessageWritten:
		return "Write the commit message in a comment with the line `/coderflow message` before you vote; this environment insists on one."
	case v.Traits.DirectivesInComments:
		return "The proposed commit message below is taken, unless a comment of yours has another one (see the directives)."
	case v.MessageRule == policy.MessageWritten:
		return "The text of the review becomes the commit message; this environment insists on one."
	}
	return "The text of the review becomes the commit message; without a text, the proposed one below is taken."
}

const directives = "| directive | effect |\n| --- | --- |\n" +
	"| `/coderflow deploy PROFILE key=value…` | run this deployment after the commit was pushed |\n" +
	"| `/coderflow no-deploy` | deploy nothing |\n" +
	"| `/coderflow no-push` | make the commit and keep it in CoderFlow; pushing takes another approval |"

// targets describes the directive only where the environment lets a review use it.
func (v PullRequestView) targets() string {
	if len(v.Targets) == 0 {
		return ""
	}
	return "\n| `/coderflow target BRANCH` | push the commit to this branch instead of the proposal's; it must be at the base |\n" +
		"| `/coderflow target --new BRANCH` | the same for a branch that does not exist yet |\n\n" +
		Say("Branches that can be named: %s.", short(strings.Join(v.Targets, ", "))).markdown
}

func (v PullRequestView) deployments() string {
	if len(v.Profiles) == 0 {
		return "There is no deployment profile for this environment."
	}
	rows := make([][]Inert, 0, maxProfiles)
	for _, p := range v.Profiles[:min(len(v.Profiles), maxProfiles)] {
		name := p.Name
		if p.Environment != "" && p.Environment != v.Task.Environment {
			name = p.Environment + "/" + p.Name
		}
		rows = append(rows, []Inert{short(name), describe(p.Description), parameters(p.Parameters)})
	}
	text := "Deployment profiles:\n\n" + table("profile|what it does|parameters", rows)
	if more := len(v.Profiles) - maxProfiles; more > 0 {
		text += fmt.Sprintf("\n\nand %d more.", more)
	}
	return text
}

func describe(s string) Inert {
	if strings.TrimSpace(s) == "" {
		return Inert{}
	}
	return Inert{clipPlain(s, 300)}
}

// clipPlain is [Plain] of the beginning of a long text.
func clipPlain(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return Plain(s).markdown
}

func parameters(all []deploy.Parameter) Inert {
	if len(all) == 0 {
		return Say("none")
	}
	const most = 8
	var texts []string
	for _, p := range all[:min(len(all), most)] {
		texts = append(texts, parameter(p).markdown)
	}
	if len(all) > most {
		texts = append(texts, fmt.Sprintf("%d more", len(all)-most))
	}
	return Inert{strings.Join(texts, "; ")}
}

func parameter(p deploy.Parameter) Inert {
	text := Say("%s", short(p.Name))
	switch {
	case p.Type == deploy.Select:
		text = Say("%s (one of %s)", text, short(strings.Join(p.Options, " ")))
	case p.Type != "" && p.Type != deploy.String:
		text = Say("%s (%s)", text, Plain(string(p.Type)))
	}
	switch {
	case p.Required:
		text = Say("%s, required", text)
	case p.Default != "":
		text = Say("%s, default %s", text, short(p.Default))
	}
	return text
}
