package web

import (
	"context"
	"net/http"
	"time"

	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// Tokens are the API tokens.
type Tokens interface {
	// TokenByHash returns a token, ended or not, or task.ErrNotFound.
	TokenByHash(ctx context.Context, hash token.Hash) (token.Token, error)
	// TouchToken records that the token was used.
	TouchToken(ctx context.Context, id string, when time.Time) error
	// TokenRefused audits the first use of a token after its end.
	TokenRefused(ctx context.Context, k token.Token, when time.Time) error
}

// Policies gives the rules in force. They are asked for in every request, so
// that what was revoked is revoked at once.
type Policies interface {
	Policy(ctx context.Context) (*policy.Policy, error)
}

// TaskQuery selects tasks, newest first.
type TaskQuery struct {
	Environments []string // only of these
	States       []task.State
	Repository   forge.RepositoryRef // zero: any
	Requester    string              // a subject or a login; empty: anybody
	Text         string              // words of the title, the task's id, the number of its issue or pull request; empty: any
	Before       task.ID             // only those before it; empty: from the newest
	Limit        int
}

// Cancellation is a request to end a task.
type Cancellation struct {
	Task task.Task
	By   forge.Subject
	// Token and Request are their ids, for the audit log.
	Token, Request string
}

// Tasks are the tasks and what belongs to one. What does not exist is
// task.ErrNotFound.
type Tasks interface {
	Task(ctx context.Context, id task.ID) (task.Task, error)
	// TaskPage is a part of the list, newest first. Of a snapshot it has the title alone.
	TaskPage(ctx context.Context, q TaskQuery) ([]task.Task, error)
	// CancelTask marks the task and has the engine look at it, audited.
	CancelTask(ctx context.Context, c Cancellation) error
	Proposal(ctx context.Context, id task.ID) (task.Proposal, error)
	// ReadLog returns up to limit bytes of a stream from a byte on.
	ReadLog(ctx context.Context, stream string, from int64, limit int) ([]byte, error)
}

// Records are what was written down about tasks.
type Records interface {
	ModelUsage(ctx context.Context, id task.ID) (task.Usage, error)
	ModelRefusals(ctx context.Context, id task.ID) ([]task.Refusal, error)
	HostUses(ctx context.Context, id task.ID) ([]task.HostUse, error)
	DeployRuns(ctx context.Context, id task.ID) ([]deploy.Run, error)
	// AuditPage returns entries and the number after which to go on; 0 if there
	// are no more.
	AuditPage(ctx context.Context, q AuditQuery) (entries []audit.Entry, next int64, err error)
	// AuditEntry returns one entry, or task.ErrNotFound.
	AuditEntry(ctx context.Context, number int64) (audit.Entry, error)
}

// API are the parts of /api/v1.
type API struct {
	Tokens   Tokens
	Policies Policies
	Tasks    Tasks
	TaskBook TaskBook
	// Comparisons say in what revisions of a proposal differ.
	Comparisons Comparisons
	Records     Records
	// Manifests are the versions of the manifests, Site what they meet here.
	Manifests Manifests
	Site      Site
	TokenDesk TokenDesk
	// SecretDesk keeps secrets.
	SecretDesk SecretDesk
	// GitTokens are people's own, which git uses.
	GitTokens GitTokens
	// Deployments are the deployment runs, and asking for one.
	Deployments Deployments
	// Receipts are what approvals did, for others to verify.
	Receipts Receipts
	// Freezes stop everything in an emergency; nil: nothing is ever frozen.
	Freezes FreezeDesk
	// Nodes are the processes that share the database.
	Nodes NodeDesk
	// System tells how the server is.
	System SystemDesk
	// Chains are how tasks came to what they did.
	Chains Chains
	// Evidence holds the log against the forge.
	Evidence Evidence
	// Format is how the task's agent writes.
	Format func(task.Task) activity.Format
	Limits Limits
}

// place is where a row's permission is needed.
type place string

const (
	// onSelf: nowhere; the row tells callers of themselves.
	onSelf place = "caller"
	// onEnvironments: in one environment at least; the handler lists those alone.
	onEnvironments place = "environments"
	// onTask: in the environment of the task that the path names.
	onTask place = "task"
	// onDeployment: in the environment of the run that the path names.
	onDeployment place = "deployment"
	// onApproval: in the environment of the approval that the path names.
	onApproval place = "approval"
	// onTarget: in the environment that the body names. It is decided, and audited,
	// where the request is carried out.
	onTarget place = "environment in the body"
	// onServer: on the server, or in the environment that the query names.
	onServer place = "server or environment"
	// onLog: on the server, or in the environments whose entries are given.
	onLog place = "server or its environments"
	// onEntry: on the server, or in the environment of the audit entry that the path names.
	onEntry place = "audit entry"
	// onWhole: on the server.
	onWhole place = "server"
	// onResource: on the resource that the query names.
	onResource place = "resource"
	// onObjects: the handler decides about each object; the row says by what.
	onObjects place = "objects"
)

// apiRow is one row of the API's table.
type apiRow struct {
	method, path string
	permission   policy.Permission // empty on onSelf and onObjects
	on           place
	// who says in words who may what, of a row onObjects.
	who string
	// orServer: whoever holds this on the server may do it too.
	orServer policy.Permission
	// oneself: everybody may ask it about themselves.
	oneself bool
	// requester: whoever requested the task may do it too.
	requester bool
	// whileFrozen: it changes something and goes on where everything is frozen.
	whileFrozen bool
	query       []string // parameters; every other is refused
	body        *form    // nil: it takes none
	handle      func(*call) error
}

// apiPrefix begins the path of every row.
const apiPrefix = "/api/v1"

// apiRows is the whole API. No row approves anything: that happens at the forge.
func (s *server) apiRows() []apiRow {
	const get, post = http.MethodGet, http.MethodPost
	return []apiRow{
		{method: get, path: "/whoami", on: onSelf, handle: whoami},
		{method: get, path: "/permissions", on: onSelf, handle: listPermissions},
		{method: get, path: "/roles", on: onSelf, handle: listRoles},
		{method: get, path: "/access/explain", permission: policy.BindingsManage, on: onResource, oneself: true,
			query: []string{"permission", "resource", "subject"}, handle: explainAccess},
		{method: get, path: "/access/who", permission: policy.BindingsManage, on: onResource,
			query: []string{"permission", "resource"}, handle: whoHolds},
		{method: get, path: "/environments", permission: policy.EnvironmentsView, on: onEnvironments, handle: listEnvironments},
		{method: get, path: "/tasks", permission: policy.TasksView, on: onEnvironments,
			query: []string{"state", "environment", "repository", "requester", "text", "limit", "cursor"}, handle: listTasks},
		{method: get, path: "/tasks/:id", permission: policy.TasksView, on: onTask, handle: showTask},
		{method: get, path: "/tasks/:id/log", permission: policy.TasksView, on: onTask,
			query: []string{"offset", "limit", "follow"}, handle: writtenLog},
		{method: get, path: "/tasks/:id/activity", permission: policy.TasksView, on: onTask,
			query: []string{"offset", "limit"}, handle: taskActivity},
		{method: get, path: "/tasks/:id/diff", permission: policy.TasksView, on: onTask, query: []string{"revision", "against"}, handle: taskDiff},
		{method: get, path: "/tasks/:id/revisions", permission: policy.TasksView, on: onTask, handle: listRevisions},
		{method: get, path: "/tasks/:id/models", permission: policy.TasksView, on: onTask, handle: taskModels},
		{method: get, path: "/tasks/:id/examinations", permission: policy.TasksView, on: onTask, handle: listExaminations},
		{method: get, path: "/tasks/:id/examinations/:exam", permission: policy.TasksView, on: onTask, handle: showExamination},
		{method: get, path: "/tasks/:id/examinations/:exam/log", permission: policy.TasksView, on: onTask,
			query: []string{"offset", "limit", "follow"}, handle: examinationLog},
		{method: get, path: "/tasks/:id/deployments", permission: policy.DeploymentsView, on: onTask, handle: taskDeployments},
		{method: get, path: "/tasks/:id/chain", permission: policy.TasksView, on: onTask, handle: taskChain},
		{method: post, path: "/tasks/:id/cancel", permission: policy.TasksCancel, on: onTask, requester: true, handle: cancelTask},
		{method: get, path: "/deployments", permission: policy.DeploymentsView, on: onEnvironments,
			query: []string{"environment", "profile", "commit", "task", "state", "before", "limit"}, handle: listDeployments},
		{method: post, path: "/deployments", permission: policy.DeploymentsExecute, on: onTarget,
			body: taking[deployBody](maxDeployment), handle: requestDeployment},
		{method: get, path: "/deployments/:id", permission: policy.DeploymentsView, on: onDeployment, handle: showDeployment},
		{method: get, path: "/deployments/:id/log", permission: policy.DeploymentsView, on: onDeployment,
			query: []string{"offset", "limit", "follow"}, handle: writtenLog},
		{method: get, path: "/approvals/:id/receipt", permission: policy.TasksView, on: onApproval, handle: showReceipt},
		{method: get, path: "/receipts", permission: policy.TasksView, on: onEnvironments,
			query: []string{"commit", "task", "repository"}, handle: findReceipt},
		{method: get, path: "/profiles", permission: policy.DeploymentsView, on: onEnvironments,
			query: []string{"environment"}, handle: listProfiles},
		{method: get, path: "/manifests", on: onObjects, who: "each object, by the caller's permission to see it",
			query: []string{"kind", "name", "environment"}, handle: readManifests},
		{method: get, path: "/manifests/history", permission: policy.EnvironmentsManage, on: onEnvironments, orServer: policy.ServerManage,
			query: []string{"limit", "cursor"}, handle: manifestHistory},
		{method: post, path: "/manifests", on: onObjects, who: "each object, by policy.CheckChange",
			body: taking[changeBody](maxManifests), handle: changeManifests},
		{method: get, path: "/tokens", on: onObjects, who: "each token, by whose it is",
			query: []string{"owner", "all"}, handle: listTokens},
		{method: post, path: "/tokens", on: onObjects, who: "what the token that is used reaches",
			body: taking[tokenBody](maxBody), handle: makeToken},
		{method: post, path: "/tokens/:id/revoke", on: onObjects, who: "each token, by whose it is", handle: revokeToken, whileFrozen: true},
		{method: get, path: "/freezes", on: onObjects, who: "each freeze, by the caller's permission to see its environment", handle: listFreezes},
		{method: post, path: "/freezes", permission: policy.EnvironmentsFreeze, on: onServer, whileFrozen: true,
			query: []string{"environment"}, body: taking[freezeBody](maxBody), handle: setFreeze},
		{method: http.MethodDelete, path: "/freezes", permission: policy.EnvironmentsFreeze, on: onServer, orServer: policy.EnvironmentsFreeze, whileFrozen: true,
			query: []string{"environment"}, handle: liftFreeze},
		{method: get, path: "/nodes", permission: policy.ServerManage, on: onWhole, handle: listNodes},
		{method: post, path: "/nodes/:node/drain", permission: policy.ServerManage, on: onWhole, whileFrozen: true, handle: changeNode(NodeDesk.Drain)},
		{method: post, path: "/nodes/:node/resume", permission: policy.ServerManage, on: onWhole, whileFrozen: true, handle: changeNode(NodeDesk.Resume)},
		{method: http.MethodDelete, path: "/nodes/:node", permission: policy.ServerManage, on: onWhole, whileFrozen: true, handle: changeNode(NodeDesk.Forget)},
		{method: get, path: "/secrets", permission: policy.SecretsManage, on: onEnvironments,
			query: []string{"environment"}, handle: listSecrets},
		{method: post, path: "/secrets", permission: policy.SecretsManage, on: onServer,
			query: []string{"environment"}, body: taking[newSecretBody](maxBody), handle: setSecret},
		{method: post, path: "/secrets/remove", permission: policy.SecretsManage, on: onServer,
			query: []string{"environment"}, body: taking[secretBody](maxBody), handle: removeSecret},
		{method: get, path: "/audit", permission: policy.AuditView, on: onLog, query: auditParameters, handle: listAudit},
		{method: post, path: "/audit/reconcile", permission: policy.AuditView, on: onWhole, whileFrozen: true,
			query: []string{"repository"}, handle: reconcileAudit},
		{method: get, path: "/audit/differences", permission: policy.AuditView, on: onWhole,
			query: []string{"repository"}, handle: knownDifferences},
		{method: get, path: "/audit/export", permission: policy.AuditView, on: onLog,
			query: append([]string{"format"}, auditParameters...), handle: exportAudit},
		{method: get, path: "/audit/:number", permission: policy.AuditView, on: onEntry, handle: showAuditEntry},
	}
}

// access says in the table of all routes who may call the row.
func (r apiRow) access() access {
	return access("API token" + r.decides())
}

func (s *server) apiRoutes() []route {
	table := []route{{http.MethodGet, apiPrefix + "/openapi.yaml", open, s.openapi}}
	for _, row := range s.apiRows() {
		table = append(table, route{row.method, apiPrefix + row.path, row.access(), s.guard(row)})
	}
	return table
}
