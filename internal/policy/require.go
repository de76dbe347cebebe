package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// Change is what a proposal changes, as it is stored: its path manifest, which is
// part of what its digest pins, and its risks; and what judges say of it, which its digest
// does not pin and which can only raise what is asked for.
type Change struct {
	Paths  []task.PathChange
	Risks  []task.Risk
	Judges Judges `json:",omitzero"`
}

// ChangeOf is the change that the proposal makes. What judges say of it is not known.
func ChangeOf(p task.Proposal) Change { return Change{Paths: p.Manifest, Risks: p.Risks} }

// bytesPerLine is how much of a file without lines counts as one line.
const bytesPerLine = 32

// modes of git that make a path stand for what is elsewhere.
const (
	modeLink    = "120000"
	modeGitlink = "160000"
)

// looked is a change prepared for many rules.
type looked struct {
	paths []lookedPath
	risks []task.Risk
	lines int

	judges Judges
}

type lookedPath struct {
	path        string
	raw, folded []string // components
	link        bool
}

func (c Change) look() looked {
	l := looked{risks: c.Risks, judges: c.Judges}
	for _, p := range c.Paths {
		l.lines += linesOf(p)
		l.paths = append(l.paths, lookedPath{
			path: p.Path, raw: strings.Split(p.Path, "/"), folded: foldAll(strings.Split(p.Path, "/")),
			link: isLink(p.OldMode) || isLink(p.NewMode),
		})
	}
	return l
}

func isLink(mode string) bool { return mode == modeLink || mode == modeGitlink }

// linesOf counts the lines that were added and removed. A file without lines
// counts by its size, so that a NUL byte does not make a change small.
func linesOf(p task.PathChange) int {
	if p.Binary || p.Added < 0 || p.Removed < 0 {
		return 1 + int(max(p.Size, 0)/bytesPerLine)
	}
	return p.Added + p.Removed
}

// matches says what of the change the rule is about, or "". A rule without any
// condition is about everything.
func (r GateRule) matches(c looked) string {
	if len(r.Paths) == 0 && len(r.Risks) == 0 && r.Files <= 0 && r.Lines <= 0 && r.Judges == nil {
		return "it has no condition"
	}
	if path, n := r.matchesPath(c); n > 0 {
		return fmt.Sprintf("%q is changed%s", path, others(n))
	}
	if risk, n := r.matchesRisk(c); n > 0 {
		return fmt.Sprintf("of the risk %q in %q%s", risk.Name, risk.Path, others(n))
	}
	if n := len(c.paths); r.Files > 0 && n > r.Files {
		return fmt.Sprintf("%d files are changed, more than %d", n, r.Files)
	}
	if r.Lines > 0 && c.lines > r.Lines {
		return fmt.Sprintf("%d lines are changed, more than %d", c.lines, r.Lines)
	}
	return r.Judges.matches(c.judges)
}

func others(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(", and %d more", n-1)
}

func (r GateRule) matchesPath(c looked) (first string, n int) {
	patterns := make([]glob, len(r.Paths))
	for i, text := range r.Paths {
		patterns[i] = newGlob(text)
	}
	for _, p := range c.paths {
		if !slices.ContainsFunc(patterns, func(g glob) bool { return g.matches(p) }) {
			continue
		}
		if n++; n == 1 {
			first = p.path
		}
	}
	return first, n
}

func (r GateRule) matchesRisk(c looked) (first task.Risk, n int) {
	for _, risk := range c.risks {
		if !slices.Contains(r.Risks, risk.Name) {
			continue
		}
		if n++; n == 1 {
			first = risk
		}
	}
	return first, n
}
