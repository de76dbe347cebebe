package web

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// tokenBody is what POST /tokens takes.
type tokenBody struct {
	Name         string              `json:"name"`
	Expires      string              `json:"expires"` // 30d, 12h
	Permissions  []policy.Permission `json:"permissions"`
	Environments []string            `json:"environments"`
	Owner        string              `json:"owner"` // a service; empty: the caller
}

// makeToken makes a token for the caller or for a service. It is never more than
// the one that is used.
func makeToken(c *call) error {
	k, err := c.asked(bodyOf[tokenBody](c))
	if err != nil {
		return err
	}
	if k.Owner == c.user.Subject {
		err = c.checkOwn(k.Scope)
	} else {
		k.Scope, err = c.checkService(k.Owner, k.Scope)
	}
	if err != nil {
		return err
	}
	if end := c.token.ExpiresAt; !c.token.SignIn && k.ExpiresAt.After(end) {
		reason := policy.No(fmt.Sprintf("the token that is used ends at %s, and one that it makes cannot outlive it; sign in to make one that does",
			end.UTC().Format(time.RFC3339)))
		return &apiError{status: http.StatusForbidden, text: "this token cannot make one that lives so long", reason: &reason}
	}
	value := token.New()
	err = c.s.API.TokenDesk.MakeToken(c.Request().Context(), c.tokenChange(k), value.Hash(), maxTokens)
	if errors.Is(err, ErrTooManyTokens) {
		return &apiError{status: http.StatusConflict, text: fmt.Sprintf("%s has %d tokens already; revoke one that is not used any more", k.Owner, maxTokens)}
	}
	if err != nil {
		return err
	}
	answer := c.viewToken(k)
	answer.Token = value.Reveal()
	return c.JSON(http.StatusCreated, answer)
}

// asked is the token that the body asks for.
func (c *call) asked(body *tokenBody) (token.Token, error) {
	now := c.s.Now().UTC().Truncate(time.Microsecond)
	if body.Expires == "" {
		body.Expires = "30d"
	}
	life, err := token.ParseLifetime(body.Expires)
	if err != nil {
		return token.Token{}, bad("expires: " + err.Error())
	}
	k := token.Token{
		ID: string(task.NewID()), Name: body.Name, Owner: c.user.Subject, CreatedAt: now, CreatedBy: c.user.Subject.String(), ExpiresAt: now.Add(life),
		Scope: token.Scope{Permissions: body.Permissions, Environments: body.Environments},
	}
	if body.Owner != "" {
		if k.Owner, err = forge.ParseSubject(body.Owner); err != nil {
			return k, bad("owner: want service:NAME, or nothing for oneself")
		}
	}
	if k.Owner != c.user.Subject && k.Owner.Host != forge.Service {
		reason := policy.No("a token acts in its owner's name, so nobody makes one for another person: they sign in and make it themselves")
		return k, &apiError{status: http.StatusForbidden, text: "nobody makes a token for another person", reason: &reason}
	}
	if err := k.Check(); err != nil {
		return k, bad(err.Error())
	}
	return k, nil
}

// checkOwn: within the token that is used, and nothing in it that would mean
// nothing: what the owner holds later, they hold with a token made later.
func (c *call) checkOwn(scope token.Scope) error {
	if !c.token.Scope.Covers(scope) {
		reason := policy.No("the token that is used is narrowed, and one that it makes cannot reach more; narrow it at least as much")
		return &apiError{status: http.StatusForbidden, text: "this token cannot make one that reaches more", reason: &reason}
	}
	for _, name := range scope.Environments {
		if !c.sees(policy.EnvironmentResource(name)) {
			return bad(fmt.Sprintf("environments: there is no environment %q, or you may not see it", name))
		}
	}
	for _, permission := range scope.Permissions {
		if reason := c.anywhere(permission, scope); !reason.OK {
			return c.refused(permission, c.resources(scope)[0], reason)
		}
	}
	return nil
}

// resources are those that a scope reaches: its environments, or everything.
func (c *call) resources(scope token.Scope) []string {
	list := []string{policy.Everything, policy.Server}
	names := scope.Environments
	if names == nil {
		names = slices.Sorted(maps.Keys(c.rules.Environments))
		for _, team := range slices.Sorted(maps.Keys(c.rules.Teams)) {
			list = append(list, policy.TeamResource(team))
		}
	} else {
		list = nil
	}
	for _, name := range names {
		list = append(list, policy.EnvironmentResource(name))
	}
	return list
}

// anywhere is the reason of the first resource on which the caller holds the
// permission, or else of the first at all.
func (c *call) anywhere(permission policy.Permission, scope token.Scope) policy.Reason {
	var first policy.Reason
	for i, resource := range c.resources(scope) {
		reason := c.holds(permission, resource)
		if reason.OK {
			return reason
		}
		if i == 0 {
			first = reason
		}
	}
	return first
}

// checkService decides about a token of a service and returns what it reaches. A
// server admin makes any. Others hand out what they hold at this moment: the
// token is narrowed to just that, so that what the service gets later is not in a
// token that was made by somebody who could not give it.
func (c *call) checkService(service forge.Subject, scope token.Scope) (token.Scope, error) {
	if c.holdsAll() {
		return scope, nil
	}
	if scope.Environments == nil {
		scope.Environments = c.environmentsOf(service, scope)
	}
	if scope.Permissions == nil {
		scope.Permissions = c.permissionsOf(service, scope)
	}
	if reason := c.handsOut(service, scope); !reason.OK {
		return scope, &apiError{
			status: http.StatusForbidden, text: "you may not make this token for " + service.String(), reason: &reason,
			permission: policy.BindingsManage, resource: c.firstOf(scope),
		}
	}
	return scope, nil
}

func (c *call) firstOf(scope token.Scope) string {
	if len(scope.Environments) == 0 {
		return policy.Everything
	}
	return policy.EnvironmentResource(scope.Environments[0])
}

// holdsAll reports whether the caller is a server admin with a token that is not
// narrowed.
func (c *call) holdsAll() bool {
	return !slices.ContainsFunc(policy.Permissions(), func(p policy.PermissionInfo) bool {
		return !c.holds(p.Permission, policy.Everything).OK
	})
}

// environmentsOf are those where the service holds something that the scope
// reaches and the caller manages bindings.
func (c *call) environmentsOf(service forge.Subject, scope token.Scope) []string {
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(c.rules.Environments)) {
		narrowed := token.Scope{Permissions: scope.Permissions, Environments: []string{name}}
		if len(c.permissionsOf(service, narrowed)) > 0 && c.holds(policy.BindingsManage, policy.EnvironmentResource(name)).OK {
			names = append(names, name)
		}
	}
	return names
}

// permissionsOf are what the service holds in the environments of the scope.
func (c *call) permissionsOf(service forge.Subject, scope token.Scope) []policy.Permission {
	list := []policy.Permission{}
	user := forge.User{Subject: service, Kind: service.Kind()}
	for _, info := range policy.Permissions() {
		held := slices.ContainsFunc(scope.Environments, func(name string) bool {
			resource := policy.EnvironmentResource(name)
			return scope.Within(info.Permission, resource).OK && c.rules.HoldsOn(user, info.Permission, resource).OK
		})
		if held {
			list = append(list, info.Permission)
		}
	}
	return list
}

// handsOut tells whether the caller could give everything that the scope can ever
// reach, whatever the service holds later. A scope that is not narrowed both ways
// reaches everything; one that reaches nothing that the service holds is nobody's
// to make, so that it does not wait for the service to get it.
func (c *call) handsOut(service forge.Subject, scope token.Scope) policy.Reason {
	if c.holdsAll() {
		return policy.Yes("a server admin makes any token of a service")
	}
	if len(scope.Permissions) == 0 || len(scope.Environments) == 0 || len(c.permissionsOf(service, scope)) == 0 {
		return policy.No(fmt.Sprintf("%s holds nothing that such a token would reach in an environment where you manage bindings; a %s makes any token of a service",
			service, policy.ServerAdmin))
	}
	var reasons []policy.Reason
	for _, name := range scope.Environments {
		resource := policy.EnvironmentResource(name)
		if !c.sees(resource) {
			return policy.No(fmt.Sprintf("there is no environment %q, or you may not see it", name))
		}
		for _, permission := range append([]policy.Permission{policy.BindingsManage}, scope.Permissions...) {
			if permission.On(policy.OnEnvironment) {
				reasons = append(reasons, c.holds(permission, resource))
			}
		}
	}
	return policy.All("you can give everything that the token reaches", reasons...)
}
