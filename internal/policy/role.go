package policy

import (
	"slices"
	"strings"
)

// Role is a named set of permissions. Roles are additive: a person holds the
// union of what every role gives that is bound to them on the resource.
type Role struct {
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Permissions []Permission `json:"permissions"`
	// Kinds are where a predefined role can be bound, besides everything. Nil for
	// a custom role: wherever one of its permissions means something.
	Kinds []Kind `json:"-"`
}

// ServerAdmin is the role that holds everything, on everything only.
const ServerAdmin = "server-admin"

var predefined = []Role{
	{
		Name: "viewer", Description: "reads", Kinds: []Kind{OnEnvironment},
		Permissions: []Permission{TasksView, DeploymentsView, EnvironmentsView},
	},
	{
		Name: "developer", Description: "creates and runs tasks; neither approves nor deploys", Kinds: []Kind{OnEnvironment},
		Permissions: []Permission{TasksView, TasksCreate, DeploymentsView, EnvironmentsView},
	},
	{
		Name: "environment-admin", Kinds: []Kind{OnEnvironment},
		Description: "configuration, repositories, profiles, secrets and roles of the environment; approves and deploys in it",
		Permissions: []Permission{
			TasksView, TasksCreate, TasksCancel, TasksApprove, DeploymentsView, DeploymentsExecute,
			EnvironmentsView, EnvironmentsManage, EnvironmentsFreeze, ProfilesManage, SecretsManage, JudgesRun, BindingsManage, AuditView,
		},
	},
	{
		Name: "team-admin", Description: "membership and role assignments of the team", Kinds: []Kind{OnTeam},
		Permissions: []Permission{BindingsManage, TeamsManage},
	},
	{Name: ServerAdmin, Description: "everything", Kinds: []Kind{}, Permissions: allPermissions()},
}

// PredefinedRoles lists the predefined roles, from the least to the most.
func PredefinedRoles() []Role {
	list := make([]Role, len(predefined))
	for i, r := range predefined {
		list[i] = r.clone()
	}
	return list
}

// PredefinedRole returns a predefined role by name.
func PredefinedRole(name string) (Role, bool) {
	for _, r := range predefined {
		if r.Name == name {
			return r.clone(), true
		}
	}
	return Role{}, false
}

// Shadows reports whether the name could be taken for a predefined role's.
func Shadows(name string) bool {
	return slices.ContainsFunc(predefined, func(r Role) bool { return strings.EqualFold(r.Name, name) })
}

func (r Role) clone() Role {
	r.Permissions, r.Kinds = slices.Clone(r.Permissions), slices.Clone(r.Kinds)
	return r
}

// Includes reports whether the role gives the permission, bound on that kind.
func (r Role) Includes(p Permission, k Kind) bool {
	return p.On(k) && slices.Contains(r.Permissions, p)
}

// On are the permissions that the role gives when it is bound on that kind.
func (r Role) On(k Kind) []Permission {
	var effective []Permission
	for _, p := range r.Permissions {
		if p.On(k) {
			effective = append(effective, p)
		}
	}
	return effective
}

// Fits reports whether it makes sense to bind the role on that kind.
func (r Role) Fits(k Kind) bool {
	if r.Kinds != nil && k != OnEverything && !slices.Contains(r.Kinds, k) {
		return false
	}
	return len(r.On(k)) > 0
}
