package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

func listPermissions(c *call) error {
	return c.JSON(http.StatusOK, page[policy.PermissionInfo]{Items: policy.Permissions()})
}

type roleView struct {
	Name        string              `json:"name"`
	Description string              `json:"description,omitempty"`
	Predefined  bool                `json:"predefined"`
	Permissions []policy.Permission `json:"permissions"`
}

func listRoles(c *call) error {
	return c.JSON(http.StatusOK, page[roleView]{Items: collect(c.rules.AllRoles(), func(r policy.Role) roleView {
		return roleView{r.Name, r.Description, policy.Shadows(r.Name), r.Permissions}
	})})
}

// explanation is a decision and what was asked.
type explanation struct {
	Subject    string            `json:"subject"`
	Permission policy.Permission `json:"permission"`
	Resource   string            `json:"resource"`
	policy.Decision
}

// explainAccess answers what the subject may by their roles. A token may reach
// less: that is in /whoami.
func explainAccess(c *call) error {
	permission, err := c.permissionAsked()
	if err != nil {
		return err
	}
	user := c.user
	if text := c.query.Get("subject"); text != "" {
		subject, err := forge.ParseSubject(text)
		if err != nil {
			return bad("subject: want HOST:ID, for example github:583231")
		}
		user = forge.User{Subject: subject, Kind: subject.Kind()}
	}
	user.Login = loginOf(c.rules, user.Subject)
	return c.JSON(http.StatusOK, explanation{user.Subject.String(), permission, c.resource, c.rules.DecideOn(user, permission, c.resource)})
}

// loginOf is the login that the rules show for the subject; display text.
func loginOf(rules *policy.Policy, s forge.Subject) string {
	for _, b := range rules.Bindings {
		if b.Subject == s && b.Login != "" {
			return b.Login
		}
	}
	for _, team := range rules.Teams {
		for _, m := range team.Members {
			if m.Subject == s && m.Login != "" {
				return m.Login
			}
		}
	}
	return ""
}

func whoHolds(c *call) error {
	permission, err := c.permissionAsked()
	if err != nil {
		return err
	}
	holders, err := c.rules.Who(permission, c.resource)
	if err != nil {
		return bad(err.Error())
	}
	return c.JSON(http.StatusOK, page[policy.Holder]{Items: collect(holders, func(h policy.Holder) policy.Holder { return h })})
}

func (c *call) permissionAsked() (policy.Permission, error) {
	permission := policy.Permission(c.query.Get("permission"))
	if !permission.Known() {
		return "", bad("permission: want one of " + strings.Join(policy.PermissionNames(), ", "))
	}
	return permission, nil
}

// permitResource hides resources that the caller may not see. A row may be for
// everybody who asks about themselves.
func (c *call) permitResource() error {
	c.resource = c.query.Get("resource")
	if _, _, err := policy.ParseResource(c.resource); err != nil {
		return bad(`resource: want environment/NAME, team/NAME, server or "*"`)
	}
	if !c.sees(c.resource) {
		return errNoResource
	}
	if asked := c.query.Get("subject"); c.row.oneself && (asked == "" || asked == c.user.Subject.String()) {
		return nil
	}
	if reason := c.holds(c.row.permission, c.resource); !reason.OK {
		return c.refused(c.row.permission, c.resource, reason)
	}
	return nil
}

var errNoResource = &apiError{status: http.StatusNotFound, text: "there is no such resource, or you may not see it"}

// sees reports whether the caller reaches anything on the resource, or is in the
// team. The server and everything are no secret.
func (c *call) sees(resource string) bool {
	kind, name, err := policy.ParseResource(resource)
	if err != nil {
		return false
	}
	switch kind {
	case policy.OnServer, policy.OnEverything:
		return true
	case policy.OnTeam:
		if c.inTeam(name) {
			return true
		}
	}
	for _, info := range policy.Permissions() {
		if c.holds(info.Permission, resource).OK {
			return true
		}
	}
	return false
}

// inTeam reports whether the caller is in the team, with a token that is not
// narrowed to environments.
func (c *call) inTeam(name string) bool {
	if c.token.Scope.Environments != nil {
		return false
	}
	for _, m := range c.rules.Teams[name].Members {
		if m.Subject == c.user.Subject {
			return true
		}
	}
	return false
}

// decides says how the row decides, for the table of all routes.
func (r apiRow) decides() string {
	switch {
	case r.on == onSelf:
		return ""
	case r.on == onObjects:
		return ": " + r.who
	}
	return fmt.Sprintf(": %s on %s", r.permission, r.on)
}
