package web

import (
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// The answers of the API. Texts in them are what forges and agents wrote: data,
// encoded as JSON, which shows control characters as escapes.

type userView struct {
	Subject string `json:"subject"`
	Login   string `json:"login,omitempty"`
}

func viewUser(u forge.User) userView { return userView{u.Subject.String(), u.Login} }

type repositoryView struct {
	Key  string `json:"key"` // host and numeric id
	Name string `json:"name"`
}

type runView struct {
	Node       string     `json:"node,omitempty"`
	Agent      string     `json:"agent,omitempty"`
	Model      string     `json:"model,omitempty"`
	ExitCode   *int       `json:"exitCode,omitempty"` // once it ended
	Reason     string     `json:"reason,omitempty"`
	Truncated  bool       `json:"truncated,omitempty"`
	StartedAt  *time.Time `json:"startedAt,omitempty"`
	FinishedAt *time.Time `json:"finishedAt,omitempty"`
}

type taskView struct {
	ID              task.ID        `json:"id"`
	State           task.State     `json:"state"`
	Ended           bool           `json:"ended"`
	CancelRequested bool           `json:"cancelRequested"`
	Environment     string         `json:"environment"`
	Repository      repositoryView `json:"repository"`
	Title           string         `json:"title"`
	Issue           int            `json:"issue"`
	TriggerURL      string         `json:"triggerURL,omitempty"`
	PullRequest     int            `json:"pullRequest,omitempty"`
	PullRequestURL  string         `json:"pullRequestURL,omitempty"`
	BaseBranch      string         `json:"baseBranch"`
	BaseCommit      string         `json:"baseCommit,omitempty"`
	LandedCommit    string         `json:"landedCommit,omitempty"`
	Requester       userView       `json:"requester"`
	// Variant is the agent that was asked for by name. Group is the first of several that
	// work on one request, of which this is the Place of Places.
	Variant       string    `json:"variant,omitempty"`
	Group         task.ID   `json:"group,omitempty"`
	Place         int       `json:"place,omitempty"`
	Places        int       `json:"places,omitempty"`
	ReplacedBy    task.ID   `json:"replacedBy,omitempty"` // the task that was approved or started in its place
	Failure       string    `json:"failure,omitempty"`
	PolicyVersion string    `json:"policyVersion"`
	Run           runView   `json:"run"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"`
	// Frozen is the freeze that holds it up; only of one task, not in lists.
	Frozen *freezeView `json:"frozen,omitempty"`
	// Line is where it stands if it waits for a node; only of one task, not in lists.
	Line *lineView `json:"line,omitempty"`
}

func viewTask(t task.Task) taskView {
	v := taskView{
		ID: t.ID, State: t.State, Ended: t.State.Ended(), CancelRequested: t.CancelRequested, Environment: t.Environment,
		Repository: repositoryView{t.Repository.Key(), t.Repository.FullName()}, Title: t.Snapshot.Title, Issue: t.Issue,
		TriggerURL: t.TriggerURL, PullRequest: t.PullRequest, PullRequestURL: t.PullRequestURL, BaseBranch: t.BaseBranch,
		BaseCommit: t.BaseCommit, LandedCommit: t.LandedCommit, Requester: viewUser(t.Requester), Failure: t.Failure,
		Variant: t.Variant, Group: t.Group, Place: t.Place, Places: t.Places, ReplacedBy: t.ReplacedBy,
		PolicyVersion: t.PolicyVersion, CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(),
	}
	v.Run = runView{
		Node: t.Run.Node, Agent: t.Run.Agent, Model: t.Run.Model, Reason: t.Run.Reason, Truncated: t.Run.Truncated,
		StartedAt: moment(t.Run.StartedAt), FinishedAt: moment(t.Run.FinishedAt),
	}
	if v.Run.FinishedAt != nil {
		v.Run.ExitCode = &t.Run.ExitCode
	}
	return v
}

// moment is a time that may not have come; absent from the answer then.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// page is a part of a list. Cursor asks for the next part; without one this is
// the last.
type page[T any] struct {
	Items  []T    `json:"items"`
	Cursor string `json:"cursor,omitempty"`
}

// collect maps a list; an empty one is [] in JSON, not null.
func collect[A, B any](list []A, view func(A) B) []B {
	views := make([]B, 0, len(list))
	for _, item := range list {
		views = append(views, view(item))
	}
	return views
}
