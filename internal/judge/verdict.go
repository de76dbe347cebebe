// Package judge is what an AI reviewer is asked and what it may answer. A judge reads a
// proposal and gives a verdict; no verdict decides anything. Everything of a verdict was
// written by a model that had read the agent's change: it is bounded, free of control
// characters, and made inert where it is shown.
package judge

import "slices"

// Aspect is one thing that a verdict scores.
type Aspect string

// The aspects. Every verdict scores each of them.
const (
	Correctness  Aspect = "correctness"
	Quality      Aspect = "quality"
	Completeness Aspect = "completeness"
	Performance  Aspect = "performance"
	Security     Aspect = "security"
)

// Aspects returns them in the order in which they are shown.
func Aspects() []Aspect {
	return []Aspect{Correctness, Quality, Completeness, Performance, Security}
}

// MaxScore is the best score; 0 is the worst.
const MaxScore = 10

// Score is one aspect's.
type Score struct {
	Score int    `json:"score"` // 0 to MaxScore
	Notes string `json:"notes,omitempty"`
}

// Recommendation is what a judge would do in the reviewer's place.
type Recommendation string

// The recommendations.
const (
	Approve Recommendation = "approve"
	Revise  Recommendation = "revise"
	Reject  Recommendation = "reject"
)

// Recommendations returns them, the best first.
func Recommendations() []Recommendation { return []Recommendation{Approve, Revise, Reject} }

// Valid reports whether r is one.
func (r Recommendation) Valid() bool { return slices.Contains(Recommendations(), r) }

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	Major    Severity = "major"
	Minor    Severity = "minor"
	Note     Severity = "note"
)

// Severities returns them, the worst first.
func Severities() []Severity { return []Severity{Critical, Major, Minor, Note} }

// Finding is something that a judge found at a place of the change.
type Finding struct {
	Path     string   `json:"path"`           // one of the changed paths
	Line     int      `json:"line,omitempty"` // of the file in the result, from 1; 0: the file as a whole
	Severity Severity `json:"severity"`
	Title    string   `json:"title"` // one line
	Text     string   `json:"text,omitempty"`
}

// Verdict is the whole answer of a judge.
type Verdict struct {
	Summary        string           `json:"summary"`
	Recommendation Recommendation   `json:"recommendation"`
	Scores         map[Aspect]Score `json:"scores"`
	Findings       []Finding        `json:"findings"`
}

// Bounds of a verdict, in bytes and in findings. What an agent says last is cut at
// 16 KiB where it is read, so a longer one is no JSON any more.
const (
	MaxVerdict  = 15 << 10
	MaxSummary  = 2000
	MaxNotes    = 1000
	MaxTitle    = 200
	MaxText     = 2000
	MaxFindings = 40
)
