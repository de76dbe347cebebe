package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/task"
)

// User is somebody as the API names them.
type User struct {
	Subject string `json:"subject"` // HOST:ID
	Login   string `json:"login,omitempty"`
}

// Repository is one at a forge.
type Repository struct {
	Key  string `json:"key"` // host and the forge's own id
	Name string `json:"name"`
}

// Run is what a task's agent did.
type Run struct {
	Node       string     `json:"node,omitempty"` // server that every step of the task is done on
	Agent      string     `json:"agent,omitempty"`
	Model      string     `json:"model,omitempty"`
	ExitCode   *int       `json:"exitCode,omitempty"` // once it ended
	Reason     string     `json:"reason,omitempty"`
	Truncated  bool       `json:"truncated,omitempty"`
	StartedAt  *time.Time `json:"startedAt,omitempty"`
	FinishedAt *time.Time `json:"finishedAt,omitempty"`
}

// Task is one task.
type Task struct {
	ID              string     `json:"id"`
	State           string     `json:"state"`
	Ended           bool       `json:"ended"`
	CancelRequested bool       `json:"cancelRequested"`
	Environment     string     `json:"environment"`
	Repository      Repository `json:"repository"`
	Title           string     `json:"title"`
	Issue           int        `json:"issue"`
	TriggerURL      string     `json:"triggerURL,omitempty"`
	PullRequest     int        `json:"pullRequest,omitempty"`
	PullRequestURL  string     `json:"pullRequestURL,omitempty"`
	BaseBranch      string     `json:"baseBranch"`
	BaseCommit      string     `json:"baseCommit,omitempty"`
	LandedCommit    string     `json:"landedCommit,omitempty"`
	Requester       User       `json:"requester"`
	// Variant is the agent that was asked for by name. Group is the first of several that
	// work on one request, of which this is the Place of Places.
	Variant       string    `json:"variant,omitempty"`
	Group         string    `json:"group,omitempty"`
	Place         int       `json:"place,omitempty"`
	Places        int       `json:"places,omitempty"`
	ReplacedBy    string    `json:"replacedBy,omitempty"` // the task that was approved or started in its place
	Failure       string    `json:"failure,omitempty"`
	PolicyVersion string    `json:"policyVersion"`
	Run           Run       `json:"run"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"`
	Line          *Line     `json:"line,omitempty"`   // where it stands if it waits for a node; only of one task, not in lists
	Frozen        *Freeze   `json:"frozen,omitempty"` // what holds it up; only of one task, not in lists
}

// TaskFilter narrows a list of tasks.
type TaskFilter struct {
	State       string // states, separated by commas
	Environment string
	Repository  string // HOST:ID
	Requester   string // a subject or a login
	Text        string // words to search for
	Limit       int    // how many at the most; over all pages
}

// maxPage is the longest page that the API gives.
const maxPage = 200

// page is a part of a list; without a cursor it is the last.
type page[T any] struct {
	Items  []T    `json:"items"`
	Cursor string `json:"cursor"`
}

// Tasks lists tasks, newest first.
func (c *Client) Tasks(ctx context.Context, f TaskFilter) ([]Task, error) {
	query := given("state", f.State, "environment", f.Environment, "repository", f.Repository, "requester", f.Requester, "text", f.Text)
	return list[Task](ctx, c, f.Limit, query, "tasks")
}

// list reads pages until there are as many items as wanted, or no more.
func list[T any](ctx context.Context, c *Client, wanted int, query url.Values, path ...string) ([]T, error) {
	return listBy[T](ctx, c, pages{"cursor", maxPage}, wanted, query, path...)
}

// pages is how a list comes in parts: the query's parameter for the next one, and
// how many items one has at the most.
type pages struct {
	cursor string
	most   int
}

// listBy is list of a list that comes in such pages.
func listBy[T any](ctx context.Context, c *Client, by pages, wanted int, query url.Values, path ...string) ([]T, error) {
	all := []T{}
	for len(all) < wanted {
		query.Set("limit", strconv.Itoa(min(wanted-len(all), by.most)))
		var p page[T]
		if err := c.get(ctx, &p, query, path...); err != nil {
			return nil, err
		}
		all = append(all, p.Items[:min(len(p.Items), wanted-len(all))]...)
		if p.Cursor == "" {
			break
		}
		if p.Cursor == query.Get(by.cursor) {
			return nil, c.strange("its pages do not go on")
		}
		query.Set(by.cursor, p.Cursor)
	}
	return all, nil
}

// Task reads a task.
func (c *Client) Task(ctx context.Context, id string) (Task, error) {
	var t Task
	return t, c.get(ctx, &t, nil, "tasks", id)
}

// Cancel asks to end a task, and tells how it is.
func (c *Client) Cancel(ctx context.Context, id string) (Task, error) {
	var t Task
	return t, c.Do(ctx, http.MethodPost, []string{"tasks", id, "cancel"}, nil, nil, &t)
}

// Diff is what is up for approval.
type Diff struct {
	Bytes  []byte
	Digest string // what an approval is bound to
}

// Diff reads the exact bytes that are up for approval, or those of a former revision;
// with against, what that one changes of another's result. 0 is not given.
func (c *Client) Diff(ctx context.Context, id string, revision, against int) (Diff, error) {
	query := url.Values{}
	for name, number := range map[string]int{"revision": revision, "against": against} {
		if number > 0 {
			query.Set(name, strconv.Itoa(number))
		}
	}
	text, header, err := c.text(ctx, maxDiff, query, "tasks", id, "diff")
	if err != nil {
		return Diff{}, err
	}
	return Diff{text, header.Get("X-Proposal-Digest")}, nil
}

// Revisions reads the rounds after the first proposal, oldest first.
func (c *Client) Revisions(ctx context.Context, id string) ([]task.Revision, error) {
	var p page[task.Revision]
	return p.Items, c.get(ctx, &p, nil, "tasks", id, "revisions")
}

// LogPiece is a part of what a task's container wrote.
type LogPiece struct {
	Text string
	Next int64 // where the next one begins
	End  bool  // nothing more will come
}

// Log reads the output from a byte on. With wait the server takes its time until
// there is something.
func (c *Client) Log(ctx context.Context, id string, from int64, wait bool) (LogPiece, error) {
	return c.log(ctx, from, wait, "tasks", id, "log")
}

// Refusal is what the gateway refused a task.
type Refusal struct {
	What  string `json:"what"`
	Why   string `json:"why"`
	Count int64  `json:"count"`
}

// HostUse is how much a task used a host.
type HostUse struct {
	Host        string `json:"host"`
	Connections int64  `json:"connections"`
	Bytes       int64  `json:"bytes"`
}

// Models is what a task did through the model gateway.
type Models struct {
	Agent    string     `json:"agent,omitempty"`
	Model    string     `json:"model,omitempty"`
	Usage    task.Usage `json:"usage"`
	Refusals []Refusal  `json:"refusals"`
	Hosts    []HostUse  `json:"hosts"`
}

// Models reads what a task did through the model gateway.
func (c *Client) Models(ctx context.Context, id string) (Models, error) {
	var m Models
	return m, c.get(ctx, &m, nil, "tasks", id, "models")
}

// Examinations lists a task's checks and judges, oldest first.
func (c *Client) Examinations(ctx context.Context, id string) ([]task.Examination, error) {
	var p page[task.Examination]
	return p.Items, c.get(ctx, &p, nil, "tasks", id, "examinations")
}

// ExaminationLog reads what a check or a judge wrote, from a byte on.
func (c *Client) ExaminationLog(ctx context.Context, id, exam string, from int64, wait bool) (LogPiece, error) {
	return c.log(ctx, from, wait, "tasks", id, "examinations", exam, "log")
}

// Activity is a part of what a task's agent did.
type Activity struct {
	Items []activity.Event `json:"items"`
	Next  int64            `json:"next"` // byte of the log where the next part begins
	End   bool             `json:"end"`
}

// Activity reads events from a byte of the log on.
func (c *Client) Activity(ctx context.Context, id string, from int64) (Activity, error) {
	var a Activity
	if err := c.get(ctx, &a, url.Values{"offset": {strconv.FormatInt(from, 10)}}, "tasks", id, "activity"); err != nil {
		return a, err
	}
	if a.Next < from || (!a.End && a.Next == from && len(a.Items) > 0) {
		return a, c.strange("it does not say where the log goes on")
	}
	return a, nil
}

// given makes a query of the pairs whose value is not empty.
func given(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}
