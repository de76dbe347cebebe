package present

import (
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// VariantView is one of several agents' attempts at the same request.
type VariantView struct {
	Task task.Task
	// Proposal is the newest revision; nil before there is one.
	Proposal *task.Proposal
	// Examinations are the newest of the newest revision.
	Examinations []task.Examination
	Usage        task.Usage
}

// GroupView is the request that several agents work on.
type GroupView struct {
	Variants []VariantView // by their place
	IssueURL string
}

// Settled reports whether no variant is at work any more.
func (v GroupView) Settled() bool {
	for _, o := range v.Variants {
		switch o.Task.State {
		case task.Queued, task.Preparing, task.Running, task.Collecting:
			return false
		}
	}
	return true
}

// Chosen is the variant that was approved, if one is.
func (v GroupView) Chosen() (task.Task, bool) {
	for _, o := range v.Variants {
		if s := o.Task.State; s == task.Approved || s.CarriedOut() || s.HasLanded() {
			return o.Task, true
		}
	}
	return task.Task{}, false
}

// GroupComment is the one comment on the issue about all variants.
func GroupComment(v GroupView) string {
	return StatusMarker(v.Variants[0].Task.Group) + "\n" + Group(v)
}

// Group is the status of all variants without the marker, for an answer.
func Group(v GroupView) string {
	first := v.Variants[0].Task
	sections := []string{
		Say("### %s variants of one request\n\nCoderFlow group %s in environment %s, requested by %s.",
			len(v.Variants), string(first.Group), first.Environment, first.Requester).markdown,
		v.table(),
	}
	for _, o := range v.Variants {
		if o.Task.Failure != "" && o.Task.State != task.Done {
			sections = append(sections, Say("**Variant %s, %s:**", o.Task.Place, short(o.Task.Variant)).markdown+"\n\n"+Block(o.Task.Failure, 4_000).markdown)
		}
	}
	return strings.Join(append(sections, "**Next:** "+v.nextStep()), "\n\n")
}

// Comparison is the comment on the issue and each pull request once all variants are
// done. marker is its first line.
func Comparison(marker string, v GroupView) string {
	return marker + "\n### The variants side by side\n\n" + v.table() + "\n\n**Next:** " + v.nextStep()
}

func (v GroupView) nextStep() string {
	if t, chosen := v.Chosen(); chosen {
		return Say("variant %s (%s) was approved; the others are void and closed.", t.Place, short(t.Variant)).markdown
	}
	if !v.Settled() {
		return "wait; this comment is edited as the variants go on. `/coderflow cancel` here stops them all, and on a pull request only that one."
	}
	for _, o := range v.Variants {
		if o.Task.State == task.Proposed {
			return "compare them, and approve one: the others are then closed. What checks and judges say is advice."
		}
	}
	return "none of them is open any more. `/coderflow retry` on " + Link("the issue", v.IssueURL).markdown + " starts them again."
}

func (v GroupView) table() string {
	var rows [][]Inert
	for _, o := range v.Variants {
		rows = append(rows, o.row())
	}
	return table("variant|state|pull request|change|risks|checks|judges|cost", rows)
}

func (v VariantView) row() []Inert {
	t, none := v.Task, Inert{"–"}
	state := Say("%s %s", Inert{stateMark(t.State)}, Inert{closedName(t)})
	pull, change, risks := none, none, none
	if t.PullRequest != 0 {
		pull = Link(words(fmt.Sprintf("pull request %d", t.PullRequest)), t.PullRequestURL)
	}
	if p := v.Proposal; p != nil {
		added, removed, binaries := sum(p.Manifest)
		change = Say("%s, +%s −%s", words(count(len(p.Manifest), "path")), added, removed)
		if binaries > 0 {
			change = Say("%s, %s", change, words(count(binaries, "binary file")))
		}
		if p.Revision > 1 {
			change = Say("%s (revision %s)", change, p.Revision)
		}
		risks = riskNames(p.Risks)
	}
	cost := none
	if v.Usage.Requests > 0 {
		cost = Inert{Dollars(v.Usage.Cost)}
		if v.Usage.Unpriced > 0 {
			cost = Say("%s tokens", words(thousands(v.Usage.Tokens())))
		}
	}
	return []Inert{
		Say("%s. %s", t.Place, short(t.Variant)), state, pull, change, risks,
		checkCounts(v.Examinations), judgeScores(v.Examinations), cost,
	}
}

// riskNames counts the risks of a change by their names.
func riskNames(risks []task.Risk) Inert {
	if len(risks) == 0 {
		return Inert{"none"}
	}
	n := map[string]int{}
	var names []string
	for _, r := range risks {
		if n[r.Name] == 0 {
			names = append(names, r.Name)
		}
		n[r.Name] += 1 + r.More
	}
	const most = 4
	var texts []string
	for _, name := range names[:min(len(names), most)] {
		texts = append(texts, Say("%s × %s", n[name], short(name)).markdown)
	}
	if more := len(names) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more kinds", more))
	}
	return Inert{strings.Join(texts, ", ")}
}

// variantSuffix says in a title which attempt it is: " (variant 1 of 2, claude)".
func variantSuffix(t task.Task) string {
	if t.Places == 0 {
		return ""
	}
	return fmt.Sprintf(" (variant %d of %d, %s)", t.Place, t.Places, bare(t.Variant))
}

// variantNote says at the head of a pull request that it is one of several.
func variantNote(t task.Task) string {
	if t.Places == 0 {
		return ""
	}
	return Say("**This is variant %s of %s, made by %s.** The others have pull requests of their own; a comment compares them once all are done. "+
		"Approving one makes the others void.", t.Place, t.Places, short(t.Variant)).markdown
}
