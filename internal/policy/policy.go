package policy

import (
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
)

// Binding gives a subject, a person, a service or a team, a role on a resource.
type Binding struct {
	Name    string
	Subject forge.Subject // zero if Team is set
	Team    string
	Login   string // of Subject, when the binding was applied; display text
	Role    string
	// Resource is "environment/NAME", "team/NAME", "server" or "*".
	Resource string
}

// Who names the subject for people.
func (b Binding) Who() string {
	switch {
	case b.Team != "":
		return fmt.Sprintf("team %q", b.Team)
	case b.Login != "":
		return b.Login
	}
	return b.Subject.String()
}

// Team is people who are bound together. Teams do not nest: who is in one can
// be read in one place, and there are no cycles to refuse.
type Team struct {
	Name        string
	Description string
	Members     []Member
	// Forge is where the members are read, nil for a team that lists them.
	Forge *ForgeTeam
}

// ForgeTeam is a team whose members the forge knows. Its identity is the host and
// the two ids, which a rename does not change.
type ForgeTeam struct {
	Host           string
	OrganizationID string
	ID             string
	Name           string // ORGANIZATION/TEAM when it was applied; display text
	// Unread says why the members are not known, in which case there are none.
	// Empty: Members are those that the forge told.
	Unread string
}

// same reports whether two teams are the same one at a forge, or both at none.
func (f *ForgeTeam) same(other *ForgeTeam) bool {
	if f == nil || other == nil {
		return f == other
	}
	return f.Host == other.Host && f.OrganizationID == other.OrganizationID && f.ID == other.ID
}

// Member is one person of a team. Login is display text.
type Member struct {
	Subject forge.Subject
	Login   string
}

// shown is what people read of the team.
func (f *ForgeTeam) shown() string {
	if f == nil {
		return ""
	}
	return f.Name
}

// Environment is the part of an environment that decisions depend on.
type Environment struct {
	Name         string
	Repositories []string // RepositoryRef.Key of each
	Gate         Gate
	// Checks are those without which nothing is approved.
	Checks []RequiredCheck
	// Judges are those whose verdicts the gate's rules can read.
	Judges []AskedJudge
	// Targets are patterns of the branches that a review may name to land on; see CheckGlob.
	Targets []string
	// Configuration is a hash of the whole environment, Profiles one of each of
	// its profiles: they tell that something changed.
	Configuration string
	Profiles      map[string]string
}

// Has reports whether the repository is listed, by numeric id.
func (e Environment) Has(ref forge.RepositoryRef) bool {
	return slices.Contains(e.Repositories, ref.Key())
}

// Policy is one version of the admin's rules. It is immutable once compiled.
type Policy struct {
	Version      string
	Environments map[string]Environment
	Roles        map[string]Role // custom ones; a predefined name means the predefined role
	Teams        map[string]Team
	Bindings     []Binding
	// Providers has a hash of each git provider, which tells that it changed.
	Providers map[string]string

	compiled *index
}

// Compile indexes the policy, which must not be changed afterwards, so that a
// decision does not depend on how many bindings there are. A policy that was not
// compiled decides the same, slower.
func (p *Policy) Compile() *Policy {
	p.compiled = newIndex(p)
	return p
}

func (p *Policy) index() *index {
	if p.compiled != nil {
		return p.compiled
	}
	return newIndex(p)
}

// TeamsOf are the teams that somebody is in, in order.
func (p *Policy) TeamsOf(subject forge.Subject) []string {
	if subject.IsZero() {
		return nil
	}
	return slices.Clone(p.index().teams[subject])
}

// Decide tells whether the user holds the permission in the environment and why.
// Whatever is not granted by a binding is refused.
func (p *Policy) Decide(user forge.User, permission Permission, environment string) Decision {
	return p.decision(p.Holds(user, permission, environment))
}

// DecideOn is [Policy.Decide] for any resource.
func (p *Policy) DecideOn(user forge.User, permission Permission, resource string) Decision {
	return p.decision(p.HoldsOn(user, permission, resource))
}

func (p *Policy) decision(reason Reason) Decision {
	return Decision{Allowed: reason.OK, Reason: reason, PolicyVersion: p.Version}
}

// Holds is [Policy.Decide] as a reason, for building larger trees.
func (p *Policy) Holds(user forge.User, permission Permission, environment string) Reason {
	return p.HoldsOn(user, permission, EnvironmentResource(environment))
}
