package policy

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
)

func service(name string) forge.User {
	return forge.User{Subject: forge.Subject{Host: forge.Service, ID: name}, Login: name, Kind: forge.Bot}
}

// A policy that should not be: its bindings give a service what no service may
// have. Manifests do not say that, and if they did, it would not count.
func serviceWithTooMuch() *Policy {
	p := base()
	p.Roles["releaser"] = Role{Name: "releaser", Permissions: []Permission{TasksApprove, DeploymentsExecute}}
	p.Bindings = append(p.Bindings,
		bind("a", "robot", "environment-admin", "environment/staging"),
		bind("b", "robot", "releaser", "environment/production"),
		bind("c", "boss", ServerAdmin, Everything),
		bindTeam("d", "crew", "environment-admin", "environment/production"))
	join(p, "crew", "member")
	return p
}

func TestThreat42AServiceNeverApprovesWhateverIsBound(t *testing.T) {
	t.Parallel()
	p := serviceWithTooMuch()
	for _, p := range []*Policy{p, copied(p).Compile()} {
		for _, name := range []string{"robot", "boss", "member"} {
			for _, environment := range []string{"staging", "production"} {
				d := p.Decide(service(name), TasksApprove, environment)
				if d.Allowed || !strings.Contains(d.Reason.String(), "for people only") {
					t.Errorf("%s in %s:\n%s", name, environment, d.Reason)
				}
				if p.index().holds(service(name).Subject, TasksApprove, EnvironmentResource(environment)) {
					t.Errorf("the rules of change take %s for an approver in %s", name, environment)
				}
			}
		}
		if d := p.Decide(service("robot"), DeploymentsExecute, "staging"); !d.Allowed {
			t.Errorf("what a service may have is lost too:\n%s", d.Reason)
		}
		for _, name := range []string{"boss", "member"} { // no server admin, in no team
			if d := p.Decide(service(name), TasksView, "production"); d.Allowed {
				t.Errorf("%s:\n%s", name, d.Reason)
			}
		}
		who, err := p.Who(TasksApprove, "environment/staging")
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range who {
			if h.Subject.Host == forge.Service {
				t.Errorf("%s is listed as an approver", h.Subject)
			}
		}
	}
}

func TestThreat49AServiceGrantsNoMoreThanItHolds(t *testing.T) {
	t.Parallel()
	before := base()
	before.Roles["binder"] = Role{Name: "binder", Permissions: []Permission{BindingsManage, TasksView, TasksCreate, DeploymentsView, EnvironmentsView}}
	before.Bindings = append(before.Bindings, bind("a", "robot", "binder", "environment/staging"))
	robot := Authority{User: service("robot")}
	after := copied(before)
	after.Bindings = append(after.Bindings, bind("new", "5", "developer", "environment/staging"))
	if d := CheckChange(robot, before, after); !d.Allowed {
		t.Errorf("a service cannot bind what it holds:\n%s", d.Reason)
	}
	after.Bindings = append(after.Bindings, bind("more", "5", "environment-admin", "environment/staging"))
	if d := CheckChange(robot, before, after); d.Allowed {
		t.Errorf("a service binds what it does not hold:\n%s", d.Reason)
	}
	// Binding a service is granting like any other.
	after = copied(before)
	after.Bindings = append(after.Bindings, bind("new", "other", "developer", "environment/staging"))
	if d := CheckChange(acting("3"), before, after); d.Allowed {
		t.Errorf("a developer binds a service:\n%s", d.Reason)
	}
	if d := CheckChange(acting("2"), before, after); !d.Allowed {
		t.Errorf("an environment-admin cannot bind a service:\n%s", d.Reason)
	}
}

func TestNotEvenTheServersOwnerMakesAServiceMore(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Policy){
		"approver": func(p *Policy) {
			p.Bindings = append(p.Bindings, bind("a", "robot", "environment-admin", "environment/staging"))
		},
		"server admin": func(p *Policy) { p.Bindings = append(p.Bindings, bind("a", "robot", ServerAdmin, Everything)) },
		"member":       func(p *Policy) { join(p, "crew", "robot") },
		"a role that grows": func(p *Policy) {
			p.Roles["r"] = Role{Name: "r", Permissions: []Permission{TasksApprove}}
			p.Bindings = append(p.Bindings, bind("a", "robot", "r", "environment/staging"))
		},
	} {
		before := base()
		after := copied(before)
		change(after)
		if d := CheckChange(Authority{Local: true}, before, after); d.Allowed {
			t.Errorf("%s: allowed:\n%s", name, d.Reason)
		}
	}
}

func atForge(ids ...string) Team {
	team := Team{Name: "crew", Forge: &ForgeTeam{Host: forge.GitHub, OrganizationID: "9", ID: "7", Name: "acme/reviewers"}}
	for _, id := range ids {
		team.Members = append(team.Members, Member{Subject: subject(id)})
	}
	return team
}

func TestATeamAtTheForgeGivesWhatIsBoundToIt(t *testing.T) {
	t.Parallel()
	p := base()
	p.Teams["crew"] = atForge("5")
	p.Bindings = append(p.Bindings, bindTeam("crew-approves", "crew", "environment-admin", "environment/staging"))
	d := p.Decide(acting("5").User, TasksApprove, "staging")
	if want := `through team "crew", which is acme/reviewers at github`; !d.Allowed || !strings.Contains(d.Reason.String(), want) {
		t.Errorf("want %s:\n%s", want, d.Reason)
	}
	who, err := p.Who(TasksApprove, "environment/staging")
	if err != nil || who[len(who)-1].ForgeTeam != "acme/reviewers" {
		t.Errorf("who: %+v, %v", who, err)
	}
	team := p.Teams["crew"]
	team.Forge.Unread = "the forge does not answer"
	d = p.Decide(acting("5").User, TasksApprove, "staging")
	if want := `team "crew" has nobody in it: who is in acme/reviewers at github is not known (the forge does not answer)`; d.Allowed ||
		!strings.Contains(strings.Join(d.Reason.Refusals(), "\n"), want) {
		t.Errorf("want %s:\n%s", want, d.Reason)
	}
	if text := p.Decide(acting("5").User, TasksApprove, "production").Reason.String(); strings.Contains(text, "acme") {
		t.Errorf("a team without a part in production is told there:\n%s", text)
	}
}

// Whoever points a team to the forge gives what the team has to people whom
// somebody else chooses.
func TestThreat49PointingATeamToTheForgeTakesAllThatIsBoundToIt(t *testing.T) {
	t.Parallel()
	before := base()
	before.Bindings = append(before.Bindings, bindTeam("crew-ships", "crew", "environment-admin", "environment/production"))
	after := copied(before)
	after.Teams["crew"] = atForge()
	before.Teams["crew"] = Team{Name: "crew"}
	d := CheckChange(acting("4"), before, after)
	if want := "adding everybody whom github has in acme/reviewers of a team that has role"; d.Allowed || !strings.Contains(d.Reason.String(), want) {
		t.Errorf("a team-admin without the team's roles points it to the forge; want %q:\n%s", want, d.Reason)
	}
	before.Bindings = append(before.Bindings, bind("x", "4", "environment-admin", "environment/production"))
	after.Bindings = append(after.Bindings, bind("x", "4", "environment-admin", "environment/production"))
	if d := CheckChange(acting("4"), before, after); !d.Allowed {
		t.Errorf("with them, it is refused:\n%s", d.Reason)
	}
	if d := CheckChange(acting("2"), before, after); d.Allowed {
		t.Errorf("without teams:manage, it is allowed:\n%s", d.Reason)
	}
	// Who is in it at present is no change, in neither direction.
	now := copied(after)
	now.Teams["crew"] = atForge("1", "2", "3")
	if d := CheckChange(acting("5"), after, now); !d.Allowed || d.Reason.Text != "nothing changes" {
		t.Errorf("the members at the forge count as a change:\n%s", d.Reason)
	}
}

// What people read of a team is for whoever manages it, though it decides nothing.
func TestThreat49TheNameOfATeamAtTheForgeIsNoStrangersToChange(t *testing.T) {
	t.Parallel()
	before := base()
	before.Teams["crew"] = atForge()
	after := copied(before)
	team := atForge()
	team.Forge.Name = "acme/somebody-else"
	after.Teams["crew"] = team
	if d := CheckChange(acting("5"), before, after); d.Allowed {
		t.Errorf("a stranger changes it:\n%s", d.Reason)
	}
	if d := CheckChange(acting("4"), before, after); !d.Allowed {
		t.Errorf("the team's admin cannot:\n%s", d.Reason)
	}
}

func TestATeamAtTheForgeIsNoLastServerAdmin(t *testing.T) {
	t.Parallel()
	before := base()
	after := copied(before)
	after.Teams["crew"] = atForge("1")
	after.Bindings = append(after.Bindings, bindTeam("team", "crew", ServerAdmin, Everything))
	unbind(after, "root")
	if d := CheckChange(Authority{Local: true}, before, after); d.Allowed || !strings.Contains(d.Reason.String(), "can be emptied there") {
		t.Errorf("only a team at the forge is left:\n%s", d.Reason)
	}
	onlyTeam, none := after, copied(after)
	unbind(none, "team")
	if d := CheckChange(Authority{Local: true}, onlyTeam, none); d.Allowed {
		t.Errorf("not even a team is left:\n%s", d.Reason)
	}
}
