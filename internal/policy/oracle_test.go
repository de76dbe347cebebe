package policy

import (
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
)

// What the properties mean, written down without the rules and the index.

// wronged says what of a permitted change should not have been.
func wronged(actor forge.Subject, before, after *Policy) string {
	for _, person := range uPeople {
		for _, resource := range uResources {
			for _, permission := range allPermissions() {
				was, is := held(before, subject(person), permission, resource), held(after, subject(person), permission, resource)
				if was != is && !held(before, actor, permission, resource) {
					return fmt.Sprintf("%s: %s on %s was %v, is %v, and the actor did not hold it", person, permission, resource, was, is)
				}
			}
		}
	}
	differ := append(without(before.Bindings, after.Bindings), without(after.Bindings, before.Bindings)...)
	for _, b := range differ {
		if !held(before, actor, BindingsManage, b.Resource) {
			return "a binding on " + b.Resource + " changed without bindings:manage"
		}
		if b.Resource == Everything && !held(before, actor, ServerManage, Everything) {
			return "a binding on everything changed by somebody else than a server admin"
		}
	}
	for _, name := range []string{"a", "b"} {
		_, existed := before.Environments[name]
		if _, exists := after.Environments[name]; existed != exists && !held(before, actor, EnvironmentsManage, EnvironmentResource(name)) {
			return "an environment was made or removed without environments:manage"
		}
	}
	for _, team := range uTeams {
		if !slices.Equal(before.Teams[team].Members, after.Teams[team].Members) && !held(before, actor, TeamsManage, TeamResource(team)) {
			return "a team changed without teams:manage"
		}
	}
	for _, role := range uRoles[:2] {
		if sameSet(before.Roles[role].Permissions, after.Roles[role].Permissions) {
			continue
		}
		if !held(before, actor, RolesManage, Server) {
			return "a role changed without roles:manage"
		}
		for _, permission := range slices.Concat(before.Roles[role].Permissions, after.Roles[role].Permissions) {
			if !held(before, actor, permission, Everything) {
				return "a role has " + string(permission) + ", which its author does not hold everywhere"
			}
		}
		for _, b := range before.Bindings {
			if b.Role == role && !held(before, actor, BindingsManage, b.Resource) {
				return "a role that is bound on " + b.Resource + " changed without bindings:manage there"
			}
		}
	}
	if named, left := admins(before, true), admins(after, true); named && !left || admins(before, false) && !admins(after, false) {
		return "the last server admin was removed"
	}
	if wrong := repointed(actor, before, after); wrong != "" {
		return wrong
	}
	return impossible(after)
}

// repointed asks for more than what those get who are in the forge's team now:
// somebody else may be in it tomorrow.
func repointed(actor forge.Subject, before, after *Policy) string {
	for _, team := range uTeams {
		if before.Teams[team].Forge.same(after.Teams[team].Forge) {
			continue
		}
		if !held(before, actor, TeamsManage, TeamResource(team)) {
			return "a team was pointed at the forge without teams:manage"
		}
		for _, b := range slices.Concat(before.Bindings, after.Bindings) {
			for _, permission := range allPermissions() {
				if b.Team == team && gives(after, b, permission) && permission.On(kindOf(b.Resource)) && !held(before, actor, permission, b.Resource) {
					return "a team with " + string(permission) + " on " + b.Resource + " was pointed at the forge without it"
				}
			}
		}
	}
	return ""
}

// impossible says what no policy may ever hold.
func impossible(p *Policy) string {
	for _, b := range p.Bindings {
		if b.Subject.Host == forge.Service && (b.Role == ServerAdmin || gives(p, b, TasksApprove)) {
			return "a service has role " + b.Role
		}
	}
	for _, team := range uTeams {
		if slices.Contains(p.Teams[team].Members, Member{Subject: subject("svc")}) {
			return "a service is in a team"
		}
	}
	return ""
}

func gives(p *Policy, b Binding, permission Permission) bool {
	role, ok := PredefinedRole(b.Role)
	if !ok {
		role = p.Roles[b.Role]
	}
	return slices.Contains(role.Permissions, permission)
}

// held is the meaning of a policy written down a second time, without an index.
func held(p *Policy, who forge.Subject, permission Permission, resource string) bool {
	for _, b := range p.Bindings {
		if b.Resource != resource && b.Resource != "*" {
			continue
		}
		through := b.Subject == who
		for _, m := range p.Teams[b.Team].Members {
			through = through || m.Subject == who && who.Host != forge.Service
		}
		if who.Host == forge.Service && (permission == TasksApprove || b.Role == ServerAdmin) {
			continue
		}
		if through && gives(p, b, permission) && permission.On(kindOf(b.Resource)) && permission.On(kindOf(resource)) {
			return true
		}
	}
	return false
}

// admins reports whether anybody is server admin; named: by other than a team at the forge.
func admins(p *Policy, named bool) bool {
	return slices.ContainsFunc(p.Bindings, func(b Binding) bool {
		if b.Role != ServerAdmin || b.Resource != "*" {
			return false
		}
		team := p.Teams[b.Team]
		return b.Team == "" && b.Subject.Host == forge.GitHub || b.Team != "" && len(team.Members) > 0 && (team.Forge == nil || !named)
	})
}
