package forge

import "time"

// EventKind is what a delivery is about. A delivery is a hint: handlers read
// the forge again before they act.
type EventKind string

// Kinds of event CoderFlow acts on; everything else is acknowledged and kept
// out of the inbox.
const (
	EventCommentCreated    EventKind = "comment_created"
	EventIssueLabeled      EventKind = "issue_labeled"
	EventIssueClosed       EventKind = "issue_closed"
	EventPullRequestPushed EventKind = "pull_request_pushed"
	EventPullRequestClosed EventKind = "pull_request_closed"
	EventPullRequestEdited EventKind = "pull_request_edited"
	EventReviewSubmitted   EventKind = "review_submitted"
	EventReviewDismissed   EventKind = "review_dismissed"
)

// Event is a delivery in neutral terms. Which of the pointers is set follows
// from Kind. Texts are as they were when the event happened, which is why the
// snapshot for the agent is taken from here and not read later.
type Event struct {
	Kind        EventKind     `json:"kind"`
	Repository  RepositoryRef `json:"repository"`
	Actor       User          `json:"actor"`
	Issue       *Issue        `json:"issue,omitempty"`
	Comment     *Comment      `json:"comment,omitempty"`
	Label       string        `json:"label,omitempty"`
	PullRequest *PullRequest  `json:"pullRequest,omitempty"`
	Review      *Review       `json:"review,omitempty"`
	At          time.Time     `json:"at"`
}

// Delivery is a verified webhook delivery: what the inbox keeps.
type Delivery struct {
	// ID is the forge's own delivery id. A redelivery has the same one.
	ID    string
	Host  string
	Event string // the forge's name of the event, for display
	// Headers are the few that are kept; see the adapter's allow-list.
	Headers    map[string]string
	Events     []Event
	ReceivedAt time.Time
	// Outcome is empty until the delivery was handled.
	Outcome string
}
