// Package policy decides. Its functions are pure: they get the facts and the
// policy and return a [Decision] with a tree of reasons; they read nothing,
// store nothing and know no forge, database or clock.
package policy

// Permission is one thing that a role can allow.
type Permission string

// Permissions that the product checks today.
const (
	TasksView          Permission = "tasks:view"
	TasksCreate        Permission = "tasks:create"
	TasksCancel        Permission = "tasks:cancel"
	TasksApprove       Permission = "tasks:approve"
	DeploymentsView    Permission = "deployments:view"
	DeploymentsExecute Permission = "deployments:execute"
)

// Descriptions says what each permission allows, for help texts.
var Descriptions = map[Permission]string{
	TasksView:          "see tasks, their logs and proposals",
	TasksCreate:        "start a task with /coderflow run or the label",
	TasksCancel:        "cancel somebody else's task",
	TasksApprove:       "approve a proposal, which commits and pushes it",
	DeploymentsView:    "see deployments and their output",
	DeploymentsExecute: "arm a deployment in an approving review",
}

// Role is a named set of permissions.
type Role struct {
	Name        string
	Description string
	Permissions []Permission
}

// Predefined roles. They are additive: a person holds the union of the
// permissions of every role bound to them on the resource.
var predefined = map[string]Role{
	"viewer": {
		Name: "viewer", Description: "reads",
		Permissions: []Permission{TasksView, DeploymentsView},
	},
	"developer": {
		Name: "developer", Description: "starts tasks; neither approves nor deploys",
		Permissions: []Permission{TasksView, TasksCreate, DeploymentsView},
	},
	"environment-admin": {
		Name: "environment-admin", Description: "approves and deploys in the environment",
		Permissions: []Permission{
			TasksView, TasksCreate, TasksCancel, TasksApprove, DeploymentsView, DeploymentsExecute,
		},
	},
	"server-admin": {
		Name: "server-admin", Description: "everything",
		Permissions: []Permission{
			TasksView, TasksCreate, TasksCancel, TasksApprove, DeploymentsView, DeploymentsExecute,
		},
	},
}

// PredefinedRole returns a predefined role by name.
func PredefinedRole(name string) (Role, bool) {
	role, ok := predefined[name]
	return role, ok
}
