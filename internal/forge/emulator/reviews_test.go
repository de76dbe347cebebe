package emulator_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func (w *world) review(login string, number int, event, body string) (*github.PullRequestReview, error) {
	rv, _, err := w.as(login).PullRequests.CreateReview(w.t.Context(), "acme", "widget", number, &github.PullRequestReviewRequest{Event: &event, Body: &body})
	return rv, err
}

func TestAuthorCannotApproveOwnPullRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, _ := w.pull("topic", false)
	_, err := w.review("alice", pr.GetNumber(), "APPROVE", "")
	if status(err) != 422 || !strings.Contains(err.Error(), "Can not approve your own pull request") {
		t.Errorf("approving: %v", err)
	}
	if _, err := w.review("alice", pr.GetNumber(), "COMMENT", "a remark"); err != nil {
		t.Errorf("commenting: %v", err)
	}
}

func TestAppMayReviewAsABotWhoseApprovalDoesNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.forge.Protect(repoName, "main", emulator.Protection{RequiredReviews: 1, EnforceAdmins: true}))
	pr, _ := w.pull("topic", false)
	bot, _ := w.bot(nil)
	rv, _, err := bot.PullRequests.CreateReview(t.Context(), "acme", "widget", pr.GetNumber(), &github.PullRequestReviewRequest{Event: github.String("APPROVE")})
	must(t, err)
	if rv.GetUser().GetType() != "Bot" || rv.GetState() != "APPROVED" {
		t.Errorf("review is %v", rv)
	}
	if _, _, err := w.as("owner").PullRequests.Merge(t.Context(), "acme", "widget", pr.GetNumber(), "", nil); status(err) != 405 {
		t.Errorf("merging on a bot's approval: %v", err)
	}
}

func TestPatchCannotUndraft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, _ := w.pull("topic", true)
	edited, _, err := w.as("alice").PullRequests.Edit(t.Context(), "acme", "widget", pr.GetNumber(), &github.PullRequest{Title: github.String("New"), Draft: github.Bool(false)})
	must(t, err)
	if !edited.GetDraft() || edited.GetTitle() != "New" {
		t.Errorf("draft %v, title %q", edited.GetDraft(), edited.GetTitle())
	}
	w.markReady(w.as("alice"), pr.GetNodeID())
	if w.forge.PullRequests(repoName)[0].Draft {
		t.Error("GraphQL did not make it ready")
	}
}

func TestDraftMutationNeedsPullRequestsPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, _ := w.pull("topic", true)
	bot, _ := w.bot(&github.InstallationTokenOptions{Permissions: &github.InstallationPermissions{Contents: github.String("write"), PullRequests: github.String("read")}})
	answer := w.graphQL(bot, `mutation($input: X!) { markPullRequestReadyForReview(input: $input) { pullRequest { id } } }`, pr.GetNodeID())
	if !strings.Contains(answer, "Resource not accessible by integration") || !w.forge.PullRequests(repoName)[0].Draft {
		t.Errorf("answer %s", answer)
	}
}

func TestRepositoryMayRefuseDrafts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.forge.CreateRepository("alice", "plain", map[string]string{"a": "b"}, emulator.RepositoryOptions{RefuseDrafts: true})
	must(t, err)
	main, _, err := w.as("alice").Git.GetRef(t.Context(), "alice", "plain", "heads/main")
	must(t, err)
	_, _, err = w.as("alice").Git.CreateRef(t.Context(), "alice", "plain", &github.Reference{Ref: github.String("refs/heads/x"), Object: main.Object})
	must(t, err)
	_, _, err = w.as("alice").PullRequests.Create(t.Context(), "alice", "plain", &github.NewPullRequest{Title: github.String("x"),
		Head: github.String("x"), Base: github.String("main"), Draft: github.Bool(true)})
	if status(err) != 422 || !strings.Contains(err.Error(), "Draft pull requests are not supported in this repository.") {
		t.Errorf("drafting: %v", err)
	}
}

func TestReviewIsSeenPendingSubmittedEditedAndDismissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	pr, _ := w.pull("topic", false)
	n := pr.GetNumber()
	pending, _, err := w.as("bob").PullRequests.CreateReview(ctx, "acme", "widget", n, &github.PullRequestReviewRequest{Body: github.String("draft")})
	must(t, err)
	if _, _, err := w.as("alice").PullRequests.GetReview(ctx, "acme", "widget", n, pending.GetID()); pending.GetState() != "PENDING" || status(err) != 404 {
		t.Errorf("state %s, another's look at it: %v", pending.GetState(), err)
	}
	_, _, err = w.as("bob").PullRequests.SubmitReview(ctx, "acme", "widget", n, pending.GetID(), &github.PullRequestReviewRequest{Event: github.String("APPROVE"), Body: github.String("good")})
	must(t, err)
	if _, _, err := w.as("alice").PullRequests.UpdateReview(ctx, "acme", "widget", n, pending.GetID(), "forged"); status(err) != 403 {
		t.Errorf("editing another's review: %v", err)
	}
	_, _, err = w.as("bob").PullRequests.UpdateReview(ctx, "acme", "widget", n, pending.GetID(), "very good")
	must(t, err)
	dismissed, _, err := w.as("alice").PullRequests.DismissReview(ctx, "acme", "widget", n, pending.GetID(), &github.PullRequestReviewDismissalRequest{Message: github.String("no")})
	must(t, err)
	if dismissed.GetState() != "DISMISSED" {
		t.Errorf("state is %s", dismissed.GetState())
	}
	w.settle()
	got := slices.DeleteFunc(w.hooks.events(), func(e string) bool { return !strings.HasPrefix(e, "pull_request_review.") })
	if want := []string{"pull_request_review.submitted", "pull_request_review.edited", "pull_request_review.dismissed"}; !slices.Equal(got, want) {
		t.Errorf("events are %v", got)
	}
	if state := w.hooks.last(t, "pull_request_review")["review"].(map[string]any)["state"]; state != "dismissed" {
		t.Errorf("state in the webhook is %v", state)
	}
}

func TestMergeWaitsForReviewsAndChecksOfTheHead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	must(t, w.forge.Protect(repoName, "main", emulator.Protection{RequiredReviews: 1, RequiredChecks: []string{"coderflow/gate"}, EnforceAdmins: true, DismissStaleReviews: true}))
	must(t, w.forge.AddCollaborator(repoName, "mallory", "read"))
	pr, dir := w.pull("topic", false)
	merge := func(sha string) error {
		_, _, err := w.as("bob").PullRequests.Merge(ctx, "acme", "widget", pr.GetNumber(), "", &github.PullRequestOptions{SHA: sha})
		return err
	}
	refused := func(what, text string) {
		t.Helper()
		if err := merge(""); status(err) != 405 || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("without a review", "At least 1 approving review is required")
	_, err := w.review("mallory", pr.GetNumber(), "APPROVE", "")
	must(t, err)
	refused("with a reader's review", "At least 1 approving review is required")
	_, err = w.review("bob", pr.GetNumber(), "APPROVE", "")
	must(t, err)
	refused("without the check", `Required status check "coderflow/gate" is expected.`)
	bot, _ := w.bot(nil)
	gate, _, err := bot.Checks.CreateCheckRun(ctx, "acme", "widget", github.CreateCheckRunOptions{Name: "coderflow/gate", HeadSHA: pr.GetHead().GetSHA(), Status: github.String("in_progress")})
	must(t, err)
	refused("with the check running", "pending")
	_, _, err = bot.Checks.UpdateCheckRun(ctx, "acme", "widget", gate.GetID(), github.UpdateCheckRunOptions{Name: "coderflow/gate", Conclusion: github.String("success")})
	must(t, err)
	if err := merge(strings.Repeat("a", 40)); status(err) != 409 {
		t.Errorf("with another head: %v", err)
	}
	w.commit(dir, "topic", "more.txt", "more\n")
	w.mustGit(dir, "alice", "push", "-q", "origin", "topic")
	refused("after a push that dismissed the approval", "At least 1 approving review is required")
	_, err = w.review("bob", pr.GetNumber(), "APPROVE", "")
	must(t, err)
	refused("with the check of the old head", "is expected")
}

func TestConflictingPullRequestDoesNotMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, dir := w.pull("topic", false)
	w.mustGit(dir, "alice", "checkout", "-q", "main")
	w.commit(dir, "main", "new.txt", "something else\n")
	w.mustGit(dir, "alice", "push", "-q", "origin", "main")
	if _, _, err := w.as("bob").PullRequests.Merge(t.Context(), "acme", "widget", pr.GetNumber(), "", nil); status(err) != 405 {
		t.Errorf("merging: %v", err)
	}
}

func TestGeneratedTextThatMentionsOrClosesIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	_, _, err := w.as("alice").Issues.Create(ctx, "acme", "widget", &github.IssueRequest{Title: github.String("One")})
	must(t, err)
	pr, _ := w.pull("topic", false)
	quiet := "`@bob` and `Closes #1`\n\n```\n@bob Fixes #1\n```\n\n<!-- @bob resolves #1 -->\n\nmail@bob.example, @nobody\n"
	_, _, err = w.as("alice").PullRequests.Edit(ctx, "acme", "widget", pr.GetNumber(), &github.PullRequest{Body: &quiet})
	must(t, err)
	if got := w.forge.Notifications(); len(got) != 0 {
		t.Errorf("quiet text gave %+v", got)
	}
	loud := "Thanks @bob!\n\nFixes: #1\n"
	_, _, err = w.as("alice").PullRequests.Edit(ctx, "acme", "widget", pr.GetNumber(), &github.PullRequest{Body: &loud})
	must(t, err)
	got := w.forge.Notifications()
	if len(got) != 2 || got[0].Mentioned != "bob" || got[1].Closes != 1 || got[0].Author != "alice" || got[0].Number != pr.GetNumber() {
		t.Errorf("loud text gave %+v", got)
	}
}
