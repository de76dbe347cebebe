package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Approver is somebody whose review is part of an approval.
type Approver struct {
	User
	ReviewURL string `json:"reviewURL,omitempty"`
}

// Deployment is one deployment run.
type Deployment struct {
	ID             string            `json:"id"`
	Environment    string            `json:"environment"`
	Profile        string            `json:"profile"`
	ProfileVersion string            `json:"profileVersion"`
	Parameters     map[string]string `json:"parameters"`
	Repository     Repository        `json:"repository"`
	Commit         string            `json:"commit"`
	Covers         string            `json:"covers"` // what the commit is to the approval: landed or merge
	Trigger        string            `json:"trigger"`
	RequestedBy    User              `json:"requestedBy"`
	Reason         string            `json:"reason,omitempty"`
	Task           string            `json:"task"`
	Approval       string            `json:"approval"`
	Approvers      []Approver        `json:"approvers"`
	ArmedBy        User              `json:"armedBy"` // whose approval completed the quorum
	PullRequest    int               `json:"pullRequest,omitempty"`
	PullRequestURL string            `json:"pullRequestURL,omitempty"`
	State          string            `json:"state"`
	Ended          bool              `json:"ended"`
	ExitCode       *int              `json:"exitCode,omitempty"` // once its outcome is known
	Detail         string            `json:"detail,omitempty"`
	Network        *Reach            `json:"network,omitempty"`
	Pipeline       *PipelineRun      `json:"pipeline,omitempty"`
	CreatedAt      time.Time         `json:"createdAt"`
	StartedAt      *time.Time        `json:"startedAt,omitempty"`
	FinishedAt     *time.Time        `json:"finishedAt,omitempty"`
}

// PipelineRun is the run of a pipeline that a deployment asked for, instead of running
// a script.
type PipelineRun struct {
	Host     string `json:"host"`
	Project  string `json:"project"`
	Pipeline string `json:"pipeline"` // its name or number
	Ref      string `json:"ref"`
	Run      string `json:"run,omitempty"` // its id, once it is known
	Name     string `json:"name,omitempty"`
	URL      string `json:"url,omitempty"`
	Result   string `json:"result,omitempty"`
}

// Reach is what a deployment could reach, and once it has ended what became of it.
type Reach struct {
	Hosts   []string  `json:"hosts"`
	Used    []HostUse `json:"used"`
	Refused []Refusal `json:"refused"`
}

// DeploymentFilter narrows a list of deployments. Empty fields do not.
type DeploymentFilter struct {
	Environment, Profile, Commit, Task, State string
	Before                                    string // only those before this run
	Limit                                     int    // how many at the most; over all pages
}

// deploymentPages keep an answer below [maxAnswer], whatever parameters there are.
var deploymentPages = pages{"before", 50}

// Deployments lists deployments, newest first.
func (c *Client) Deployments(ctx context.Context, f DeploymentFilter) ([]Deployment, error) {
	query := given("environment", f.Environment, "profile", f.Profile, "commit", f.Commit, "task", f.Task, "state", f.State, "before", f.Before)
	return listBy[Deployment](ctx, c, deploymentPages, f.Limit, query, "deployments")
}

// Deployment reads one.
func (c *Client) Deployment(ctx context.Context, id string) (Deployment, error) {
	var d Deployment
	return d, c.get(ctx, &d, nil, "deployments", id)
}

// DeploymentLog reads the output from a byte on. With wait the server takes its
// time until there is something.
func (c *Client) DeploymentLog(ctx context.Context, id string, from int64, wait bool) (LogPiece, error) {
	return c.log(ctx, from, wait, "deployments", id, "log")
}

// DeployRequest asks for a deployment.
type DeployRequest struct {
	Environment string            `json:"environment"`
	Profile     string            `json:"profile"`
	Repository  string            `json:"repository,omitempty"` // owner/name
	Commit      string            `json:"commit"`               // full id
	Parameters  map[string]string `json:"parameters,omitempty"`
	Reason      string            `json:"reason,omitempty"`
	// Key makes one run of the same request that is sent again.
	Key string `json:"key,omitempty"`
}

// Deploy asks for a deployment and tells how it is. It does not wait for its end.
func (c *Client) Deploy(ctx context.Context, r DeployRequest) (Deployment, error) {
	var d Deployment
	return d, c.Do(ctx, http.MethodPost, []string{"deployments"}, nil, r, &d)
}

// Parameter is one value that a deployment takes.
type Parameter struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Description string   `json:"description,omitempty"`
	Pattern     string   `json:"pattern,omitempty"`
	Options     []string `json:"options,omitempty"`
	Required    bool     `json:"required,omitempty"`
	Default     string   `json:"default,omitempty"`
}

// Profile is a deployment profile, without its script.
type Profile struct {
	Name        string      `json:"name"`
	Environment string      `json:"environment"`
	Description string      `json:"description,omitempty"`
	Parameters  []Parameter `json:"parameters"`
	Timeout     string      `json:"timeout"`
}

// Profiles lists the profiles of an environment, or of all whose deployments the
// caller may see.
func (c *Client) Profiles(ctx context.Context, environment string) ([]Profile, error) {
	var p page[Profile]
	return p.Items, c.get(ctx, &p, given("environment", environment), "profiles")
}

// log reads a piece of a log.
func (c *Client) log(ctx context.Context, from int64, wait bool, path ...string) (LogPiece, error) {
	query := url.Values{"offset": {strconv.FormatInt(from, 10)}}
	if wait {
		query.Set("follow", "true")
	}
	text, header, err := c.text(ctx, maxAnswer, query, path...)
	if err != nil {
		return LogPiece{}, err
	}
	next, err := strconv.ParseInt(header.Get("X-Log-Next-Offset"), 10, 64)
	if err != nil || next < from || (len(text) > 0) != (next > from) {
		return LogPiece{}, c.strange("it does not say where the log goes on")
	}
	return LogPiece{string(text), next, header.Get("X-Log-End") == "true"}, nil
}
