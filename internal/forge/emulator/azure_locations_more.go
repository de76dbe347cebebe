package emulator

func locationResources() []azureLocation {
	return []azureLocation{
		{id: "e81700f7-3be2-46de-8624-2eb35882fcaa", area: "Location", name: "ResourceAreas", pattern: "resourceAreas/{areaId}", scope: noProject, version: 1, preview: true, routes: []azureRoute{
			{method: get, serve: (*azureCall).listAreas},
			{method: get, one: true, serve: (*azureCall).getArea}}},
		{id: "00d9565f-ed9c-4a06-9a50-00e7896ccab4", area: "Location", name: "ConnectionData", pattern: "connectionData", scope: noProject, version: 1, preview: true, routes: []azureRoute{
			{method: get, serve: (*azureCall).connectionData}}},
	}
}

func policyResources() []azureLocation {
	const read, write = "vso.code|vso.build", "vso.code_write"
	return []azureLocation{
		{id: "dad91cbe-d183-45f8-9c6e-9c1164472121", area: "policy", name: "configurations", pattern: "policy/configurations/{configurationId}", scope: inProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "scope policyType", serve: (*azureCall).listPolicies},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getPolicy},
			{method: post, scope: write, level: levelAdmin, serve: (*azureCall).createPolicy},
			{method: put, one: true, scope: write, level: levelAdmin, serve: (*azureCall).replacePolicy},
			{method: remove, one: true, scope: write, level: levelAdmin, serve: (*azureCall).deletePolicy}}},
		{id: "c23ddff5-229c-4d04-a80b-0fdce9f360c8", area: "policy", name: "evaluations", pattern: "policy/evaluations", scope: inProject, version: 1, preview: true, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "artifactId $top $skip", serve: (*azureCall).listEvaluations}}},
		{id: "44096322-2d3d-466a-bb30-d1b7de69f61f", area: "policy", name: "types", pattern: "policy/types/{typeId}", scope: inProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listPolicyTypes}}},
		{id: "2c420070-a0a2-49cc-9639-c9f271c5ff07", area: "git", name: "policyConfigurations", pattern: "git/policy/configurations", scope: inProject, version: 1, preview: true, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "repositoryId refName policyType $top continuationToken", serve: (*azureCall).listGitPolicies}}},
	}
}

func coreResources() []azureLocation {
	const read = "vso.project|vso.profile|vso.work"
	return []azureLocation{
		{id: "603fe2ac-9723-48b9-88ad-09305aa6c6e1", area: "core", name: "projects", pattern: "projects/{projectId}", scope: noProject, version: 4, routes: []azureRoute{
			{method: get, scope: read, query: "$top $skip continuationToken", serve: (*azureCall).listProjects},
			{method: get, one: true, scope: read, query: "includeCapabilities", serve: (*azureCall).getProject}}},
		{id: "d30a3dd1-f8ba-442a-b86a-bd0c0c383e59", area: "core", name: "teams", pattern: "projects/{projectId}/teams/{teamId}", scope: noProject, version: 3, routes: []azureRoute{
			{method: get, scope: read, query: "$mine $top $skip", serve: (*azureCall).listProjectTeams},
			{method: get, one: true, scope: read, serve: (*azureCall).getProjectTeam}}},
		{id: "7a4d9ee9-3433-4347-b47a-7a80f1cf307e", area: "core", name: "teams", pattern: "teams", scope: noProject, version: 3, preview: true, routes: []azureRoute{
			{method: get, scope: read, query: "$mine $top $skip", serve: (*azureCall).listProjectTeams}}},
		{id: "294c494c-2600-4d7e-b76c-3dd50c3c95be", area: "core", name: "members", pattern: "projects/{projectId}/teams/{teamId}/members", scope: noProject, version: 2, routes: []azureRoute{
			{method: get, scope: read, query: "$top $skip", serve: (*azureCall).listMembers}}},
	}
}

func identityResources() []azureLocation {
	return []azureLocation{
		{id: "4bb02b5b-c120-4be2-b68e-21f7c50a4b82", area: "IMS", name: "me", pattern: "identities/me", scope: noProject, version: 1, preview: true, routes: []azureRoute{
			{method: get, scope: "vso.identity", serve: (*azureCall).readSelf}}},
		{id: "28010c54-d0c0-4c89-a5b0-1c9e188b9fb7", area: "IMS", name: "identities", pattern: "identities/{identityId}", scope: noProject, version: 1, routes: []azureRoute{
			{method: get, scope: "vso.identity", query: "descriptors identityIds subjectDescriptors searchFilter filterValue queryMembership", serve: (*azureCall).readIdentities},
			{method: get, one: true, scope: "vso.identity", serve: (*azureCall).readIdentity}}},
		{id: "f83735dc-483f-4238-a291-d45f6080a9af", area: "profile", name: "profiles", pattern: "profile/profiles/{id}", scope: noProject, version: 3, routes: []azureRoute{
			{method: get, one: true, scope: "vso.profile", serve: (*azureCall).getProfile}}},
		{id: "18a2ad18-7571-46ae-bec7-0c7da1495885", area: "Security", name: "AccessControlLists", pattern: "accessControlLists/{securityNamespaceId}", scope: noProject, version: 1, routes: []azureRoute{
			{method: get, one: true, scope: "vso.security_manage", query: "token descriptors includeExtendedInfo recurse", serve: (*azureCall).accessLists}}},
		{id: "dd3b8bd6-c7fc-4cbd-929a-933d9c011c9d", area: "Security", name: "Permissions", pattern: "permissions/{securityNamespaceId}/{permissions}", scope: noProject, version: 2, routes: []azureRoute{
			{method: get, one: true, query: "tokens delimiter", serve: (*azureCall).hasPermissions}}},
	}
}

func hookResources() []azureLocation {
	const any = "vso.code|vso.work|vso.build"
	return []azureLocation{
		{id: "fc50d02a-849f-41fb-8af1-0a5216103269", area: "hooks", name: "subscriptions", pattern: "hooks/subscriptions/{subscriptionId}", scope: noProject, version: 1, routes: []azureRoute{
			{method: get, scope: any, query: "publisherId eventType consumerId consumerActionId", serve: (*azureCall).listSubscriptions},
			{method: get, one: true, scope: any, serve: (*azureCall).getSubscription},
			{method: post, scope: any, serve: (*azureCall).createSubscription},
			{method: put, one: true, scope: any, serve: (*azureCall).replaceSubscription},
			{method: remove, one: true, scope: any, serve: (*azureCall).deleteSubscription}}},
		{id: "c7c3c1cf-9e05-4c0d-a425-a0f922c2c6ed", area: "hooks", name: "subscriptionsQuery", pattern: "hooks/subscriptionsQuery", scope: noProject, version: 1, routes: []azureRoute{
			{method: post, scope: any, serve: (*azureCall).querySubscriptions}}},
		{id: "0c62d343-21b0-4732-997b-017fde84dc28", area: "hooks", name: "notifications", pattern: "hooks/subscriptions/{subscriptionId}/notifications/{notificationId}", scope: noProject, version: 1, routes: []azureRoute{
			{method: get, scope: any, query: "maxResults", serve: (*azureCall).listNotifications},
			{method: get, one: true, scope: any, serve: (*azureCall).getNotification}}},
		{id: "1139462c-7e27-4524-a997-31b9b73551fe", area: "hooks", name: "testNotifications", pattern: "hooks/testNotifications", scope: noProject, version: 1, routes: []azureRoute{
			{method: post, scope: any, query: "useRealData", serve: (*azureCall).testNotification}}},
		{id: "1e83a210-5b53-43bc-90f0-d476a4e5d731", area: "hooks", name: "publishers", pattern: "hooks/publishers/{publisherId}", scope: noProject, version: 1, routes: []azureRoute{
			{method: get, scope: any, serve: (*azureCall).listPublishers},
			{method: get, one: true, scope: any, serve: (*azureCall).getPublisher}}},
		{id: "db4777cd-8e08-4a84-8ba3-c974ea033718", area: "hooks", name: "eventTypes", pattern: "hooks/publishers/{publisherId}/eventTypes/{eventTypeId}", scope: noProject, version: 1, routes: []azureRoute{
			{method: get, scope: any, serve: (*azureCall).listEventTypes}}},
		{id: "4301c514-5f34-4f5d-a145-f0ea7b5b7d19", area: "hooks", name: "consumers", pattern: "hooks/consumers/{consumerId}", scope: noProject, version: 1, routes: []azureRoute{
			{method: get, scope: any, serve: (*azureCall).listConsumers},
			{method: get, one: true, scope: any, serve: (*azureCall).getConsumer}}},
	}
}

func buildResources() []azureLocation {
	const read, run = "vso.build", "vso.build_execute"
	return []azureLocation{
		{id: "28e1305e-2afe-47bf-abaf-cbb0e6a91988", area: "pipelines", name: "pipelines", pattern: "pipelines/{pipelineId}", scope: inProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "$top continuationToken", serve: (*azureCall).listPipelines},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getPipeline}}},
		{id: "7859261e-d2e9-4a68-b820-a5d84cc5bb3d", area: "pipelines", name: "runs", pattern: "pipelines/{pipelineId}/runs/{runId}", scope: inProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listRuns},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getRun},
			{method: post, scope: run, level: levelWrite, serve: (*azureCall).runPipeline}}},
		{id: "fb1b6d27-3957-43d5-a14b-a2d70403e545", area: "pipelines", name: "logs", pattern: "pipelines/{pipelineId}/runs/{runId}/logs/{logId}", scope: inProject, version: 1, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listRunLogs},
			{method: get, one: true, scope: read, level: levelRead, query: "$expand", serve: (*azureCall).getRunLog}}},
		{id: "0cd358e1-9217-4d94-8269-1c1ee6f93dcf", area: "build", name: "builds", pattern: "build/builds/{buildId}", scope: inProject, version: 7, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, query: "definitions buildIds branchName statusFilter $top minTime queryOrder", serve: (*azureCall).listBuilds},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getBuild},
			{method: patch, one: true, scope: run, level: levelWrite, query: "retry", serve: (*azureCall).updateBuild}}},
		{id: "8baac422-4c6e-4de5-8532-db96d92acffa", area: "build", name: "timeline", pattern: "build/builds/{buildId}/timeline/{timelineId}", scope: inProject, version: 2, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).getTimeline},
			{method: get, one: true, scope: read, level: levelRead, serve: (*azureCall).getTimeline}}},
		{id: "35a80daf-7f30-45fc-86e8-6b813d9c90df", area: "build", name: "logs", pattern: "build/builds/{buildId}/logs/{logId}", scope: inProject, version: 2, routes: []azureRoute{
			{method: get, scope: read, level: levelRead, serve: (*azureCall).listBuildLogs},
			{method: get, one: true, scope: read, level: levelRead, query: "startLine endLine", serve: (*azureCall).getBuildLog}}},
	}
}
