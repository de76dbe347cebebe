package web

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/policy"
)

// FreezeChange is somebody's order to stop, or to let go on, for the audit log.
type FreezeChange struct {
	Resource string // freeze.Server, or freeze.Environment(name)
	Reason   string
	By       forge.User
	When     time.Time
	// Decision is by what it was permitted.
	Decision policy.Decision
	// Using and Request are the ids of the token that was used and of the request.
	Using, Request string
}

// FreezeDesk stops everything in an emergency, and lets it go on.
type FreezeDesk interface {
	// Freezes are those in force, as the database has them now.
	Freezes(ctx context.Context) (freeze.Set, error)
	// Freeze freezes, audited, or returns the freeze that stands and false.
	Freeze(ctx context.Context, c FreezeChange) (f freeze.Freeze, fresh bool, err error)
	// Thaw ends a freeze, audited; false: the resource is not frozen.
	Thaw(ctx context.Context, c FreezeChange) (f freeze.Freeze, was bool, err error)
}

type freezeBody struct {
	Reason string `json:"reason"`
}

type freezeView struct {
	ID          string    `json:"id"`
	Resource    string    `json:"resource"`
	Environment string    `json:"environment,omitempty"` // empty: the whole server
	Reason      string    `json:"reason"`
	By          userView  `json:"by"` // at the server's machine nobody is a subject
	At          time.Time `json:"at"`
	// Already says that it was frozen before, by somebody else or for another reason.
	Already bool `json:"already,omitempty"`
}

func viewFreeze(f freeze.Freeze) freezeView {
	return freezeView{
		ID: f.ID, Resource: f.Resource, Environment: f.Name(), Reason: f.Reason, By: userView{f.By, f.Login}, At: f.At.UTC(),
	}
}

// listFreezes tells everybody that the whole server is frozen, and of environments
// those who may see them.
func listFreezes(c *call) error {
	set, err := c.s.API.Freezes.Freezes(c.Request().Context())
	if err != nil {
		return err
	}
	list := page[freezeView]{Items: []freezeView{}}
	for _, f := range set {
		resource := policy.EnvironmentResource(f.Name())
		if f.Resource == freeze.Server || c.holds(policy.EnvironmentsView, resource).OK || c.holds(policy.EnvironmentsFreeze, policy.Server).OK {
			list.Items = append(list.Items, viewFreeze(f))
		}
	}
	return c.JSON(http.StatusOK, list)
}

func (c *call) freezeChange() FreezeChange {
	change := FreezeChange{Resource: freeze.Server, By: c.user, When: c.s.Now(), Using: c.token.ID, Request: requestID(c)}
	change.By.Login = loginOf(c.rules, c.user.Subject)
	on := policy.Server
	if c.environment != "" {
		change.Resource, on = freeze.Environment(c.environment), policy.EnvironmentResource(c.environment)
	}
	reason := c.holds(policy.EnvironmentsFreeze, on)
	if !reason.OK { // it is an environment that is gone
		reason = c.holds(policy.EnvironmentsFreeze, policy.Server)
	}
	change.Decision = policy.Decision{Allowed: reason.OK, Reason: reason, PolicyVersion: c.rules.Version}
	return change
}

// setFreeze answers once the database has it: from then on nothing new begins, and
// what is under way ends within a second.
func setFreeze(c *call) error {
	change := c.freezeChange()
	change.Reason = bodyOf[freezeBody](c).Reason
	if problem := freeze.CheckReason(change.Reason); problem != "" {
		return bad(problem)
	}
	if _, known := c.rules.Environments[c.environment]; c.environment != "" && !known {
		return errNoEnvironment
	}
	f, fresh, err := c.s.API.Freezes.Freeze(c.Request().Context(), change)
	if err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	view := viewFreeze(f)
	if view.Already = !fresh; view.Already {
		return c.JSON(http.StatusOK, view)
	}
	return c.JSON(http.StatusCreated, view)
}

func liftFreeze(c *call) error {
	change := c.freezeChange()
	f, was, err := c.s.API.Freezes.Thaw(c.Request().Context(), change)
	switch {
	case err != nil:
		return fmt.Errorf("thaw: %w", err)
	case !was:
		return &apiError{status: http.StatusNotFound, text: freeze.Freeze{Resource: change.Resource}.What() + " is not frozen"}
	}
	return c.JSON(http.StatusOK, viewFreeze(f))
}

// unfrozen refuses what would change something where it is frozen. Reading goes on,
// and so does what the row says. If it cannot be read what is frozen, nothing does.
func (c *call) unfrozen() error {
	if c.row.method == http.MethodGet || c.row.whileFrozen {
		return nil
	}
	f, frozen, err := c.freezeOver(c.task.Environment, c.run.Environment, c.environment)
	if err == nil && frozen {
		err = lockedBy(f)
	}
	return err
}

// freezeOver finds the freeze that covers one of the environments, or the whole server.
func (c *call) freezeOver(environments ...string) (freeze.Freeze, bool, error) {
	if c.s.API.Freezes == nil {
		return freeze.Freeze{}, false, nil
	}
	set, err := c.s.API.Freezes.Freezes(c.Request().Context())
	if err != nil {
		return freeze.Freeze{}, false, fmt.Errorf("read what is frozen: %w", err)
	}
	f, frozen := set.Over(environments...)
	return f, frozen, nil
}

// lockedBy is the answer to whoever would change something that is frozen.
func lockedBy(f freeze.Freeze) error {
	return &apiError{status: http.StatusLocked, text: f.String() + "; try again once it was thawed"}
}

// unfrozen refuses a change of an environment that is frozen, of its profiles, or of
// who has roles on it.
func (e *edit) unfrozen() error {
	touched := map[string]bool{}
	before := &policy.Policy{}
	if e.was.Set != nil {
		before = e.c.s.API.Site.PolicyOf(e.was.Set)
	}
	for _, one := range []map[string]policy.Environment{before.Environments, e.rules.Environments} {
		for name := range one {
			was, is := before.Environments[name], e.rules.Environments[name]
			on := func(b policy.Binding) bool { return b.Resource == policy.EnvironmentResource(name) }
			touched[name] = was.Configuration != is.Configuration || !maps.Equal(was.Profiles, is.Profiles) ||
				!slices.Equal(only(before.Bindings, on), only(e.rules.Bindings, on))
		}
	}
	maps.DeleteFunc(touched, func(_ string, differs bool) bool { return !differs })
	f, frozen, err := e.c.freezeOver(slices.Collect(maps.Keys(touched))...)
	if err == nil && frozen {
		err = lockedBy(f)
	}
	return err
}

func only[T any](list []T, wanted func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return !wanted(v) })
}
