package strictyaml

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxProblems bounds what is reported of one load; the rest is counted.
const maxProblems = 100

// Problem is one thing that is wrong, where it is, and what to do about it.
type Problem struct {
	File   string // as named by the caller, or the name of an environment variable
	Line   int    // from 1; 0 if the problem has no line
	Column int    // from 1
	Path   string // "spec.repositories[0].id"; empty for the whole document
	Text   string
}

// Error returns "file:line:column: path: text", without the parts that are not known.
func (p *Problem) Error() string {
	var parts []string
	if p.File != "" {
		where := p.File
		if p.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
		}
		parts = append(parts, where)
	}
	if p.Path != "" {
		parts = append(parts, p.Path)
	}
	return strings.Join(append(parts, p.Text), ": ")
}

// Join sorts problems by file and line and joins them, one a line. It returns
// nil if there are none.
func Join(problems []*Problem) error {
	if len(problems) == 0 {
		return nil
	}
	sorted := slices.Clone(problems)
	slices.SortStableFunc(sorted, func(a, b *Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	var all []error
	for i, p := range sorted {
		if i == maxProblems {
			all = append(all, fmt.Errorf("and %d more problems", len(sorted)-maxProblems))
			break
		}
		all = append(all, p)
	}
	return errors.Join(all...)
}

// Nearest returns `; did you mean "x"?` for the candidate that is a small typing
// error away from name, else the list of candidates.
func Nearest(name string, candidates []string) string {
	best, bestDistance := "", len(name)/3+2
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(candidates) == 0 {
		return ""
	}
	return " (known: " + strings.Join(candidates, ", ") + ")"
}

// distance is the Levenshtein distance of two short ASCII words.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
