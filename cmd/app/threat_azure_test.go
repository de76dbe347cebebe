package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	ado "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// numbersCollide has work items and pull requests counted alike, as the service can.
func numbersCollide(o *emulator.Options, _ *settings) {
	o.Kind, o.Azure.NumbersCollide = forge.AzureDevOps, true
}

// votes gives a vote as it is, without anything said before, once there can be one.
func (w *world) votes(login string, number, vote int) {
	w.t.Helper()
	w.nowNoDraft(number)
	if _, err := (azurePeople{w.hub}).vote(w.t.Context(), login, number, vote); err != nil {
		w.t.Fatal(err)
	}
}

// removesReviewer takes somebody from the reviewers, and their vote with them.
func (w *world) removesReviewer(by string, number int, reviewer string) {
	w.t.Helper()
	people := azurePeople{w.hub}
	client, err := git.NewClient(w.t.Context(), people.as(by))
	if err != nil {
		w.t.Fatal(err)
	}
	guid := people.known(reviewer).GUID
	if err := client.DeletePullRequestReviewer(w.t.Context(), git.DeletePullRequestReviewerArgs{
		Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &number, ReviewerId: &guid,
	}); err != nil {
		w.t.Fatal(err)
	}
}

// Votes that approve nothing, and one that keeps an approval from landing. The last one
// proves that it works at all.
func TestThreat42And43And44VotesOfAzureDevOpsThatDoNotCount(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, numbersCollide, func(_ *emulator.Options, s *settings) {
		s.Spec, s.Extra = "proposal: {reviseOnReview: false}", looksOften
	})
	if _, err := w.hub.CreateUser(zoe, emulator.UserOptions{Name: "Zoe"}); err != nil {
		t.Fatal(err)
	}
	if err := w.hub.AddCollaborator(sampleRepo, zoe, "write"); err != nil {
		t.Fatal(err)
	}
	w.manifests("zoe.yaml", binding("zoe-too", w.subject(zoe), "environment-admin", "environment/staging"))
	w.start()
	w.issue(maria) // from here on a number is a work item's and another task's pull request's
	var first, second task.Task
	w.step("a number that is of both", func() { first, second = w.numbersOfBoth() })
	w.step("threat 42: CoderFlow's own account, which opened the pull request", func() {
		own := machine{w: w, guid: w.hub.Info().Azure.AccountGUID, at: ado.NewPatConnection(w.hub.Info().Azure.OrganizationURL, w.hub.Info().Azure.Token)}
		own.votes(second.PullRequest, 10)
		w.reconciled()
		w.noCommit(second)
	})
	w.step("threat 45: with suggestions", func() {
		w.say(tom, forge.PullTopic(second.PullRequest), "Take this\n\n/coderflow message")
		w.votes(tom, second.PullRequest, 5)
		w.reconciled()
		w.noCommit(second)
	})
	w.step("threat 44: taken back before anybody looked", func() {
		w.hub.DropDeliveries(func(string) bool { return true })
		w.server.kill()
		w.votes(tom, second.PullRequest, 10)
		w.votes(tom, second.PullRequest, 0)
		w.settle() // or what is on its way would be delivered after all
		w.hub.DropDeliveries(nil)
		w.start()
		w.reconciled()
		w.noCommit(second)
	})
	w.step("threat 44: removed from the reviewers before anybody looked", func() {
		w.hub.DropDeliveries(func(string) bool { return true })
		w.server.kill()
		w.votes(tom, second.PullRequest, 10)
		w.removesReviewer(zoe, second.PullRequest, tom)
		w.settle()
		w.hub.DropDeliveries(nil)
		w.start()
		w.reconciled()
		w.noCommit(second)
	})
	w.step("threat 44: rejected by somebody who may approve", func() {
		w.votes(tom, second.PullRequest, -10)
		w.votes(zoe, second.PullRequest, 10)
		w.waitSaid(forge.PullTopic(second.PullRequest), "requests changes")
		w.noCommit(second)
		w.votes(tom, second.PullRequest, 0)
		w.votes(zoe, second.PullRequest, 10)
		done := w.taskOf(second.Issue, task.Done)
		if commit, err := w.commit(w.t.Context(), done.LandedCommit); err != nil || commit.Author.Email != w.mailOf(zoe) {
			w.t.Errorf("landed for %s: %v", commit.Author.Email, err)
		}
	})
	if got := w.stored(first.ID); got.State != task.Rejected {
		t.Errorf("the other task is %s", got.State)
	}
}

// numbersOfBoth cancels by a work item what the pull request of the same number is not of.
func (w *world) numbersOfBoth() (first, second task.Task) {
	first = w.taskOf(w.run(maria).Number, task.Proposed)
	second = w.taskOf(w.run(maria).Number, task.Proposed)
	if first.Issue != second.PullRequest {
		w.t.Fatalf("work item %d and pull request %d: want one number", first.Issue, second.PullRequest)
	}
	w.say(maria, forge.IssueTopic(first.Issue), "/coderflow status")
	w.waitSaid(forge.IssueTopic(first.Issue), string(first.ID))
	comments, err := w.comments(w.t.Context(), forge.PullTopic(second.PullRequest))
	for _, c := range comments {
		if err != nil || strings.Contains(c.Body, string(first.ID)) {
			w.t.Errorf("pull request %d tells of the task of work item %d: %v", second.PullRequest, first.Issue, err)
		}
	}
	w.setOpen(forge.PullTopic(first.PullRequest), false)
	w.taskOf(first.Issue, task.Rejected)
	if got := w.stored(second.ID); got.State != task.Proposed {
		w.t.Errorf("the task of pull request %d is %s", second.PullRequest, got.State)
	}
	w.auditHas(second.ID, map[audit.Action]int{audit.ApprovalRecorded: 0})
	return first, second
}

// A judge of shell text is heard at either forge: what it doubts asks for another approval.
func TestAScriptedJudgeIsHeardAtEitherForge(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		script, err := json.Marshal("cat <<'end'\n" + strings.ReplaceAll(carefulVerdict, "\n", "") + "\nend")
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, at, func(_ *emulator.Options, s *settings) {
			s.Spec = `judges: [{name: sceptic, agent: {preset: exec, command: [/bin/sh, -c, ` + string(script) + `]}}]
gate: {rules: [{name: doubts, judges: {below: {security: 5}}, approvals: 2}]}`
			s.Extra = looksOften
		})
		proposed := w.taskOf(w.run(maria).Number, task.Proposed)
		w.waitJudges(w.head(proposed.PullRequest), "1 of 1 judge answered; advice only")
		w.waitSaid(forge.PullTopic(proposed.PullRequest), "| security | 4 / 10 |")
		w.approve(tom, proposed.PullRequest, "")
		w.waitSaid(forge.PullTopic(proposed.PullRequest), "1 of 2 approvals")
		w.noCommit(proposed)
		if w.onAzure() {
			w.findingStands(proposed)
		}
		w.nothingMentioned()
	})
}

// findingStands proves that the judge's finding is at the line of the patch that it is about.
func (w *world) findingStands(proposed task.Task) {
	w.t.Helper()
	p, err := w.db().Proposal(w.t.Context(), proposed.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	lines := strings.Split(string(p.Diff), "\n")
	w.wait("the finding at its line", func(ctx context.Context) (bool, error) {
		threads, err := azurePeople{w.hub}.threads(ctx, proposed.PullRequest)
		return slices.ContainsFunc(threads, func(t git.GitPullRequestCommentThread) bool {
			if t.ThreadContext == nil || !strings.Contains(is(is(t.Comments)[0].Content), "Negative numbers") {
				return false
			}
			at := is(t.ThreadContext.RightFileStart)
			return is(t.ThreadContext.FilePath) == "/"+task.ProposalPath(proposed.ID) && strings.Contains(lines[is(at.Line)-1], "total += $2 * $3")
		}), err
	})
}
