package present

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/prompt"
	"github.com/coderflow/coderflow/internal/task"
)

// Bounds in bytes. GitHub takes 65,536 characters in a body or comment; the
// rest is room for a marker.
const (
	maxPart         = 60_000
	maxInstructions = 3_000
	maxMessage      = 20_000
	maxRows         = 25 // of a table that has its whole content elsewhere
)

// PullRequestView is everything that a reviewer is shown.
type PullRequestView struct {
	Task     task.Task
	Proposal task.Proposal
	IssueURL string
	// DraftRefused tells that the forge has no drafts here, so the pull request
	// looks ready although the gate keeps it from being merged.
	DraftRefused bool
	// MessageRule is the environment's rule on commit messages.
	MessageRule policy.CommitMessageRule
	// ReviseOnReview says that a review that requests changes makes the agent go on.
	ReviseOnReview bool
	// Requirement is what the gate asks for this change.
	Requirement policy.Requirement
	// Summary is what the agent itself says about its work; may be empty.
	Summary string
	// Models is what the agent did through the gateway.
	Models ModelView
	// Output is the end of what the agent printed, in readable form; may be empty.
	Output string
	// Revisions are the rounds after the first proposal, oldest first.
	Revisions []task.Revision
	// Traits are those of the forge that shows it.
	Traits forge.Traits
	// Targets are patterns of the branches that a review may name to land on.
	Targets []string
	// Profiles are the deployments that can be armed.
	Profiles []deploy.Profile
}

// PullRequestBody writes the description of a pull request. The first part is
// the body; where the path manifest or the risks do not fit, the others continue
// them as comments. Together they are complete. Where the forge's descriptions are too
// short for that, the body is what a reviewer must know first, and all else comments.
func PullRequestBody(v PullRequestView) []string {
	parts := v.parts()
	if v.isBrief() {
		return append([]string{Shortened(v.brief(), v.Traits.MaxDescription)}, parts...)
	}
	return parts
}

// isBrief tells that the forge's descriptions are too short for all that there is to say.
func (v PullRequestView) isBrief() bool {
	return v.Traits.MaxDescription > 0 && v.Traits.MaxDescription < maxPart
}

// brief is a description that leaves everything long to the comments.
func (v PullRequestView) brief() string {
	p := v.Proposal
	text := v.opening() + "\n\n" + Say("%s, titled %s. Requested by %s in environment %s.",
		capital(Link(words(fmt.Sprintf("issue %d", v.Task.Issue)), v.IssueURL)), short(v.Task.Snapshot.Title), v.Task.Requester, v.Task.Environment).markdown
	if _, _, all := tally(p.Risks); all > 0 {
		text += fmt.Sprintf("\n\n**⚠ %s**: %s.", count(all, "risk"), tallied(p.Risks))
	}
	return text + "\n\n" + Say("An approval is of revision %s with the digest %s, which pins %s.", p.Revision, p.Digest, Plain(count(len(p.Manifest), "path"))).markdown +
		"\n\n**The comments of CoderFlow below** say what was done, what is risky, every changed path, how to approve, and the proposed commit message.\n\n" + v.steps()
}

// Shortened is a text of at most most characters, cut at the end of a line; 0 cuts nothing.
func Shortened(text string, most int) string {
	const cut = "\n\n… (cut: the forge takes no longer description)"
	if most <= 0 || utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	kept := string(runes[:max(most-utf8.RuneCountInString(cut), 0)])
	if i := strings.LastIndexByte(kept, '\n'); i > 0 {
		kept = kept[:i]
	}
	return kept + cut
}

func (v PullRequestView) parts() []string {
	head := v.head()
	tail := v.tail()
	manifest, risks := manifestLines(v.Proposal.Manifest), riskLines(v.Proposal.Risks)
	room := maxPart - len(head) - len(tail) - 1_000
	pieces := chunks(manifest, max(room, 0), maxPart-1_000)
	var more []string
	for i, piece := range pieces[1:] {
		title := fmt.Sprintf("### Every changed path, part %d of %d", i+2, len(pieces))
		more = append(more, title+"\n\n"+fenced(piece).markdown)
	}
	if len(risks) > maxRows {
		all := chunks(risks, maxPart-1_000, maxPart-1_000)
		for i, piece := range all {
			title := fmt.Sprintf("### Every risk, part %d of %d", i+1, len(all))
			more = append(more, title+"\n\n"+fenced(piece).markdown)
		}
	}
	return append([]string{head + "\n\n" + v.manifest(pieces) + "\n\n" + tail}, more...)
}

func (v PullRequestView) manifest(pieces []string) string {
	n := len(v.Proposal.Manifest)
	text := "### Every changed path\n\n" +
		"Complete, whatever the forge folds away. A rename is a deletion and an addition. Spelt-out characters such as ⟨U+202E⟩ are invisible ones.\n\n"
	if pieces[0] != "" {
		text += folded(fmt.Sprintf("%d of %s", strings.Count(pieces[0], "\n"), count(n, "path")), fenced(pieces[0]))
	}
	if len(pieces) > 1 {
		text += fmt.Sprintf("\n\n**The list goes on in %s below.**", count(len(pieces)-1, "comment"))
	}
	return text
}

func (v PullRequestView) head() string {
	var sections []string
	if !v.isBrief() {
		sections = append(sections, v.opening())
	}
	if len(v.Proposal.Risks) > 0 {
		sections = append(sections, v.risks())
	}
	sections = append(sections, v.asked(), v.done())
	if history := History(v.Revisions); history != "" {
		sections = append(sections, history)
	}
	return strings.Join(sections, "\n\n")
}

func (v PullRequestView) tail() string {
	return strings.Join([]string{v.approve(), v.message(), v.look(), v.pinned(), v.next()}, "\n\n")
}

func (v PullRequestView) opening() string {
	text := Say("**This pull request holds one inert file: a patch, for you to review.** "+
		"No line of the change itself is in the repository yet. CoderFlow commits exactly this change to %s, in the approver's name, once somebody permitted approves.",
		v.Task.ID.Branch()).markdown
	if note := variantNote(v.Task); note != "" {
		text += "\n\n" + note
	}
	switch {
	case v.Traits.ReviewsWaitForReady:
		text += "\n\nIt is a draft while its checks and judges run, and is published for votes when they have ended. The status `coderflow/gate` keeps it from being completed where a branch policy requires it; do not complete it before it is approved."
	case v.DraftRefused:
		text += "\n\nThis repository does not take drafts, so this looks like an ordinary pull request. The check `coderflow/gate` keeps it from being merged where it is required; do not merge it before it is approved."
	}
	return text
}

func (v PullRequestView) asked() string {
	t := v.Task
	issue := Link(words(fmt.Sprintf("issue %d", t.Issue)), v.IssueURL)
	text := Say("## What was asked\n\n%s, titled %s. Requested by %s in environment %s.",
		capital(issue), short(t.Snapshot.Title), t.Requester, t.Environment).markdown
	if strings.TrimSpace(t.Snapshot.Instructions) != "" {
		text += "\n\nWith these instructions:\n\n" + Block(strings.TrimSpace(t.Snapshot.Instructions), maxInstructions).markdown
	}
	var notes []string
	if n := max(prompt.Hidden(t.Snapshot), t.Snapshot.HiddenRemoved); n > 0 {
		notes = append(notes, fmt.Sprintf("⚠ **%s of hidden text** (HTML comments, invisible characters) stood in the issue; the agent did not get them.", count(n, "piece")))
	}
	if n := t.Snapshot.CommentsOmitted; n > 0 {
		notes = append(notes, fmt.Sprintf("%s of the conversation did not go to the agent.", count(n, "comment")))
	}
	for _, n := range notes {
		text += "\n\n" + n
	}
	return text
}

// capital makes a link text of ours begin a sentence.
func capital(i Inert) Inert {
	return Inert{strings.Replace(i.markdown, "issue ", "Issue ", 1)}
}

func (v PullRequestView) done() string {
	p := v.Proposal
	added, removed, binaries := sum(p.Manifest)
	text := "## What was done\n\n" + v.run().markdown + fmt.Sprintf(" It changed **%s: +%d −%d lines**", count(len(p.Manifest), "path"), added, removed)
	if binaries > 0 {
		text += fmt.Sprintf(", and %s without lines", count(binaries, "binary file"))
	}
	text += ".\n\n"
	rows := make([][]Inert, 0, maxRows)
	for _, c := range mostChanged(p.Manifest, maxRows) {
		rows = append(rows, []Inert{short(c.Path), Plain(string(c.Kind)), {lineCount(c)}, Plain(mode(c))})
	}
	text += table("path|kind|lines|mode", rows)
	if len(p.Manifest) > maxRows {
		text += fmt.Sprintf("\n\nThe table shows the %d with the most changed lines of %d.", maxRows, len(p.Manifest))
	}
	if p.Ignored > 0 {
		text += fmt.Sprintf("\n\n%s that the repository's own ignore rules name %s left out of the change.", count(p.Ignored, "new file"), were(p.Ignored))
	}
	if reach := v.Models.reach(v.Task.Run.Model); reach != "" {
		text += "\n\n" + reach
	}
	if strings.TrimSpace(v.Summary) != "" {
		text += "\n\n**The agent's own summary** (nobody checked it):\n\n" + Block(strings.TrimSpace(v.Summary), maxInstructions).markdown
	}
	if strings.TrimSpace(v.Output) != "" {
		text += "\n\n" + folded("The last output of the agent", Tail(v.Output, maxOutput))
	}
	return text
}

func (v PullRequestView) run() Inert {
	r := v.Task.Run
	who := Say("The agent")
	if r.Agent != "" {
		who = Say("The agent %s", short(r.Agent))
	}
	text := Say("%s ran for %s and ended with exit status %s.", who, r.FinishedAt.Sub(r.StartedAt), r.ExitCode)
	if r.StartedAt.IsZero() || r.FinishedAt.IsZero() {
		text = Say("%s ended with exit status %s.", who, r.ExitCode)
	}
	if r.Image != "" {
		text = Say("%s Its image was %s.", text, r.Image)
	}
	if r.Truncated {
		text = Say("%s Its output was longer than the cap and was cut.", text)
	}
	return text
}

// next says what an approval sets off.
func (v PullRequestView) next() string {
	landed := " on this branch with that commit, and marks the pull request as ready. "
	if v.Traits.ReviewsWaitForReady {
		landed = " on this branch with that commit, and sets the status `coderflow/gate` to succeeded. "
	}
	return `## What happens next

After an approval, CoderFlow reads the pull request and the review again, commits the pinned tree on the pinned base, replaces the patch` + landed + `From then on it is an ordinary pull request: required checks, branch protection and the merge are yours. If anybody pushes to this branch, or the base branch of the pull request is changed, the proposal is void. Closing the pull request rejects it. ` + "`/coderflow cancel`" + ` in a comment on the issue cancels the task.`
}

func (v PullRequestView) message() string {
	return "## Proposed commit message\n\n" + Block(v.Proposal.Message, maxMessage).markdown +
		"\n\nCoderFlow adds trailers that name the task, the proposal, the review and the requester."
}

var objectID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// look gives commands for a look at the change in a clone. Only ids of checked
// form go into them.
func (v PullRequestView) look() string {
	p, branch := v.Proposal, v.Task.ID.Branch()
	if _, err := task.ParseID(string(v.Task.ID)); err != nil || !objectID.MatchString(p.BaseCommit) || !objectID.MatchString(p.Tree) {
		return "## Look at it locally\n\nFetch the branch of this pull request and read the patch file in it."
	}
	file := task.ProposalPath(v.Task.ID)
	commands := []string{
		"git fetch origin " + branch,
		"git show FETCH_HEAD:" + file + " | less",
		"",
		"# the result as a tree, in a worktree of its own; read it before you run any of it",
		"git worktree add --detach ../" + string(v.Task.ID) + " " + p.BaseCommit,
		"git show FETCH_HEAD:" + file + " | git -C ../" + string(v.Task.ID) + " apply --index",
		"git -C ../" + string(v.Task.ID) + " write-tree   # prints " + p.Tree,
	}
	return "## Look at it locally\n\n```sh\n" + strings.Join(commands, "\n") + "\n```"
}

func (v PullRequestView) pinned() string {
	p := v.Proposal
	rows := [][]Inert{
		{Say("task"), Say("%s, revision %s", string(v.Task.ID), p.Revision)},
		{Say("digest"), Code(p.Digest)},
		{Say("base"), Say("%s on %s", p.BaseCommit, p.BaseBranch)},
		{Say("result tree"), Code(p.Tree)},
		{Say("policy"), Code(p.PolicyVersion)},
	}
	return "## What an approval is of\n\n" + table("|", rows) +
		"\n\nEditing this text changes nothing: what counts is what the digest pins."
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func were(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// LandedBody replaces the description once the pull request shows the real
// change. (A squash merge can take it as its message, so it quotes nobody.)
func LandedBody(v PullRequestView, approvers []forge.User, reviewURL string) string {
	return Shortened(Say("**Approved by %s (%s) and committed by CoderFlow.** This pull request now shows the real change, for %s. "+
		"It is an ordinary one from here on: required checks, branch protection and the merge are yours.\n\n",
		people(approvers), Link("the review", reviewURL), Link(words(fmt.Sprintf("issue %d", v.Task.Issue)), v.IssueURL)).markdown+v.landedTable(), v.room())
}

// room is how long a description of ours may be before links are added to it; 0: enough.
func (v PullRequestView) room() int {
	if v.Traits.MaxDescription == 0 {
		return 0
	}
	return max(v.Traits.MaxDescription-1_000, 1)
}

// landedTable says what landed.
func (v PullRequestView) landedTable() string {
	p := v.Proposal
	return table("|", [][]Inert{
		{Say("task"), Say("%s, revision %s", string(v.Task.ID), p.Revision)},
		{Say("commit"), Code(v.Task.LandedCommit)},
		{Say("digest"), Code(p.Digest)},
		{Say("base"), Say("%s on %s", p.BaseCommit, p.BaseBranch)},
		{Say("tree"), Code(p.Tree)},
		{Say("requested by"), Say("%s", v.Task.Requester)},
	})
}
