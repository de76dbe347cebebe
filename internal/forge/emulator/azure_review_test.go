package emulator_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/policy"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func (w *azureWorld) threads(id int) []git.GitPullRequestCommentThread {
	w.t.Helper()
	list, err := w.git("bob").GetThreads(w.t.Context(), git.GetThreadsArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id})
	must(w.t, err)
	return *list
}

// property is the value of a thread's property, as text.
func property(t git.GitPullRequestCommentThread, name string) string {
	all, _ := t.Properties.(map[string]any)
	one, _ := all[name].(map[string]any)
	if one == nil {
		return ""
	}
	return fmt.Sprint(one["$value"])
}

// noted lists the threads of an event.
func (w *azureWorld) noted(id int, kind string) []git.GitPullRequestCommentThread {
	var out []git.GitPullRequestCommentThread
	for _, t := range w.threads(id) {
		if property(t, "CodeReviewThreadType") == kind {
			out = append(out, t)
		}
	}
	return out
}

func (w *azureWorld) votes(id int) map[string]int {
	w.t.Helper()
	list, err := w.git("alice").GetPullRequestReviewers(w.t.Context(), git.GetPullRequestReviewersArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id})
	must(w.t, err)
	out := map[string]int{}
	for _, r := range *list {
		out[*r.DisplayName] = *r.Vote
	}
	return out
}

func TestAzureVotesAreNotedInThreads(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", false)
	must(t, w.vote("bob", id, -5))
	must(t, w.vote("bob", id, 10))
	must(t, w.vote("bob", id, 10)) // nothing new
	if votes := w.votes(id); votes["Bob Brown"] != 10 {
		t.Errorf("votes: %v", votes)
	}
	acts := w.noted(id, "VoteUpdate")
	if len(acts) != 2 || property(acts[0], "CodeReviewVoteResult") != "-5" || property(acts[1], "CodeReviewVoteResult") != "10" {
		t.Fatalf("acts: %+v", acts)
	}
	voter := (*acts[1].Identities)[property(acts[1], "CodeReviewVotedByIdentity")]
	if *voter.Id != w.user("bob").GUID || *voter.UniqueName != "bob@acme.example" {
		t.Errorf("voter: %+v", voter)
	}
	if !acts[1].PublishedDate.Time.After(acts[0].PublishedDate.Time) {
		t.Error("two acts have the same date")
	}
	said := (*acts[1].Comments)[0]
	if *said.CommentType != "system" || *said.Content != "Bob Brown voted 10" {
		t.Errorf("comment: %+v", said)
	}
}

func TestAzureNobodyVotesForAnotherOrOnADraft(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", true)
	if status, _, _ := refused(w.vote("bob", id, 10)); status != 400 {
		t.Error("a draft took a vote")
	}
	_, err := w.update("alice", id, git.GitPullRequest{IsDraft: ptr(false)})
	must(t, err)
	_, err = w.git("alice").CreatePullRequestReviewer(t.Context(), git.CreatePullRequestReviewerArgs{Reviewer: &git.IdentityRefWithVote{Vote: ptr(10)},
		RepositoryId: ptr(w.repoGUID()), PullRequestId: &id, ReviewerId: ptr(w.user("bob").GUID)})
	if status, _, _ := refused(err); status != 400 {
		t.Errorf("a vote for another: %v", err)
	}
	must(t, w.vote("bob", id, 10))
	_, err = w.update("alice", id, git.GitPullRequest{IsDraft: ptr(true)})
	must(t, err)
	if votes := w.votes(id); votes["Bob Brown"] != 0 {
		t.Errorf("votes after it became a draft: %v", votes)
	}
	if resets := w.noted(id, "ResetMultipleVotes"); len(resets) != 1 || property(resets[0], "CodeReviewResetMultipleVotesNumVoters") != "1" {
		t.Errorf("resets: %+v", resets)
	}
	if drafts := w.noted(id, "IsDraftUpdate"); len(drafts) != 2 || property(drafts[0], "CodeReviewIsDraftNowSet") != "False" {
		t.Errorf("drafts: %+v", drafts)
	}
}

func TestAzurePushesAndEndsAreNotedInThreads(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, dir := w.pull("topic", false)
	head := w.push("alice", dir, "topic", "two\n")
	_, err := w.update("alice", id, git.GitPullRequest{Status: &git.PullRequestStatusValues.Abandoned})
	must(t, err)
	pushes, ends := w.noted(id, "RefUpdate"), w.noted(id, "StatusUpdate")
	if len(pushes) != 1 || property(pushes[0], "CodeReviewRefNewHeadCommit") != head || property(pushes[0], "CodeReviewRefNewCommitsCount") != "1" {
		t.Errorf("pushes: %+v", pushes)
	}
	if len(ends) != 1 || property(ends[0], "CodeReviewStatus") != "Abandoned" {
		t.Errorf("ends: %+v", ends)
	}
	by := (*ends[0].Identities)[property(ends[0], "CodeReviewStatusUpdatedByIdentity")]
	if *by.DisplayName != "Alice Adams" {
		t.Errorf("ended by %+v", by)
	}
}

func TestAzureThreadsHoldComments(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", false)
	made, err := w.git("bob").CreateThread(t.Context(), git.CreateThreadArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id, CommentThread: &git.GitPullRequestCommentThread{
		Comments: &[]git.Comment{{Content: ptr("Why?"), CommentType: &git.CommentTypeValues.Text, ParentCommentId: ptr(0)}}, Status: &git.CommentThreadStatusValues.Active,
		Properties:    map[string]any{"CoderFlow.Marker": map[string]any{"$type": "System.String", "$value": "mark"}},
		ThreadContext: &git.CommentThreadContext{FilePath: ptr("/new.txt"), RightFileStart: &git.CommentPosition{Line: ptr(1), Offset: ptr(1)}, RightFileEnd: &git.CommentPosition{Line: ptr(1), Offset: ptr(4)}}}})
	must(t, err)
	if property(*made, "CoderFlow.Marker") != "mark" || *made.ThreadContext.RightFileStart.Line != 1 || *made.Status != "active" {
		t.Errorf("thread: %+v", made)
	}
	reply, err := w.git("alice").CreateComment(t.Context(), git.CreateCommentArgs{Comment: &git.Comment{Content: ptr("Because."), ParentCommentId: ptr(1)},
		RepositoryId: ptr(w.repoGUID()), PullRequestId: &id, ThreadId: made.Id})
	must(t, err)
	edited, err := w.git("alice").UpdateComment(t.Context(), git.UpdateCommentArgs{Comment: &git.Comment{Content: ptr("Because of that.")},
		RepositoryId: ptr(w.repoGUID()), PullRequestId: &id, ThreadId: made.Id, CommentId: reply.Id})
	must(t, err)
	if *edited.Content != "Because of that." || !edited.LastContentUpdatedDate.Time.After(edited.PublishedDate.Time) {
		t.Errorf("edited: %+v", edited)
	}
	_, err = w.git("bob").UpdateComment(t.Context(), git.UpdateCommentArgs{Comment: &git.Comment{Content: ptr("Forged")},
		RepositoryId: ptr(w.repoGUID()), PullRequestId: &id, ThreadId: made.Id, CommentId: reply.Id})
	if status, _, _ := refused(err); status != 403 {
		t.Errorf("editing another's comment: %v", err)
	}
	must(t, w.git("bob").CreateLike(t.Context(), git.CreateLikeArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id, ThreadId: made.Id, CommentId: reply.Id}))
	likes, err := w.git("alice").GetLikes(t.Context(), git.GetLikesArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id, ThreadId: made.Id, CommentId: reply.Id})
	must(t, err)
	if len(*likes) != 1 || *(*likes)[0].DisplayName != "Bob Brown" {
		t.Errorf("likes: %+v", likes)
	}
	must(t, w.git("alice").DeleteComment(t.Context(), git.DeleteCommentArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id, ThreadId: made.Id, CommentId: reply.Id}))
	closed, err := w.git("bob").UpdateThread(t.Context(), git.UpdateThreadArgs{CommentThread: &git.GitPullRequestCommentThread{Status: &git.CommentThreadStatusValues.Closed},
		RepositoryId: ptr(w.repoGUID()), PullRequestId: &id, ThreadId: made.Id})
	must(t, err)
	gone := (*closed.Comments)[1]
	if *closed.Status != "closed" || !*gone.IsDeleted || gone.Content != nil {
		t.Errorf("closed thread: %+v, deleted comment: %+v", closed, gone)
	}
	if said := w.forge.Comments(azureRepo, id); len(said) != 1 || said[0].Body != "Why?" || said[0].Author != "bob" {
		t.Errorf("read as %+v", said)
	}
}

func TestAzureStatusesOfPullRequestsAndCommits(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, dir := w.pull("topic", false)
	head := w.world.mustGit(dir, "alice", "rev-parse", "HEAD")
	c, err := git.NewClient(t.Context(), w.connection(w.info.Azure.Token))
	must(t, err)
	for _, state := range []git.GitStatusState{"pending", "succeeded"} {
		_, err := c.CreatePullRequestStatus(t.Context(), git.CreatePullRequestStatusArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id,
			Status: &git.GitPullRequestStatus{Context: &git.GitStatusContext{Genre: ptr("coderflow"), Name: ptr("gate")}, State: &state, Description: ptr("It is " + string(state)), IterationId: ptr(1)}})
		must(t, err)
	}
	list, err := c.GetPullRequestStatuses(t.Context(), git.GetPullRequestStatusesArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id})
	must(t, err)
	if len(*list) != 2 || *(*list)[1].State != "succeeded" || *(*list)[1].IterationId != 1 || *(*list)[1].CreatedBy.DisplayName != "CoderFlow" {
		t.Errorf("statuses: %+v", list)
	}
	runs := w.forge.CheckRuns(azureRepo, head)
	if len(runs) != 1 || runs[0].Name != "coderflow/gate" || runs[0].Conclusion != "success" || runs[0].App != "coderflow" || runs[0].Title != "It is succeeded" {
		t.Errorf("read as %+v", runs)
	}
	for _, state := range []git.GitStatusState{"pending", "failed"} {
		_, err := c.CreateCommitStatus(t.Context(), git.CreateCommitStatusArgs{RepositoryId: ptr(w.repoGUID()), CommitId: &head,
			GitCommitStatusToCreate: &git.GitStatus{Context: &git.GitStatusContext{Genre: ptr("coderflow-deploy"), Name: ptr("staging/run1")}, State: &state, TargetUrl: ptr("https://example.com/1")}})
		must(t, err)
	}
	statuses, err := c.GetStatuses(t.Context(), git.GetStatusesArgs{RepositoryId: ptr(w.repoGUID()), CommitId: &head, LatestOnly: ptr(true)})
	must(t, err)
	if len(*statuses) != 1 || *(*statuses)[0].State != "failed" {
		t.Errorf("commit statuses: %+v", statuses)
	}
	made := w.forge.Deployments(azureRepo)
	if len(made) != 1 || made[0].Environment != "staging" || made[0].Task != "run1" || strings.Join(made[0].States, " ") != "in_progress failure" {
		t.Errorf("deployments: %+v", made)
	}
}

func TestAzureMentionsAreNotifications(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", false)
	say := func(text string) {
		_, err := w.git("alice").CreateThread(t.Context(), git.CreateThreadArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id,
			CommentThread: &git.GitPullRequestCommentThread{Comments: &[]git.Comment{{Content: &text}}}})
		must(t, err)
	}
	bob := w.user("bob").GUID
	say("`@<" + bob + ">`")
	if n := w.forge.Notifications(); len(n) != 0 {
		t.Errorf("code notified: %+v", n)
	}
	say("Look, @<" + strings.ToUpper(bob) + ">")
	if n := w.forge.Notifications(); len(n) != 1 || n[0].Mentioned != "bob" || n[0].Number != id {
		t.Errorf("notifications: %+v", n)
	}
}

func TestAzurePoliciesBindTheTargetBranch(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, dir := w.pull("topic", false)
	_, err := w.forge.AddPolicy(azureRepo, "main", emulator.BranchPolicy{Reviewers: &emulator.ReviewersPolicy{Minimum: 1, ResetOnSourcePush: true}})
	must(t, err)
	_, err = w.forge.AddPolicy(azureRepo, "main", emulator.BranchPolicy{Status: &emulator.StatusPolicy{Genre: "coderflow", Name: "gate"}})
	must(t, err)
	unmet := func(what string) {
		t.Helper()
		if status, key, _ := refused(w.complete("alice", id, nil)); status != 403 || key != "GitPullRequestUpdateRejectedByPolicyException" {
			t.Errorf("completed %s: %d %s", what, status, key)
		}
	}
	unmet("without a vote")
	must(t, w.vote("alice", id, 10))
	unmet("with the creator's vote")
	must(t, w.vote("bob", id, 10))
	unmet("without the status")
	status := func(state git.GitStatusState, iteration int) {
		_, err := w.git("alice").CreatePullRequestStatus(t.Context(), git.CreatePullRequestStatusArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id,
			Status: &git.GitPullRequestStatus{Context: &git.GitStatusContext{Genre: ptr("coderflow"), Name: ptr("gate")}, State: &state, IterationId: &iteration}})
		must(t, err)
	}
	status("succeeded", 1)
	w.push("alice", dir, "topic", "two\n")
	if votes := w.votes(id); votes["Bob Brown"] != 0 {
		t.Errorf("the push left votes: %v", votes)
	}
	must(t, w.vote("bob", id, 5))
	unmet("with a status of an earlier iteration")
	status("succeeded", 2)
	must(t, w.vote("olga", id, -10))
	unmet("against a rejection")
	if status, _, message := refused(w.complete("alice", id, &git.GitPullRequestCompletionOptions{BypassPolicy: ptr(true)})); status != 403 || !strings.Contains(message, "PullRequestBypassPolicy") {
		t.Errorf("bypass without the permission: %d %s", status, message)
	}
	out, err := w.world.git(dir, "alice", w.forge.ClientFor("alice"), "push", "origin", "topic:main")
	if err == nil || !strings.Contains(out, "(TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.)") || strings.Contains(out, "remote:") {
		t.Errorf("direct push: %v %s", err, out)
	}
	must(t, w.vote("olga", id, 0))
	must(t, w.complete("alice", id, nil))
	if ends := w.noted(id, "StatusUpdate"); len(ends) != 1 || property(ends[0], "BypassPolicy") != "False" {
		t.Errorf("noted: %+v", ends)
	}
}

func TestAzureStatusPoliciesMayWantTheirAuthor(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", false)
	c, err := policy.NewClient(t.Context(), w.as("olga"))
	must(t, err)
	made, err := c.CreatePolicyConfiguration(t.Context(), policy.CreatePolicyConfigurationArgs{Project: ptr(project), Configuration: &policy.PolicyConfiguration{
		IsEnabled: ptr(true), IsBlocking: ptr(true), Type: &policy.PolicyTypeRef{Id: guid("cbdc66da-9728-4af8-aada-9a5a32e4a226")},
		Settings: map[string]any{"statusGenre": "coderflow", "statusName": "gate", "authorId": w.user("bob").GUID, "invalidateOnSourceUpdate": true,
			"scope": []any{map[string]any{"refName": "refs/heads/main", "matchKind": "Exact", "repositoryId": w.repoGUID()}}}}})
	must(t, err)
	if got := made.Settings.(map[string]any)["authorId"]; got != w.user("bob").GUID {
		t.Errorf("the author is %v", got)
	}
	for _, login := range []string{"alice", "bob"} {
		state := git.GitStatusStateValues.Succeeded
		_, err := w.git(login).CreatePullRequestStatus(t.Context(), git.CreatePullRequestStatusArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id,
			Status: &git.GitPullRequestStatus{Context: &git.GitStatusContext{Genre: ptr("coderflow"), Name: ptr("gate")}, State: &state}})
		must(t, err)
		if status, _, _ := refused(w.complete("alice", id, nil)); (status == 403) != (login == "alice") {
			t.Errorf("completing with the status of %s: %d", login, status)
		}
	}
}

func TestAzureBypassTakesItsPermission(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, dir := w.pull("topic", false)
	must(t, w.forge.Protect(azureRepo, "main", emulator.Protection{RequiredReviews: 1}))
	must(t, w.forge.AllowBypass(azureRepo, "alice"))
	must(t, w.complete("alice", id, &git.GitPullRequestCompletionOptions{BypassPolicy: ptr(true), BypassReason: ptr("urgent")}))
	if ends := w.noted(id, "StatusUpdate"); len(ends) != 1 || property(ends[0], "BypassPolicy") != "True" {
		t.Errorf("noted: %+v", ends)
	}
	w.world.mustGit(dir, "alice", "fetch", "-q", "origin")
	w.world.mustGit(dir, "alice", "checkout", "-q", "-B", "main", "origin/main")
	w.push("alice", dir, "main", "direct\n")
}

func TestAzureForcePushIsForTheBranchsMaker(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	_, dir := w.pull("topic", false)
	w.world.mustGit(dir, "alice", "commit", "-q", "--amend", "-m", "Mine")
	w.world.mustGit(dir, "alice", "push", "-q", "--force", "origin", "topic")
	w.world.mustGit(dir, "bob", "commit", "-q", "--amend", "-m", "Not mine")
	out, err := w.world.git(dir, "bob", w.forge.ClientFor("bob"), "push", "--force", "origin", "topic")
	if err == nil || !strings.Contains(out, "'ForcePush' permission") {
		t.Errorf("forced by another: %v %s", err, out)
	}
}
