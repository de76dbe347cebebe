// Package policy decides. Its functions are pure: they get the facts and the
// policy and return a [Decision] with a tree of reasons; they read nothing,
// store nothing and know no forge, database or clock.
package policy

import "slices"

// Permission is one thing that a role can allow.
type Permission string

// Every permission there is.
const (
	TasksView          Permission = "tasks:view"
	TasksCreate        Permission = "tasks:create"
	TasksCancel        Permission = "tasks:cancel"
	TasksApprove       Permission = "tasks:approve"
	DeploymentsView    Permission = "deployments:view"
	DeploymentsExecute Permission = "deployments:execute"
	EnvironmentsView   Permission = "environments:view"
	EnvironmentsManage Permission = "environments:manage"
	EnvironmentsFreeze Permission = "environments:freeze"
	ProfilesManage     Permission = "profiles:manage"
	SecretsManage      Permission = "secrets:manage"
	JudgesRun          Permission = "judges:run"
	BindingsManage     Permission = "bindings:manage"
	RolesManage        Permission = "roles:manage"
	TeamsManage        Permission = "teams:manage"
	AuditView          Permission = "audit:view"
	AuditExport        Permission = "audit:export"
	TokensManage       Permission = "tokens:manage"
	ServerManage       Permission = "server:manage"
)

// PermissionInfo says what a permission is about.
type PermissionInfo struct {
	Permission  Permission `json:"permission"`
	Description string     `json:"description"`
	// On are the kinds of resource on which the permission means something. A
	// role that is bound on another kind does not give it there.
	On []Kind `json:"on"`
}

// catalog is the enumerated list; its order is that of help texts.
var catalog = []PermissionInfo{
	{TasksView, "see tasks, their logs and proposals", []Kind{OnEnvironment}},
	{TasksCreate, "start a task with /coderflow run or the label", []Kind{OnEnvironment}},
	{TasksCancel, "cancel somebody else's task", []Kind{OnEnvironment}},
	{TasksApprove, "approve a proposal, which commits and pushes it", []Kind{OnEnvironment}},
	{DeploymentsView, "see deployments and their output", []Kind{OnEnvironment}},
	{DeploymentsExecute, "arm a deployment in an approving review", []Kind{OnEnvironment}},
	{EnvironmentsView, "see an environment's configuration", []Kind{OnEnvironment}},
	{EnvironmentsManage, "change an environment: repositories, agent, limits, gate", []Kind{OnEnvironment}},
	{ProfilesManage, "change an environment's deployment profiles", []Kind{OnEnvironment}},
	{SecretsManage, "set and remove an environment's secrets", []Kind{OnEnvironment}},
	{JudgesRun, "ask for a review by judges", []Kind{OnEnvironment}},
	{BindingsManage, "give and take roles on the resource, no more than one holds", []Kind{OnEnvironment, OnTeam, OnServer}},
	{RolesManage, "define custom roles", []Kind{OnServer}},
	{TeamsManage, "add and remove members of the team", []Kind{OnTeam}},
	{AuditView, "read the audit log", []Kind{OnEnvironment, OnServer}},
	{AuditExport, "export the audit log", []Kind{OnEnvironment, OnServer}},
	{TokensManage, "see and revoke other people's API tokens", []Kind{OnServer}},
	{EnvironmentsFreeze, "stop everything in an emergency, and let it go on", []Kind{OnEnvironment, OnServer}},
	{ServerManage, "look after the server: queues, nodes, storage, git providers", []Kind{OnServer}},
}

// Permissions lists every permission in a fixed order.
func Permissions() []PermissionInfo {
	list := slices.Clone(catalog)
	for i := range list {
		list[i].On = slices.Clone(list[i].On)
	}
	return list
}

// PermissionNames are the permissions as text, in the same order.
func PermissionNames() []string {
	names := make([]string, 0, len(catalog))
	for _, info := range catalog {
		names = append(names, string(info.Permission))
	}
	return names
}

// Known reports whether there is such a permission.
func (p Permission) Known() bool { return p.info() != nil }

// On reports whether the permission means something on the kind of resource.
// Everything has every permission.
func (p Permission) On(k Kind) bool {
	info := p.info()
	return info != nil && (k == OnEverything || slices.Contains(info.On, k))
}

func (p Permission) info() *PermissionInfo {
	for i := range catalog {
		if catalog[i].Permission == p {
			return &catalog[i]
		}
	}
	return nil
}

func allPermissions() []Permission {
	all := make([]Permission, 0, len(catalog))
	for _, info := range catalog {
		all = append(all, info.Permission)
	}
	return all
}

// permissionSet has one bit for each permission, by its place in the catalog.
type permissionSet uint64

func setOf(permissions []Permission) permissionSet {
	var set permissionSet
	for _, p := range permissions {
		for i := range catalog {
			if catalog[i].Permission == p {
				set |= 1 << i
			}
		}
	}
	return set
}
