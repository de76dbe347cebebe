package present

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/task"
)

// JudgesView is what the judges of one revision said.
type JudgesView struct {
	Task     task.ID
	Revision int
	// Judges are the latest tries, in the environment's order.
	Judges []JudgeView
	// Raises are the gate's rules that read verdicts, by name.
	Raises []string
	// Page is the task's page; empty where there is none.
	Page string
}

// JudgeView is one of them.
type JudgeView struct {
	task.Examination
	Usage    task.Usage
	Measured *judge.Measured // nil: never measured as it is defined now
}

// verdict is nil where there is none.
func (v JudgeView) verdict() *judge.Verdict {
	var read judge.Verdict
	if v.State != task.ExaminationPassed || json.Unmarshal(v.Result, &read) != nil {
		return nil
	}
	return &read
}

// Bounds of the comment, in bytes: a forge takes 65,536 characters.
const (
	maxJudgesBody = 50_000
	maxNotes      = 1_200
)

// JudgesMarker finds the comment again.
func JudgesMarker(id task.ID) string { return "<!-- coderflow:judges=" + string(id) + " -->" }

// Judges is the comment that shows what judges say, side by side.
func Judges(v JudgesView) string {
	text := fmt.Sprintf("### What AI judges say about revision %d\n\n", v.Revision) +
		"This is advice for whoever reviews. It approves nothing, whatever it says. " + raises(v.Raises) +
		"\n\n" + v.table()
	for _, j := range v.Judges {
		part := "\n\n" + j.section()
		if len(text)+len(part) > maxJudgesBody {
			text += "\n\nThe rest is longer than a comment can be: `coderflow judges show` has all of it."
			break
		}
		text += part
	}
	text += "\n\n`/coderflow judge` asks them again."
	if v.Page != "" {
		text += " " + Link("All of it in the console", v.Page).markdown + "."
	}
	return text
}

func raises(rules []string) string {
	if len(rules) == 0 {
		return "No rule of the gate reads it."
	}
	names := make([]string, len(rules))
	for i, name := range rules {
		names[i] = short(name).markdown
	}
	return fmt.Sprintf("Rules of the gate that read it, %s, can only ask for more approvals.", strings.Join(names, ", "))
}

// table has a column for each judge. Names of columns are judges', which admins choose.
func (v JudgesView) table() string {
	var b strings.Builder
	b.WriteString("| ")
	for _, j := range v.Judges {
		b.WriteString("| " + cell(short(j.Name)) + " ")
	}
	b.WriteString("|\n| --- " + strings.Repeat("| --- ", len(v.Judges)) + "|\n")
	row := func(title words, of func(JudgeView) Inert) {
		b.WriteString("| " + string(title) + " ")
		for _, j := range v.Judges {
			b.WriteString("| " + cell(of(j)) + " ")
		}
		b.WriteString("|\n")
	}
	row("recommends", JudgeView.recommends)
	for _, aspect := range judge.Aspects() {
		row(words(aspect), func(j JudgeView) Inert { return j.score(aspect) })
	}
	row("findings", JudgeView.findings)
	row("model", func(j JudgeView) Inert { return orDash(j.Model, short) })
	row("cost", JudgeView.cost)
	row("measured", JudgeView.measured)
	return strings.TrimRight(b.String(), "\n")
}

func orDash(s string, show func(string) Inert) Inert {
	if s == "" {
		return Inert{"–"}
	}
	return show(s)
}

func (v JudgeView) recommends() Inert {
	read := v.verdict()
	switch {
	case read != nil && read.Recommendation.Valid():
		signs := map[judge.Recommendation]string{judge.Approve: "👍", judge.Revise: "✏️", judge.Reject: "👎"}
		return Inert{signs[read.Recommendation] + " **" + string(read.Recommendation) + "**"}
	case v.State == task.ExaminationQueued:
		return Inert{"⏳ waits"}
	case v.State == task.ExaminationRunning:
		return Inert{"⚙ reads"}
	case v.State == task.ExaminationCancelled:
		return Inert{"stopped"}
	}
	return Inert{"❌ **no valid verdict**"}
}

func (v JudgeView) score(a judge.Aspect) Inert {
	read := v.verdict()
	if read == nil {
		return Inert{"–"}
	}
	return Inert{fmt.Sprintf("%d / %d", read.Scores[a].Score, judge.MaxScore)}
}

func (v JudgeView) findings() Inert {
	read := v.verdict()
	if read == nil {
		return Inert{"–"}
	}
	var texts []string
	for _, severity := range judge.Severities() {
		n := 0
		for _, f := range read.Findings {
			if f.Severity == severity {
				n++
			}
		}
		if n > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", n, severity))
		}
	}
	if len(texts) == 0 {
		return Inert{"none"}
	}
	return Inert{strings.Join(texts, ", ")}
}

func (v JudgeView) cost() Inert {
	if v.Usage.Requests == 0 {
		return Inert{"–"}
	}
	text := thousands(v.Usage.Tokens()) + " tokens"
	if v.Usage.Cost > 0 {
		text += ", " + Dollars(v.Usage.Cost)
	}
	return Inert{text}
}

// measured is what calibration found: of a judge as it is defined now, or nothing.
func (v JudgeView) measured() Inert {
	m := v.Measured
	if m == nil || m.Seeded+m.Clean == 0 {
		return Inert{"never"}
	}
	return Inert{fmt.Sprintf("finds %d of %d defects; %d alarms about %d clean changes", m.Found, m.Seeded, m.Alarms, m.Clean)}
}

// section is everything of one judge, folded.
func (v JudgeView) section() string {
	read := v.verdict()
	if read == nil {
		if !v.State.Ended() {
			return ""
		}
		return Say("**%s**: %s", short(v.Name), Plain(clip(v.Summary, maxNotes))).markdown
	}
	text := Say("**%s** says:\n\n<details>\n<summary>The whole verdict</summary>\n\n", short(v.Name)).markdown + Block(read.Summary, maxNotes).markdown
	for _, a := range judge.Aspects() {
		if notes := read.Scores[a].Notes; notes != "" {
			text += fmt.Sprintf("\n\n%s, %d:\n", a, read.Scores[a].Score) + Block(notes, maxNotes).markdown
		}
	}
	for _, f := range read.Findings {
		text += "\n\n" + finding(f).markdown
		if f.Text != "" {
			text += "\n" + Block(f.Text, maxNotes).markdown
		}
	}
	return text + "\n\n</details>"
}

func finding(f judge.Finding) Inert {
	where := f.Path
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.Path, f.Line)
	}
	return Say("**%s** at %s: %s", words(severity(f.Severity)), short(where), Plain(f.Title))
}

// severity is one of ours, whatever was stored.
func severity(s judge.Severity) string {
	for _, known := range judge.Severities() {
		if s == known {
			return string(s)
		}
	}
	return string(judge.Note)
}

// JudgeMarker finds a judge's review again.
func JudgeMarker(x task.Examination) string { return "<!-- coderflow:judge=" + x.ID + " -->" }

// JudgeReview is what stands over a judge's remarks on lines.
func JudgeReview(v JudgeView) string {
	return Say("%s\nJudge %s about revision %s: %s. This is advice of an AI; it approves nothing.",
		Inert{JudgeMarker(v.Examination)}, short(v.Name), v.Revision, v.recommends()).markdown
}

// JudgeRemarks are a judge's findings as remarks on lines; at gives the line of the file that
// the pull request shows. Those without a place are in the comment alone.
func JudgeRemarks(v JudgeView, at func(f judge.Finding) (path string, line int, ok bool)) []forge.Remark {
	read := v.verdict()
	if read == nil {
		return nil
	}
	var remarks []forge.Remark
	for _, f := range read.Findings {
		path, line, ok := at(f)
		if !ok {
			continue
		}
		body := Say("%s (judge %s)", finding(f), short(v.Name)).markdown
		if f.Text != "" {
			body += "\n" + Block(f.Text, 4_000).markdown
		}
		remarks = append(remarks, forge.Remark{Path: path, Line: line, Body: body})
	}
	return remarks
}

// JudgesCheck is the check run "coderflow/judges", which never says yes or no.
func JudgesCheck(v JudgesView) forge.GateCheck {
	answered, waiting := 0, 0
	for _, j := range v.Judges {
		if j.verdict() != nil {
			answered++
		}
		if !j.State.Ended() {
			waiting++
		}
	}
	check := forge.GateCheck{
		Name: forge.JudgesRun, Status: forge.CheckNeutral, Title: fmt.Sprintf("%d of %s answered; advice only", answered, count(len(v.Judges), "judge")),
		Summary: v.table(),
	}
	if waiting > 0 {
		check.Status, check.Title = forge.CheckPending, fmt.Sprintf("%d of %s answered so far", answered, count(len(v.Judges), "judge"))
	}
	return check
}
