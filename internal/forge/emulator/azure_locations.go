package emulator

import "slices"

// azureTable is everything that the REST API of Azure DevOps knows here. Ids, names and versions of the resources are
// the service's own, as its client libraries have them.
func azureTable() []azureLocation {
	return slices.Concat(locationResources(), gitResources(), pullResources(), threadResources(), policyResources(),
		workItemResources(), coreResources(), identityResources(), hookResources(), buildResources())
}

const inGitRepo = "git/repositories/{repositoryId}"

func gitResources() []azureLocation {
	const read = "vso.code"
	return []azureLocation{
		{id: "225f7195-f9c7-4d14-ab28-a83f7ff77e1f", area: "git", name: "repositories", pattern: inGitRepo, scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listGitRepos},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getGitRepo}}},
		{id: "2d874a60-a811-4f62-9c9f-963a6ea0a55b", area: "git", name: "refs", pattern: inGitRepo + "/refs", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "filter filterContains includeLinks includeStatuses peelTags latestStatusesOnly $top continuationToken", serve: (*azureCall).listGitRefs},
			{method: post, scope: "vso.code_write", level: levelWrite, serve: (*azureCall).updateGitRefs}}},
		{id: "fb93c0db-47ed-4a31-8c20-47552878fb44", area: "git", name: "items", pattern: inGitRepo + "/items/{path}", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "path includeContent versionDescriptor.version versionDescriptor.versionType", serve: (*azureCall).getGitItem}}},
		{id: "d5b216de-d8d5-4d32-ae76-51df755b16d3", area: "git", name: "branchStats", pattern: inGitRepo + "/stats/branches", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "name", serve: (*azureCall).branchStats}}},
		{id: "c2570c3b-5b3f-41b8-98bf-5407bfde8d58", area: "git", name: "commits", pattern: inGitRepo + "/commits/{commitId}", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "searchCriteria.itemVersion.version searchCriteria.itemVersion.versionType searchCriteria.$top searchCriteria.$skip $top $skip", serve: (*azureCall).listGitCommits},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getGitCommit}}},
		{id: "5bf884f5-3e07-42e9-afb8-1b872267bf16", area: "git", name: "changes", pattern: inGitRepo + "/commits/{commitId}/changes", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "top skip", serve: (*azureCall).commitChanges}}},
		{id: "428dd4fb-fda5-4722-af02-9313b80305da", area: "git", name: "statuses", pattern: inGitRepo + "/commits/{commitId}/statuses", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read + "|vso.code_status", level: levelRead, query: "top skip $top $skip latestOnly", serve: (*azureCall).listCommitStatuses},
			{method: post, scope: "vso.code_status", level: levelWrite, serve: (*azureCall).createCommitStatus}}},
		{id: "ea98d07b-3c87-4971-8ede-a613694ffb55", area: "git", name: "pushes", pattern: inGitRepo + "/pushes/{pushId}", scope: anyProject, version: 2, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "searchCriteria.refName searchCriteria.includeRefUpdates searchCriteria.pusherId $top $skip", serve: (*azureCall).listGitPushes},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getGitPush}}},
	}
}

const inGitPull = inGitRepo + "/pullRequests/{pullRequestId}"

const pullCriteria = "searchCriteria.repositoryId searchCriteria.creatorId searchCriteria.reviewerId searchCriteria.status searchCriteria.targetRefName searchCriteria.sourceRepositoryId searchCriteria.sourceRefName $skip $top"

func pullResources() []azureLocation {
	const read, write, status = "vso.code", "vso.code_write", "vso.code_status"
	return []azureLocation{
		{id: "9946fd70-0d40-406e-b686-b4744cbbcc37", area: "git", name: "pullRequests", pattern: inGitPull, scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: pullCriteria, serve: (*azureCall).listGitPulls},
			{method: post, scope: write, level: levelRead, query: "supportsIterations", serve: (*azureCall).createGitPull},
			{method: get, one: true, scope: read, level: levelRead, query: "includeCommits includeWorkItemRefs", serve: (*azureCall).getGitPull},
			{method: patch, one: true, scope: write, level: levelRead, serve: (*azureCall).updateGitPull}}},
		{id: "01a46dea-7d46-4d40-bc84-319e7c260d99", area: "git", name: "pullRequestsById", pattern: "git/pullRequests/{pullRequestId}", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, one: true, scope: read, serve: (*azureCall).getGitPull}}},
		{id: "a5d28130-9cd2-40fa-9f08-902e7daa9efb", area: "git", name: "pullRequestsByProject", pattern: "git/pullRequests", scope: inProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: pullCriteria, serve: (*azureCall).listGitPulls}}},
		{id: "d43911ee-6958-46b0-a42b-8445b8a0d004", area: "git", name: "pullRequestIterations", pattern: inGitPull + "/iterations/{iterationId}", scope: anyProject, version: 2, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "includeCommits", serve: (*azureCall).listIterations},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getIteration}}},
		{id: "4216bdcf-b6b1-4d59-8b82-c34cc183fc8b", area: "git", name: "pullRequestIterationChanges", pattern: inGitPull + "/iterations/{iterationId}/changes", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "$top $skip $compareTo", serve: (*azureCall).iterationChanges}}},
		{id: "e7ea0883-095f-4926-b5fb-f24691c26fb9", area: "git", name: "pullRequestIterationCommits", pattern: inGitPull + "/iterations/{iterationId}/commits", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "top skip", serve: (*azureCall).iterationCommits}}},
		{id: "52823034-34a8-4576-922c-8d8b77e9e4c4", area: "git", name: "pullRequestCommits", pattern: inGitPull + "/commits", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "$top continuationToken", serve: (*azureCall).pullCommits}}},
		{id: "0a637fcc-5370-4ce8-b0e8-98091f5f9482", area: "git", name: "pullRequestWorkItems", pattern: inGitPull + "/workitems", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).pullItems}}},
		{id: "4b6702c7-aa35-4b89-9c96-b9abf6d3e540", area: "git", name: "pullRequestReviewers", pattern: inGitPull + "/reviewers/{reviewerId}", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listReviewers},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getReviewer},
			{method: put, one: true, scope: write, level: levelRead, serve: (*azureCall).putReviewer},
			{method: post, scope: write, level: levelRead, serve: (*azureCall).addReviewers},
			{method: patch, scope: write, level: levelRead, serve: (*azureCall).resetVotes},
			{method: remove, one: true, scope: write, level: levelRead, serve: (*azureCall).deleteReviewer}}},
		{id: "b5f6bb4f-8d1e-4d79-8d11-4c9172c99c35", area: "git", name: "pullRequestStatuses", pattern: inGitPull + "/statuses/{statusId}", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read + "|" + status, level: levelRead, serve: (*azureCall).listPullStatuses},
			{method: get, one: true, scope: read + "|" + status, level: levelRead, serve: (*azureCall).getPullStatus},
			{method: post, scope: status, level: levelRead, serve: (*azureCall).createPullStatus}}},
		{id: "75cf11c5-979f-4038-a76e-058a06adf2bf", area: "git", name: "pullRequestIterationStatuses", pattern: inGitPull + "/iterations/{iterationId}/statuses/{statusId}", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read + "|" + status, level: levelRead, serve: (*azureCall).listPullStatuses},
			{method: get, one: true, scope: read + "|" + status, level: levelRead, serve: (*azureCall).getPullStatus},
			{method: post, scope: status, level: levelRead, serve: (*azureCall).createPullStatus}}},
		{id: "48a52185-5b9e-4736-9dc1-bb1e2feac80b", area: "git", name: "pullRequestProperties", pattern: inGitPull + "/properties", scope: anyProject, version: 1, preview: true},
	}
}

func threadResources() []azureLocation {
	const read, write = "vso.code|vso.threads_full", "vso.code_write|vso.threads_full"
	return []azureLocation{
		{id: "ab6e2e5d-a0b7-4153-b64a-a4efe0d49449", area: "git", name: "pullRequestThreads", pattern: inGitPull + "/threads/{threadId}", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "$iteration $baseIteration", serve: (*azureCall).listThreads},
			{method: get, one: true, scope: read, level: levelRead, query: "$iteration $baseIteration", serve: (*azureCall).getThread},
			{method: post, scope: write, level: levelRead, serve: (*azureCall).createThread},
			{method: patch, one: true, scope: write, level: levelRead, serve: (*azureCall).updateThread}}},
		{id: "965a3ec7-5ed8-455a-bdcb-835a5ea7fe7b", area: "git", name: "pullRequestThreadComments", pattern: inGitPull + "/threads/{threadId}/comments/{commentId}", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listThreadComments},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getThreadComment},
			{method: post, scope: write, level: levelRead, serve: (*azureCall).createThreadComment},
			{method: patch, one: true, scope: write, level: levelRead, serve: (*azureCall).updateThreadComment},
			{method: remove, one: true, scope: write, level: levelRead, serve: (*azureCall).deleteThreadComment}}},
		{id: "5f2e2851-1389-425b-a00b-fb2adb3ef31b", area: "git", name: "pullRequestCommentLikes", pattern: inGitPull + "/threads/{threadId}/comments/{commentId}/likes", scope: anyProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listLikes},
			{method: post, scope: write, level: levelRead, serve: (*azureCall).like},
			{method: remove, scope: write, level: levelRead, serve: (*azureCall).unlike}}},
	}
}

func workItemResources() []azureLocation {
	const read, write = "vso.work", "vso.work_write"
	const one = "wit/workItems/{id}"
	const changes = "validateOnly bypassRules $expand"
	return []azureLocation{
		{id: "72c7ddf8-2cdc-4f60-90cd-ab71c14a399b", area: "wit", name: "workItems", pattern: one, scope: anyProject, version: 3, routes: []azureRoute{
			{method: get, scope: read, query: "ids fields $expand errorPolicy", serve: (*azureCall).listItems},
			{method: get, one: true, scope: read, query: "fields $expand", serve: (*azureCall).getItem},
			{method: patch, one: true, scope: write, query: changes, patch: true, serve: (*azureCall).updateItem}}},
		{id: "62d3d110-0047-428c-ad3c-4fe872c91c74", area: "wit", name: "workItems", pattern: "wit/workItems/${type}", scope: inProject, version: 3, routes: []azureRoute{
			{method: post, one: true, scope: write, level: levelRead, query: changes, patch: true, serve: (*azureCall).createItem}}},
		{id: "908509b6-4248-4475-a1cd-829139ba419f", area: "wit", name: "workItemsBatch", pattern: "wit/workItemsBatch", scope: anyProject, version: 1, routes: []azureRoute{
			{method: post, scope: read, serve: (*azureCall).batchItems}}},
		{id: "6570bf97-d02c-4a91-8d93-3abe9895b1a9", area: "wit", name: "updates", pattern: one + "/updates/{updateNumber}", scope: anyProject, version: 3, routes: []azureRoute{
			{method: get, scope: read, query: "$top $skip", serve: (*azureCall).listUpdates},
			{method: get, one: true, scope: read, serve: (*azureCall).getUpdate}}},
		{id: "608aac0a-32e1-4493-a863-b9cf4566d257", area: "wit", name: "comments", pattern: "wit/workItems/{workItemId}/comments/{commentId}", scope: inProject, version: 4, preview: true, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "$top continuationToken includeDeleted $expand order ids", serve: (*azureCall).listItemComments},
			{method: get, one: true, scope: read, level: levelRead, query: "includeDeleted $expand", serve: (*azureCall).getItemComment},
			{method: post, scope: write, level: levelRead, query: "format", serve: (*azureCall).addItemComment},
			{method: patch, one: true, scope: write, level: levelRead, query: "format", serve: (*azureCall).updateItemComment},
			{method: remove, one: true, scope: write, level: levelRead, serve: (*azureCall).deleteItemComment}}},
		{id: "f6cb3f27-1028-4851-af96-887e570dc21f", area: "wit", name: "reactions", pattern: "wit/workItems/{workItemId}/comments/{commentId}/reactions/{reactionType}", scope: inProject, version: 1, preview: true, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listItemReactions},
			{method: put, one: true, scope: write, level: levelRead, serve: (*azureCall).reactToItemComment},
			{method: remove, one: true, scope: write, level: levelRead, serve: (*azureCall).unreactToItemComment}}},
		{id: "e33ca5e0-2349-4285-af3d-d72d86781c35", area: "wit", name: "reactionUsers", pattern: "wit/workItems/{workItemId}/comments/{commentId}/reactions/{reactionType}/users", scope: inProject, version: 1, preview: true, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "$top $skip", serve: (*azureCall).engagedUsers}}},
		{id: "7c9d7a76-4a09-43e8-b5df-bd792f4ac6aa", area: "wit", name: "workItemTypeStates", pattern: "wit/workItemTypes/{type}/states", scope: inProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).typeStates}}},
		{id: "7c8d7a76-4a09-43e8-b5df-bd792f4ac6aa", area: "wit", name: "workItemTypes", pattern: "wit/workItemTypes/{type}", scope: inProject, version: 2, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listTypes},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getType}}},
		{id: "bc15bc60-e7a8-43cb-ab01-2106be3983a1", area: "wit", name: "tags", pattern: "wit/tags/{tagIdOrName}", scope: inProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listTags}}},
		{id: "1a9c53f7-f243-4447-b110-35ef023636e4", area: "wit", name: "wiql", pattern: "wit/wiql", scope: inTeam, version: 2, routes: []azureRoute{
			{method: post, scope: read, query: "timePrecision $top", serve: (*azureCall).wiql}}},
	}
}
