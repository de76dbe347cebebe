package emulator_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-github/v62/github"
)

func TestWholeFlowFromIssueToMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	bot, token := w.bot(nil)
	issue, _, err := w.as("alice").Issues.Create(ctx, "acme", "widget", &github.IssueRequest{Title: github.String("Broken"), Labels: &[]string{"bug"}})
	must(t, err)
	_, _, err = w.as("alice").Issues.CreateComment(ctx, "acme", "widget", issue.GetNumber(), &github.IssueComment{Body: github.String("/coderflow run")})
	must(t, err)

	dir := w.clone("alice")
	head := w.commit(dir, "coderflow/1", "fix.txt", "fixed\n")
	out, err := w.git(dir, "x-access-token", token, "push", "-q", "origin", "coderflow/1")
	if err != nil {
		t.Fatalf("the bot's push: %v\n%s", err, out)
	}
	pr, _, err := bot.PullRequests.Create(ctx, "acme", "widget", &github.NewPullRequest{Title: github.String("Fix"),
		Head: github.String("coderflow/1"), Base: github.String("main"), Body: github.String("Closes #1"), Draft: github.Bool(true)})
	must(t, err)
	if pr.GetHead().GetSHA() != head || !pr.GetDraft() || pr.GetUser().GetLogin() != "coderflow[bot]" || pr.GetChangedFiles() != 1 {
		t.Fatalf("pull request is %v", pr)
	}
	_, _, err = bot.Checks.CreateCheckRun(ctx, "acme", "widget", github.CreateCheckRunOptions{Name: "coderflow/gate", HeadSHA: head,
		Status: github.String("completed"), Conclusion: github.String("action_required")})
	must(t, err)
	review, _, err := w.as("bob").PullRequests.CreateReview(ctx, "acme", "widget", pr.GetNumber(), &github.PullRequestReviewRequest{Event: github.String("APPROVE")})
	must(t, err)
	if review.GetState() != "APPROVED" || review.GetCommitID() != head {
		t.Fatalf("review is %v", review)
	}
	if _, _, err = w.as("bob").PullRequests.Merge(ctx, "acme", "widget", pr.GetNumber(), "", nil); status(err) != 405 {
		t.Fatalf("merging a draft gave %v", err)
	}
	w.markReady(bot, pr.GetNodeID())
	merged, _, err := w.as("bob").PullRequests.Merge(ctx, "acme", "widget", pr.GetNumber(), "", nil)
	must(t, err)
	refs, err := w.forge.Refs(repoName)
	must(t, err)
	if refs["refs/heads/main"] != merged.GetSHA() {
		t.Errorf("main is at %s, not at the merge %s", refs["refs/heads/main"], merged.GetSHA())
	}
	if got := w.forge.Issues(repoName)[0].State; got != "closed" {
		t.Errorf("the issue that the pull request closes is %s", got)
	}
	w.settle()
	want := []string{"ping", "installation.created", "issues.opened", "issues.labeled", "issue_comment.created", "push", "pull_request.opened",
		"check_run.created", "check_run.completed", "pull_request_review.submitted", "pull_request.ready_for_review", "push", "pull_request.closed", "issues.closed"}
	if got := w.hooks.events(); !slices.Equal(got, want) {
		t.Errorf("events:\n got %s\nwant %s", strings.Join(got, " "), strings.Join(want, " "))
	}
	if state := w.hooks.last(t, "pull_request_review")["review"].(map[string]any)["state"]; state != "approved" {
		t.Errorf("the state of the review in the webhook is %v", state)
	}
}

// markReady sends the GraphQL mutation.
func (w *world) markReady(c *github.Client, nodeID string) {
	w.t.Helper()
	answer := w.graphQL(c, `mutation($input: MarkPullRequestReadyForReviewInput!) {
		markPullRequestReadyForReview(input: $input) { pullRequest { id isDraft } } }`, nodeID)
	if strings.Contains(answer, "errors") || !strings.Contains(answer, `"isDraft":false`) {
		w.t.Fatalf("GraphQL answered %s", answer)
	}
}

func (w *world) graphQL(c *github.Client, query, nodeID string) string {
	w.t.Helper()
	req, err := c.NewRequest("POST", w.info.GraphQLURL, map[string]any{"query": query,
		"variables": map[string]any{"input": map[string]any{"pullRequestId": nodeID}}})
	must(w.t, err)
	var out strings.Builder
	_, err = c.Do(w.t.Context(), req, &out)
	must(w.t, err)
	return out.String()
}
