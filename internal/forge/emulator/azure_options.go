package emulator

import "time"

// AzureOptions configure a Forge of the kind forge.AzureDevOps. All of it is optional.
type AzureOptions struct {
	// Organization is the first segment of every address; default "acme".
	Organization string
	// Account is the display name of CoderFlow's own account; default "CoderFlow".
	Account string
	// Scopes narrow the account's personal access token; nil means AccountScopes().
	Scopes []string
	// NumbersCollide has pull requests count from 1 as work items do, which the real service may; else they
	// begin at 5001.
	NumbersCollide bool
	// NoSubscriptions keeps SetWebhookURL from making service hook subscriptions.
	NoSubscriptions bool
	// ResourceDetails is what the subscriptions of SetWebhookURL ask for: all (default), minimal or none.
	ResourceDetails string
	// RetryAfter is the wait before the nth retry of a delivery that failed for a moment; default is the
	// service's own: 1 s, doubled each time up to 60 s.
	RetryAfter func(retry int) time.Duration
	// Pipeline decides what a run of a pipeline does; default succeeds at once.
	Pipeline func(PipelineRun) PipelineOutcome
}

// AccountScopes are what a token needs for everything that CoderFlow does.
func AccountScopes() []string {
	return []string{"vso.code_write", "vso.code_status", "vso.work_write", "vso.identity", "vso.project",
		"vso.profile", "vso.build_execute", "vso.security_manage"}
}

// AzureInfo is what a client of the organization needs.
type AzureInfo struct {
	OrganizationURL string `json:"organizationURL"`
	Organization    string `json:"organization"`
	// CoderFlow's own account.
	Account     string `json:"account"`
	AccountGUID string `json:"accountGUID"`
	Token       string `json:"token"`
	TokenFile   string `json:"tokenFile"`
	// What deliveries carry as basic authentication.
	WebhookUser         string `json:"webhookUser"`
	WebhookPassword     string `json:"webhookPassword"`
	WebhookPasswordFile string `json:"webhookPasswordFile"`
	// Where service principals get their tokens: Authority + "/oauth2/v2.0/token".
	Authority string             `json:"authority"`
	Projects  []AzureProjectInfo `json:"projects"`
}

// AzureProjectInfo names a project.
type AzureProjectInfo struct {
	Name string `json:"name"`
	GUID string `json:"guid"`
}
