package policy

import (
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
)

// A service is a pipeline or another program with a token. Three things are for
// people only, here and not only where manifests are checked: to approve, to be
// server admin, and to be in a team.

// isHuman reports whether the subject can be a person. A person whom no forge
// knows (forge.OIDC) is one; that they cannot approve follows from no forge ever
// reporting a review of theirs.
func isHuman(s forge.Subject) bool { return s.Kind() == forge.Person }

// withheld is what a binding never gives, whatever its role says.
func withheld(b *Binding) permissionSet {
	switch {
	case b.Team != "" || b.Subject.IsZero() || isHuman(b.Subject):
		return 0
	case b.Role == ServerAdmin:
		return ^permissionSet(0)
	}
	return setOf([]Permission{TasksApprove})
}

// listed are the members that the manifests name.
func (t Team) listed() []Member {
	if t.Forge != nil {
		return nil
	}
	return t.Members
}

// people are the members that count.
func (t Team) people() []Member {
	if t.Forge != nil && t.Forge.Unread != "" {
		return nil
	}
	if !slices.ContainsFunc(t.Members, notHuman) {
		return t.Members
	}
	return slices.DeleteFunc(slices.Clone(t.Members), notHuman)
}

func notHuman(m Member) bool { return !isHuman(m.Subject) }

// CheckService says why the role cannot be bound to the subject, nil if it can:
// a service approves nothing and is no server admin. Anybody else may have any role.
func CheckService(s forge.Subject, role Role) error {
	switch {
	case s.IsZero() || isHuman(s):
		return nil
	case role.Name == ServerAdmin:
		return fmt.Errorf("%s is a service, which is never %s", s, ServerAdmin)
	case slices.Contains(role.Permissions, TasksApprove):
		return fmt.Errorf("%s is a service, and role %q includes %q, which is for people only", s, role.Name, TasksApprove)
	}
	return nil
}

// servicesStayServices refuses what would make a service more than one, also to
// whoever runs the server.
func servicesStayServices(c *change) {
	for i := range c.after.Bindings {
		b := &c.after.Bindings[i]
		if err := CheckService(b.Subject, c.is.roles[b.Role]); b.Team == "" && err != nil {
			c.say(bindingObject(*b), No(err.Error()))
		}
	}
	for _, name := range sortedKeys(c.after.Teams) {
		for _, m := range c.after.Teams[name].Members {
			if !isHuman(m.Subject) {
				c.say(teamObject(name), No(fmt.Sprintf("%s is a service, and only people are in a team", m.Subject)))
			}
		}
	}
}
