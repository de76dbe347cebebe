package web

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/task"
)

type approverView struct {
	userView
	ReviewURL string `json:"reviewURL,omitempty"`
}

type deploymentView struct {
	ID             string            `json:"id"`
	Environment    string            `json:"environment"`
	Profile        string            `json:"profile"`
	ProfileVersion string            `json:"profileVersion"`
	Parameters     map[string]string `json:"parameters"`
	Repository     repositoryView    `json:"repository"`
	Commit         string            `json:"commit"` // empty while it waits for the merge
	Covers         string            `json:"covers"`
	Trigger        deploy.Trigger    `json:"trigger"`
	RequestedBy    userView          `json:"requestedBy"`
	Reason         string            `json:"reason,omitempty"`
	Task           task.ID           `json:"task"`
	Approval       string            `json:"approval"`
	Approvers      []approverView    `json:"approvers"`
	ArmedBy        userView          `json:"armedBy"`
	PullRequest    int               `json:"pullRequest,omitempty"`
	PullRequestURL string            `json:"pullRequestURL,omitempty"`
	State          deploy.RunState   `json:"state"`
	Ended          bool              `json:"ended"`
	ExitCode       *int              `json:"exitCode,omitempty"` // once its outcome is known
	Detail         string            `json:"detail,omitempty"`
	Network        *networkView      `json:"network,omitempty"` // without: nothing can be reached
	Pipeline       *pipelineView     `json:"pipeline,omitempty"`
	CreatedAt      time.Time         `json:"createdAt"`
	StartedAt      *time.Time        `json:"startedAt,omitempty"`
	FinishedAt     *time.Time        `json:"finishedAt,omitempty"`
}

func viewDeployment(r deploy.Run, a approval.Record, t task.Task) deploymentView {
	v := deploymentView{
		ID: r.ID, Environment: r.Environment, Profile: r.Profile, ProfileVersion: r.ProfileVersion, Parameters: r.Parameters,
		Repository: repositoryView{r.Repository.Key(), r.Repository.FullName()}, Commit: r.Commit, Covers: r.Covers,
		Trigger: r.Trigger, RequestedBy: viewUser(r.RequestedBy), Reason: r.Reason, Task: r.Task, Approval: r.ApprovalID,
		Approvers: viewApprovers(r, a), ArmedBy: viewUser(r.ArmedBy), PullRequest: t.PullRequest, PullRequestURL: t.PullRequestURL,
		State: r.State, Ended: r.State.Ended(), Detail: r.Detail, Network: viewNetwork(r.Reach), Pipeline: viewPipeline(r.Pipeline),
		CreatedAt: r.CreatedAt.UTC(), StartedAt: moment(r.StartedAt), FinishedAt: moment(r.FinishedAt),
	}
	if v.Parameters == nil {
		v.Parameters = map[string]string{}
	}
	if r.HasExitCode() {
		v.ExitCode = &r.ExitCode
	}
	return v
}

// pipelineView is the run of a pipeline that a deployment asked for.
type pipelineView struct {
	Host     string `json:"host"`
	Project  string `json:"project"`
	Pipeline string `json:"pipeline"` // its name or number
	Ref      string `json:"ref"`
	Run      string `json:"run,omitempty"` // its id, once it is known
	Name     string `json:"name,omitempty"`
	URL      string `json:"url,omitempty"`
	Result   string `json:"result,omitempty"`
}

func viewPipeline(p deploy.PipelineRecord) *pipelineView {
	if p.IsZero() {
		return nil
	}
	return &pipelineView{p.Host, p.Project, p.Name, p.Ref, p.ID, p.Run, p.URL, p.Result}
}

// viewApprovers are all whose reviews the approval consists of, the one that
// completed it first.
func viewApprovers(r deploy.Run, a approval.Record) []approverView {
	if a.ID == "" {
		return []approverView{{userView: viewUser(r.ArmedBy)}}
	}
	list := []approverView{{viewUser(a.Approver), a.ReviewURL}}
	for _, review := range a.Reviews {
		if review.ID != a.ReviewID {
			list = append(list, approverView{viewUser(review.Author), review.URL})
		}
	}
	return list
}

// viewRuns adds to runs which reviews and which pull request they come from.
func (c *call) viewRuns(runs []deploy.Run) ([]deploymentView, error) {
	ctx := c.Request().Context()
	approvals, tasks := map[string]approval.Record{}, map[task.ID]task.Task{}
	views := make([]deploymentView, 0, len(runs))
	for _, r := range runs {
		if _, read := approvals[r.ApprovalID]; !read {
			record, err := c.s.API.Deployments.Approval(ctx, r.ApprovalID)
			if err != nil && !errors.Is(err, task.ErrNotFound) {
				return nil, err
			}
			approvals[r.ApprovalID] = record
		}
		if _, read := tasks[r.Task]; !read {
			t, err := c.s.API.Tasks.Task(ctx, r.Task)
			if err != nil && !errors.Is(err, task.ErrNotFound) {
				return nil, err
			}
			tasks[r.Task] = t
		}
		views = append(views, viewDeployment(r, approvals[r.ApprovalID], tasks[r.Task]))
	}
	return views, nil
}

func joinedStates() string {
	var names []string
	for _, state := range RunStates() {
		names = append(names, string(state))
	}
	return strings.Join(names, ", ")
}

type profileView struct {
	Name        string             `json:"name"`
	Environment string             `json:"environment"`
	Description string             `json:"description,omitempty"`
	Parameters  []deploy.Parameter `json:"parameters"`
	Timeout     string             `json:"timeout"` // 30m0s
}

// listProfiles lists what can be deployed where the caller sees deployments. The
// scripts are in the manifests, for whoever may see those.
func listProfiles(c *call) error {
	environments := c.environments
	if name := c.query.Get("environment"); name != "" {
		if !slices.Contains(environments, name) {
			return errNoEnvironment
		}
		environments = []string{name}
	}
	now, err := c.s.API.Manifests.InForce(c.Request().Context())
	if err != nil {
		return err
	}
	list := page[profileView]{Items: []profileView{}}
	for _, environment := range environments {
		profiles := now.Set.Profiles[environment]
		for _, name := range slices.Sorted(maps.Keys(profiles)) {
			p := profiles[name]
			list.Items = append(list.Items, profileView{
				name, environment, p.Description, collect(p.Parameters, func(p deploy.Parameter) deploy.Parameter { return p }), p.Timeout.String(),
			})
		}
	}
	return c.JSON(http.StatusOK, list)
}
