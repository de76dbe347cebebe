package web

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
)

// environmentRoutes are the pages about environments and about access.
func (s *server) environmentRoutes() []route {
	return []route{
		{http.MethodGet, "/environments", session, asPage(s.withSession(showEnvironments), s)},
		{http.MethodGet, "/environments/:name", session, asPage(s.withSession(showEnvironment), s)},
		{http.MethodGet, "/access", session, asPage(s.withSession(showAccess), s)},
	}
}

// environmentRow is one environment in the list.
type environmentRow struct {
	Name, Description string
	Repositories      []string
	Gate              string
	Rules             int
	Agents            []string
	Frozen            bool
}

// environmentsPage is the list of those that the viewer may see.
type environmentsPage struct {
	Rows      []environmentRow
	Version   string
	AppliedBy string
	InForce   InForce
}

func showEnvironments(c *call) error {
	now, s, err := c.sight()
	if err != nil {
		return err
	}
	_, frozen := c.s.frozen(c.Request().Context())
	view := environmentsPage{InForce: now}
	for _, name := range slices.Sorted(maps.Keys(now.Set.Environments)) {
		if !s.environment(name) {
			continue
		}
		e := now.Set.Environments[name]
		row := environmentRow{
			Name: name, Description: e.Description, Gate: required(e.Gate.Policy()), Rules: len(e.Gate.Rules), Agents: e.AgentNames(),
		}
		_, row.Frozen = frozen.Over(freeze.Environment(name))
		for _, r := range e.Repositories {
			row.Repositories = append(row.Repositories, r.Name)
		}
		view.Rows = append(view.Rows, row)
	}
	return c.page("environments", console.Page{Title: "Environments", Section: "environments", Body: view})
}

// environmentPage is one environment and what is in force there, in words.
type environmentPage struct {
	manifest.Environment
	Viewing   viewing
	Rights    []permissionRow
	Gate      gateView
	Agents    []agentView
	Judges    []judgeRow
	Checks    []checkRow
	Sandbox   []fact
	Bounds    []fact
	Profiles  []profileRow
	Standing  []string
	Secrets   []StoredSecret
	InForce   InForce
	YAML      string
	Labels    []string
	Reachable []string
}

// viewing is what the viewer may see beyond the environment itself.
type viewing struct {
	Tasks, Deployments, Audit, Secrets, Holders bool
}

// fact is a name and what is so.
type fact struct{ Name, Value string }

func showEnvironment(c *call) error {
	now, s, err := c.sight()
	if err != nil {
		return err
	}
	name := c.Param("name")
	e, known := now.Set.Environments[name]
	if !known || !s.environment(name) {
		return errNoEnvironment
	}
	on := policy.EnvironmentResource(name)
	view := environmentPage{
		Environment: e, InForce: now, Gate: viewGate(e.Gate.Policy()), Agents: viewAgents(e), Judges: viewJudges(e), Checks: viewChecks(e), Sandbox: limitFacts(e), Bounds: boundFacts(e),
		Standing: standingWords(e), Labels: []string{e.Label, manifest.EnvironmentLabel(name)}, Reachable: e.Network.Hosts,
		Viewing: viewing{
			Tasks: s.holds(policy.TasksView, on), Deployments: s.holds(policy.DeploymentsView, on), Audit: s.holds(policy.AuditView, on),
			Secrets: s.holds(policy.SecretsManage, on), Holders: s.holds(policy.BindingsManage, on),
		},
	}
	view.Rights = c.permissionRows(on, view.Viewing.Holders)
	if view.Viewing.Deployments {
		view.Profiles = profileRows(now.Set.Profiles[name])
	}
	if view.Viewing.Secrets {
		if view.Secrets, err = c.s.API.SecretDesk.StoredSecrets(c.Request().Context(), name); err != nil {
			return err
		}
	}
	if view.YAML, err = manifestOf(now.Set, s, name); err != nil {
		return err
	}
	return c.page("environment", console.Page{Title: "Environment " + name, Section: "environments", Body: view})
}

// manifestOf is the environment with its profiles as they are applied.
func manifestOf(set *manifest.Set, s *sight, name string) (string, error) {
	objects, err := set.Objects()
	if err != nil {
		return "", err
	}
	of := slices.DeleteFunc(s.visible(objects), func(o manifest.Object) bool {
		environment, short := profileName(o.Kind, o.Name)
		return environment != name && (o.Kind != manifest.KindEnvironment || short != name)
	})
	return string(inert(manifest.YAML(of))), nil
}

// permissionRow says who holds a permission: by which roles, and, for whoever
// manages bindings there, which people.
type permissionRow struct {
	policy.PermissionInfo
	Roles   []string
	Holders []holderView
	Mine    bool
}

// holderView is one person or service who holds a permission, and by what.
type holderView struct {
	policy.Holder
	By []string // each way in which they hold it
}

// Name is who it is to a reader.
func (h holderView) Name() string { return cmp.Or(h.Login, h.Subject.String()) }

// permissionRows are the permissions that mean something on a resource.
func (c *call) permissionRows(resource string, holders bool) []permissionRow {
	kind, _, _ := policy.ParseResource(resource)
	var rows []permissionRow
	for _, info := range policy.Permissions() {
		if !info.Permission.On(kind) {
			continue
		}
		row := permissionRow{PermissionInfo: info, Mine: c.holds(info.Permission, resource).OK}
		for _, role := range c.rules.AllRoles() {
			if role.Includes(info.Permission, kind) {
				row.Roles = append(row.Roles, role.Name)
			}
		}
		if holders {
			row.Holders = c.holders(info.Permission, resource)
		}
		rows = append(rows, row)
	}
	return rows
}

// holders are who holds the permission, each once.
func (c *call) holders(permission policy.Permission, resource string) []holderView {
	all, err := c.rules.Who(permission, resource)
	if err != nil { // it means nothing there
		return nil
	}
	var list []holderView
	for _, h := range all {
		if n := len(list); n == 0 || list[n-1].Subject != h.Subject {
			list = append(list, holderView{Holder: h})
		}
		last := &list[len(list)-1]
		last.By = append(last.By, howHeld(h))
		last.Login = cmp.Or(last.Login, h.Login)
	}
	return list
}

// howHeld is by what somebody holds a permission, in words.
func howHeld(h policy.Holder) string {
	text := "role " + h.Role + " on " + h.Resource + " (binding " + h.Binding + ")"
	if h.Team == "" {
		return text
	}
	text += ", as a member of team " + h.Team
	if h.ForgeTeam != "" {
		text += ", which is " + h.ForgeTeam + " at the forge"
	}
	return text
}

// profileRow is a deployment profile in words.
type profileRow struct {
	deploy.Profile
	Takes []string // its parameters
}

func profileRows(profiles map[string]deploy.Profile) []profileRow {
	var rows []profileRow
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		row := profileRow{Profile: profiles[name]}
		for _, p := range row.Parameters {
			text := p.Name + " (" + string(p.Type)
			if len(p.Options) > 0 {
				text += ": " + strings.Join(p.Options, ", ")
			}
			switch {
			case p.Required:
				text += ", required"
			case p.Default != "":
				text += ", default " + p.Default
			}
			row.Takes = append(row.Takes, text+")")
		}
		rows = append(rows, row)
	}
	return rows
}
