package present

import (
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// Bounds of a status comment.
const (
	maxMoments     = 50
	MaxDeployments = 10    // whose details are shown
	maxOutput      = 3_000 // bytes of one output
)

// Moment is one line of a task's timeline.
type Moment struct {
	At   time.Time
	What Inert // made with [Say]
}

// DeploymentView is one deployment as people see it.
type DeploymentView struct {
	Run    deploy.Run
	URL    string // the forge's page; may be empty
	Output string // the end of it, redacted
}

// StatusView is everything that the status of a task shows.
type StatusView struct {
	Task           task.Task
	IssueURL       string
	PullRequestURL string
	CommitURL      string
	Timeline       []Moment
	Deployments    []DeploymentView
	// LandedOn is the branch, other than the proposal's, that the commit is on.
	LandedOn string
	// Counted tells what is missing beside the approvals that count, if any do.
	Counted *policy.Decision
	// Refused is the last decision against an approval, if it still matters.
	Refused *policy.Decision
	// Models is what the agent did through the gateway.
	Models ModelView
	// Revision is the one that is up for review, 0 before there is one, and Examinations
	// what checks and judges made of it.
	Revision     int
	Examinations []task.Examination
	// Output is the end of the agent's output, shown if the task failed.
	Output string
	// InLine is where it stands if it waits for a node.
	InLine task.InLine
	// LostNode is the name of the node that it waits for because that one does not work.
	LostNode string
}

// StatusMarker is how the one status comment of a task is found again.
func StatusMarker(id task.ID) string { return "<!-- coderflow:task=" + string(id) + " -->" }

// StatusComment is the one comment that is edited as the task goes on.
func StatusComment(v StatusView) string { return StatusMarker(v.Task.ID) + "\n" + Status(v) }

// Status is the status of a task without the marker, for an answer.
func Status(v StatusView) string {
	sections := []string{v.heading()}
	if v.Task.Failure != "" && v.Task.State != task.Done {
		sections = append(sections, Block(v.Task.Failure, 4_000).markdown)
	}
	if line := v.examined(); line != "" {
		sections = append(sections, line)
	}
	if v.Counted != nil {
		sections = append(sections, counting(v.Task, *v.Counted))
	}
	if v.Refused != nil {
		sections = append(sections, "The last approval does not count:\n\n"+missing(*v.Refused))
	}
	switch {
	case v.InLine.Place > 0:
		sections = append(sections, inLine(v.InLine))
	case v.InLine.Why != "":
		sections = append(sections, Say("The revision that was asked for waits: %s.", v.InLine.Why).markdown)
	}
	if v.LostNode != "" {
		sections = append(sections, Say("Its agent ran on the node %s, which gives no sign of life or runs no containers any more. The task waits for it.", v.LostNode).markdown)
	}
	sections = append(sections, "**Next:** "+v.nextStep())
	if len(v.Timeline) > 0 {
		sections = append(sections, v.timeline())
	}
	if reach := v.Models.reach(v.Task.Run.Model); reach != "" && v.Task.Run.FinishedAt.After(v.Task.Run.StartedAt) {
		sections = append(sections, reach)
	}
	sections = append(sections, v.deployments()...)
	if v.Output != "" && v.Task.State == task.Failed {
		sections = append(sections, folded("The last output of the agent", Tail(v.Output, maxOutput)))
	}
	return strings.Join(sections, "\n\n")
}

func (v StatusView) heading() string {
	t := v.Task
	text := Say("### %s %s\n\nCoderFlow task %s in environment %s, requested by %s: %s.",
		Inert{stateMark(t.State)}, capitalised(closedName(t)), string(t.ID), t.Environment, t.Requester, Inert{wordsOf(t)}).markdown
	var links []string
	if v.PullRequestURL != "" {
		links = append(links, Link(words(fmt.Sprintf("pull request %d", t.PullRequest)), v.PullRequestURL).markdown)
	}
	if t.LandedCommit != "" {
		links = append(links, Say("commit %s", shortID(t.LandedCommit)).markdown)
		if v.CommitURL != "" {
			links[len(links)-1] = Link("the commit", v.CommitURL).markdown + " " + shortID(t.LandedCommit).markdown
		}
	}
	if v.LandedOn != "" {
		links = append(links, Say("landed on %s", v.LandedOn).markdown)
	}
	if len(links) > 0 {
		text += "\n\n" + strings.Join(links, " · ")
	}
	return text
}

func shortID(commit string) Inert {
	if objectID.MatchString(commit) {
		return Code(commit[:12])
	}
	return short(commit)
}

func capitalised(s string) Inert { return Inert{strings.ToUpper(s[:1]) + s[1:]} }

func (v StatusView) nextStep() string {
	t := v.Task
	issue := Link("the issue", v.IssueURL).markdown
	switch t.State {
	case task.Queued, task.Preparing, task.Running, task.Collecting:
		return "wait; this comment is edited as the task goes on. `/coderflow cancel` stops it."
	case task.Proposed:
		return fmt.Sprintf("somebody permitted reviews %s and submits *Approve*. Its description says how and who.", Link(words(fmt.Sprintf("pull request %d", t.PullRequest)), v.PullRequestURL))
	case task.Approved, task.Landing:
		return "wait; the approved change is being committed and pushed."
	case task.Landed, task.Deploying, task.Done:
		return v.afterLanding()
	case task.NoChange, task.Refused, task.Failed:
		return "improve the description or comment what to do differently on " + issue + ", then `/coderflow retry`."
	case task.Superseded:
		if t.ReplacedBy != "" {
			return "nothing; the task that took its place goes on."
		}
		return "comment `/coderflow retry` on " + issue + " for a new proposal."
	case task.Expired:
		return "comment `/coderflow retry` on " + issue + " for a new proposal."
	}
	return "nothing. `/coderflow run` on " + issue + " starts a new task."
}

func (v StatusView) afterLanding() string {
	switch {
	case v.LandedOn != "" && v.Task.State == task.Done:
		return Say("nothing. The commit is on %s; the pull request only held the patch and is closed.", v.LandedOn).markdown
	case v.LandedOn != "":
		return Say("wait for the deployments. The commit is on %s; the pull request only held the patch.", v.LandedOn).markdown
	case v.Task.State != task.Done:
		return "wait for the deployments; the pull request can be merged when its checks allow it."
	}
	return "merge the pull request when its checks and rules allow it."
}

func (v StatusView) timeline() string {
	lines := []string{"**What happened** (times in UTC)", ""}
	moments := v.Timeline
	if more := len(moments) - maxMoments; more > 0 {
		lines = append(lines, fmt.Sprintf("- … %d earlier entries", more))
		moments = moments[more:]
	}
	day := ""
	for _, m := range moments {
		at := m.At.UTC()
		stamp := at.Format("15:04:05")
		if d := at.Format("2006-01-02"); d != day {
			day, stamp = d, d+" "+stamp
		}
		lines = append(lines, "- `"+stamp+"` "+clip(m.What.markdown, maxCode))
	}
	return strings.Join(lines, "\n")
}

func (v StatusView) deployments() []string {
	var sections []string
	for i, d := range v.Deployments {
		if i == MaxDeployments {
			return append(sections, fmt.Sprintf("and %d more deployments", len(v.Deployments)-i))
		}
		sections = append(sections, d.section())
	}
	return sections
}

func (d DeploymentView) section() string {
	r := d.Run
	text := Say("**Deployment %s in %s: %s**", short(r.Profile), short(r.Environment), Inert{runWords(r.State)})
	if r.State == deploy.Succeeded || r.State == deploy.Failed {
		text = Say("%s, exit status %s", text, r.ExitCode)
	}
	if !r.StartedAt.IsZero() && !r.FinishedAt.IsZero() {
		text = Say("%s, after %s", text, r.FinishedAt.Sub(r.StartedAt))
	}
	if d.URL != "" {
		text = Say("%s (%s)", text, Link("details", d.URL))
	}
	out := text.markdown
	if r.Detail != "" {
		out += "\n\n" + Block(r.Detail, 1_000).markdown
	}
	if reach := (ModelView{Hosts: r.Reach.Used, Refusals: r.Reach.Refused}).reached("the deployment", "its profile permits"); reach != "" {
		out += "\n\n" + reach
	}
	if d.Output != "" {
		out += "\n\n" + folded("The end of its output", Tail(d.Output, maxOutput))
	}
	return out
}

func runWords(s deploy.RunState) string {
	switch s {
	case deploy.Armed:
		return "waiting for the merge"
	case deploy.Pending:
		return "waiting"
	case deploy.Created, deploy.Running:
		return "running"
	case deploy.Succeeded:
		return "✅ succeeded"
	case deploy.Failed:
		return "❌ failed"
	case deploy.Withheld:
		return "✋ withheld: the gate no longer permitted it when its turn came"
	}
	return "❓ outcome unknown; it is never run again by itself"
}
