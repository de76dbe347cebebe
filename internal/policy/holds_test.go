package policy

import (
	"fmt"
	"strings"
	"testing"
)

// Every refusal for want of a permission names the permission, the resource and
// who can grant it, to a stranger and to somebody with a lesser role.
func TestRefusalsNamePermissionResourceAndGranter(t *testing.T) {
	t.Parallel()
	p := base()
	p.Bindings = append(p.Bindings, bind("reader", "6", "viewer", "environment/staging"), bind("lead", "7", "team-admin", "team/crew"))
	grants := map[string]string{
		"environment/staging":    "an environment-admin of staging (github:2) or a server-admin (github:1) can grant it",
		"environment/production": "an environment-admin of production or a server-admin (github:1) can grant it",
		"team/crew":              "a team-admin of crew (github:4, github:7) or a server-admin (github:1) can grant it",
		Server:                   "a server-admin (github:1) can grant it",
		Everything:               "a server-admin (github:1) can grant it",
	}
	for resource := range grants {
		for _, info := range Permissions() {
			for _, who := range []string{"5", "6"} {
				d := p.DecideOn(acting(who).User, info.Permission, resource)
				if d.Allowed || !info.Permission.On(kindOf(resource)) {
					continue
				}
				granter := grants[resource]
				if kindOf(resource) == OnEnvironment && info.Permission == AuditExport { // no environment-admin has it
					granter = "a server-admin (github:1) can grant it"
				}
				text := strings.Join(d.Reason.Refusals(), "\n")
				for _, want := range []string{fmt.Sprintf("%q", info.Permission), at(resource), granter} {
					if !strings.Contains(text, want) {
						t.Errorf("%s on %s refused to %s does not say %q:\n%s", info.Permission, resource, who, want, text)
					}
				}
			}
		}
	}
}

func TestRefusalSaysWhatToDoWhereNobodyCanGrant(t *testing.T) {
	t.Parallel()
	p := &Policy{Environments: map[string]Environment{"staging": {Name: "staging"}}}
	if text := p.Decide(acting("5").User, TasksView, "staging").Reason.String(); !strings.Contains(text, "whoever runs the server can, with coderflow apply") {
		t.Error(text)
	}
}

func TestManyGrantersAreCutOff(t *testing.T) {
	t.Parallel()
	p := base()
	for i := range 20 {
		p.Bindings = append(p.Bindings, bind(fmt.Sprintf("b%d", i), fmt.Sprintf("5%02d", i), "environment-admin", "environment/staging"))
	}
	if text := p.Decide(acting("5").User, TasksView, "staging").Reason.String(); !strings.Contains(text, "(github:2, github:500, github:501, others)") {
		t.Error(text)
	}
}

func TestUnknownThingsAreRefusedByName(t *testing.T) {
	t.Parallel()
	p := base()
	root := acting("1").User
	for _, row := range []struct {
		permission Permission
		resource   string
		says       string
	}{
		{"tasks:own", "environment/staging", `no permission "tasks:own"`},
		{TasksView, "environment/nowhere", `no environment "nowhere"`},
		{TeamsManage, "team/nowhere", `no team "nowhere"`},
		{TeamsManage, "environment/staging", `"teams:manage" means nothing in environment "staging"`},
		{TasksView, Server, "means nothing on the server"},
		{TasksView, "staging", "want environment/NAME"},
		{TasksView, "environment/", "want environment/NAME"},
		{TasksView, "environment/a/b", "want environment/NAME"},
		{TasksView, "", "want environment/NAME"},
	} {
		if d := p.DecideOn(root, row.permission, row.resource); d.Allowed || !strings.Contains(d.Reason.String(), row.says) {
			t.Errorf("%s on %q: %v, want %q", row.permission, row.resource, d.Reason, row.says)
		}
	}
}

func TestWhoListsEverybodyOnceForEachBinding(t *testing.T) {
	t.Parallel()
	p := base()
	p.Bindings = append(p.Bindings, bindTeam("crew-reads", "crew", "viewer", "environment/staging"))
	holders, err := p.Who(TasksView, "environment/staging")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range holders {
		got = append(got, h.Subject.ID+" "+h.Binding+" "+h.Team)
		if !p.Decide(acting(h.Subject.ID).User, TasksView, "staging").Allowed {
			t.Errorf("%s is listed and may not", h.Subject)
		}
	}
	if want := "1 root ,2 second ,3 third ,4 crew-reads crew"; strings.Join(got, ",") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPredefinedRolesCannotBeChangedFromOutside(t *testing.T) {
	t.Parallel()
	r, _ := PredefinedRole("viewer")
	r.Permissions[0] = ServerManage
	Permissions()[0].On[0] = OnServer
	if again, _ := PredefinedRole("viewer"); again.Permissions[0] != TasksView || !TasksView.On(OnEnvironment) {
		t.Error("a caller changed what a role gives")
	}
	p := base()
	p.Roles["viewer"] = Role{Name: "viewer", Permissions: allPermissions()} // shadows
	p.Bindings = append(p.Bindings, bind("x", "5", "viewer", "environment/staging"))
	if p.Decide(acting("5").User, TasksApprove, "staging").Allowed {
		t.Error("a custom role shadows a predefined one")
	}
}
