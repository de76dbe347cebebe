package present

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/risk"
	"github.com/coderflow/coderflow/internal/task"
)

// ranked are risks with the most dangerous first.
func ranked(risks []task.Risk) []task.Risk {
	sorted := slices.Clone(risks)
	slices.SortStableFunc(sorted, func(a, b task.Risk) int { return risk.Order(a.Name) - risk.Order(b.Name) })
	return sorted
}

// tally counts risks by name, the most dangerous first, those that are not listed too.
func tally(risks []task.Risk) (names []string, counts map[string]int, all int) {
	counts = map[string]int{}
	for _, r := range ranked(risks) {
		if counts[r.Name] == 0 {
			names = append(names, r.Name)
		}
		counts[r.Name] += 1 + r.More
		all += 1 + r.More
	}
	return names, counts, all
}

// tallied writes the counts: "`destructive-sql` 2, `workflow` 1".
func tallied(risks []task.Risk) string {
	names, counts, _ := tally(risks)
	texts := make([]string, 0, len(names))
	for _, name := range names[:min(len(names), maxRows)] {
		texts = append(texts, fmt.Sprintf("%s %d", short(name).markdown, counts[name]))
	}
	return strings.Join(texts, ", ")
}

// risks is the first thing of a description: each danger with its place and why it
// is one.
func (v PullRequestView) risks() string {
	risks := ranked(v.Proposal.Risks)
	_, _, all := tally(risks)
	rows := make([][]Inert, 0, maxRows)
	for _, r := range risks[:min(len(risks), maxRows)] {
		rows = append(rows, []Inert{Code(r.Name), short(where(r)), reason(r)})
	}
	text := fmt.Sprintf("## ⚠ %s: look here first\n\n%s.\n\n%s", count(all, "risk"), tallied(risks), table("what|where|why", rows))
	if len(risks) > maxRows {
		text += fmt.Sprintf("\n\n**%s more: the complete list is in a comment below.**", count(all-shownOf(risks[:maxRows]), "risk"))
	}
	return text
}

// shownOf counts what a list of risks stands for.
func shownOf(risks []task.Risk) (n int) {
	for _, r := range risks {
		n += 1 + r.More
	}
	return n
}

// reason explains a risk: why it is one, what was found, how many there are.
func reason(r task.Risk) Inert {
	text := Plain(r.Why)
	if r.Excerpt != "" {
		text = Say("%s: %s", text, short(r.Excerpt))
	}
	if r.More > 0 {
		text = Say("%s; and %s more like it in this file", text, r.More)
	}
	return text
}

// where names the line of a risk. One that the change takes away is of the file as
// it was before.
func where(r task.Risk) string {
	switch {
	case r.Line > 0 && r.Removed:
		return fmt.Sprintf("%s:%d (removed)", r.Path, r.Line)
	case r.Line > 0:
		return fmt.Sprintf("%s:%d", r.Path, r.Line)
	}
	return r.Path
}

func riskLines(risks []task.Risk) []string {
	lines := make([]string, len(risks))
	for i, r := range ranked(risks) {
		text := fmt.Sprintf("%s  %s  (%s)", r.Name, where(r), r.Why)
		if r.Rule != "" {
			text += "  rule " + r.Rule
		}
		if r.Excerpt != "" {
			text += "  " + r.Excerpt
		}
		if r.More > 0 {
			text += fmt.Sprintf("  and %d more like it", r.More)
		}
		lines[i] = unclosing(visible(text, false))
	}
	return lines
}

// MaxAnnotations bounds what a check points at. All of it is in the description.
const MaxAnnotations = 100

// Annotations are the risks of a proposal as remarks of its check, the most
// dangerous first. at says where the risk p.Risks[i] stands in the commit that the
// check is of.
func Annotations(p task.Proposal, at func(i int) (path string, line int, ok bool)) []forge.Annotation {
	order := make([]int, len(p.Risks))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return risk.Order(p.Risks[a].Name) - risk.Order(p.Risks[b].Name) })
	var out []forge.Annotation
	for _, i := range order {
		path, line, ok := at(i)
		if !ok || len(out) >= MaxAnnotations {
			continue
		}
		out = append(out, annotation(p.Risks[i], path, line))
	}
	return out
}

// annotation is plain text: a forge shows it as it is.
func annotation(r task.Risk, path string, line int) forge.Annotation {
	title := r.Name
	if r.Rule != "" {
		title += " (" + r.Rule + ")"
	}
	text := clip(visible(where(r), false), 1_000) + ": " + clip(visible(r.Why, false), 2_000)
	if r.Excerpt != "" {
		text += "\n" + clip(visible(r.Excerpt, false), 500)
	}
	if r.More > 0 {
		text += fmt.Sprintf("\nand %d more like it in this file", r.More)
	}
	return forge.Annotation{Path: path, Line: line, Level: loudness(r.Name), Title: clip(visible(title, false), 200), Message: text}
}

func loudness(name string) forge.AnnotationLevel {
	switch risk.LevelOf(name) {
	case risk.Danger:
		return forge.AnnotationFailure
	case risk.Note:
		return forge.AnnotationNotice
	}
	return forge.AnnotationWarning
}

// RiskSummary begins the summary of a check that waits for people.
func RiskSummary(p task.Proposal) string {
	if len(p.Risks) == 0 {
		return ""
	}
	_, _, all := tally(p.Risks)
	return fmt.Sprintf("**⚠ %s:** %s. Each is at the top of the pull request, with file and line.\n\n", count(all, "risk"), tallied(p.Risks))
}
