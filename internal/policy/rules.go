package policy

import (
	"fmt"
	"slices"
)

// changeRules are what every change must satisfy. Each stands for itself: a test
// removes one after the other and sees what then gets through.
var changeRules = []changeRule{
	{name: "a role is defined by whoever manages roles", check: rolesAreManaged},
	{name: "a role has only permissions that its author holds everywhere", check: rolesAreHeld},
	{name: "a role that is bound changes only by whoever could bind it there", check: boundRoles},
	{name: "a binding is made by whoever manages bindings there", check: bindingsAreManaged},
	{name: "a binding gives only what its author holds there", check: bindingsAreHeld},
	{name: "only a server admin binds on everything", check: everythingByServerAdmins},
	{name: "a team is changed by whoever manages it", check: teamsAreManaged},
	{name: "membership gives only what its author holds", check: membershipsAreHeld},
	{name: "an environment is changed by whoever manages it", check: environmentsAreManaged},
	{name: "a profile is changed by whoever manages profiles there", check: profilesAreManaged},
	{name: "a shared repository is listed by whoever manages both environments", check: sharedRepositories},
	{name: "a git provider is changed by whoever looks after the server", check: providersAreManaged},
	{name: "a service approves nothing, is no server admin and in no team", always: true, check: servicesStayServices},
	{name: "somebody stays server admin", always: true, check: lastServerAdmin},
}

func rolesAreManaged(c *change) {
	for _, name := range c.roles {
		c.needs(roleObject(name), RolesManage, Server, "changing a role")
	}
}

// rolesAreHeld asks for both the old and the new permissions: taking one out of
// a role takes it from others.
func rolesAreHeld(c *change) {
	for _, name := range c.roles {
		c.needsAll(roleObject(name), bothRoles(c, name), Everything, "a role with this permission")
	}
}

func bothRoles(c *change, name string) Role {
	permissions := slices.Clone(c.before.Roles[name].Permissions)
	for _, p := range c.after.Roles[name].Permissions {
		if !slices.Contains(permissions, p) {
			permissions = append(permissions, p)
		}
	}
	return Role{Name: name, Permissions: permissions}
}

func boundRoles(c *change) {
	for _, name := range c.roles {
		asked := map[string]bool{}
		for _, b := range slices.Concat(c.before.Bindings, c.after.Bindings) {
			if b.Role != name || asked[b.Resource] {
				continue
			}
			asked[b.Resource] = true
			why := fmt.Sprintf("the role is bound there (binding %q), and changing it", b.Name)
			c.needs(roleObject(name), BindingsManage, b.Resource, why)
			c.needsAll(roleObject(name), bothRoles(c, name), b.Resource, why)
		}
	}
}

func bindingsAreManaged(c *change) {
	c.eachBinding(func(object, verb string, b Binding, _ Role) {
		c.needs(object, BindingsManage, b.Resource, verb+" a binding")
	})
}

func bindingsAreHeld(c *change) {
	c.eachBinding(func(object, verb string, b Binding, role Role) {
		c.needsAll(object, role, b.Resource, fmt.Sprintf("%s a binding of role %q", verb, b.Role))
	})
}

func everythingByServerAdmins(c *change) {
	c.eachBinding(func(object, verb string, b Binding, _ Role) {
		if b.Resource != Everything {
			return
		}
		if slices.Contains(serverAdmins(c.before), c.actor.User.Subject) {
			c.say(object, Yes("a server admin binds on everything"))
		} else {
			c.say(object, No(fmt.Sprintf("%s a binding on everything takes a %s%s", verb, ServerAdmin, list(c.was.people(ServerManage, Everything)))))
		}
	})
}

// eachBinding calls f with each binding that goes, with its role as it was, and
// each that comes, with its role as it will be.
func (c *change) eachBinding(f func(object, verb string, b Binding, role Role)) {
	for _, b := range c.removed {
		f(bindingObject(b), "removing", b, c.was.roles[b.Role])
	}
	for _, b := range c.put {
		f(bindingObject(b), "making", b, c.is.roles[b.Role])
	}
}

func teamsAreManaged(c *change) {
	for _, name := range unionKeys(c.before.Teams, c.after.Teams) {
		old, existed := c.before.Teams[name]
		now, exists := c.after.Teams[name]
		switch {
		case existed && !exists:
			c.needs(teamObject(name), TeamsManage, TeamResource(name), "removing a team")
		case !existed:
			c.needs(teamObject(name), TeamsManage, TeamResource(name), "making a team")
		case old.Description != now.Description || old.Forge.shown() != now.Forge.shown():
			c.needs(teamObject(name), TeamsManage, TeamResource(name), "changing a team")
		}
	}
	for _, m := range c.members {
		c.needs(teamObject(m.team), TeamsManage, TeamResource(m.team), m.verb()+" "+m.who())
	}
}

func membershipsAreHeld(c *change) {
	asked := map[Binding]bool{}
	ask := func(m membership, bindings []Binding, roles map[string]Role) {
		for _, b := range bindings {
			key := Binding{Team: m.team, Role: b.Role, Resource: b.Resource}
			if b.Team != m.team || asked[key] && c.unchanged(b.Role) {
				continue
			}
			asked[key] = true
			c.needsAll(teamObject(m.team), roles[b.Role], b.Resource,
				fmt.Sprintf("%s %s of a team that has role %q on %s", m.verb(), m.who(), b.Role, b.Resource))
		}
	}
	for _, m := range c.members {
		ask(m, c.before.Bindings, c.was.roles)
		ask(m, c.after.Bindings, c.is.roles)
	}
}

func (c *change) unchanged(role string) bool { return !slices.Contains(c.roles, role) }

func (m membership) verb() string {
	if m.joins {
		return "adding"
	}
	return "removing"
}

func (m membership) who() string {
	if m.forge != nil {
		return fmt.Sprintf("everybody whom %s has in %s", m.forge.Host, m.forge.Name)
	}
	if m.member.Login != "" {
		return m.member.Login + " (" + m.member.Subject.String() + ")"
	}
	return m.member.Subject.String()
}

// environmentsAreManaged: an environment that goes takes its bindings with it,
// which the manifests cannot hold without it, so the rules of bindings see them.
func environmentsAreManaged(c *change) {
	for _, name := range c.environments {
		old, existed := c.before.Environments[name]
		now, exists := c.after.Environments[name]
		resource := EnvironmentResource(name)
		switch {
		case existed && !exists:
			c.needs(environmentObject(name), EnvironmentsManage, resource, "removing an environment")
			c.needs(environmentObject(name), BindingsManage, resource, "removing an environment, and every binding on it,")
		case !existed || !sameConfiguration(old, now):
			c.needs(environmentObject(name), EnvironmentsManage, resource, map[bool]string{true: "changing", false: "making"}[existed]+" an environment")
		}
	}
}

func profilesAreManaged(c *change) {
	for _, name := range c.environments {
		for _, profile := range changedProfiles(c.before.Environments[name], c.after.Environments[name]) {
			c.needs(fmt.Sprintf("profile %q of environment %q", profile, name), ProfilesManage, EnvironmentResource(name), "changing a profile")
		}
	}
}

// sharedRepositories: whoever may approve in one environment that lists a
// repository lands commits in it. Listing another environment's repository in an
// own one would therefore give its approvals away. The other one's name is not
// told: the actor may not be able to see it.
func sharedRepositories(c *change) {
	for _, name := range c.environments {
		for _, repository := range without(c.after.Environments[name].Repositories, c.before.Environments[name].Repositories) {
			for _, other := range sortedKeys(c.before.Environments) {
				if other == name || !slices.Contains(c.before.Environments[other].Repositories, repository) ||
					c.was.holds(c.actor.User.Subject, EnvironmentsManage, EnvironmentResource(other)) {
					continue
				}
				c.say(environmentObject(name), No(fmt.Sprintf(
					"repository %s is listed by another environment; listing it takes %q in that one too: a %s%s can do it",
					repository, EnvironmentsManage, ServerAdmin, list(c.was.people(EnvironmentsManage, Everything)))))
			}
		}
	}
}

// providersAreManaged: a provider decides with which of the server's credentials
// things are pushed.
func providersAreManaged(c *change) {
	for _, name := range c.providers {
		c.needs(fmt.Sprintf("git provider %q", name), ServerManage, Server, "changing a git provider")
	}
}

// lastServerAdmin: a team at the forge can be emptied there, so it is less than a
// person who is named, and more than nothing.
func lastServerAdmin(c *change) {
	before, after := adminsKept(c.before), adminsKept(c.after)
	switch {
	case after >= before:
	case after == 0:
		c.say("server admins", No("nobody would be a server admin any more; bind another one first, or name one under admins in coderflow.yaml"))
	default:
		c.say("server admins", No("only a team at the forge would be server admin, which can be emptied there; bind a person too, or name one under admins in coderflow.yaml"))
	}
}

func roleObject(name string) string        { return fmt.Sprintf("role %q", name) }
func teamObject(name string) string        { return fmt.Sprintf("team %q", name) }
func environmentObject(name string) string { return fmt.Sprintf("environment %q", name) }
func bindingObject(b Binding) string       { return fmt.Sprintf("binding %q", b.Name) }
