package manifest

import (
	"github.com/coderflow/coderflow/internal/policy"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Binding gives a subject a role on "environment/NAME", "team/NAME", the server
// or everything ("*").
type Binding struct {
	Name     string    `json:"name"`
	Subject  Principal `json:"subject"`
	Role     string    `json:"role"`
	Resource string    `json:"resource"`
}

// check looks at what the binding says by itself; see also [builder.addBindings].
func (b Binding) check(w wrong) {
	if !bindingName.MatchString(b.Name) {
		w("metadata.name", "want a letter or underscore, then up to 63 letters, digits, hyphens and underscores; this is %q", b.Name)
	}
	if b.Subject.IsZero() {
		w("spec.subject", "want HOST:ID, for example github:583231 or service:NAME, github:@LOGIN, azuredevops:@MAIL or team:NAME")
	}
	if _, _, err := policy.ParseResource(b.Resource); err != nil {
		w("spec.resource", "%v", err)
	}
}

// policyBinding is the binding in the policy's words.
func (b Binding) policyBinding() policy.Binding {
	return policy.Binding{
		Name: b.Name, Subject: b.Subject.Subject, Team: b.Subject.Team, Login: b.Subject.Login, Role: b.Role, Resource: b.Resource,
	}
}

func (b *builder) addBindings(s *Set) {
	names := map[string]bool{}
	same := map[Binding]string{}
	for _, binding := range b.bindings {
		v := binding.value
		if names[v.Name] && v.Name != "" {
			b.add(binding.doc.Problem("metadata.name", "there is already a binding %q", v.Name))
		}
		names[v.Name] = true
		grant := Binding{Subject: v.Subject.same(), Role: v.Role, Resource: v.Resource}
		if other, twice := same[grant]; twice && !v.Subject.IsZero() {
			b.add(binding.doc.Problem("spec", "binding %q says the same", other))
		}
		same[grant] = v.Name
		b.checkReferences(s, binding)
		s.Bindings = append(s.Bindings, v)
	}
}

// checkReferences checks what the binding names: team, resource and role.
func (b *builder) checkReferences(s *Set, binding placed[Binding]) {
	v, doc := binding.value, binding.doc
	if team := v.Subject.Team; team != "" {
		if _, known := s.Teams[team]; !known {
			b.add(doc.Problem("spec.subject", "there is no team %q%s", team, sy.Nearest(team, s.teamNames())))
		}
	}
	kind, name, err := policy.ParseResource(v.Resource)
	_, environment := s.Environments[name]
	_, team := s.Teams[name]
	switch {
	case err != nil: // said of the binding itself
	case kind == policy.OnEnvironment && !environment:
		b.add(doc.Problem("spec.resource", "there is no environment %q%s", name, sy.Nearest(name, s.environmentNames())))
	case kind == policy.OnTeam && !team:
		b.add(doc.Problem("spec.resource", "there is no team %q%s", name, sy.Nearest(name, s.teamNames())))
	}
	role, known := s.role(v.Role)
	service := policy.CheckService(v.Subject.Subject, role)
	switch {
	case !known && v.Role != "":
		b.add(doc.Problem("spec.role", "unknown role %q%s", v.Role, sy.Nearest(v.Role, s.roleNames())))
	case service != nil:
		b.add(doc.Problem("spec.role", "%v", service))
	case !known || err != nil || role.Fits(kind):
	case role.Name == policy.ServerAdmin:
		b.add(doc.Problem("spec.resource", "%s is a role on \"*\" only; environment-admin is the one for an environment", role.Name))
	default:
		b.add(doc.Problem("spec.resource", "role %q means nothing on a resource of the kind %q", role.Name, kind))
	}
}
