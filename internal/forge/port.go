package forge

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of every adapter. Callers branch with errors.Is and errors.As.
var (
	// ErrNotFound means that the forge does not show the object to us: it does
	// not exist, or we may not see it, or its name now belongs to another id.
	ErrNotFound = errors.New("not found at the forge")
	// ErrForbidden means that our credential does not allow the call.
	ErrForbidden = errors.New("the forge does not allow this")
	// ErrDraftsUnsupported means that the repository cannot have draft pull
	// requests (GitHub: private repositories on some plans).
	ErrDraftsUnsupported = errors.New("this repository does not support draft pull requests")
	// ErrUnsupported means that the forge has nothing of the kind.
	ErrUnsupported = errors.New("the forge has no such thing")
)

// RateLimitError asks to wait. It is returned for primary and secondary limits.
type RateLimitError struct {
	RetryAfter time.Duration
	Cause      error
}

// Error implements error.
func (e *RateLimitError) Error() string {
	return fmt.Sprintf("the forge asks to wait %s: %v", e.RetryAfter.Round(time.Second), e.Cause)
}

// Unwrap returns the forge's own answer.
func (e *RateLimitError) Unwrap() error { return e.Cause }

// RefusedError is a refusal in the forge's own words, which are shown to people.
type RefusedError struct {
	Operation string
	Words     string
}

// Error implements error.
func (e *RefusedError) Error() string { return e.Operation + ": " + e.Words }

// Repositories reads repositories and what people may do in them.
type Repositories interface {
	// Repository reads ref by its present name and fails with ErrNotFound if the
	// id behind the name is another one.
	Repository(ctx context.Context, ref RepositoryRef) (Repository, error)
	// BranchHead returns the commit a branch points to, or ErrNotFound.
	BranchHead(ctx context.Context, ref RepositoryRef, branch string) (string, error)
	// AccessOf returns what the forge lets the user do; AccessNone is an answer.
	// It fails with ErrNotFound if the login now belongs to another id.
	AccessOf(ctx context.Context, ref RepositoryRef, user User) (Access, error)
}

// Issues reads issues, comments and label events.
type Issues interface {
	// Issue reads an issue, or a pull request as what people talk under.
	Issue(ctx context.Context, ref RepositoryRef, topic Topic) (Issue, error)
	// Comments returns the comments of one issue, oldest first.
	Comments(ctx context.Context, ref RepositoryRef, number int) ([]Comment, error)
	// CommentsSince returns comments of the whole repository updated at or after since, oldest first.
	CommentsSince(ctx context.Context, ref RepositoryRef, since time.Time) ([]Comment, error)
	// LabelEvents returns the acts of labelling one issue, oldest first.
	LabelEvents(ctx context.Context, ref RepositoryRef, number int) ([]LabelEvent, error)
	// LabeledIssues returns the open issues that carry the label.
	LabeledIssues(ctx context.Context, ref RepositoryRef, label string) ([]Issue, error)
}

// Conversation writes into issues and pull requests. Bodies are Markdown that
// is already made inert.
type Conversation interface {
	// UpsertComment edits the comment of ours that contains marker, or posts one.
	// It is idempotent: a lost response does not lead to a second comment.
	UpsertComment(ctx context.Context, ref RepositoryRef, topic Topic, marker, body string) (Comment, error)
	// React adds a reaction to a comment, or the one that the forge has nearest to it;
	// repeating it changes nothing.
	React(ctx context.Context, ref RepositoryRef, commentID string, reaction Reaction) error
	// ReactToIssue adds a reaction to an issue.
	ReactToIssue(ctx context.Context, ref RepositoryRef, number int, reaction Reaction) error
}

// StateLabelPrefix begins the labels by which CoderFlow shows states. None of them
// starts a task: a label that does has no space behind the colon.
const StateLabelPrefix = "coderflow: "

// Label is a label of a repository.
type Label struct {
	Name        string
	Color       string // six hexadecimal digits
	Description string
}

// Labels shows states on issues.
type Labels interface {
	// SetStateLabel makes want the only one of ours on the issue, making it if the
	// repository does not have it. Without a name all of ours are taken off. Other
	// labels are left alone.
	SetStateLabel(ctx context.Context, ref RepositoryRef, number int, want Label, ours []string) error
}

// NewPullRequest is what [PullRequests.Open] needs.
type NewPullRequest struct {
	Title, Body, Head, Base string
	Draft                   bool
	// Issue is the one that it is about, for forges that link the two by themselves.
	Issue int
}

// PullRequests reads and writes pull requests.
type PullRequests interface {
	PullRequest(ctx context.Context, ref RepositoryRef, number int) (PullRequest, error)
	// PullRequestByHead finds the pull request of one of our branches, open or
	// not, or fails with ErrNotFound.
	PullRequestByHead(ctx context.Context, ref RepositoryRef, branch string) (PullRequest, error)
	// OpenPullRequest fails with ErrDraftsUnsupported where drafts are refused.
	OpenPullRequest(ctx context.Context, ref RepositoryRef, pr NewPullRequest) (PullRequest, error)
	UpdatePullRequest(ctx context.Context, ref RepositoryRef, number int, title, body string) error
	// ClosePullRequest closes it without merging; a closed one is left alone.
	ClosePullRequest(ctx context.Context, ref RepositoryRef, number int) error
	// MarkReady makes a draft ready for review; a ready one is left alone.
	MarkReady(ctx context.Context, ref RepositoryRef, pr PullRequest) error
	// HoldReviews lets nobody review the pull request until MarkReady, and takes back the
	// reviews that were given, where drafts take none. Elsewhere it does nothing.
	HoldReviews(ctx context.Context, ref RepositoryRef, pr PullRequest) error
}

// Closing is one act of closing an issue or a pull request.
type Closing struct {
	Actor User
	At    time.Time
}

// Reviews reads what reviewers decided.
type Reviews interface {
	// Review reads one review as it is now, or ErrNotFound.
	Review(ctx context.Context, ref RepositoryRef, number int, id string) (Review, error)
	// Reviews returns all submitted reviews, oldest first.
	Reviews(ctx context.Context, ref RepositoryRef, number int) ([]Review, error)
	// ReviewComments returns what one review says of lines, oldest first.
	ReviewComments(ctx context.Context, ref RepositoryRef, number int, review string) ([]ReviewComment, error)
	// HeadChanges returns the recorded force-pushes of the pull request's head, oldest first.
	HeadChanges(ctx context.Context, ref RepositoryRef, number int) ([]HeadChange, error)
	// Closings returns the recorded acts of closing the pull request, oldest first, also
	// where it was opened again.
	Closings(ctx context.Context, ref RepositoryRef, number int) ([]Closing, error)
}

// Checks writes CoderFlow's check runs.
type Checks interface {
	// SetGate creates or updates the check run of the name on the commit.
	SetGate(ctx context.Context, ref RepositoryRef, check GateCheck) error
}

// Remarks writes remarks on lines.
type Remarks interface {
	// PostRemarks posts them once: where a review of ours begins with the marker, nothing
	// is posted. It fails with *RefusedError if a line is not one that the forge shows.
	PostRemarks(ctx context.Context, ref RepositoryRef, number int, r NewRemarks) error
}

// Deployments mirrors deployments to the forge.
type Deployments interface {
	// EnsureDeployment finds the deployment by (commit, environment, task) or creates it.
	EnsureDeployment(ctx context.Context, ref RepositoryRef, d Deployment) (Deployment, error)
	SetDeploymentState(ctx context.Context, ref RepositoryRef, id string, state DeploymentState, description, url string) error
}

// DeploymentHistory reads which deployments the forge shows. Its methods fail with
// ErrUnsupported where the forge cannot list them.
type DeploymentHistory interface {
	// RecentDeployments returns the newest deployments of the repository, whoever made
	// them, at most most; complete tells that there are no others.
	RecentDeployments(ctx context.Context, ref RepositoryRef, most int) (list []Deployment, complete bool, err error)
	// Deployment reads one, or fails with ErrNotFound.
	Deployment(ctx context.Context, ref RepositoryRef, id string) (Deployment, error)
}

// Teams reads who is in a team of an organization.
type Teams interface {
	// TeamMembers returns everybody in the team, by the ids of the organization and
	// the team, which a rename does not change. It fails with ErrNotFound if the
	// team is gone or not shown to us: that is not an empty team.
	TeamMembers(ctx context.Context, team TeamRef) ([]User, error)
	// TeamBySlug finds a team by the names that it has now, or fails with ErrNotFound.
	TeamBySlug(ctx context.Context, host, organization, slug string) (TeamRef, error)
}

// TokenSource mints credentials for git, each for exactly one repository (by
// id) with the least permissions.
type TokenSource interface {
	// ReadToken can fetch.
	ReadToken(ctx context.Context, ref RepositoryRef) (Token, error)
	// PushToken can push. Only the publication of inert proposals and the
	// landing of a Grant ask for it; see approval.Grant.Credential.
	PushToken(ctx context.Context, ref RepositoryRef) (Token, error)
	// GitURL is where git finds the repository.
	GitURL(ref RepositoryRef) string
}

// Credentials tests credentials that somebody else made than the adapter.
type Credentials interface {
	// CheckCredential asks the forge whether the credential can fetch from the
	// repository or, if push is set, push to it. It fails with ErrForbidden or
	// ErrNotFound if the forge refuses it.
	CheckCredential(ctx context.Context, ref RepositoryRef, credential Secret, push bool) error
}

// Events completes what deliveries told.
type Events interface {
	// Complete reads what the delivery of an event did not tell: nothing where all was
	// told. What happened may turn out to be nothing to act on, or several things.
	Complete(ctx context.Context, event Event) ([]Event, error)
}

// Traits are the differences between forges that the steps have to know.
type Traits struct {
	// ReviewsWaitForReady tells that a draft pull request cannot be reviewed. It is made
	// ready once its checks and judges have ended, and a draft again for a revision.
	ReviewsWaitForReady bool
	// DirectivesInComments tells that a review has no text of its own. The reviewer's
	// newest comment with a directive, given before the review, stands for it.
	DirectivesInComments bool
	// MaxDescription bounds the description of a pull request, in characters; 0: as comments.
	MaxDescription int
}

// Forge is everything an adapter offers. Consumers declare the part they need.
type Forge interface {
	Events
	Repositories
	Issues
	Conversation
	Labels
	PullRequests
	Reviews
	Remarks
	Checks
	Deployments
	DeploymentHistory
	Teams
	TokenSource
	Credentials
	// Self is the account under which CoderFlow writes to the forge of that host.
	Self(ctx context.Context, host string) (User, error)
	// Traits are those of the forge of that host.
	Traits(host string) Traits
	// Ping tells whether the forge answers, for /readyz.
	Ping(ctx context.Context) error
}
