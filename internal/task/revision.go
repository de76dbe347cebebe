package task

import (
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// FeedbackKind is what somebody asks of a proposal that is up for review.
type FeedbackKind string

// Kinds of feedback.
const (
	// FeedbackRevise is "/coderflow revise": the agent goes on with these words.
	FeedbackRevise FeedbackKind = "revise"
	// FeedbackReview is a review that requests changes: its text and what it says of lines.
	FeedbackReview FeedbackKind = "review"
	// FeedbackRebase is "/coderflow rebase": the same change on the tip of the base
	// branch. No agent runs for it.
	FeedbackRebase FeedbackKind = "rebase"
)

// Feedback is what somebody permitted asked of a proposal. It is kept when it is
// given, whatever the task is just doing, and taken up by the next revision.
type Feedback struct {
	Task ID `json:"task"`
	// Key is its meaning ("comment:42", "review:7"), unique in the task, so that the
	// same feedback by another delivery is not followed twice.
	Key  string       `json:"key"`
	Kind FeedbackKind `json:"kind"`
	By   forge.User   `json:"by"`
	URL  string       `json:"url,omitempty"`
	Text string       `json:"text,omitempty"`
	// Remarks are what a review says of single lines.
	Remarks []Remark `json:"remarks,omitempty"`
	// About is the revision that was up when it was given.
	About int `json:"about,omitempty"`
	// PolicyVersion is the policy under which its author was permitted to give it.
	PolicyVersion string    `json:"policyVersion,omitempty"`
	At            time.Time `json:"at"`
	// Revision took it up; 0 while none has.
	Revision int `json:"revision,omitempty"`
}

// Remark is a comment on a line of the proposed change, or on the change as a whole
// where Path is empty.
type Remark struct {
	Path string `json:"path,omitempty"`
	// Line is counted from 1 in the new file, and in the old one where Removed says so.
	// 0: the file as a whole.
	Line    int    `json:"line,omitempty"`
	Removed bool   `json:"removed,omitempty"`
	Text    string `json:"text"`
}

// RevisionState is what became of a revision.
type RevisionState string

// States of a revision.
const (
	RevisionMaking   RevisionState = "making"   // it is being made
	RevisionProposed RevisionState = "proposed" // it was put up for review
	RevisionNothing  RevisionState = "nothing"  // it came to nothing; the former proposal stands
)

// Revision is one round of a task after its first proposal. The first one, which the
// request itself is, has no such record.
type Revision struct {
	Task   ID            `json:"task"`
	Number int           `json:"number"`
	Kind   FeedbackKind  `json:"kind"` // FeedbackRebase, or FeedbackRevise for everything that runs the agent
	State  RevisionState `json:"state"`
	// After is the revision that it goes on from.
	After     int        `json:"after"`
	Outcome   string     `json:"outcome,omitempty"` // why it came to nothing, for people
	StartedAt time.Time  `json:"startedAt"`
	EndedAt   time.Time  `json:"endedAt,omitzero"`
	Feedback  []Feedback `json:"feedback,omitempty"` // that it took up, oldest first
}

// AgentRounds is in how many rounds of a task an agent ran, or runs: the first one, and
// its revisions that are no rebases.
func AgentRounds(revisions []Revision) int {
	n := 1
	for _, r := range revisions {
		if r.Kind != FeedbackRebase {
			n++
		}
	}
	return n
}

// Pending are the feedbacks that no revision took up yet.
func Pending(all []Feedback) []Feedback {
	return slices.DeleteFunc(slices.Clone(all), func(f Feedback) bool { return f.Revision != 0 })
}

// Round is the number of the revision that is being made, or was made last, from 1.
func (t *Task) Round() int { return max(1, t.Revision) }

// Revising reports whether the task is making another revision of a proposal that is
// up for review, to which it goes back if that comes to nothing.
func (t *Task) Revising() bool {
	return t.Round() > 1 && t.PullRequest != 0 && slices.Contains([]State{Preparing, Running, Collecting}, t.State)
}
