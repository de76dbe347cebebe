package web

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// Deployments are the deployment runs. What does not exist is task.ErrNotFound.
type Deployments interface {
	// Deployments returns runs, newest first, and the run before which to go on;
	// empty if there are no more.
	Deployments(ctx context.Context, f deploy.Filter) (runs []deploy.Run, next string, err error)
	Deployment(ctx context.Context, id string) (deploy.Run, error)
	// Approval returns an approval, void or not.
	Approval(ctx context.Context, id string) (approval.Record, error)
	// RequestDeployment stores a run, or finds the one that the same request made
	// before. It decides, and audits what it refuses; a refusal is a *deploy.RequestError.
	RequestDeployment(ctx context.Context, r engine.DeployRequest) (deploy.Run, error)
	// LogSize is how many bytes a stream has.
	LogSize(ctx context.Context, stream string) (int64, error)
}

// RunStates are the states of a deployment, in their order.
func RunStates() []deploy.RunState {
	return []deploy.RunState{
		deploy.Armed, deploy.Pending, deploy.Created, deploy.Running, deploy.Succeeded, deploy.Failed, deploy.Unknown, deploy.Withheld,
	}
}

var (
	runID           = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
	errNoDeployment = &apiError{status: http.StatusNotFound, text: "there is no such deployment, or you may not see it"}
)

// permitDeployment hides deployments that the caller may not view: they are not found.
func (c *call) permitDeployment() error {
	run, err := c.deployment(c.Param("id"))
	c.run = run
	return err
}

// deployment reads a run that the caller may see.
func (c *call) deployment(id string) (deploy.Run, error) {
	if !runID.MatchString(id) {
		return deploy.Run{}, errNoDeployment
	}
	run, err := c.s.API.Deployments.Deployment(c.Request().Context(), id)
	switch {
	case errors.Is(err, task.ErrNotFound):
		return run, errNoDeployment
	case err != nil:
		return run, err
	case !c.seesRun(run):
		return deploy.Run{}, errNoDeployment
	}
	return run, nil
}

// seesRun: whoever may view deployments in its environment, and whoever asked
// for it there and may still ask, which is what a pipeline waits with.
func (c *call) seesRun(run deploy.Run) bool {
	resource := policy.EnvironmentResource(run.Environment)
	own := run.Trigger == deploy.ByRequest && run.RequestedBy.Subject == c.user.Subject
	return c.holds(policy.DeploymentsView, resource).OK || own && c.holds(policy.DeploymentsExecute, resource).OK
}

func listDeployments(c *call) error {
	filter, err := c.deploymentFilter()
	if err != nil {
		return err
	}
	runs, next, err := c.s.API.Deployments.Deployments(c.Request().Context(), filter)
	if err != nil {
		return err
	}
	views, err := c.viewRuns(runs)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, page[deploymentView]{Items: views, Cursor: next})
}

// maxDeployments is the longest page of them. Each may have 64 parameters of 4 KiB.
const maxDeployments = 50

// deploymentFilter reads the filters; an empty one is none, as forms send them.
func (c *call) deploymentFilter() (deploy.Filter, error) {
	f := deploy.Filter{
		Environments: slices.Concat([]string{}, c.environments), // nil would be all
		Profile:      c.query.Get("profile"), Commit: c.query.Get("commit"), State: c.query.Get("state"), Before: c.query.Get("before"),
	}
	limit, err := c.number("limit", pageLength, 1, maxDeployments)
	if err != nil {
		return f, err
	}
	f.Limit = int(limit)
	if f.Environment = c.query.Get("environment"); f.Environment != "" && !slices.Contains(c.environments, f.Environment) {
		return f, errNoEnvironment
	}
	if text := c.query.Get("task"); text != "" {
		if f.Task, err = task.ParseID(text); err != nil {
			return f, bad("task: want the id of a task")
		}
	}
	switch {
	case f.Profile != "" && !deploy.ValidName(f.Profile):
		return f, bad("profile: want the name of a profile")
	case f.Commit != "" && !deploy.ValidCommit(f.Commit):
		return f, bad("commit: want the full id, 40 or 64 hexadecimal digits")
	case f.State != "" && !slices.Contains(RunStates(), deploy.RunState(f.State)):
		return f, bad("state: want one of " + joinedStates())
	case f.Before != "" && !runID.MatchString(f.Before):
		return f, bad("before: want the cursor of the page before")
	}
	return f, nil
}

func showDeployment(c *call) error {
	views, err := c.viewRuns([]deploy.Run{c.run})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, views[0])
}

// taskDeployments lists what the task made, as far as the caller may see it: a
// reviewer may have deployed to several environments.
func taskDeployments(c *call) error {
	runs, err := c.s.API.Records.DeployRuns(c.Request().Context(), c.task.ID)
	if err != nil {
		return err
	}
	views, err := c.viewRuns(slices.DeleteFunc(runs, func(r deploy.Run) bool { return !c.seesRun(r) }))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, page[deploymentView]{Items: views})
}
