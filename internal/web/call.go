package web

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// call is one request to the API that was let in.
type call struct {
	echo.Context
	s     *server
	row   apiRow
	user  forge.User
	token token.Token
	hash  token.Hash
	rules *policy.Policy
	query url.Values
	// task is what a row onTask is about.
	task task.Task
	// exam is the examination that the path of a row onTask names, if it does.
	exam task.Examination
	// run is what a row onDeployment is about.
	run deploy.Run
	// entry is what a row onEntry is about.
	entry audit.Entry
	// approval is what a row onApproval is about.
	approval approval.Record
	// environments are, for a row onEnvironments, where the caller holds the permission;
	// for a row onLog too, or nil: the server's log.
	environments []string
	// environment is, for a row onServer or onLog, what the query names; empty: the server.
	environment string
	// resource is, for a row onResource, what the query names.
	resource string
	body     any // of a row that takes one
}

// guard lets a request through to the row's handler, or refuses it: who, how
// often, in what form, and last whether they may.
func (s *server) guard(row apiRow) echo.HandlerFunc {
	return func(ec echo.Context) error {
		c := &call{Context: ec, s: s, row: row}
		if err := s.authenticate(c); err != nil {
			return err
		}
		if wait := s.calls.take(c.user.Subject.String()); wait > 0 {
			return tooMany(wait, "too many requests by "+c.user.Subject.String())
		}
		if err := c.readForm(); err != nil {
			return err
		}
		if err := c.permit(); err != nil {
			return err
		}
		if err := c.unfrozen(); err != nil {
			return err
		}
		return row.handle(c)
	}
}

// permit reads the rules and what the row is about, and decides.
func (c *call) permit() error {
	var err error
	if c.rules, err = c.s.API.Policies.Policy(c.Request().Context()); err != nil {
		return fmt.Errorf("read the rules in force: %w", err)
	}
	switch c.row.on {
	case onSelf, onObjects, onTarget:
		return nil
	case onResource:
		return c.permitResource()
	case onEnvironments:
		return c.permitSome()
	case onTask:
		return c.permitTask()
	case onDeployment:
		return c.permitDeployment()
	case onApproval:
		return c.permitApproval()
	case onServer:
		return c.permitServer()
	case onWhole:
		if reason := c.holds(c.row.permission, policy.Server); !reason.OK {
			return c.refused(c.row.permission, policy.Server, reason)
		}
		return nil
	case onLog:
		return c.permitAudit()
	case onEntry:
		return c.permitEntry()
	}
	return fmt.Errorf("the row %s %s does not say where its permission is needed", c.row.method, c.row.path)
}

// holds tells whether owner and token reach the permission on the resource.
func (c *call) holds(permission policy.Permission, resource string) policy.Reason {
	owner := c.rules.HoldsOn(c.user, permission, resource)
	if c.token.Scope.Permissions == nil && c.token.Scope.Environments == nil {
		return owner
	}
	return policy.All("both the token and its owner reach it", c.token.Scope.Within(permission, resource), owner)
}

// where lists the environments in which the caller holds the permission.
func (c *call) where(permission policy.Permission) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(c.rules.Environments)) {
		if c.holds(permission, policy.EnvironmentResource(name)).OK {
			list = append(list, name)
		}
	}
	return list
}

// permitSome names no environment: which there are is not for everybody.
func (c *call) permitSome() error {
	c.environments = c.where(c.row.permission)
	if c.row.orServer != "" && c.holds(c.row.orServer, policy.Server).OK {
		return nil
	}
	if len(c.environments) == 0 {
		return c.refused(c.row.permission, "environment/*", policy.No(fmt.Sprintf(
			"%s holds %q in no environment that this token reaches; an environment-admin of one or a server-admin can bind a role",
			c.user.Subject, c.row.permission)))
	}
	return nil
}

// permitTask hides tasks that the caller may not view: they are not found.
func (c *call) permitTask() error {
	id, err := task.ParseID(c.Param("id"))
	if err != nil {
		return errNoTask
	}
	c.task, err = c.s.API.Tasks.Task(c.Request().Context(), id)
	if errors.Is(err, task.ErrNotFound) {
		return errNoTask
	}
	if err != nil {
		return err
	}
	resource := policy.EnvironmentResource(c.task.Environment)
	if !c.holds(policy.TasksView, resource).OK {
		return errNoTask
	}
	reason := c.holds(c.row.permission, resource)
	if c.row.requester && c.user.Subject == c.task.Requester.Subject {
		reason = c.token.Scope.Within(c.row.permission, resource)
	}
	if !reason.OK {
		return c.refused(c.row.permission, resource, reason)
	}
	return nil
}

// permitServer hides environments that the caller may not see.
func (c *call) permitServer() error {
	resource := policy.Server
	if c.query.Has("environment") {
		c.environment = c.query.Get("environment")
		resource = policy.EnvironmentResource(c.environment)
	}
	if c.environment == "" && !c.row.permission.On(policy.OnServer) {
		return bad("this is about one environment: name it with ?environment=NAME")
	}
	reason := c.holds(c.row.permission, resource)
	switch {
	case reason.OK:
		return nil
	case c.row.orServer != "" && c.holds(c.row.orServer, policy.Server).OK: // also about an environment that is gone
		return nil
	case c.environment != "" && !c.holds(policy.EnvironmentsView, resource).OK:
		return errNoEnvironment
	}
	return c.refused(c.row.permission, resource, reason)
}

// Objects that are not there and objects that the caller may not see get the
// same answer.
var (
	errNoTask        = &apiError{status: http.StatusNotFound, text: "there is no such task, or you may not see it"}
	errNoEnvironment = &apiError{status: http.StatusNotFound, text: "there is no such environment, or you may not see it"}
)

func (c *call) refused(permission policy.Permission, resource string, reason policy.Reason) error {
	return &apiError{
		status: http.StatusForbidden, text: fmt.Sprintf("this takes the permission %q on %s", permission, resource),
		permission: permission, resource: resource, reason: &reason,
	}
}
