package policy

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
)

// subject is a person by number, or a service by name.
func subject(id string) forge.Subject {
	if id >= "a" {
		return forge.Subject{Host: forge.Service, ID: id}
	}
	return forge.Subject{Host: forge.GitHub, ID: id}
}

func acting(id string) Authority {
	return Authority{User: forge.User{Subject: subject(id), Login: "p" + id, Kind: forge.Person}}
}

func bind(name, id, role, resource string) Binding {
	return Binding{Name: name, Subject: subject(id), Role: role, Resource: resource}
}

func bindTeam(name, team, role, resource string) Binding {
	return Binding{Name: name, Team: team, Role: role, Resource: resource}
}

// base: 1 is server admin, 2 environment-admin of staging, 3 developer there,
// 4 admin of the team "crew", 5 nobody.
func base() *Policy {
	return &Policy{
		Version: "v1",
		Environments: map[string]Environment{
			"staging":    {Name: "staging", Repositories: []string{"github:100"}},
			"production": {Name: "production", Repositories: []string{"github:200"}},
		},
		Roles: map[string]Role{},
		Teams: map[string]Team{"crew": {Name: "crew", Members: []Member{{Subject: subject("4")}}}},
		Bindings: []Binding{
			bind("root", "1", ServerAdmin, Everything),
			bind("second", "2", "environment-admin", "environment/staging"),
			bind("third", "3", "developer", "environment/staging"),
			bind("fourth", "4", "team-admin", "team/crew"),
		},
	}
}

// copied is deep enough for changing everything a test changes.
func copied(p *Policy) *Policy {
	c := &Policy{
		Version: p.Version + "'", Environments: maps.Clone(p.Environments), Roles: maps.Clone(p.Roles),
		Teams: maps.Clone(p.Teams), Bindings: slices.Clone(p.Bindings), Providers: maps.Clone(p.Providers),
	}
	for name, team := range c.Teams {
		team.Members = slices.Clone(team.Members)
		c.Teams[name] = team
	}
	return c
}

func unbind(p *Policy, name string) {
	p.Bindings = slices.DeleteFunc(p.Bindings, func(b Binding) bool { return b.Name == name })
}

func join(p *Policy, team, id string) {
	t := p.Teams[team]
	t.Members = append(t.Members, Member{Subject: subject(id)})
	p.Teams[team] = t
}

// Each row is refused by exactly one rule: with that rule taken out it passes.
// So every rule is needed, and each row would fail without its rule.
func TestThreat49EachRuleRefusesWhatNoOtherDoes(t *testing.T) {
	t.Parallel()
	custom := func(p *Policy, name string, permissions ...Permission) {
		p.Roles[name] = Role{Name: name, Permissions: permissions}
	}
	rows := []struct {
		rule   string
		actor  string
		before func(*Policy)
		change func(*Policy)
	}{
		{"a role is defined by whoever manages roles", "5",
			func(p *Policy) {
				custom(p, "reader", TasksView)
				p.Bindings = append(p.Bindings, bind("x", "5", "reader", Everything))
			},
			func(p *Policy) { custom(p, "other", TasksView) }},
		{"a role has only permissions that its author holds everywhere", "5",
			func(p *Policy) {
				custom(p, "definer", RolesManage)
				p.Bindings = append(p.Bindings, bind("x", "5", "definer", Server))
			},
			func(p *Policy) { custom(p, "strong", TasksApprove) }},
		{"a role that is bound changes only by whoever could bind it there", "5",
			func(p *Policy) {
				custom(p, "definer", RolesManage, TasksView, TasksCreate)
				custom(p, "reader", TasksView)
				p.Bindings = append(p.Bindings, bind("x", "5", "definer", Everything), bind("y", "3", "reader", "environment/production"))
			},
			func(p *Policy) { custom(p, "reader", TasksView, TasksCreate) }},
		{"a binding is made by whoever manages bindings there", "3", nil,
			func(p *Policy) {
				p.Bindings = append(p.Bindings, bind("friend", "5", "developer", "environment/staging"))
			}},
		{"a binding gives only what its author holds there", "5",
			func(p *Policy) {
				custom(p, "binder", BindingsManage)
				p.Bindings = append(p.Bindings, bind("x", "5", "binder", "environment/staging"))
			},
			func(p *Policy) {
				p.Bindings = append(p.Bindings, bind("self", "5", "environment-admin", "environment/staging"))
			}},
		{"only a server admin binds on everything", "5",
			func(p *Policy) {
				custom(p, "binder", BindingsManage)
				p.Bindings = append(p.Bindings, bind("x", "5", "binder", Everything))
			},
			func(p *Policy) { p.Bindings = append(p.Bindings, bind("friend", "3", "binder", Everything)) }},
		{"a team is changed by whoever manages it", "3", nil, func(p *Policy) { join(p, "crew", "3") }},
		{"membership gives only what its author holds", "4",
			func(p *Policy) {
				p.Bindings = append(p.Bindings, bindTeam("crew-ships", "crew", "environment-admin", "environment/production"))
				p.Teams["crew"] = Team{Name: "crew", Members: []Member{{Subject: subject("3")}}} // 4 manages it and is not in it
			},
			func(p *Policy) { join(p, "crew", "5") }},
		{"an environment is changed by whoever manages it", "3", nil,
			func(p *Policy) {
				e := p.Environments["staging"]
				e.Configuration = "other"
				p.Environments["staging"] = e
			}},
		{"a profile is changed by whoever manages profiles there", "3", nil,
			func(p *Policy) {
				e := p.Environments["staging"]
				e.Profiles = map[string]string{"publish": "evil"}
				p.Environments["staging"] = e
			}},
		{"a shared repository is listed by whoever manages both environments", "2", nil,
			func(p *Policy) {
				e := p.Environments["staging"]
				e.Repositories = []string{"github:100", "github:200"}
				p.Environments["staging"] = e
			}},
		{"a git provider is changed by whoever looks after the server", "2",
			func(p *Policy) { p.Providers = map[string]string{"partners": "read"} },
			func(p *Policy) { p.Providers["partners"] = "write" }},
		{"a service approves nothing, is no server admin and in no team", "1", nil,
			func(p *Policy) {
				p.Bindings = append(p.Bindings, bind("pipeline", "deploy-pipeline", "environment-admin", "environment/staging"))
			}},
		{"somebody stays server admin", "1", nil, func(p *Policy) { unbind(p, "root") }},
	}
	covered := map[string]bool{}
	for _, row := range rows {
		covered[row.rule] = true
		before := base()
		if row.before != nil {
			row.before(before)
		}
		after := copied(before)
		row.change(after)
		if d := CheckChange(acting(row.actor), before, after); d.Allowed || len(d.Reason.Refusals()) == 0 {
			t.Errorf("%s: allowed:\n%s", row.rule, d.Reason)
		}
		rest := slices.DeleteFunc(slices.Clone(changeRules), func(r changeRule) bool { return r.name == row.rule })
		if d := checkChange(rest, acting(row.actor), before, after); !d.Allowed {
			t.Errorf("%s: refused by other rules too:\n%s", row.rule, d.Reason)
		}
	}
	for _, rule := range changeRules {
		if !covered[rule.name] {
			t.Errorf("no row for the rule %q", rule.name)
		}
	}
}

func TestThreat49NobodyGrantsThemselvesMore(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		actor  string
		change func(*Policy)
		says   string // of a refusal; empty: permitted
	}{
		"a developer becomes environment-admin": {"3", func(p *Policy) {
			p.Bindings = append(p.Bindings, bind("me", "3", "environment-admin", "environment/staging"))
		}, `making a binding takes "bindings:manage" in environment "staging", which p3 (github:3) does not hold; an environment-admin of staging (github:2) or a server-admin (github:1) can grant it`},
		"an environment-admin goes to another environment": {"2", func(p *Policy) {
			p.Bindings = append(p.Bindings, bind("me", "2", "viewer", "environment/production"))
		}, `takes "bindings:manage" in environment "production", which p2 (github:2) does not hold`},
		"an environment-admin becomes server-admin": {"2", func(p *Policy) {
			p.Bindings = append(p.Bindings, bind("me", "2", ServerAdmin, Everything))
		}, "takes a server-admin (github:1)"},
		"an environment-admin takes the server-admin's role away": {"2", func(p *Policy) { unbind(p, "root") }, "on everything"},
		"an environment-admin binds a developer":                  {"2", func(p *Policy) { p.Bindings = append(p.Bindings, bind("new", "5", "developer", "environment/staging")) }, ""},
		"an environment-admin removes a developer":                {"2", func(p *Policy) { unbind(p, "third") }, ""},
		"an environment-admin changes the environment": {"2", func(p *Policy) {
			p.Environments["staging"] = Environment{Name: "staging", Repositories: []string{"github:100", "github:101"}, Configuration: "new"}
		}, ""},
		"an environment-admin makes an environment": {"2", func(p *Policy) {
			p.Environments["mine"] = Environment{Name: "mine", Repositories: []string{"github:300"}}
		}, `"environments:manage"`},
		"an environment-admin defines a role": {"2", func(p *Policy) {
			p.Roles["mine"] = Role{Name: "mine", Permissions: []Permission{TasksView}}
		}, `changing a role takes "roles:manage" on the server, which p2 (github:2) does not hold; a server-admin (github:1) can grant it`},
		"a team-admin adds a member":     {"4", func(p *Policy) { join(p, "crew", "5") }, ""},
		"a team-admin makes another one": {"4", func(p *Policy) { p.Bindings = append(p.Bindings, bind("new", "5", "team-admin", "team/crew")) }, ""},
		"a team-admin binds the team": {"4", func(p *Policy) {
			p.Bindings = append(p.Bindings, bindTeam("new", "crew", "viewer", "environment/staging"))
		}, "bindings:manage"},
		"a stranger removes an environment": {"5", func(p *Policy) { delete(p.Environments, "production") }, `removing an environment takes "environments:manage" in environment "production", which p5 (github:5) does not hold; an environment-admin of production or a server-admin (github:1) can grant it`},
		"the server admin does anything": {"1", func(p *Policy) {
			p.Roles["mine"] = Role{Name: "mine", Permissions: allPermissions()}
			p.Bindings = append(p.Bindings, bind("new", "5", "mine", Everything))
			delete(p.Environments, "production")
		}, ""},
		"nothing changes": {"5", func(*Policy) {}, ""},
	}
	for name, row := range rows {
		before := base()
		after := copied(before)
		row.change(after)
		d := CheckChange(acting(row.actor), before, after)
		if d.Allowed != (row.says == "") {
			t.Errorf("%s: allowed %v:\n%s", name, d.Allowed, d.Reason)
		}
		if text := strings.Join(d.Reason.Refusals(), "\n"); row.says != "" && !strings.Contains(text, row.says) {
			t.Errorf("%s: no refusal says %q:\n%s", name, row.says, text)
		}
	}
}

func TestThreat49ZeroAuthorityChangesNothing(t *testing.T) {
	t.Parallel()
	before := base()
	after := copied(before)
	unbind(after, "third")
	if d := CheckChange(Authority{}, before, after); d.Allowed {
		t.Errorf("nobody may change something:\n%s", d.Reason)
	}
}

func TestTheServersOwnerMayChangeAnythingButTheLastServerAdmin(t *testing.T) {
	t.Parallel()
	before := base()
	after := copied(before)
	delete(after.Environments, "production")
	after.Bindings = append(after.Bindings, bind("new", "5", "developer", "environment/staging"))
	if d := CheckChange(Authority{Local: true}, before, after); !d.Allowed {
		t.Errorf("refused:\n%s", d.Reason)
	}
	unbind(after, "root")
	if d := CheckChange(Authority{Local: true}, before, after); d.Allowed {
		t.Error("the last server admin was removed")
	}
	after.Bindings = append(after.Bindings, bindTeam("team", "crew", ServerAdmin, Everything))
	if d := CheckChange(Authority{Local: true}, before, after); !d.Allowed {
		t.Errorf("a team of server admins is not seen:\n%s", d.Reason)
	}
}

// What a refusal tells names nobody and nothing of an environment that the
// person has no part in.
func TestRefusalsDoNotNameOtherEnvironments(t *testing.T) {
	t.Parallel()
	p := base()
	p.Bindings = append(p.Bindings, bind("secret-lead", "9", "environment-admin", "environment/production"))
	nobody := acting("5").User
	for _, info := range Permissions() {
		for _, d := range []Decision{p.Decide(nobody, info.Permission, "staging"), p.Decide(acting("3").User, info.Permission, "staging")} {
			if text := d.Reason.String(); strings.Contains(text, "production") || strings.Contains(text, "github:9") {
				t.Errorf("%s tells of production:\n%s", info.Permission, text)
			}
		}
	}
	after := copied(p)
	e := after.Environments["staging"]
	e.Repositories = append(slices.Clone(e.Repositories), "github:200")
	after.Environments["staging"] = e
	if text := CheckChange(acting("2"), p, after).Reason.String(); strings.Contains(text, "production") || strings.Contains(text, "github:9") {
		t.Errorf("the refusal to share a repository tells of production:\n%s", text)
	}
}
