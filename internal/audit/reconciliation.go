package audit

import "time"

// DifferenceKind says how the log and the forge do not fit. It is a label of a
// metric too.
type DifferenceKind string

// Kinds of differences between the log and the forge.
const (
	CommitUnknown        DifferenceKind = "commit-unknown"        // the forge has a commit with our trailers that no approval made
	TrailersLie          DifferenceKind = "trailers-lie"          // its trailers name another task or proposal than the log
	PushUnapproved       DifferenceKind = "push-unapproved"       // a branch of ours, or a commit of ours on a branch, without an approval of that push
	BranchMoved          DifferenceKind = "branch-moved"          // somebody else pushed to a branch of ours
	ApprovalGone         DifferenceKind = "approval-gone"         // the forge does not show the approving review any more, or not as approving
	CommitGone           DifferenceKind = "commit-gone"           // no branch has the commit that the log says was pushed
	DeploymentUnrecorded DifferenceKind = "deployment-unrecorded" // the forge shows a deployment of ours that the log does not know
	DeploymentGone       DifferenceKind = "deployment-gone"       // the forge does not show a deployment that it was told of
	RecordDiffers        DifferenceKind = "record-differs"        // the log and the database do not say the same
)

// DifferenceKinds are all of them.
func DifferenceKinds() []DifferenceKind {
	return []DifferenceKind{
		CommitUnknown, TrailersLie, PushUnapproved, BranchMoved, ApprovalGone, CommitGone, DeploymentUnrecorded, DeploymentGone, RecordDiffers,
	}
}

var nextSteps = map[DifferenceKind]string{
	CommitUnknown:        "look who pushed it (the repository's activity at the forge); if it is a cherry-pick or a backport, it is not covered by the approval that its trailers name",
	TrailersLie:          "look who pushed it; its message claims an approval that it does not have",
	PushUnapproved:       "look who pushed it, and whether the log was changed: coderflow audit verify",
	BranchMoved:          "look who pushed there; what is on top of the approved commit was approved by nobody in CoderFlow",
	ApprovalGone:         "ask the reviewer and whoever may dismiss reviews; what landed stays until somebody reverts it",
	CommitGone:           "look who force-pushed or deleted the branch (the repository's activity at the forge)",
	DeploymentUnrecorded: "look who made it at the forge; CoderFlow did not run it, or its log was changed: coderflow audit verify",
	DeploymentGone:       "look who deleted it at the forge (the organization's audit log); the log still has it",
	RecordDiffers:        "coderflow tasks chain TASK shows both; coderflow audit verify tells whether the log was changed",
}

// Next says what to look at next.
func (k DifferenceKind) Next() string { return nextSteps[k] }

// Difference is one thing in which the log and the forge do not fit. Nothing mends
// it but people.
type Difference struct {
	Kind       DifferenceKind `json:"kind"`
	Repository string         `json:"repository"` // HOST:ID
	Name       string         `json:"name"`       // of the repository, display text
	Subject    string         `json:"subject"`    // the commit, branch, review or deployment
	Task       string         `json:"task,omitempty"`
	Entry      int64          `json:"entry,omitempty"` // of the log, that says otherwise
	What       string         `json:"what"`
	Next       string         `json:"next"`
	URL        string         `json:"url,omitempty"` // at the forge
	FoundAt    time.Time      `json:"foundAt"`
	SeenAt     time.Time      `json:"seenAt"` // when it was last looked at
	// Scope is what has to be looked at to know that the difference is gone.
	Scope string `json:"-"`
}

// Look is what was looked at in one repository, and what was not. What was not
// looked at may differ.
type Look struct {
	Repository  string    `json:"repository"`
	Name        string    `json:"name"`
	At          time.Time `json:"at"`
	Branches    int       `json:"branches"`    // whose commits were looked at
	Commits     int       `json:"commits"`     // with our trailers, on those
	Tasks       int       `json:"tasks"`       // that landed
	Approvals   int       `json:"approvals"`   // of those
	Deployments int       `json:"deployments"` // that the forge shows
	NotLooked   []string  `json:"notLookedAt"`
	// After is the task behind which the next look at older ones goes on; empty: it
	// begins anew.
	After string `json:"-"`
}

// Reconciliation is the log held against the forge: by one run, or what is known of
// the last looks.
type Reconciliation struct {
	At          time.Time    `json:"at"`
	Looks       []Look       `json:"repositories"`
	Differences []Difference `json:"differences"`
	// New and Gone count what this run found first, and what it found no more.
	New  int `json:"new"`
	Gone int `json:"gone"`
	// Failed counts repositories that it could not look at.
	Failed int `json:"failed"`
	// NotLooked is what belongs to no repository.
	NotLooked []string `json:"notLookedAt"`
}
