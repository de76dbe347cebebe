package emulator_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
)

func TestAzurePullRequestFollowsItsBranch(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	story := w.item("alice", "A story", "")
	id, dir := w.pull("topic", true, strconv.Itoa(story))
	if id != 5001 {
		t.Errorf("first pull request has number %d", id)
	}
	pr := w.get(id)
	if *pr.Status != "active" || !*pr.IsDraft || *pr.Title != "A change" || *pr.CreatedBy.UniqueName != "alice@acme.example" || *pr.MergeStatus != "succeeded" {
		t.Errorf("pull request is %+v", pr)
	}
	second := w.push("alice", dir, "topic", "two\n")
	w.world.mustGit(dir, "alice", "commit", "-q", "--amend", "-m", "Again")
	w.world.mustGit(dir, "alice", "push", "-q", "--force", "origin", "topic")
	third := w.world.mustGit(dir, "alice", "rev-parse", "HEAD")
	list, err := w.git("alice").GetPullRequestIterations(t.Context(), git.GetPullRequestIterationsArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id})
	must(t, err)
	var reasons []string
	for n, it := range *list {
		reasons = append(reasons, string(*it.Reason))
		if n > 0 && !it.CreatedDate.Time.After((*list)[n-1].CreatedDate.Time) {
			t.Errorf("iteration %d is not after the one before", *it.Id)
		}
	}
	if got := strings.Join(reasons, " "); got != "create push forcePush" {
		t.Errorf("iterations: %s", got)
	}
	if *(*list)[1].SourceRefCommit.CommitId != second || *(*list)[2].SourceRefCommit.CommitId != third || *(*list)[2].Author.DisplayName != "Alice Adams" {
		t.Errorf("iterations are %+v", list)
	}
	one, err := w.git("bob").GetPullRequestIteration(t.Context(), git.GetPullRequestIterationArgs{RepositoryId: ptr("widget"), Project: ptr(project), PullRequestId: &id, IterationId: ptr(2)})
	must(t, err)
	if *one.SourceRefCommit.CommitId != second {
		t.Errorf("iteration 2 is %+v", one)
	}
	items, err := w.git("bob").GetPullRequestWorkItemRefs(t.Context(), git.GetPullRequestWorkItemRefsArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id})
	must(t, err)
	if len(*items) != 1 || *(*items)[0].Id != strconv.Itoa(story) {
		t.Errorf("work items: %+v", items)
	}
	commits, err := w.git("bob").GetPullRequestCommits(t.Context(), git.GetPullRequestCommitsArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id})
	must(t, err)
	if len(commits.Value) != 2 || *commits.Value[0].CommitId != third {
		t.Errorf("commits: %+v", commits.Value)
	}
}

func TestAzurePullRequestsAreFound(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", false)
	find := func(criteria git.GitPullRequestSearchCriteria) int {
		t.Helper()
		list, err := w.git("alice").GetPullRequests(t.Context(), git.GetPullRequestsArgs{RepositoryId: ptr("widget"), Project: ptr(project), SearchCriteria: &criteria})
		must(t, err)
		return len(*list)
	}
	source := ptr("refs/heads/topic")
	if n := find(git.GitPullRequestSearchCriteria{SourceRefName: source}); n != 1 {
		t.Errorf("%d active", n)
	}
	_, err := w.update("alice", id, git.GitPullRequest{Status: &git.PullRequestStatusValues.Abandoned})
	must(t, err)
	if n := find(git.GitPullRequestSearchCriteria{SourceRefName: source}); n != 0 {
		t.Errorf("%d active after it was abandoned", n)
	}
	if n := find(git.GitPullRequestSearchCriteria{SourceRefName: source, Status: &git.PullRequestStatusValues.All}); n != 1 {
		t.Errorf("%d in all", n)
	}
	if n := find(git.GitPullRequestSearchCriteria{SourceRefName: ptr("refs/heads/other"), Status: &git.PullRequestStatusValues.All}); n != 0 {
		t.Errorf("%d of another branch", n)
	}
}

func TestAzureRefusesASecondPullRequest(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", false)
	_, err := w.git("alice").CreatePullRequest(t.Context(), git.CreatePullRequestArgs{RepositoryId: ptr(w.repoGUID()),
		GitPullRequestToCreate: &git.GitPullRequest{Title: ptr("Again"), SourceRefName: ptr("refs/heads/topic"), TargetRefName: ptr("refs/heads/main")}})
	if status, key, message := refused(err); status != 409 || key != "GitPullRequestExistsException" || !strings.Contains(message, "TF401179") {
		t.Errorf("second pull request: %v", err)
	}
	_, err = w.update("alice", id, git.GitPullRequest{Description: ptr(strings.Repeat("x", 4001))})
	if status, _, message := refused(err); status != 400 || !strings.Contains(message, "4000 characters") {
		t.Errorf("long description: %v", err)
	}
	_, err = w.git("alice").GetPullRequest(t.Context(), git.GetPullRequestArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: ptr(4711)})
	if status, key, _ := refused(err); status != 404 || key != "GitPullRequestNotFoundException" {
		t.Errorf("missing pull request: %v", err)
	}
	_, err = w.git("mallory").GetRepository(t.Context(), git.GetRepositoryArgs{RepositoryId: ptr(w.repoGUID())})
	if status, _, message := refused(err); status != 404 || !strings.Contains(message, "TF401019") {
		t.Errorf("a stranger's repository: %v", err)
	}
}

func TestAzurePullRequestCompletes(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", false)
	must(t, w.complete("alice", id, &git.GitPullRequestCompletionOptions{MergeCommitMessage: ptr("Done"), DeleteSourceBranch: ptr(true)}))
	pr := w.get(id)
	refs, err := w.forge.Refs(azureRepo)
	must(t, err)
	if *pr.Status != "completed" || *pr.LastMergeCommit.CommitId != refs["refs/heads/main"] || refs["refs/heads/topic"] != "" || pr.ClosedDate == nil {
		t.Errorf("completed: %+v, refs %v", pr, refs)
	}
	read := w.forge.PullRequests(azureRepo)
	if !read[0].Merged || read[0].MergeSHA != refs["refs/heads/main"] || read[0].State != "closed" {
		t.Errorf("read as %+v", read[0])
	}
	_, err = w.update("alice", id, git.GitPullRequest{Title: ptr("Late")})
	if status, _, message := refused(err); status != 400 || !strings.Contains(message, "TF401181") {
		t.Errorf("editing a completed one: %v", err)
	}
}

func TestAzurePullRequestNeedsTheNewestSourceToComplete(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, dir := w.pull("topic", false)
	before := w.get(id).LastMergeSourceCommit
	w.push("alice", dir, "topic", "two\n")
	_, err := w.update("alice", id, git.GitPullRequest{Status: &git.PullRequestStatusValues.Completed, LastMergeSourceCommit: before})
	if status, key, _ := refused(err); status != 409 || key != "GitPullRequestStaleException" {
		t.Errorf("stale completion: %v", err)
	}
	_, err = w.update("alice", id, git.GitPullRequest{IsDraft: ptr(true)})
	must(t, err)
	if status, _, _ := refused(w.complete("alice", id, nil)); status != 400 {
		t.Error("a draft was completed")
	}
}

func TestAzureRetargetingMakesAnIteration(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, dir := w.pull("topic", false)
	w.world.mustGit(dir, "alice", "push", "-q", "origin", "origin/main:refs/heads/release")
	_, err := w.update("alice", id, git.GitPullRequest{TargetRefName: ptr("refs/heads/release")})
	must(t, err)
	list, err := w.git("alice").GetPullRequestIterations(t.Context(), git.GetPullRequestIterationsArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id})
	must(t, err)
	last := (*list)[len(*list)-1]
	if *last.Reason != "retarget" || *last.OldTargetRefName != "refs/heads/main" || *last.NewTargetRefName != "refs/heads/release" {
		t.Errorf("iteration of the retargeting: %+v", last)
	}
}

func TestAzureAbandonedPullRequestIsReactivated(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, dir := w.pull("topic", false)
	_, err := w.update("alice", id, git.GitPullRequest{Status: &git.PullRequestStatusValues.Abandoned})
	must(t, err)
	if state := w.forge.PullRequests(azureRepo)[0].State; state != "closed" {
		t.Errorf("abandoned is %s", state)
	}
	_, err = w.update("alice", id, git.GitPullRequest{Status: &git.PullRequestStatusValues.Active})
	must(t, err)
	_, err = w.update("alice", id, git.GitPullRequest{Status: &git.PullRequestStatusValues.Abandoned})
	must(t, err)
	w.world.mustGit(dir, "alice", "push", "-q", "origin", ":topic")
	_, err = w.update("alice", id, git.GitPullRequest{Status: &git.PullRequestStatusValues.Active})
	if status, _, message := refused(err); status != 400 || !strings.Contains(message, "TF401398") {
		t.Errorf("reactivating without a source branch: %v", err)
	}
}
