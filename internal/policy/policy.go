package policy

import (
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
)

// Everything is the resource that contains every other.
const Everything = "*"

// EnvironmentResource names an environment as a resource.
func EnvironmentResource(name string) string { return "environment/" + name }

// Binding gives a subject a role on a resource.
type Binding struct {
	Name     string
	Subject  forge.Subject
	Role     string
	Resource string // "environment/NAME" or "*"
}

// CommitMessageRule says where a landed commit's message comes from.
type CommitMessageRule string

// The two rules of gate.commitMessage.
const (
	// MessageProposed accepts the proposed message where the review has none.
	MessageProposed CommitMessageRule = "proposed"
	// MessageWritten insists on a message written in the approving review.
	MessageWritten CommitMessageRule = "written"
)

// Gate is what an environment asks of an approval beyond the permission.
type Gate struct {
	CommitMessage CommitMessageRule
}

// Environment is the part of an environment that decisions depend on.
type Environment struct {
	Name         string
	Repositories []string // RepositoryRef.Key of each
	Gate         Gate
}

// Has reports whether the repository is listed, by numeric id.
func (e Environment) Has(ref forge.RepositoryRef) bool {
	return slices.Contains(e.Repositories, ref.Key())
}

// Policy is one version of the admin's rules. It is immutable once built.
type Policy struct {
	Version      string
	Environments map[string]Environment
	Bindings     []Binding
}

// Decide tells whether the user holds the permission in the environment and why.
// Whatever is not granted by a binding is refused.
func (p *Policy) Decide(user forge.User, permission Permission, environment string) Decision {
	return p.decision(p.Holds(user, permission, environment))
}

func (p *Policy) decision(reason Reason) Decision {
	return Decision{Allowed: reason.OK, Reason: reason, PolicyVersion: p.Version}
}

// Holds is [Policy.Decide] as a reason, for building larger trees.
func (p *Policy) Holds(user forge.User, permission Permission, environment string) Reason {
	if user.Subject.IsZero() {
		return No("the forge did not say who acts")
	}
	if _, known := p.Environments[environment]; !known {
		return No(fmt.Sprintf("there is no environment %q", environment))
	}
	who := fmt.Sprintf("%s (%s)", user.Login, user.Subject)
	var held []Reason
	for _, b := range p.Bindings {
		if b.Subject != user.Subject || (b.Resource != Everything && b.Resource != EnvironmentResource(environment)) {
			continue
		}
		role, known := PredefinedRole(b.Role)
		if !known {
			held = append(held, No(fmt.Sprintf("binding %q names an unknown role %q", b.Name, b.Role)))
			continue
		}
		text := fmt.Sprintf("role %s on %s (binding %q)", role.Name, b.Resource, b.Name)
		if slices.Contains(role.Permissions, permission) {
			held = append(held, Yes(text+" allows it"))
		} else {
			held = append(held, No(fmt.Sprintf("%s has %s, which does not include %q", who, text, permission)))
		}
	}
	question := fmt.Sprintf("%s may %q in environment %q", who, permission, environment)
	if len(held) == 0 {
		return No(fmt.Sprintf("%s has no role in environment %q, so not %q; an environment-admin or server-admin can bind one", who, environment, permission))
	}
	reason := Any(question, held...)
	if !reason.OK {
		reason.Text = fmt.Sprintf("%s lacks %q in environment %q", who, permission, environment)
	}
	return reason
}
