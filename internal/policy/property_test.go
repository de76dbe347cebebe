package policy

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/forge"
)

// The universe of the random sequences.
var (
	uPeople    = []string{"1", "2", "3", "4", "5", "svc"} // the last is a service
	uTeams     = []string{"red", "blue"}
	uRoles     = []string{"own1", "own2", "viewer", "developer", "environment-admin", "team-admin", ServerAdmin}
	uResources = []string{"environment/a", "environment/b", "team/red", "team/blue", Server, Everything}
)

// act is one step that somebody takes; several make one change.
type act struct {
	kind        string // bind, unbind, member, point, role, environment
	who         string // person or team
	team        bool
	role        string
	resource    string
	permissions []Permission
}

// uForge are who is in the teams at the forge.
var uForge = map[string][]Member{"": nil, "x": {{Subject: subject("1")}, {Subject: subject("5")}}, "y": {{Subject: subject("4")}}}

// sequence is a policy to begin with and changes that people try, in order.
type sequence struct {
	start   []act
	changes []attempt
}

type attempt struct {
	actor string
	acts  []act
}

func drawAct(t *rapid.T) act {
	a := act{
		kind:     rapid.SampledFrom([]string{"bind", "bind", "bind", "bind", "unbind", "member", "point", "role", "environment"}).Draw(t, "kind"),
		who:      rapid.SampledFrom(uPeople).Draw(t, "who"),
		team:     rapid.IntRange(0, 3).Draw(t, "team") == 0,
		role:     rapid.SampledFrom(uRoles).Draw(t, "role"),
		resource: rapid.SampledFrom(uResources).Draw(t, "resource"),
	}
	if a.kind == "role" || a.kind == "bind" && rapid.Bool().Draw(t, "custom") {
		a.role = rapid.SampledFrom(uRoles[:2]).Draw(t, "own")
	}
	if a.kind == "role" {
		a.permissions = rapid.SliceOfNDistinct(rapid.SampledFrom(allPermissions()), 0, 8, rapid.ID[Permission]).Draw(t, "permissions")
	}
	if a.kind == "bind" && a.team {
		a.who = rapid.SampledFrom(uTeams).Draw(t, "which")
	}
	if a.kind == "environment" {
		a.who = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "which")
	}
	if a.kind == "point" {
		a.role = rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "forge team")
	}
	if a.kind == "member" || a.kind == "point" {
		a.resource = rapid.SampledFrom(uTeams).Draw(t, "which")
	}
	return a
}

var sequences = rapid.Custom(func(t *rapid.T) sequence {
	acts := rapid.Custom(drawAct)
	return sequence{
		start: rapid.SliceOfN(acts, 4, 14).Draw(t, "start"),
		changes: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) attempt {
			return attempt{rapid.SampledFrom(uPeople).Draw(t, "actor"), rapid.SliceOfN(acts, 1, 3).Draw(t, "acts")}
		}), 1, 12).Draw(t, "changes"),
	}
})

// applied is the policy after an act.
func (a act) applied(p *Policy) {
	switch a.kind {
	case "bind":
		b := Binding{Name: a.who + "/" + a.role + "/" + a.resource, Role: a.role, Resource: a.resource}
		if a.team {
			b.Team = a.who
		} else {
			b.Subject = subject(a.who)
		}
		if !slices.Contains(p.Bindings, b) {
			p.Bindings = append(p.Bindings, b)
		}
	case "unbind":
		if n, _ := strconv.Atoi(a.who); len(p.Bindings) > 0 {
			p.Bindings = slices.Delete(p.Bindings, n%len(p.Bindings), n%len(p.Bindings)+1)
		}
	case "member":
		team, m := p.Teams[a.resource], Member{Subject: subject(a.who)}
		if team.Forge != nil { // it lists nobody
			return
		}
		if i := slices.Index(team.Members, m); i >= 0 {
			team.Members = slices.Delete(team.Members, i, i+1)
		} else {
			team.Members = append(team.Members, m)
		}
		p.Teams[a.resource] = team
	case "point": // to a team at the forge, or to none
		team := Team{Name: a.resource, Members: slices.Clone(uForge[a.role])}
		if a.role != "" {
			team.Forge = &ForgeTeam{Host: forge.GitHub, OrganizationID: "1", ID: a.role}
		}
		p.Teams[a.resource] = team
	case "environment": // removed with all that is bound on it, or made
		if _, exists := p.Environments[a.who]; exists {
			delete(p.Environments, a.who)
			p.Bindings = slices.DeleteFunc(p.Bindings, func(b Binding) bool { return b.Resource == EnvironmentResource(a.who) })
		} else {
			p.Environments[a.who] = Environment{Name: a.who}
		}
	case "role":
		p.Roles[a.role] = Role{Name: a.role, Permissions: a.permissions}
	}
}

// violation plays the sequence under the rules and says what went wrong, if
// anything did. It asks [held] below, which shares no code with the rules.
func violation(rules []changeRule, s sequence) string {
	p := &Policy{
		Environments: map[string]Environment{"a": {Name: "a"}, "b": {Name: "b"}},
		Roles:        map[string]Role{"own1": {Name: "own1"}, "own2": {Name: "own2"}},
		Teams:        map[string]Team{"red": {Name: "red"}, "blue": {Name: "blue"}},
	}
	for _, a := range s.start {
		if a.applied(p); impossible(p) != "" { // no manifests say that, so none can be in force
			return ""
		}
	}
	for _, c := range s.changes {
		after := copied(p)
		for _, a := range c.acts {
			a.applied(after)
		}
		if !checkChange(rules, acting(c.actor), p, after).Allowed {
			continue
		}
		if wrong := wronged(subject(c.actor), p, after); wrong != "" {
			return fmt.Sprintf("%s by %s: %+v", wrong, c.actor, c.acts)
		}
		p = after
	}
	return ""
}

// No principal ever ends with a permission on a resource that whoever made the
// change did not hold there, over any sequence of changes by anybody; so by
// induction nobody ends with what no granter in the chain held.
func TestThreat49NoSequenceOfChangesEscalates(t *testing.T) {
	t.Parallel()
	for seed := range 8_000 { // the rarest of the rules is missed by one sequence in 7,000
		if wrong := violation(changeRules, sequences.Example(seed)); wrong != "" {
			t.Fatalf("sequence %d: %s", seed, wrong)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // and others, made smaller when one fails
		if wrong := violation(changeRules, sequences.Draw(t, "sequence")); wrong != "" {
			t.Fatal(wrong)
		}
	})
}

// The property is no formality: with any one of the rules about roles, bindings
// and teams taken out, a sequence that breaks it is found.
func TestThreat49EscalationIsFoundWithoutAnyOneRule(t *testing.T) {
	t.Parallel()
	unseen := map[string]bool{ // the environments of the sequences have no content
		"a profile is changed by whoever manages profiles there":             true,
		"a git provider is changed by whoever looks after the server":        true,
		"a shared repository is listed by whoever manages both environments": true,
	}
	for _, removed := range changeRules {
		if unseen[removed.name] {
			continue
		}
		t.Run(removed.name, func(t *testing.T) {
			t.Parallel()
			rest := slices.DeleteFunc(slices.Clone(changeRules), func(r changeRule) bool { return r.name == removed.name })
			for seed := range 20_000 {
				if wrong := violation(rest, sequences.Example(seed)); wrong != "" {
					t.Logf("sequence %d: %s", seed, wrong)
					return
				}
			}
			t.Error("no sequence shows what the rule is for")
		})
	}
}

func TestDecisionsAgreeWithTheirMeaning(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &Policy{
			Environments: map[string]Environment{"a": {Name: "a"}, "b": {Name: "b"}},
			Roles:        map[string]Role{"own1": {Name: "own1"}, "own2": {Name: "own2"}},
			Teams:        map[string]Team{"red": {Name: "red"}, "blue": {Name: "blue"}},
		}
		for _, a := range rapid.SliceOfN(rapid.Custom(drawAct), 0, 20).Draw(t, "acts") {
			a.applied(p)
		}
		compiled := copied(p).Compile()
		for _, person := range uPeople {
			for _, resource := range uResources {
				for _, permission := range allPermissions() {
					want := held(p, subject(person), permission, resource) && p.index().exists(resource)
					user := acting(person).User
					if got := compiled.DecideOn(user, permission, resource); got.Allowed != want || p.DecideOn(user, permission, resource).Allowed != want {
						t.Fatalf("%s %s on %s: want %v:\n%s", person, permission, resource, want, got.Reason)
					}
				}
			}
		}
	})
}
