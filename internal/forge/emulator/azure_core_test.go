package emulator_test

import (
	"testing"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/build"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/core"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/identity"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/pipelines"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/policy"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/profile"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/security"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func TestAzureProjectsAndTeams(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	_, err := w.forge.CreateTeam("shop", "Ops people")
	must(t, err)
	must(t, w.forge.AddTeamMember("shop", "ops-people", "bob"))
	c, err := core.NewClient(t.Context(), w.as("alice"))
	must(t, err)
	projects, err := c.GetProjects(t.Context(), core.GetProjectsArgs{})
	must(t, err)
	if len(projects.Value) != 1 || *projects.Value[0].Name != "shop" || projects.Value[0].Id.String() != w.info.Azure.Projects[0].GUID || *projects.Value[0].Visibility != "private" {
		t.Errorf("projects: %+v", projects.Value)
	}
	teams, err := c.GetTeams(t.Context(), core.GetTeamsArgs{ProjectId: ptr("shop")})
	must(t, err)
	if len(*teams) != 1 || *(*teams)[0].Name != "Ops people" {
		t.Fatalf("teams: %+v", teams)
	}
	members, err := c.GetTeamMembersWithExtendedProperties(t.Context(), core.GetTeamMembersWithExtendedPropertiesArgs{ProjectId: ptr("shop"), TeamId: ptr((*teams)[0].Id.String())})
	must(t, err)
	if len(*members) != 1 || *(*members)[0].Identity.Id != w.user("bob").GUID {
		t.Errorf("members: %+v", members)
	}
	_, err = c.GetTeam(t.Context(), core.GetTeamArgs{ProjectId: ptr("shop"), TeamId: ptr("nobody")})
	if status, key, _ := refused(err); status != 404 || key != "TeamNotFoundException" {
		t.Errorf("missing team: %v", err)
	}
}

func TestAzureIdentitiesAreFound(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	bob := w.user("bob")
	byID, err := w.identities("alice").ReadIdentities(t.Context(), identity.ReadIdentitiesArgs{IdentityIds: &bob.GUID})
	must(t, err)
	found := (*byID)[0]
	if *found.ProviderDisplayName != "Bob Brown" || *found.IsContainer {
		t.Errorf("by id: %+v", found)
	}
	for _, filter := range []string{"General", "AccountName", "MailAddress"} {
		list, err := w.identities("alice").ReadIdentities(t.Context(), identity.ReadIdentitiesArgs{SearchFilter: &filter, FilterValue: ptr("bob@acme.example")})
		must(t, err)
		if len(*list) != 1 || (*list)[0].Id.String() != bob.GUID {
			t.Errorf("by %s: %+v", filter, list)
		}
	}
	list, err := w.identities("alice").ReadIdentities(t.Context(), identity.ReadIdentitiesArgs{SubjectDescriptors: found.SubjectDescriptor})
	must(t, err)
	if len(*list) != 1 || *(*list)[0].Descriptor != *found.Descriptor {
		t.Errorf("by subject: %+v", list)
	}
	must(t, w.forge.RenameUser("bob", "robert"))
	one, err := w.identities("alice").ReadIdentity(t.Context(), identity.ReadIdentityArgs{IdentityId: &bob.GUID})
	must(t, err)
	if mail := one.Properties.(map[string]any)["Mail"].(map[string]any)["$value"]; mail != "robert@acme.example" {
		t.Errorf("after the renaming: %v", mail)
	}
	me, err := profile.NewClient(t.Context(), w.as("alice"))
	must(t, err)
	self, err := me.GetProfile(t.Context(), profile.GetProfileArgs{Id: ptr("me")})
	must(t, err)
	if self.Id.String() != w.user("alice").GUID {
		t.Errorf("profile: %+v", self)
	}
}

func TestAzureAccessListsTellWhatSomebodyMay(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	must(t, w.forge.AddCollaborator(azureRepo, "mallory", "read"))
	effective := func(login string) int {
		t.Helper()
		found, err := w.identities("alice").ReadIdentity(t.Context(), identity.ReadIdentityArgs{IdentityId: ptr(w.user(login).GUID)})
		must(t, err)
		namespace := guid("2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87")
		token := "repoV2/" + w.info.Azure.Projects[0].GUID + "/" + w.repoGUID()
		lists, err := security.NewClient(t.Context(), w.as("alice")).QueryAccessControlLists(t.Context(), security.QueryAccessControlListsArgs{
			SecurityNamespaceId: namespace, Token: &token, Descriptors: found.Descriptor, IncludeExtendedInfo: ptr(true)})
		must(t, err)
		return *(*(*lists)[0].AcesDictionary)[*found.Descriptor].ExtendedInfo.EffectiveAllow
	}
	const read, contribute, administer = 2, 4, 1
	for login, want := range map[string]int{"mallory": read, "alice": read | contribute, "olga": read | contribute | administer} {
		if got := effective(login) & (read | contribute | administer); got != want {
			t.Errorf("%s may %b", login, got)
		}
	}
	must(t, w.forge.RemoveCollaborator(azureRepo, "mallory"))
	if got := effective("mallory"); got != 0 {
		t.Errorf("after removal: %b", got)
	}
}

func TestAzurePoliciesAreShownAndEvaluated(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", false)
	c, err := policy.NewClient(t.Context(), w.as("olga"))
	must(t, err)
	scope := []any{map[string]any{"refName": "refs/heads/main", "matchKind": "Exact", "repositoryId": w.repoGUID()}}
	made, err := c.CreatePolicyConfiguration(t.Context(), policy.CreatePolicyConfigurationArgs{Project: ptr(project), Configuration: &policy.PolicyConfiguration{
		IsEnabled: ptr(true), IsBlocking: ptr(true), Type: &policy.PolicyTypeRef{Id: guid("fa4e907d-c16b-4a4c-9dfa-4906e5d171dd")},
		Settings: map[string]any{"minimumApproverCount": 1, "creatorVoteCounts": false, "scope": scope}}})
	must(t, err)
	must(t, w.forge.Protect(azureRepo, "main", emulator.Protection{RequiredChecks: []string{"coderflow/gate"}}))
	states := func() map[string]string {
		list, err := c.GetPolicyEvaluations(t.Context(), policy.GetPolicyEvaluationsArgs{Project: ptr(project), ArtifactId: w.get(id).ArtifactId})
		must(t, err)
		out := map[string]string{}
		for _, e := range *list {
			out[*e.Configuration.Type.DisplayName] = string(*e.Status)
		}
		return out
	}
	if got := states(); got["Minimum number of reviewers"] != "running" || got["Status"] != "queued" {
		t.Errorf("before: %v", got)
	}
	must(t, w.vote("bob", id, 10))
	if got := states(); got["Minimum number of reviewers"] != "approved" {
		t.Errorf("after the vote: %v", got)
	}
	list, err := w.git("alice").GetPolicyConfigurations(t.Context(), git.GetPolicyConfigurationsArgs{Project: ptr(project), RepositoryId: guid(w.repoGUID()), RefName: ptr("refs/heads/main")})
	must(t, err)
	if len(*list.PolicyConfigurations) != 2 {
		t.Errorf("configurations: %+v", list)
	}
	alice, err := policy.NewClient(t.Context(), w.as("alice"))
	must(t, err)
	err = alice.DeletePolicyConfiguration(t.Context(), policy.DeletePolicyConfigurationArgs{Project: ptr(project), ConfigurationId: made.Id})
	if status, _, _ := refused(err); status != 403 {
		t.Errorf("deleting a policy without the permission: %v", err)
	}
}

func TestAzurePipelinesRunAndAreFollowed(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t, func(o *emulator.Options) {
		o.Azure.Pipeline = func(run emulator.PipelineRun) emulator.PipelineOutcome {
			return emulator.PipelineOutcome{Running: run.Parameters["wait"] == "yes", Log: []string{"started " + run.Version[:4]}}
		}
	})
	id, err := w.forge.AddPipeline(azureRepo, "deploy", emulator.PipelineOptions{Parameters: []string{"wait"}})
	must(t, err)
	runs := pipelines.NewClient(t.Context(), w.as("alice"))
	run, err := runs.RunPipeline(t.Context(), pipelines.RunPipelineArgs{Project: ptr(project), PipelineId: &id, RunParameters: &pipelines.RunPipelineParameters{
		TemplateParameters: &map[string]string{"wait": "yes"}, Variables: &map[string]pipelines.Variable{"COLOUR": {Value: ptr("red")}},
		Resources: &pipelines.RunResourcesParameters{Repositories: &map[string]pipelines.RepositoryResourceParameters{"self": {RefName: ptr("refs/heads/main")}}}}})
	must(t, err)
	if *run.State != "inProgress" {
		t.Errorf("run: %+v", run)
	}
	asked := w.forge.PipelineRuns()[0]
	if asked.By != "alice" || asked.Ref != "refs/heads/main" || asked.Variables["COLOUR"] != "red" || asked.Parameters["wait"] != "yes" || len(asked.Version) != 40 {
		t.Errorf("asked for: %+v", asked)
	}
	must(t, w.forge.WriteRunLog(*run.Id, "more"))
	builds, err := build.NewClient(t.Context(), w.as("alice"))
	must(t, err)
	timeline, err := builds.GetBuildTimeline(t.Context(), build.GetBuildTimelineArgs{Project: ptr(project), BuildId: run.Id})
	must(t, err)
	task := (*timeline.Records)[2]
	lines, err := builds.GetBuildLogLines(t.Context(), build.GetBuildLogLinesArgs{Project: ptr(project), BuildId: run.Id, LogId: task.Log.Id, StartLine: ptr(uint64(2))})
	must(t, err)
	if len(*lines) != 1 || (*lines)[0] != "more" || *task.State != "inProgress" {
		t.Errorf("log: %v, task %+v", lines, task)
	}
	cancelling := build.BuildStatusValues.Cancelling
	stopped, err := builds.UpdateBuild(t.Context(), build.UpdateBuildArgs{Project: ptr(project), BuildId: run.Id, Build: &build.Build{Status: &cancelling}})
	must(t, err)
	if *stopped.Status != "cancelling" {
		t.Errorf("stopped: %+v", stopped)
	}
	for _, want := range []string{"canceling", "completed canceled"} {
		got, err := runs.GetRun(t.Context(), pipelines.GetRunArgs{Project: ptr(project), PipelineId: &id, RunId: run.Id})
		must(t, err)
		now := string(*got.State)
		if got.Result != nil {
			now += " " + string(*got.Result)
		}
		if now != want {
			t.Errorf("it is %q, want %q", now, want)
		}
	}
}

func TestAzureBuildPoliciesRunOnPullRequests(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t, func(o *emulator.Options) {
		o.Azure.Pipeline = func(emulator.PipelineRun) emulator.PipelineOutcome {
			return emulator.PipelineOutcome{Running: true}
		}
	})
	pipelineID, err := w.forge.AddPipeline(azureRepo, "ci", emulator.PipelineOptions{})
	must(t, err)
	_, err = w.forge.AddPolicy(azureRepo, "main", emulator.BranchPolicy{Build: &emulator.BuildPolicy{PipelineID: pipelineID}})
	must(t, err)
	id, _ := w.pull("topic", false)
	if status, _, _ := refused(w.complete("alice", id, nil)); status != 403 {
		t.Error("completed while the build runs")
	}
	run := w.forge.PipelineRuns()[0]
	if run.Ref != "refs/pull/5001/merge" {
		t.Errorf("run: %+v", run)
	}
	must(t, w.forge.FinishRun(run.ID, "succeeded"))
	must(t, w.complete("alice", id, nil))
}

func TestAzureRepositoriesAndRefs(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	_, dir := w.pull("topic", false)
	head := w.world.mustGit(dir, "alice", "rev-parse", "HEAD")
	c := w.git("bob")
	repo, err := c.GetRepository(t.Context(), git.GetRepositoryArgs{RepositoryId: ptr("WIDGET"), Project: ptr("Shop")})
	must(t, err)
	if repo.Id.String() != w.repoGUID() || *repo.DefaultBranch != "refs/heads/main" || *repo.RemoteUrl != w.info.Azure.OrganizationURL+"/shop/_git/widget" {
		t.Errorf("repository: %+v", repo)
	}
	refs, err := c.GetRefs(t.Context(), git.GetRefsArgs{RepositoryId: ptr(w.repoGUID()), Filter: ptr("heads/topic")})
	must(t, err)
	if len(refs.Value) != 1 || *refs.Value[0].ObjectId != head || *refs.Value[0].Creator.DisplayName != "Alice Adams" {
		t.Errorf("refs: %+v", refs.Value)
	}
	commit, err := c.GetCommit(t.Context(), git.GetCommitArgs{RepositoryId: ptr(w.repoGUID()), CommitId: &head})
	must(t, err)
	if len(*commit.Parents) != 1 {
		t.Errorf("commit: %+v", commit)
	}
	pushes, err := c.GetPushes(t.Context(), git.GetPushesArgs{RepositoryId: ptr(w.repoGUID()), SearchCriteria: &git.GitPushSearchCriteria{RefName: ptr("refs/heads/topic")}})
	must(t, err)
	if len(*pushes) != 1 || *(*pushes)[0].PushedBy.Id != w.user("alice").GUID {
		t.Errorf("pushes: %+v", pushes)
	}
}

func TestAzureProjectMayHaveTheOrganizationsName(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	_, err := w.forge.CreateUser("acme", emulator.UserOptions{Organization: true})
	must(t, err)
	_, err = w.forge.CreateRepository("acme", "receipts", map[string]string{"a.txt": "a\n"}, emulator.RepositoryOptions{})
	must(t, err)
	// A public repository can be read by everybody who signs in, and so can its project.
	repo, err := w.git("mallory").GetRepository(t.Context(), git.GetRepositoryArgs{RepositoryId: ptr("receipts"), Project: ptr("acme")})
	must(t, err)
	if *repo.Project.Visibility != "public" {
		t.Errorf("repository: %+v", repo)
	}
	w.shows("mallory", "/acme/_git/receipts", "a.txt")
	w.world.mustGit(t.TempDir(), "mallory", "clone", "-q", w.info.Azure.OrganizationURL+"/acme/_git/receipts", "x")
	if n := len(w.subscriptions("mallory")); n != 7 {
		t.Errorf("%d subscriptions of the new project", n)
	}
}

func TestAzureSampleIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	one, two := newAzureWorld(t), newAzureWorld(t)
	if one.repoGUID() != two.repoGUID() || one.info.Azure.AccountGUID != two.info.Azure.AccountGUID || one.info.Azure.Token == two.info.Azure.Token {
		t.Errorf("%+v\n%+v", one.info, two.info)
	}
}
