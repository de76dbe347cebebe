package web

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
)

// sight is what of the manifests the caller may see, by the rules in force.
type sight struct {
	c        *call
	bindings map[string]policy.Binding // by name
	seen     map[string]bool           // resources, each looked at once
}

// sight reads what is in force, and goes on with its rules: object and decision
// are of one version.
func (c *call) sight() (InForce, *sight, error) {
	now, err := c.s.API.Manifests.InForce(c.Request().Context())
	if err != nil {
		return now, nil, fmt.Errorf("read the manifests in force: %w", err)
	}
	c.rules = now.Policy
	s := &sight{c: c, bindings: map[string]policy.Binding{}, seen: map[string]bool{}}
	for _, b := range c.rules.Bindings {
		s.bindings[b.Name] = b
	}
	return now, s, nil
}

// visible are the objects that the caller sees.
func (s *sight) visible(objects []manifest.Object) []manifest.Object {
	return slices.DeleteFunc(slices.Clone(objects), func(o manifest.Object) bool { return !s.sees(o.Kind, o.Name) })
}

// sees decides about one object. A kind that it does not know is for whoever
// looks after the server.
func (s *sight) sees(kind, name string) bool {
	switch kind {
	case manifest.KindEnvironment:
		return s.environment(name)
	case manifest.KindDeploymentProfile:
		environment, _ := profileName(kind, name)
		return s.environment(environment)
	case manifest.KindRole:
		return s.anything()
	case manifest.KindTeam:
		return s.holds(policy.TeamsManage, policy.TeamResource(name)) || s.c.inTeam(name)
	case manifest.KindRoleBinding:
		return s.binding(s.bindings[name])
	}
	return s.holds(policy.ServerManage, policy.Server)
}

func (s *sight) environment(name string) bool {
	return s.holds(policy.EnvironmentsView, policy.EnvironmentResource(name))
}

// anything reports whether the caller reaches anything at all.
func (s *sight) anything() bool {
	if s.reaches(policy.Everything) || s.reaches(policy.Server) {
		return true
	}
	for name := range s.c.rules.Environments {
		if s.reaches(policy.EnvironmentResource(name)) {
			return true
		}
	}
	for name := range s.c.rules.Teams {
		if s.reaches(policy.TeamResource(name)) || s.c.inTeam(name) {
			return true
		}
	}
	return false
}

func (s *sight) reaches(resource string) bool {
	return slices.ContainsFunc(policy.Permissions(), func(p policy.PermissionInfo) bool { return s.holds(p.Permission, resource) })
}

// binding: those where the caller manages bindings, and the caller's own, as far
// as the token reaches.
func (s *sight) binding(b policy.Binding) bool {
	if b.Name == "" {
		return false
	}
	own := !b.Subject.IsZero() && b.Subject == s.c.user.Subject || b.Team != "" && s.c.inTeam(b.Team)
	return own && s.c.token.Scope.Reaches(b.Resource) || s.holds(policy.BindingsManage, b.Resource)
}

func (s *sight) holds(permission policy.Permission, resource string) bool {
	key := string(permission) + " " + resource
	held, known := s.seen[key]
	if !known {
		held = s.c.holds(permission, resource).OK
		s.seen[key] = held
	}
	return held
}

// somewhere reports whether the caller holds the permission on any resource.
func (s *sight) somewhere(permission policy.Permission) bool {
	resources := []string{policy.Everything, policy.Server}
	for name := range s.c.rules.Environments {
		resources = append(resources, policy.EnvironmentResource(name))
	}
	for name := range s.c.rules.Teams {
		resources = append(resources, policy.TeamResource(name))
	}
	return slices.ContainsFunc(resources, func(resource string) bool { return s.holds(permission, resource) })
}

// subjectOf names an object the way a decision about a change does.
func subjectOf(kind, name string) string {
	switch kind {
	case manifest.KindDeploymentProfile:
		environment, short := profileName(kind, name)
		return fmt.Sprintf("profile %q of environment %q", short, environment)
	case manifest.KindEnvironment:
		return "environment " + strconv.Quote(name)
	case manifest.KindRole:
		return "role " + strconv.Quote(name)
	case manifest.KindTeam:
		return "team " + strconv.Quote(name)
	case manifest.KindRoleBinding:
		return "binding " + strconv.Quote(name)
	case manifest.KindGitProvider:
		return "git provider " + strconv.Quote(name)
	}
	return ""
}

// manages is the permission that a change of the kind takes.
func manages(kind string) policy.Permission {
	switch kind {
	case manifest.KindDeploymentProfile:
		return policy.ProfilesManage
	case manifest.KindEnvironment:
		return policy.EnvironmentsManage
	case manifest.KindRole:
		return policy.RolesManage
	case manifest.KindTeam:
		return policy.TeamsManage
	case manifest.KindRoleBinding:
		return policy.BindingsManage
	}
	return policy.ServerManage
}
