package forge

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Repository is a repository as the forge describes it now.
type Repository struct {
	RepositoryRef
	DefaultBranch string
	URL           string // page for people
	Private       bool
	Archived      bool
	Fork          bool
}

// TeamRef names a team of an organization at a forge. The ids are the identity;
// Organization and Slug are how the forge calls it at present.
type TeamRef struct {
	Host           string
	OrganizationID string
	ID             string
	Organization   string
	Slug           string
}

// Key is the team's identity as text, "github:9919/42".
func (t TeamRef) Key() string { return t.Host + ":" + t.OrganizationID + "/" + t.ID }

// Topic is what people talk under: an issue or a pull request. GitHub numbers both
// together, Azure DevOps apart, so a number alone does not name one.
type Topic struct {
	Number      int
	PullRequest bool
}

// IssueTopic is the conversation of an issue.
func IssueTopic(number int) Topic { return Topic{Number: number} }

// PullTopic is the conversation of a pull request.
func PullTopic(number int) Topic { return Topic{Number: number, PullRequest: true} }

// String is for messages: "issue 7" or "pull request 8".
func (t Topic) String() string {
	if t.PullRequest {
		return fmt.Sprintf("pull request %d", t.Number)
	}
	return fmt.Sprintf("issue %d", t.Number)
}

// Issue is an issue, or the conversation side of a pull request.
type Issue struct {
	Number        int
	Title         string
	Body          string
	Author        User
	Labels        []string
	Open          bool
	IsPullRequest bool
	URL           string
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Topic is the conversation that the issue is.
func (i Issue) Topic() Topic { return Topic{Number: i.Number, PullRequest: i.IsPullRequest} }

// Comment is a comment in the conversation of an issue or pull request.
type Comment struct {
	ID        string // unique in the repository
	Topic     Topic
	Author    User
	Body      string // Markdown
	URL       string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Edited reports whether the text may differ from what was first posted.
func (c Comment) Edited() bool { return c.UpdatedAt.After(c.CreatedAt) }

// LabelEvent is one act of setting a label on an issue.
type LabelEvent struct {
	ID          string
	IssueNumber int
	Label       string
	Actor       User
	CreatedAt   time.Time
}

// Tip is one end of a pull request: a branch and the commit it points to.
type Tip struct {
	RepositoryID string
	Branch       string
	Commit       string
}

// PullRequest is a pull request as the forge describes it now.
type PullRequest struct {
	Number   int
	NodeID   string // GitHub's GraphQL id; empty elsewhere
	Title    string
	Body     string
	Author   User
	Open     bool
	Merged   bool
	Draft    bool
	Head     Tip
	Base     Tip
	URL      string
	MergedAs string // commit id that the forge reports for the merge, if Merged
}

// ReviewState is the forge's own word on a review.
type ReviewState string

// States of a review. Only Approved, read again from the forge, approves.
const (
	ReviewApproved         ReviewState = "approved"
	ReviewChangesRequested ReviewState = "changes_requested"
	ReviewCommented        ReviewState = "commented"
	ReviewDismissed        ReviewState = "dismissed"
	ReviewPending          ReviewState = "pending"
)

// Review is one submitted review of a pull request.
type Review struct {
	ID          string
	Author      User
	State       ReviewState
	Commit      string // the head that was reviewed
	Body        string
	URL         string
	SubmittedAt time.Time
	// DismissedByCommit is the commit whose push made the forge itself dismiss this
	// review, which approved. Empty: it is not dismissed, or a person did it.
	DismissedByCommit string `json:",omitempty"`
}

// ReviewComment is what a review says of one line of a file that a pull request adds.
type ReviewComment struct {
	ID     string
	Author User
	Path   string
	Line   int // of the file as it was reviewed, from 1; 0 where the forge does not tell
	Body   string
	URL    string
}

// Access is what the forge itself lets a user do in a repository, ordered.
type Access int

// Levels of access. Approving takes at least [AccessWrite].
const (
	AccessNone Access = iota
	AccessRead
	AccessTriage
	AccessWrite
	AccessMaintain
	AccessAdmin
)

// String returns GitHub's word for the level.
func (a Access) String() string {
	names := [...]string{"none", "read", "triage", "write", "maintain", "admin"}
	if a < 0 || int(a) >= len(names) {
		return "unknown"
	}
	return names[a]
}

// HeadChange is one update of a pull request's head branch that was not a
// fast-forward, as the forge recorded it.
type HeadChange struct {
	ID        string
	Actor     User
	Commit    string // the new head; empty where the forge does not tell
	CreatedAt time.Time
}

// Reaction is an emoji under a comment or issue, in GitHub's spelling.
type Reaction string

// The reactions CoderFlow uses.
const (
	ReactionEyes     Reaction = "eyes"
	ReactionConfused Reaction = "confused"
)

// CheckStatus is the state of a check run.
type CheckStatus string

// States of check runs. Everything but CheckSuccess and CheckNeutral keeps a pull
// request that requires the check from being merged; the gate's is never neutral.
const (
	CheckPending        CheckStatus = "in_progress"
	CheckActionRequired CheckStatus = "action_required"
	CheckSuccess        CheckStatus = "success"
	CheckFailure        CheckStatus = "failure"
	CheckCancelled      CheckStatus = "cancelled"
	CheckNeutral        CheckStatus = "neutral"
)

// Names of CoderFlow's check runs. Branch protection can require them.
const (
	GateRun   = "coderflow/gate"
	ChecksRun = "coderflow/checks"
	JudgesRun = "coderflow/judges"
)

// GateCheck is the content of one of CoderFlow's check runs on one commit.
type GateCheck struct {
	Name   string // empty: GateRun
	Commit string
	// PullRequest is the one that the commit heads: some forges show runs there only.
	PullRequest int
	ExternalID  string // task id; the run is found again by it
	Status      CheckStatus
	Title       string
	Summary     string // Markdown, already escaped
	DetailsURL  string
	// Annotations are remarks on lines of files of the commit, the most important
	// first. For one commit and external id they are always the same, or the same with
	// more behind them: forges add annotations and replace none.
	Annotations []Annotation
}

// AnnotationLevel is how loud an annotation is.
type AnnotationLevel string

// Levels of annotations, in GitHub's words.
const (
	AnnotationNotice  AnnotationLevel = "notice"
	AnnotationWarning AnnotationLevel = "warning"
	AnnotationFailure AnnotationLevel = "failure"
)

// Annotation is a remark on one line. Title and Message are plain text of bounded
// length without invisible characters.
type Annotation struct {
	Path    string
	Line    int // from 1
	Level   AnnotationLevel
	Title   string
	Message string
}

// Remark is what is said about one line of a file of a pull request, in Markdown that is
// already made inert.
type Remark struct {
	Path string
	Line int // from 1, in the head
	Body string
}

// NewRemarks are remarks that are posted together, as one review that neither approves nor
// requests changes.
type NewRemarks struct {
	Commit string // the head that they are about
	// Marker begins the body of the review, by which it is found again.
	Marker  string
	Body    string
	Remarks []Remark
}

// DeploymentState is the state of a deployment in the forge's own view.
type DeploymentState string

// States of a deployment.
const (
	DeploymentInProgress DeploymentState = "in_progress"
	DeploymentSuccess    DeploymentState = "success"
	DeploymentFailure    DeploymentState = "failure"
	DeploymentError      DeploymentState = "error" // outcome unknown
)

// Deployment mirrors one run of a profile at the forge.
type Deployment struct {
	ID          string
	Commit      string
	Environment string
	Task        string // coderflow's run id, found again by it
	Description string
	Creator     User      // who made it, of one that was read
	CreatedAt   time.Time // of one that was read
	URL         string    // of one that was read, for people
}

// Token is a short-lived credential for exactly one repository.
type Token struct {
	Value   Secret
	Expires time.Time
	Source  string // for the audit log: "github app installation 42"
}

// Secret is a string that prints as "[redacted]" whatever the verb.
type Secret string

// Format implements fmt.Formatter. (A Stringer would not do: fmt prints the value
// itself for a verb that does not fit, such as %d.)
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText implements encoding.TextMarshaler, so that a secret that slips
// into JSON or a log attribute does not leak.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Reveal returns the value, for handing it to the one place that needs it.
func (s Secret) Reveal() string { return string(s) }
