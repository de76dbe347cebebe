package web

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// maxDeployment bounds the body of a request, in bytes. A profile may have 64
// parameters of 4 KiB.
const maxDeployment = 512 << 10

// deployBody is what POST /deployments takes. Who asks is not in it.
type deployBody struct {
	Environment string            `json:"environment"`
	Profile     string            `json:"profile"`
	Repository  string            `json:"repository"` // owner/name; empty: the one in which the commit was approved
	Commit      string            `json:"commit"`
	Parameters  map[string]string `json:"parameters"`
	Reason      string            `json:"reason"`
	Key         string            `json:"key"` // empty: a new request
}

// requestDeployment hands the request over to be decided, in the name of the
// token's owner. It is decided there and not before, so that what is refused is
// in the audit log whatever it lacks.
func requestDeployment(c *call) error {
	body := bodyOf[deployBody](c)
	if body.Key == "" {
		body.Key = rand.Text()
	}
	before, err := c.requestedBefore(body.Key)
	if err != nil {
		return err
	}
	run, err := c.s.API.Deployments.RequestDeployment(c.Request().Context(), engine.DeployRequest{
		By: c.user, May: c.mayDeploy, Environment: body.Environment, Profile: body.Profile, Repository: body.Repository, Commit: body.Commit,
		Parameters: body.Parameters, Reason: body.Reason, Key: body.Key,
	})
	if refusal := (*deploy.RequestError)(nil); errors.As(err, &refusal) {
		return c.refusedDeployment(body.Environment, refusal)
	}
	if err != nil {
		return fmt.Errorf("request a deployment: %w", err)
	}
	views, err := c.viewRuns([]deploy.Run{run})
	if err != nil {
		return err
	}
	status := http.StatusAccepted
	if before {
		status = http.StatusOK
	}
	return c.JSON(status, views[0])
}

// requestedBefore reports whether the caller's key has a run.
func (c *call) requestedBefore(key string) (bool, error) {
	_, err := c.s.API.Deployments.Deployment(c.Request().Context(), deploy.RequestID(c.user.Subject, key))
	if errors.Is(err, task.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (c *call) mayDeploy(environment string) policy.Reason {
	return c.holds(policy.DeploymentsExecute, policy.EnvironmentResource(environment))
}

// refusedDeployment is a refusal in the API's words. An environment that the
// caller does not see is like one that is not there, whatever was wrong.
func (c *call) refusedDeployment(environment string, refusal *deploy.RequestError) error {
	resource := policy.EnvironmentResource(environment)
	if reason := c.mayDeploy(environment); !reason.OK {
		if !c.holds(policy.EnvironmentsView, resource).OK && !c.holds(policy.DeploymentsView, resource).OK {
			return errNoEnvironment
		}
		return c.refused(policy.DeploymentsExecute, resource, reason)
	}
	status, known := map[deploy.RequestKind]int{
		deploy.NotFound: http.StatusNotFound, deploy.Forbidden: http.StatusForbidden,
		deploy.Invalid: http.StatusUnprocessableEntity, deploy.Conflict: http.StatusConflict,
		deploy.Frozen: http.StatusLocked,
	}[refusal.Kind]
	if !known {
		return fmt.Errorf("a refusal of an unknown kind: %w", refusal)
	}
	return &apiError{status: status, text: refusal.Problem}
}
