package policy

import (
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
)

func TestWhoHoldsAnything(t *testing.T) {
	t.Parallel()
	who := forge.Subject{Host: forge.GitHub, ID: "1"}
	team := map[string]Team{"crew": {Name: "crew", Members: []Member{{Subject: who}}}}
	environments := map[string]Environment{"staging": {Name: "staging"}}
	for name, c := range map[string]struct {
		subject forge.Subject
		policy  Policy
		want    bool
	}{
		"nobody":         {who, Policy{}, false},
		"no subject":     {forge.Subject{}, Policy{Bindings: []Binding{{Role: ServerAdmin, Resource: Everything}}}, false},
		"somebody else":  {forge.Subject{Host: forge.GitHub, ID: "2"}, Policy{Bindings: []Binding{{Subject: who, Role: ServerAdmin, Resource: Everything}}}, false},
		"another host":   {forge.Subject{Host: forge.OIDC, ID: "1"}, Policy{Bindings: []Binding{{Subject: who, Role: ServerAdmin, Resource: Everything}}}, false},
		"everything":     {who, Policy{Bindings: []Binding{{Subject: who, Role: ServerAdmin, Resource: Everything}}}, true},
		"an environment": {who, Policy{Environments: environments, Bindings: []Binding{{Subject: who, Role: "viewer", Resource: "environment/staging"}}}, true},
		"one that went":  {who, Policy{Bindings: []Binding{{Subject: who, Role: "viewer", Resource: "environment/staging"}}}, false},
		"unknown role":   {who, Policy{Environments: environments, Bindings: []Binding{{Subject: who, Role: "emperor", Resource: "environment/staging"}}}, false},
		"a role that gives nothing there": {who, Policy{Environments: environments,
			Roles:    map[string]Role{"team-only": {Name: "team-only", Permissions: []Permission{TeamsManage}}},
			Bindings: []Binding{{Subject: who, Role: "team-only", Resource: "environment/staging"}}}, false},
		"through a team":       {who, Policy{Teams: team, Environments: environments, Bindings: []Binding{{Team: "crew", Role: "viewer", Resource: "environment/staging"}}}, true},
		"a team without roles": {who, Policy{Teams: team}, false},
		"another team":         {who, Policy{Teams: team, Environments: environments, Bindings: []Binding{{Team: "others", Role: "viewer", Resource: "environment/staging"}}}, false},
	} {
		if got := c.policy.HoldsAnything(c.subject); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
		if got := c.policy.Compile().HoldsAnything(c.subject); got != c.want {
			t.Errorf("%s, compiled: %t", name, got)
		}
	}
}

func BenchmarkHoldsAnythingAt10000Bindings(b *testing.B) {
	p := crowd().Compile()
	stranger := forge.Subject{Host: forge.GitHub, ID: "999999999"}
	for b.Loop() {
		if p.HoldsAnything(stranger) {
			b.Fatal("a stranger holds something")
		}
	}
}
