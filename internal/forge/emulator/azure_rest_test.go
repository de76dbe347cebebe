package emulator_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/build"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/core"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/identity"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/location"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/pipelines"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/policy"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/security"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/servicehooks"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/webapi"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// The rest of what the client library can ask for, so that every route is asked once.

func TestAzureRefsAndCommitsAreReadAndMoved(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	_, dir := w.pull("topic", false)
	head := w.world.mustGit(dir, "alice", "rev-parse", "HEAD")
	c, repo := w.git("alice"), ptr(w.repoGUID())
	const none = "0000000000000000000000000000000000000000"
	update := func(name, old, new string) string {
		results, err := c.UpdateRefs(t.Context(), git.UpdateRefsArgs{RepositoryId: repo, RefUpdates: &[]git.GitRefUpdate{{Name: &name, OldObjectId: &old, NewObjectId: &new}}})
		must(t, err)
		return string(*(*results)[0].UpdateStatus)
	}
	if got := update("refs/heads/copy", none, head); got != "succeeded" {
		t.Errorf("creating: %s", got)
	}
	if got := update("refs/heads/copy", strings.Repeat("1", 40), head); got != "staleOldObjectId" {
		t.Errorf("with a wrong old id: %s", got)
	}
	must(t, w.forge.Protect(azureRepo, "main", emulator.Protection{RequiredReviews: 1}))
	if got := update("refs/heads/main", w.world.mustGit(dir, "alice", "rev-parse", "origin/main"), head); got != "rejectedByPolicy" {
		t.Errorf("a protected branch: %s", got)
	}
	branch, err := c.GetBranch(t.Context(), git.GetBranchArgs{RepositoryId: repo, Name: ptr("topic")})
	must(t, err)
	all, err := c.GetBranches(t.Context(), git.GetBranchesArgs{RepositoryId: repo})
	must(t, err)
	if *branch.AheadCount != 1 || len(*all) != 3 {
		t.Errorf("branch %+v of %d", branch, len(*all))
	}
	kind := git.GitVersionTypeValues.Branch
	commits, err := c.GetCommits(t.Context(), git.GetCommitsArgs{RepositoryId: repo, SearchCriteria: &git.GitQueryCommitsCriteria{ItemVersion: &git.GitVersionDescriptor{Version: ptr("topic"), VersionType: &kind}}, Top: ptr(1)})
	must(t, err)
	if len(*commits) != 1 || *(*commits)[0].CommitId != head {
		t.Errorf("commits: %+v", commits)
	}
	repos, err := c.GetRepositories(t.Context(), git.GetRepositoriesArgs{Project: ptr(project)})
	must(t, err)
	pushes, err := c.GetPushes(t.Context(), git.GetPushesArgs{RepositoryId: repo})
	must(t, err)
	push, err := c.GetPush(t.Context(), git.GetPushArgs{RepositoryId: repo, PushId: (*pushes)[0].PushId})
	must(t, err)
	if len(*repos) != 1 || *(*push.RefUpdates)[0].Name != "refs/heads/copy" {
		t.Errorf("push: %+v", push)
	}
}

func TestAzureIterationsShowTheirChanges(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, dir := w.pull("topic", false)
	second := w.push("alice", dir, "topic", "two\n")
	c, repo := w.git("bob"), ptr(w.repoGUID())
	changes, err := c.GetPullRequestIterationChanges(t.Context(), git.GetPullRequestIterationChangesArgs{RepositoryId: repo, PullRequestId: &id, IterationId: ptr(2), CompareTo: ptr(1)})
	must(t, err)
	if len(*changes.ChangeEntries) != 1 || *(*changes.ChangeEntries)[0].ChangeType != "edit" {
		t.Errorf("changes: %+v", changes)
	}
	commits, err := c.GetPullRequestIterationCommits(t.Context(), git.GetPullRequestIterationCommitsArgs{RepositoryId: repo, PullRequestId: &id, IterationId: ptr(2)})
	must(t, err)
	if len(*commits) != 2 || *(*commits)[0].CommitId != second {
		t.Errorf("commits: %+v", commits)
	}
	byProject, err := c.GetPullRequestsByProject(t.Context(), git.GetPullRequestsByProjectArgs{Project: ptr(project), SearchCriteria: &git.GitPullRequestSearchCriteria{CreatorId: guid(w.user("alice").GUID)}})
	must(t, err)
	if len(*byProject) != 1 {
		t.Errorf("by project: %+v", byProject)
	}
}

func TestAzureReviewersAreAddedResetAndRemoved(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", false)
	c, repo, bob := w.git("alice"), ptr(w.repoGUID()), w.user("bob").GUID
	_, err := c.CreatePullRequestReviewers(t.Context(), git.CreatePullRequestReviewersArgs{RepositoryId: repo, PullRequestId: &id, Reviewers: &[]webapi.IdentityRef{{Id: &bob}}})
	must(t, err)
	one, err := c.GetPullRequestReviewer(t.Context(), git.GetPullRequestReviewerArgs{RepositoryId: repo, PullRequestId: &id, ReviewerId: &bob})
	must(t, err)
	if *one.Vote != 0 || len(w.noted(id, "ReviewersUpdate")) != 1 {
		t.Errorf("added: %+v", one)
	}
	must(t, w.vote("bob", id, 10))
	must(t, c.UpdatePullRequestReviewers(t.Context(), git.UpdatePullRequestReviewersArgs{RepositoryId: repo, PullRequestId: &id, PatchVotes: &[]git.IdentityRefWithVote{{Id: &bob, Vote: ptr(0)}}}))
	if votes := w.votes(id); votes["Bob Brown"] != 0 {
		t.Errorf("after the reset: %v", votes)
	}
	must(t, c.DeletePullRequestReviewer(t.Context(), git.DeletePullRequestReviewerArgs{RepositoryId: repo, PullRequestId: &id, ReviewerId: &bob}))
	if votes := w.votes(id); len(votes) != 0 {
		t.Errorf("after the removal: %v", votes)
	}
	changes := w.noted(id, "ReviewersUpdate")
	if len(changes) != 2 || property(changes[1], "CodeReviewReviewersUpdatedNumRemoved") != "1" || property(changes[1], "CodeReviewReviewersUpdatedNumAdded") != "0" {
		t.Errorf("noted: %+v", changes)
	}
	w.settle()
	removed := w.hooks.of("git.pullrequest.updated")
	if text := removed[len(removed)-1].event.Message.Text; !strings.Contains(text, "changed the reviewer list of") {
		t.Errorf("the last delivery says %q", text)
	}
	state := git.GitStatusStateValues.Failed
	made, err := c.CreatePullRequestIterationStatus(t.Context(), git.CreatePullRequestIterationStatusArgs{RepositoryId: repo, PullRequestId: &id, IterationId: ptr(1),
		Status: &git.GitPullRequestStatus{State: &state, Context: &git.GitStatusContext{Name: ptr("lint")}}})
	must(t, err)
	read, err := c.GetPullRequestStatus(t.Context(), git.GetPullRequestStatusArgs{RepositoryId: repo, PullRequestId: &id, StatusId: made.Id})
	must(t, err)
	if *read.IterationId != 1 || *read.Context.Name != "lint" {
		t.Errorf("status: %+v", read)
	}
}

func TestAzureWorkItemsAreReadInEveryForm(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id := w.item("alice", "A story", "bug")
	c := w.wit("bob")
	list, err := c.GetWorkItems(t.Context(), workitemtracking.GetWorkItemsArgs{Ids: &[]int{id, 99}, ErrorPolicy: &workitemtracking.WorkItemErrorPolicyValues.Omit})
	must(t, err)
	if len(*list) != 2 || *(*list)[0].Id != id {
		t.Errorf("list: %+v", list)
	}
	expand := workitemtracking.WorkItemExpandValues.All
	one, err := c.GetWorkItem(t.Context(), workitemtracking.GetWorkItemArgs{Id: &id, Project: ptr(project), Expand: &expand})
	must(t, err)
	creator := (*one.Fields)["System.CreatedBy"].(map[string]any)
	if creator["id"] != w.user("alice").GUID || one.Links == nil {
		t.Errorf("work item: %+v", one)
	}
	up, err := c.GetUpdate(t.Context(), workitemtracking.GetUpdateArgs{Id: &id, UpdateNumber: ptr(1)})
	must(t, err)
	types, err := c.GetWorkItemTypes(t.Context(), workitemtracking.GetWorkItemTypesArgs{Project: ptr(project)})
	must(t, err)
	kind, err := c.GetWorkItemType(t.Context(), workitemtracking.GetWorkItemTypeArgs{Project: ptr(project), Type: ptr("Bug")})
	must(t, err)
	tags, err := c.GetTags(t.Context(), workitemtracking.GetTagsArgs{Project: ptr(project)})
	must(t, err)
	if *up.Rev != 1 || len(*types) != 5 || *kind.Name != "Bug" || len(*tags) != 1 {
		t.Errorf("%+v, %d types, %+v, %+v", up, len(*types), kind, tags)
	}
	said := w.comment("alice", id, "hello")
	reaction := workitemtracking.CommentReactionTypeValues.Heart
	_, err = c.CreateCommentReaction(t.Context(), workitemtracking.CreateCommentReactionArgs{Project: ptr(project), WorkItemId: &id, CommentId: said.Id, ReactionType: &reaction})
	must(t, err)
	who, err := c.GetEngagedUsers(t.Context(), workitemtracking.GetEngagedUsersArgs{Project: ptr(project), WorkItemId: &id, CommentId: said.Id, ReactionType: &reaction})
	must(t, err)
	_, err = c.DeleteCommentReaction(t.Context(), workitemtracking.DeleteCommentReactionArgs{Project: ptr(project), WorkItemId: &id, CommentId: said.Id, ReactionType: &reaction})
	must(t, err)
	left, err := c.GetCommentReactions(t.Context(), workitemtracking.GetCommentReactionsArgs{Project: ptr(project), WorkItemId: &id, CommentId: said.Id})
	must(t, err)
	if len(*who) != 1 || len(*left) != 0 {
		t.Errorf("%+v, then %+v", who, left)
	}
}

func TestAzureAreasTypesAndPermissionsAreShown(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	area, err := location.NewClient(t.Context(), w.as("alice")).GetResourceArea(t.Context(), location.GetResourceAreaArgs{AreaId: &git.ResourceAreaId})
	must(t, err)
	if *area.Name != "git" || *area.LocationUrl != w.info.Azure.OrganizationURL+"/" {
		t.Errorf("area: %+v", area)
	}
	me, err := w.identities("alice").GetSelf(t.Context(), identity.GetSelfArgs{})
	must(t, err)
	if me.Id.String() != w.user("alice").GUID {
		t.Errorf("self: %+v", me)
	}
	may, err := security.NewClient(t.Context(), w.as("alice")).HasPermissions(t.Context(), security.HasPermissionsArgs{SecurityNamespaceId: guid("2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87"),
		Permissions: ptr(4), Tokens: ptr("repoV2/" + w.info.Azure.Projects[0].GUID + "/" + w.repoGUID())})
	must(t, err)
	if len(*may) != 1 || !(*may)[0] {
		t.Errorf("permissions: %v", may)
	}
	c, err := policy.NewClient(t.Context(), w.as("olga"))
	must(t, err)
	types, err := c.GetPolicyTypes(t.Context(), policy.GetPolicyTypesArgs{Project: ptr(project)})
	must(t, err)
	id, err := w.forge.AddPolicy(azureRepo, "main", emulator.BranchPolicy{Status: &emulator.StatusPolicy{Genre: "coderflow", Name: "gate"}, Optional: true})
	must(t, err)
	one, err := c.GetPolicyConfiguration(t.Context(), policy.GetPolicyConfigurationArgs{Project: ptr(project), ConfigurationId: &id})
	must(t, err)
	settings := one.Settings.(map[string]any)
	if len(*types) != 3 || *one.IsBlocking || settings["statusName"] != "gate" {
		t.Errorf("%d types, %+v", len(*types), one)
	}
	all, err := core.NewClient(t.Context(), w.as("alice"))
	must(t, err)
	one1, err := all.GetProject(t.Context(), core.GetProjectArgs{ProjectId: ptr("shop"), IncludeCapabilities: ptr(true)})
	must(t, err)
	if (*one1.Capabilities)["processTemplate"]["templateName"] != "Agile" {
		t.Errorf("project: %+v", one1)
	}
}

func TestAzureHistoryOfSubscriptionsAndRuns(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	w.comment("alice", w.item("alice", "A story", ""), "hello")
	w.settle()
	hooks := servicehooks.NewClient(t.Context(), w.as("olga"))
	for _, s := range w.subscriptions("olga") {
		if *s.EventType != "workitem.commented" {
			continue
		}
		list, err := hooks.GetNotifications(t.Context(), servicehooks.GetNotificationsArgs{SubscriptionId: s.Id})
		must(t, err)
		one, err := hooks.GetNotification(t.Context(), servicehooks.GetNotificationArgs{SubscriptionId: s.Id, NotificationId: (*list)[0].Id})
		must(t, err)
		if *one.Result != "succeeded" {
			t.Errorf("notification: %+v", one)
		}
	}
	id, err := w.forge.AddPipeline(azureRepo, "deploy", emulator.PipelineOptions{})
	must(t, err)
	runs := pipelines.NewClient(t.Context(), w.as("alice"))
	run, err := runs.RunPipeline(t.Context(), pipelines.RunPipelineArgs{Project: ptr(project), PipelineId: &id, RunParameters: &pipelines.RunPipelineParameters{}})
	must(t, err)
	list, err := runs.ListRuns(t.Context(), pipelines.ListRunsArgs{Project: ptr(project), PipelineId: &id})
	must(t, err)
	known, err := runs.ListPipelines(t.Context(), pipelines.ListPipelinesArgs{Project: ptr(project)})
	must(t, err)
	logs, err := runs.ListLogs(t.Context(), pipelines.ListLogsArgs{Project: ptr(project), PipelineId: &id, RunId: run.Id})
	must(t, err)
	builds, err := build.NewClient(t.Context(), w.as("alice"))
	must(t, err)
	one, err := builds.GetBuild(t.Context(), build.GetBuildArgs{Project: ptr(project), BuildId: run.Id})
	must(t, err)
	if len(*list) != 1 || len(*known) != 1 || len(*logs.Logs) != 1 || *one.Result != "succeeded" || *one.Definition.Name != "deploy" {
		t.Errorf("%+v, %+v, %+v, %+v", list, known, logs, one)
	}
	_, err = runs.GetRun(t.Context(), pipelines.GetRunArgs{Project: ptr(project), PipelineId: &id, RunId: ptr(*run.Id + 1)})
	if status, key, _ := refused(err); status != 404 || key != "BuildNotFoundException" {
		t.Errorf("missing run: %v", err)
	}
	w.shows("alice", "/shop/_build/results?buildId="+strconv.Itoa(*run.Id), "Run 1", "succeeded")
}
