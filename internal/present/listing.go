package present

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// manifestLines writes the path manifest, one path a line: what happened, modes,
// lines, path. It leaves nothing out.
func manifestLines(changes []task.PathChange) []string {
	lines := make([]string, len(changes))
	for i, c := range changes {
		line := fmt.Sprintf("%-8s  %-15s  %12s  %s", visible(string(c.Kind), false), mode(c), lineCount(c), visible(c.Path, false))
		lines[i] = unclosing(line)
	}
	return lines
}

func mode(c task.PathChange) string {
	before, after := visible(c.OldMode, false), visible(c.NewMode, false)
	switch {
	case before == after || before == "":
		return after
	case after == "":
		return before
	}
	return before + " → " + after
}

func lineCount(c task.PathChange) string {
	if c.Binary || c.Added < 0 || c.Removed < 0 {
		return fmt.Sprintf("binary %d B", c.Size)
	}
	return fmt.Sprintf("+%d −%d", c.Added, c.Removed)
}

// sum counts lines over the text files of a manifest.
func sum(changes []task.PathChange) (added, removed, binaries int) {
	for _, c := range changes {
		if c.Binary || c.Added < 0 || c.Removed < 0 {
			binaries++
			continue
		}
		added += c.Added
		removed += c.Removed
	}
	return added, removed, binaries
}

// mostChanged returns up to n changes, those with the most lines first.
func mostChanged(changes []task.PathChange, n int) []task.PathChange {
	sorted := slices.Clone(changes)
	slices.SortStableFunc(sorted, func(a, b task.PathChange) int {
		return max(b.Added, 0) + max(b.Removed, 0) - max(a.Added, 0) - max(a.Removed, 0)
	})
	return sorted[:min(n, len(sorted))]
}

// chunks packs lines into pieces: the first of at most first bytes, possibly
// empty, the others of at most size bytes. No line is dropped or split.
func chunks(lines []string, first, size int) []string {
	pieces := []string{""}
	for _, line := range lines {
		room := size
		if len(pieces) == 1 {
			room = first
		}
		last := &pieces[len(pieces)-1]
		if len(*last)+len(line)+1 > room && (*last != "" || len(pieces) == 1) {
			pieces = append(pieces, "")
			last = &pieces[len(pieces)-1]
		}
		*last += line + "\n"
	}
	return pieces
}

// folded puts a fenced text behind a line to click on.
func folded(summary string, content Inert) string {
	return "<details>\n<summary>" + summary + "</summary>\n\n" + content.markdown + "\n\n</details>"
}

// table writes rows of cells. The head is ours.
func table(head words, rows [][]Inert) string {
	var b strings.Builder
	names := strings.Split(string(head), "|")
	b.WriteString("| " + strings.Join(names, " | ") + " |\n" + strings.Repeat("| --- ", len(names)) + "|\n")
	for _, row := range rows {
		for _, c := range row {
			b.WriteString("| " + cell(c) + " ")
		}
		b.WriteString("|\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
