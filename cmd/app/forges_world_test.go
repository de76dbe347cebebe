package main

import (
	"context"
	"strings"

	ado "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// What stories have to know of the forge that they are told at.

func (w *world) onAzure() bool { return hostOf(w.hub.Info()) == forge.AzureDevOps }

// asksForAction reports whether a check run does: on Azure DevOps by being pending.
func (w *world) asksForAction(run emulator.CheckRun) bool {
	if w.onAzure() {
		return run.Status == "in_progress"
	}
	return run.Conclusion == "action_required"
}

// says is what people can read of a check run: on Azure DevOps a status has one line, and
// the rest stands in a comment.
func (w *world) says(proposed task.Task, run emulator.CheckRun) string {
	w.t.Helper()
	if w.onAzure() {
		return run.Title + w.everythingAtTheForge(forge.PullTopic(proposed.PullRequest))
	}
	return run.Title + run.Summary
}

// reviewable waits until the proposal can be reviewed: on Azure DevOps drafts cannot.
func (w *world) reviewable(proposed task.Task) {
	w.t.Helper()
	w.nowNoDraft(proposed.PullRequest)
}

func (w *world) nowNoDraft(number int) {
	w.t.Helper()
	if !w.onAzure() {
		return
	}
	w.wait("the pull request to be no draft any more", func(ctx context.Context) (bool, error) {
		pr, err := w.pullRequest(ctx, number)
		return !pr.Draft, err
	})
}

// isReview reports whether a delivery tells of a review.
func (w *world) isReview(event string) bool {
	return event == "pull_request_review" || event == "git.pullrequest.updated"
}

// ofPullRequest reports whether a delivery is about a pull request.
func ofPullRequest(event string) bool {
	return strings.HasPrefix(event, "pull_request") || strings.HasPrefix(event, "git.pullrequest")
}

// ofComment reports whether a delivery is about a comment on an issue.
func ofComment(event string) bool { return event == "issue_comment" || event == "workitem.commented" }

// machine is an account of Azure DevOps that is no person.
type machine struct {
	w    *world
	guid string
	at   *ado.Connection
}

func (w *world) machine() machine {
	w.t.Helper()
	login := "stamp-" + string(task.NewID())
	principal, err := w.hub.CreateServicePrincipal(login, "Rubber Stamp")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.hub.AddCollaborator(sampleRepo, login, "write"); err != nil {
		w.t.Fatal(err)
	}
	token, err := w.hub.IssueToken(login)
	if err != nil {
		w.t.Fatal(err)
	}
	return machine{w: w, guid: principal.GUID, at: ado.NewPatConnection(w.hub.Info().Azure.OrganizationURL, token)}
}

// votes gives a vote once there can be one.
func (m machine) votes(number, vote int) {
	m.w.t.Helper()
	m.w.nowNoDraft(number)
	client, err := git.NewClient(m.w.t.Context(), m.at)
	if err != nil {
		m.w.t.Fatal(err)
	}
	if _, err := client.CreatePullRequestReviewer(m.w.t.Context(), git.CreatePullRequestReviewerArgs{
		Reviewer: &git.IdentityRefWithVote{Vote: &vote}, Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &number, ReviewerId: &m.guid,
	}); err != nil {
		m.w.t.Fatal(err)
	}
}

func (m machine) says(number int, text string) {
	m.w.t.Helper()
	client, err := workitemtracking.NewClient(m.w.t.Context(), m.at)
	if err != nil {
		m.w.t.Fatal(err)
	}
	if _, err := client.AddComment(m.w.t.Context(), workitemtracking.AddCommentArgs{
		Request: &workitemtracking.CommentCreate{Text: to(inHTML(text))}, Project: sampleProjectName, WorkItemId: &number,
	}); err != nil {
		m.w.t.Fatal(err)
	}
}
