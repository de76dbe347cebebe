package present

import (
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// Bounds of what is shown of revisions.
const (
	maxFeedback     = 1_500 // bytes of one
	maxRemarksShown = 20
	maxRounds       = 20 // in a history
)

// RevisionAsked answers whoever sent a proposal back by a command.
func RevisionAsked(t task.Task, kind task.FeedbackKind) string {
	what := "It is taken up by the next revision"
	if kind == task.FeedbackRebase {
		what = "The same change is made on the tip of the base branch"
	}
	when := "; approvals of before do not count any more"
	if t.Revising() {
		when = fmt.Sprintf(", once revision %d, which is being made, is up", t.Round())
	}
	return what + when + ". `/coderflow cancel` stops the task."
}

// TooLate answers feedback that no revision takes up any more.
func TooLate(t task.Task, late []task.Feedback) string {
	var who []forge.User
	for _, f := range late {
		who = append(who, f.By)
	}
	return Say("What %s asked for came too late: the task is %s.", people(who), Inert{stateName(t.State)}).markdown +
		" Nothing of it is done. Comment `/coderflow run` on an issue for another change."
}

// RevisionView is one round as people are told of it on the pull request.
type RevisionView struct {
	Task     task.Task
	Revision task.Revision
	// Proposal is what it put up, Former what it goes on from.
	Proposal, Former task.Proposal
	// Between are the paths in which they differ.
	Between []task.PathChange
	// Voided are whose approvals do not count any more.
	Voided []forge.User
}

// RevisionMarker is how the one comment of a revision is found again.
func RevisionMarker(id task.ID, number int) string {
	return fmt.Sprintf("<!-- coderflow:revision=%s/%d -->", id, number)
}

// RevisionComment is the one comment about a revision, edited until it ended.
func RevisionComment(v RevisionView) string {
	r := v.Revision
	sections := []string{v.heading()}
	if len(v.Voided) > 0 {
		sections = append(sections, Say("**Approvals of %s do not count any more**: they are of what this revision replaces. It takes new reviews of the commit that the pull request shows then.", people(v.Voided)).markdown)
	}
	if r.State == task.RevisionNothing {
		sections = append(sections, Block(r.Outcome, 4_000).markdown)
	}
	if r.State == task.RevisionProposed {
		sections = append(sections, v.between())
	}
	sections = append(sections, "**What was asked**\n\n"+feedback(r.Feedback))
	return RevisionMarker(v.Task.ID, r.Number) + "\n" + strings.Join(sections, "\n\n")
}

func (v RevisionView) heading() string {
	r := v.Revision
	switch r.State {
	case task.RevisionProposed:
		text := Say("### Revision %s is up for review\n\nThe pull request shows it now, under the digest %s. It replaces revision %s.", r.Number, v.Proposal.Digest, r.After)
		if r.Kind == task.FeedbackRebase {
			text = Say("%s It is the same change on another base: commit %s.", text, shortID(v.Proposal.BaseCommit))
		}
		return text.markdown
	case task.RevisionNothing:
		if v.Task.State.Ended() && r.Outcome == v.Task.Failure { // the task ended with it
			return Say("### Revision %s came to nothing\n\nThe task has ended meanwhile.", r.Number).markdown
		}
		return Say("### Revision %s came to nothing\n\nThe proposal of revision %s stands as it was.", r.Number, r.After).markdown
	}
	if r.Kind == task.FeedbackRebase {
		return Say("### Revision %s is being made\n\nThe same change is made on the tip of %s. Until it is up, nothing can be approved here.", r.Number, v.Task.BaseBranch).markdown
	}
	return Say("### Revision %s is being made\n\nThe agent goes on from revision %s. Until it is up, nothing can be approved here.", r.Number, r.After).markdown
}

// between says in which paths the revision differs from the one before.
func (v RevisionView) between() string {
	if len(v.Between) == 0 {
		return "The result is the same, file for file."
	}
	added, removed, _ := sum(v.Between)
	text := fmt.Sprintf("**Against revision %d: %s, +%d −%d lines.**\n\n", v.Revision.After, count(len(v.Between), "path"), added, removed)
	rows := make([][]Inert, 0, maxRows)
	for _, c := range mostChanged(v.Between, maxRows) {
		rows = append(rows, []Inert{short(c.Path), Plain(string(c.Kind)), {lineCount(c)}})
	}
	text += table("path|kind|lines", rows)
	if len(v.Between) > maxRows {
		text += fmt.Sprintf("\n\nThe table shows the %d with the most changed lines of %d.", maxRows, len(v.Between))
	}
	return text + fmt.Sprintf("\n\n`coderflow tasks diff %s --revision %d --against %d` shows them in full.", v.Task.ID, v.Revision.Number, v.Revision.After)
}

// feedback shows who asked for what.
func feedback(list []task.Feedback) string {
	var parts []string
	for _, f := range list {
		switch {
		case f.Kind == task.FeedbackRebase:
			parts = append(parts, Say("%s asked for it (%s): a rebase.", f.By, Link("comment", f.URL)).markdown)
			continue
		case f.Kind == task.FeedbackReview:
			parts = append(parts, Say("%s, in %s of revision %s:", f.By, Link("a review", f.URL), f.About).markdown)
		default:
			parts = append(parts, Say("%s, in %s:", f.By, Link("a comment", f.URL)).markdown)
		}
		if text := strings.TrimSpace(f.Text); text != "" {
			parts = append(parts, Block(text, maxFeedback).markdown)
		}
		if len(f.Remarks) > 0 {
			parts = append(parts, remarks(f.Remarks))
		}
	}
	return strings.Join(parts, "\n\n")
}

func remarks(list []task.Remark) string {
	var lines []string
	for _, r := range list[:min(len(list), maxRemarksShown)] {
		where := "the change as a whole"
		switch {
		case r.Path != "" && r.Removed:
			where = fmt.Sprintf("%s, line %d before", r.Path, r.Line)
		case r.Path != "" && r.Line > 0:
			where = fmt.Sprintf("%s:%d", r.Path, r.Line)
		case r.Path != "":
			where = r.Path
		}
		lines = append(lines, "- "+Say("%s: %s", short(where), short(r.Text)).markdown)
	}
	if more := len(list) - maxRemarksShown; more > 0 {
		lines = append(lines, fmt.Sprintf("- and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// History is the rounds of a proposal in the description of its pull request; empty
// where there was one alone.
func History(list []task.Revision) string {
	if len(list) == 0 {
		return ""
	}
	rows := [][]Inert{}
	if more := len(list) - maxRounds; more > 0 {
		list = list[more:]
	}
	for _, r := range list {
		var who []forge.User
		for _, f := range r.Feedback {
			who = append(who, f.By)
		}
		what := map[task.RevisionState]string{
			task.RevisionMaking: "is being made", task.RevisionProposed: "was put up", task.RevisionNothing: "came to nothing",
		}[r.State]
		rows = append(rows, []Inert{Say("%s", r.Number), Plain(string(r.Kind)), Plain(what), people(who)})
	}
	return "## Revisions\n\n" + table("revision|by|what became of it|asked for by", rows) +
		"\n\nAn approval is of one revision alone: the one whose commit this pull request shows."
}

// PartGone stands where a former revision's description had another part.
const PartGone = "An earlier revision had more to list here. What this one changes is listed in full in the description."

// GateRevising tells that what is up for review is about to be replaced.
func GateRevising(t task.Task) forge.GateCheck {
	return forge.GateCheck{
		Status: forge.CheckPending, Title: fmt.Sprintf("Revision %d is being made", t.Round()),
		Summary: "What this commit carries is about to be replaced: approving it has no effect. The pull request shows the revision once it is up.",
	}
}
