package emulator

import "net/http"

const (
	get    = http.MethodGet
	post   = http.MethodPost
	patch  = http.MethodPatch
	put    = http.MethodPut
	remove = http.MethodDelete
)

const inRepo = "/repos/{owner}/{repo}"

// routeTable is everything that the REST API knows; the first match counts.
func (f *Forge) routeTable() []route {
	var all []route
	for _, group := range [][]route{appRoutes(), userRoutes(), teamRoutes(), repoRoutes(), issueRoutes(), pullRoutes(), checkRoutes()} {
		all = append(all, group...)
	}
	return all
}

func appRoutes() []route {
	return []route{
		{method: get, pattern: "/app", auth: authApp, serve: (*call).getApp},
		{method: get, pattern: "/app/installations", auth: authApp, query: "since outdated", serve: (*call).listInstallations},
		{method: get, pattern: "/app/installations/{n:installation_id}", auth: authApp, serve: (*call).getInstallation},
		{method: post, pattern: "/app/installations/{n:installation_id}/access_tokens", auth: authApp, serve: (*call).createToken},
		{method: get, pattern: "/app/hook/deliveries", auth: authApp, query: "cursor", serve: (*call).listDeliveries},
		{method: get, pattern: "/app/hook/deliveries/{n:delivery_id}", auth: authApp, serve: (*call).getDelivery},
		{method: post, pattern: "/app/hook/deliveries/{n:delivery_id}/attempts", auth: authApp, serve: (*call).redeliver},
		{method: get, pattern: inRepo + "/installation", auth: authApp, serve: (*call).getRepoInstallation},
		{method: post, pattern: "/app-manifests/{code}/conversions", auth: authNone, serve: (*call).convertManifest},
		{method: remove, pattern: "/applications/{client_id}/token", auth: authClient, serve: (*call).deleteAppToken},
		{method: post, pattern: "/applications/{client_id}/token/scoped", auth: authClient, serve: (*call).scopeAppToken},
		{method: get, pattern: "/installation/repositories", auth: authSomeone, serve: (*call).listInstallationRepos},
		{method: remove, pattern: "/installation/token", auth: authSomeone, serve: (*call).revokeToken},
	}
}

func userRoutes() []route {
	return []route{
		{method: get, pattern: "/user", auth: authSomeone, serve: (*call).getSelf},
		{method: get, pattern: "/user/{n:id}", serve: (*call).getUserByID},
		{method: get, pattern: "/users/{login}", serve: (*call).getUser},
		{method: get, pattern: "/rate_limit", auth: authNone, serve: (*call).getRateLimit},
	}
}

func repoRoutes() []route {
	return []route{
		{method: get, pattern: inRepo, serve: (*call).getRepo},
		{method: get, pattern: "/repositories/{n:repository_id}", serve: (*call).getRepo},
		{method: get, pattern: inRepo + "/collaborators", level: levelWrite, serve: (*call).listCollaborators},
		{method: get, pattern: inRepo + "/collaborators/{login}/permission", level: levelWrite, serve: (*call).getPermission},
		{method: get, pattern: inRepo + "/branches", access: "contents:read", query: "protected", serve: (*call).listBranches},
		{method: get, pattern: inRepo + "/branches/{branch}/protection", access: "administration:read", level: levelAdmin, serve: (*call).getProtection},
		{method: put, pattern: inRepo + "/branches/{branch}/protection", access: "administration:write", level: levelAdmin, serve: (*call).putProtection},
		{method: remove, pattern: inRepo + "/branches/{branch}/protection", access: "administration:write", level: levelAdmin, serve: (*call).deleteProtection},
		{method: get, pattern: inRepo + "/branches/{branch...}", access: "contents:read", serve: (*call).getBranch},
		{method: get, pattern: inRepo + "/git/ref/{ref...}", access: "contents:read", serve: (*call).getRef},
		{method: get, pattern: inRepo + "/git/matching-refs/{ref...}", access: "contents:read", serve: (*call).matchingRefs},
		{method: post, pattern: inRepo + "/git/refs", access: "contents:write", level: levelWrite, serve: (*call).createRef},
		{method: patch, pattern: inRepo + "/git/refs/{ref...}", access: "contents:write", level: levelWrite, serve: (*call).patchRef},
		{method: remove, pattern: inRepo + "/git/refs/{ref...}", access: "contents:write", level: levelWrite, serve: (*call).deleteRef},
		{method: get, pattern: inRepo + "/commits", access: "contents:read", query: "sha path since until", serve: (*call).listCommits},
		{method: get, pattern: inRepo + "/compare/{basehead...}", access: "contents:read", serve: (*call).compareCommits},
		{method: get, pattern: inRepo + "/contents", access: "contents:read", query: "ref", serve: (*call).getContents},
		{method: get, pattern: inRepo + "/contents/{path...}", access: "contents:read", query: "ref", serve: (*call).getContents},
		{method: get, pattern: inRepo + "/activity", access: "contents:read", query: "ref direction actor activity_type after", serve: (*call).listActivity},
	}
}

func issueRoutes() []route {
	const read, write = "issues|pull_requests:read", "issues|pull_requests:write"
	return []route{
		{method: post, pattern: inRepo + "/issues", access: "issues:write", serve: (*call).createIssue},
		{method: get, pattern: inRepo + "/issues", access: read, query: "state sort direction since labels creator", serve: (*call).listIssues},
		{method: get, pattern: inRepo + "/issues/comments", access: read, query: "since sort direction", serve: (*call).listRepoComments},
		{method: get, pattern: inRepo + "/issues/comments/{n:comment_id}", access: read, serve: (*call).getComment},
		{method: patch, pattern: inRepo + "/issues/comments/{n:comment_id}", access: write, serve: (*call).editComment},
		{method: remove, pattern: inRepo + "/issues/comments/{n:comment_id}", access: write, serve: (*call).deleteComment},
		{method: post, pattern: inRepo + "/issues/comments/{n:comment_id}/reactions", access: write, serve: (*call).reactToComment},
		{method: get, pattern: inRepo + "/issues/comments/{n:comment_id}/reactions", access: read, query: "content", serve: (*call).listCommentReactions},
		{method: remove, pattern: inRepo + "/issues/comments/{n:comment_id}/reactions/{n:reaction_id}", access: write, serve: (*call).deleteCommentReaction},
		{method: get, pattern: inRepo + "/issues/events", access: read, serve: (*call).listRepoEvents},
		{method: get, pattern: inRepo + "/issues/{n:number}", access: read, serve: (*call).getIssue},
		{method: patch, pattern: inRepo + "/issues/{n:number}", access: write, serve: (*call).editIssue},
		{method: post, pattern: inRepo + "/issues/{n:number}/comments", access: write, serve: (*call).createComment},
		{method: get, pattern: inRepo + "/issues/{n:number}/comments", access: read, query: "since", serve: (*call).listComments},
		{method: post, pattern: inRepo + "/issues/{n:number}/reactions", access: write, serve: (*call).reactToIssue},
		{method: get, pattern: inRepo + "/issues/{n:number}/reactions", access: read, query: "content", serve: (*call).listIssueReactions},
		{method: remove, pattern: inRepo + "/issues/{n:number}/reactions/{n:reaction_id}", access: write, serve: (*call).deleteIssueReaction},
		{method: post, pattern: inRepo + "/issues/{n:number}/labels", access: write, serve: (*call).addLabels},
		{method: get, pattern: inRepo + "/issues/{n:number}/labels", access: read, serve: (*call).listLabels},
		{method: remove, pattern: inRepo + "/issues/{n:number}/labels/{name}", access: write, serve: (*call).removeLabel},
		{method: get, pattern: inRepo + "/issues/{n:number}/events", access: read, serve: (*call).listIssueEvents},
		{method: get, pattern: inRepo + "/labels", access: read, serve: (*call).listRepoLabels},
		{method: get, pattern: inRepo + "/labels/{name}", access: read, serve: (*call).getLabel},
		{method: post, pattern: inRepo + "/labels", access: write, level: levelWrite, serve: (*call).createLabel},
	}
}

func pullRoutes() []route {
	const read, write, one = "pull_requests:read", "pull_requests:write", inRepo + "/pulls/{n:number}"
	return []route{
		{method: post, pattern: inRepo + "/pulls", access: write, serve: (*call).createPull},
		{method: get, pattern: inRepo + "/pulls", access: read, query: "state head base sort direction", serve: (*call).listPulls},
		{method: get, pattern: one, access: read, serve: (*call).getPull},
		{method: patch, pattern: one, access: write, serve: (*call).editPull},
		{method: get, pattern: one + "/files", access: read, serve: (*call).listPullFiles},
		{method: get, pattern: one + "/commits", access: read, serve: (*call).listPullCommits},
		{method: put, pattern: one + "/merge", access: "contents:write", level: levelWrite, serve: (*call).mergePull},
		{method: post, pattern: one + "/reviews", access: write, serve: (*call).createReview},
		{method: get, pattern: one + "/reviews", access: read, serve: (*call).listReviews},
		{method: get, pattern: one + "/reviews/{n:review_id}", access: read, serve: (*call).getReview},
		{method: get, pattern: one + "/reviews/{n:review_id}/comments", access: read, serve: (*call).listReviewComments},
		{method: put, pattern: one + "/reviews/{n:review_id}", access: write, serve: (*call).updateReview},
		{method: remove, pattern: one + "/reviews/{n:review_id}", access: write, serve: (*call).deletePending},
		{method: post, pattern: one + "/reviews/{n:review_id}/events", access: write, serve: (*call).submitReview},
		{method: put, pattern: one + "/reviews/{n:review_id}/dismissals", access: write, level: levelWrite, serve: (*call).dismissReview},
	}
}

func checkRoutes() []route {
	return []route{
		{method: post, pattern: inRepo + "/check-runs", access: "checks:write", level: levelWrite, serve: (*call).createCheckRun},
		{method: get, pattern: inRepo + "/check-runs/{n:check_run_id}", access: "checks:read", serve: (*call).getCheckRun},
		{method: patch, pattern: inRepo + "/check-runs/{n:check_run_id}", access: "checks:write", level: levelWrite, serve: (*call).updateCheckRun},
		{method: get, pattern: inRepo + "/check-runs/{n:check_run_id}/annotations", access: "checks:read", serve: (*call).listAnnotations},
		{method: get, pattern: inRepo + "/commits/{ref}/check-runs", access: "checks:read", query: "check_name status filter app_id", serve: (*call).listCheckRuns},
		{method: post, pattern: inRepo + "/statuses/{sha}", access: "statuses:write", level: levelWrite, serve: (*call).createStatus},
		{method: get, pattern: inRepo + "/commits/{ref}/statuses", access: "statuses:read", serve: (*call).listStatuses},
		{method: get, pattern: inRepo + "/commits/{ref}/status", access: "statuses:read", serve: (*call).combinedStatus},
		{method: get, pattern: inRepo + "/commits/{ref}", access: "contents:read", serve: (*call).getCommit},
		{method: post, pattern: inRepo + "/deployments", access: "deployments:write", level: levelWrite, serve: (*call).createDeployment},
		{method: get, pattern: inRepo + "/deployments", access: "deployments:read", query: "sha ref task environment", serve: (*call).listDeployments},
		{method: get, pattern: inRepo + "/deployments/{n:deployment_id}", access: "deployments:read", serve: (*call).getDeployment},
		{method: post, pattern: inRepo + "/deployments/{n:deployment_id}/statuses", access: "deployments:write", level: levelWrite, serve: (*call).createDeploymentStatus},
		{method: get, pattern: inRepo + "/deployments/{n:deployment_id}/statuses", access: "deployments:read", serve: (*call).listDeploymentStatuses},
	}
}
