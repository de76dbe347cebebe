package present

import (
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// CheckView is the last run of one check.
type CheckView struct {
	task.Examination
	Required bool
	Output   string // the end of it, redacted
}

// ChecksView is everything that is shown of a proposal's checks.
type ChecksView struct {
	Task     task.ID
	Revision int
	Digest   string
	Checks   []CheckView
	Page     string // of the task in the console; empty where nobody can sign in
}

// Bounds of what is shown of checks' outputs.
const (
	maxCheckOutput   = 3_000
	maxChecksOutputs = 30_000
)

// ChecksMarker is how the one comment about a task's checks is found again.
func ChecksMarker(id task.ID) string { return "<!-- coderflow:checks=" + string(id) + " -->" }

// outcome counts what became of the checks.
func (v ChecksView) outcome() (passed, open, needed int) {
	for _, c := range v.Checks {
		switch {
		case c.State == task.ExaminationPassed:
			passed++
		case !c.State.Ended():
			open++
		case c.Required:
			needed++
		}
	}
	return passed, open, needed
}

// failed reports whether a check ended otherwise than it should.
func (c CheckView) failed() bool {
	return c.State == task.ExaminationFailed || c.State == task.ExaminationBroken
}

// ChecksRun is the content of the check run "coderflow/checks". The caller adds the
// commit, the external id and the address. It fails as soon as a required check has, and
// is neutral where only others did.
func ChecksRun(v ChecksView) forge.GateCheck {
	passed, open, needed := v.outcome()
	check := forge.GateCheck{
		Name: forge.ChecksRun, Status: forge.CheckNeutral, Title: fmt.Sprintf("%d of %s passed", passed, count(len(v.Checks), "check")),
		Summary: v.text(),
	}
	switch {
	case needed > 0:
		check.Status = forge.CheckFailure
		check.Title += fmt.Sprintf("; %d that must did not", needed)
	case open > 0:
		check.Status = forge.CheckPending
		check.Title += fmt.Sprintf(", %d under way", open)
	case passed == len(v.Checks):
		check.Status = forge.CheckSuccess
	}
	return check
}

// ChecksComment is the one comment that is edited as checks end. It is not shown while
// all is well and some are under way.
func ChecksComment(v ChecksView) (body string, shown bool) {
	_, open, _ := v.outcome()
	shown = open == 0 && len(v.Checks) > 0
	for _, c := range v.Checks {
		shown = shown || c.failed()
	}
	return ChecksMarker(v.Task) + "\n### Checks\n\n" + v.text(), shown
}

func (v ChecksView) text() string {
	sections := []string{
		Say("Run on exactly what is proposed as revision %s (%s), each in a container of its own without network or secrets.", v.Revision, v.Digest).markdown,
		v.table(),
	}
	left := maxChecksOutputs
	again := false
	for _, c := range v.Checks {
		if !c.failed() {
			continue
		}
		again = true
		if shown := Tail(c.Output, maxCheckOutput); c.Output != "" && len(shown.markdown) <= left {
			left -= len(shown.markdown)
			sections = append(sections, Say("%s:", short(c.Name)).markdown, folded("The end of its output", shown))
		}
	}
	next := "`/coderflow check` runs all of them again, `/coderflow check NAME` one."
	if again {
		next += " `/coderflow revise …` asks the agent to repair the change."
	}
	if v.Page != "" {
		next += " " + Link("Whole outputs in the console", v.Page).markdown + "."
	}
	return strings.Join(append(sections, next), "\n\n")
}

func (v ChecksView) table() string {
	var rows [][]Inert
	for _, c := range v.Checks {
		required := Inert{"no"}
		if c.Required {
			required = Inert{"**yes**"}
		}
		took := Inert{"–"}
		if !c.StartedAt.IsZero() && c.FinishedAt.After(c.StartedAt) {
			took = Say("%s", c.FinishedAt.Sub(c.StartedAt).Round(time.Second/10))
		}
		rows = append(rows, []Inert{short(c.Name), checkWords(c.State), orDash(c.Summary, Plain), required, took, Say("%s", c.Attempt)})
	}
	return table("Check|Result|What it says|Required|Took|Attempt", rows)
}

func checkWords(s task.ExaminationState) Inert {
	switch s {
	case task.ExaminationQueued:
		return Inert{"⏳ waits"}
	case task.ExaminationRunning:
		return Inert{"⚙ runs"}
	case task.ExaminationPassed:
		return Inert{"✅ passed"}
	case task.ExaminationFailed:
		return Inert{"❌ failed"}
	case task.ExaminationCancelled:
		return Inert{"stopped"}
	}
	return Inert{"❓ could not be run"}
}

// ExaminedAgain answers whoever asked to have checks or judges look once more.
func ExaminedAgain(kind task.ExaminationKind, asked, open []string) string {
	var texts []string
	if len(asked) > 0 {
		texts = append(texts, "Once more: "+listed(asked)+". The result is shown on the pull request.")
	}
	if len(open) > 0 {
		texts = append(texts, "Still under way: "+listed(open)+".")
	}
	if len(texts) == 0 {
		return Say("The environment has no %s.", string(kind)).markdown
	}
	return strings.Join(texts, "\n\n")
}

func listed(names []string) string {
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = short(name).markdown
	}
	return strings.Join(shown, ", ")
}
