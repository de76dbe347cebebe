// Package task holds what CoderFlow works on: the task, its snapshot of the
// request, the proposal made of it, and the state machine.
package task

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// ID names a task. It is part of branch, container and volume names, so its
// alphabet is that of [NewID].
type ID string

var idPattern = regexp.MustCompile(`^[a-z2-7]{12}$`)

// NewID returns a random id of 60 bits: 12 characters of lower-case base32.
func NewID() ID { return ID(strings.ToLower(rand.Text()[:12])) }

// ParseID checks that s has the form of an id.
func ParseID(s string) (ID, error) {
	if !idPattern.MatchString(s) {
		return "", fmt.Errorf("task id %q: want 12 characters of a–z and 2–7", s)
	}
	return ID(s), nil
}

// BranchPrefix begins the name of every proposal branch.
const BranchPrefix = "coderflow/"

// Branch is the proposal branch of the task.
func (id ID) Branch() string { return BranchPrefix + string(id) }

// FromBranch returns the task whose proposal branch this is.
func FromBranch(branch string) (ID, bool) {
	rest, found := strings.CutPrefix(branch, BranchPrefix)
	return ID(rest), found && idPattern.MatchString(rest)
}

// Task is one request to change a repository.
type Task struct {
	ID          ID
	State       State
	Epoch       int64 // fencing token: raised by every owner and every transition
	Environment string
	Repository  forge.RepositoryRef
	Issue       int
	BaseBranch  string
	BaseCommit  string // pinned while preparing
	Requester   forge.User
	// TriggerKey is the meaning of what caused the task ("comment:42"). It is
	// unique, so that the same cause under another delivery id makes no second task.
	TriggerKey string
	TriggerURL string
	Snapshot   Snapshot
	// PolicyVersion is the manifest version under which the task was accepted.
	PolicyVersion string
	// Failure says what ended the task or holds it up, for people. Empty if nothing does.
	Failure string
	// Run is what the container reported, once it ended.
	Run Run
	// Revision is the one being made, or made last. Numbers of revisions that came to
	// nothing are not used again.
	Revision int
	// PullRequest is its number at the forge, 0 before it exists.
	PullRequest    int
	PullRequestURL string
	// ApprovalID is the approval in force, empty before.
	ApprovalID string
	// LandedCommit is the commit that the approval made, empty before.
	LandedCommit string
	// CancelRequested is set by /coderflow cancel and seen by the next step.
	CancelRequested bool
	// Variant names the agent of the environment that was asked for; empty: its first.
	Variant string
	// Group ties the variants of one request together: it is the id of the first. Empty: the task is alone.
	Group ID
	// Place is the variant's among the Places of its group, from 1. Both 0: the task is alone.
	Place, Places int
	// ReplacedBy is the task that was approved or started in the place of this one, which
	// the next step ends. Once set, no approval of this task is taken any more.
	ReplacedBy ID
	// Judged are the reviews that the gate has looked at, so that each is answered once.
	Judged []Judgement
	// Reported is the state that people were last told at the forge. A task that
	// ended is still open to the engine until its end was reported.
	Reported  State
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Snapshot is the request exactly as it stood at the trigger. Later edits at
// the forge do not reach the agent.
type Snapshot struct {
	Title        string    `json:"title"`
	Body         string    `json:"body"`
	Instructions string    `json:"instructions,omitempty"` // text after the command
	Comments     []Comment `json:"comments,omitempty"`
	// HiddenRemoved counts invisible characters and HTML comments left out of the prompt.
	HiddenRemoved int `json:"hiddenRemoved,omitempty"`
	// CommentsOmitted counts comments left out: edited since, by strangers, or over the cap.
	CommentsOmitted int `json:"commentsOmitted,omitempty"`
}

// Comment is one comment of a snapshot.
type Comment struct {
	Author forge.User `json:"author"`
	Body   string     `json:"body"`
	At     time.Time  `json:"at"`
}

// Judgement is what the gate said about one review.
type Judgement struct {
	Review   string     `json:"review"`
	URL      string     `json:"url,omitempty"`
	Reviewer forge.User `json:"reviewer"`
	Allowed  bool       `json:"allowed"`
	// Counted tells that nothing is wrong with the review, but that it takes others too.
	Counted bool `json:"counted,omitempty"`
	// Decision is the policy's decision with its tree of reasons, as JSON.
	Decision json.RawMessage `json:"decision,omitempty"`
	At       time.Time       `json:"at"`
	// Kept is the commit that was made of this approval and not pushed, as it asked.
	// The approval is used up then.
	Kept string `json:"kept,omitempty"`
	// Told is set once the reviewer was answered at the forge.
	Told bool `json:"told,omitempty"`
}

// HasJudged reports whether the gate already answered this review.
func (t *Task) HasJudged(review string) bool {
	return slices.ContainsFunc(t.Judged, func(j Judgement) bool { return j.Review == review })
}

// Settled reports whether the gate answered this review for good. One that is
// counted is judged again until the approval is complete.
func (t *Task) Settled(review string) bool {
	return slices.ContainsFunc(t.Judged, func(j Judgement) bool { return j.Review == review && !j.Counted })
}

// UsedUp reports whether an approval by this review was carried out already: its
// commit was made and kept. Editing the review's text does not make it another one.
func (t *Task) UsedUp(review string) bool {
	return slices.ContainsFunc(t.Judged, func(j Judgement) bool { return j.Review == review && j.Kept != "" })
}

// Counted are the reviews that count and wait for others.
func (t *Task) Counted() []string {
	var reviews []string
	for _, j := range t.Judged {
		if j.Counted {
			reviews = append(reviews, j.Review)
		}
	}
	return reviews
}

// Run is the outcome of the agent's container.
type Run struct {
	// Node has the container, the workspace and the objects of the change: every step
	// from there on is that node's. Empty in tasks from before there were several.
	Node string `json:"node,omitempty"`
	// LostNode is the one that had the task before it was lost. If that one comes back first,
	// its container goes on.
	LostNode string `json:"lostNode,omitempty"`
	// LogFrom is where the container's output begins in the task's output, in bytes: a
	// revision's container has one of its own.
	LogFrom int64 `json:"logFrom,omitempty"`
	// Volume is the workspace where it is not the task's first one, and Start the commit
	// that it began with; its tree is that of the proposal then.
	Volume string `json:"volume,omitempty"`
	Start  string `json:"start,omitempty"`
	// Tree is the proposal's that the workspace has; empty where nothing is known of it.
	Tree       string    `json:"tree,omitempty"`
	Container  string    `json:"container,omitempty"`
	Image      string    `json:"image,omitempty"` // digest or id of the image that really ran
	Agent      string    `json:"agent,omitempty"` // preset and version
	Model      string    `json:"model,omitempty"` // that it was told to use
	ExitCode   int       `json:"exitCode"`
	Reason     string    `json:"reason,omitempty"` // sandbox.Reason
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	Truncated  bool      `json:"truncated,omitempty"` // output was cut at the cap
}

var (
	// ErrNotFound is an object that the store does not have.
	ErrNotFound = errors.New("not found")
	// ErrStale is a write under an epoch that is no longer the task's.
	ErrStale = errors.New("somebody else changed the task in between")
	// ErrReplaced is an approval of a task in whose place another one was approved or started.
	ErrReplaced = errors.New("another task took the place of this one")
	// ErrLeased is a task that another worker is busy with; try again soon.
	ErrLeased = errors.New("another worker holds the task")
)
