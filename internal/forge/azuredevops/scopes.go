package azuredevops

// Scope is one that a personal access token needs.
type Scope struct {
	ID   string // as the service's interface calls it
	Name string // as the page for making tokens calls it
	Why  string
	// Optional scopes are for what not everybody uses.
	Optional bool
}

// Scopes are those of CoderFlow's token. Making subscriptions is not among them: that takes
// an administrator of the project, whose own token setting up can use.
// https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/oauth#scopes
func Scopes() []Scope {
	return []Scope{
		{ID: "vso.code_write", Name: "Code (Read & write)", Why: "fetch and push, pull requests and their conversations"},
		{ID: "vso.code_status", Name: "Code (Status)", Why: "statuses of pull requests and commits"},
		{ID: "vso.work_write", Name: "Work Items (Read & write)", Why: "work items, their comments and tags"},
		{ID: "vso.identity", Name: "Identity (Read)", Why: "who people are, and whether an account is a person's"},
		{ID: "vso.project", Name: "Project and Team (Read)", Why: "teams that roles are bound to"},
		{ID: "vso.security_manage", Name: "Security (Manage)", Why: "what a reviewer may do in the repository; the service has no scope for reading that alone, and its account's own rights bound it"},
		{ID: "vso.build_execute", Name: "Build (Read & execute)", Why: "deployments by pipelines", Optional: true},
	}
}
