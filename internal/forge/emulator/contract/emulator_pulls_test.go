package contract_test

import (
	"errors"

	"github.com/google/go-github/v62/github"
)

// pullSteps follow on steps.
var pullSteps = []step{
	{"a draft pull request", func(w *world) {
		p := must(w.bot.PullRequests.Create(w.ctx, owner, repo, &github.NewPullRequest{
			Title: github.String("Feature"), Head: github.String("feature/x"), Base: github.String("main"),
			Body: github.String("A proposal"), Draft: github.Bool(true),
		}))
		w.pull = p.GetNumber()
		refused[*github.PullRequest](422)(w.bot.PullRequests.Create(w.ctx, owner, repo, &github.NewPullRequest{
			Title: github.String("Feature"), Head: github.String("feature/x"), Base: github.String("main"),
		}))
		must(w.bot.PullRequests.Get(w.ctx, owner, repo, w.pull))
		must(w.bot.PullRequests.GetRaw(w.ctx, owner, repo, w.pull, github.RawOptions{Type: github.Diff}))
		must(w.bot.PullRequests.List(w.ctx, owner, repo, &github.PullRequestListOptions{State: "all", Head: owner + ":feature/x", Base: "main"}))
		must(w.bot.PullRequests.ListFiles(w.ctx, owner, repo, w.pull, nil))
		must(w.bot.PullRequests.ListCommits(w.ctx, owner, repo, w.pull, nil))
		must(w.bot.PullRequests.Edit(w.ctx, owner, repo, w.pull, &github.PullRequest{Title: github.String("Feature, revised"), Body: github.String("New text")}))
		must(w.bot.Issues.Get(w.ctx, owner, repo, w.pull))
		must(w.bot.Issues.CreateComment(w.ctx, owner, repo, w.pull, &github.IssueComment{Body: github.String("How to approve")}))
		w.mutate(w.bot, "markPullRequestReadyForReview", p.GetNodeID())
		w.mutate(w.bot, "convertPullRequestToDraft", p.GetNodeID())
		w.mutate(w.bot, "markPullRequestReadyForReview", p.GetNodeID())
	}},
	{"checks and statuses", func(w *world) {
		run := must(w.bot.Checks.CreateCheckRun(w.ctx, owner, repo, github.CreateCheckRunOptions{
			Name: "coderflow/gate", HeadSHA: w.head, Status: github.String("completed"), Conclusion: github.String("action_required"),
			ExternalID: github.String("task"), DetailsURL: github.String("https://example.com/task"),
			Output: &github.CheckRunOutput{Title: github.String("Waiting"), Summary: github.String("for approval"), Annotations: []*github.CheckRunAnnotation{
				{Path: github.String("a.sql"), StartLine: github.Int(1), EndLine: github.Int(1), AnnotationLevel: github.String("failure"), Message: github.String("it drops a table")},
				{Path: github.String("b"), StartLine: github.Int(1), EndLine: github.Int(3), AnnotationLevel: github.String("notice"), Title: github.String("t"), Message: github.String("m"), RawDetails: github.String("d")}}},
		}))
		must(w.bot.Checks.UpdateCheckRun(w.ctx, owner, repo, run.GetID(), github.UpdateCheckRunOptions{
			Name: "coderflow/gate", Status: github.String("completed"), Conclusion: github.String("success"),
		}))
		must(w.bot.Checks.CreateCheckRun(w.ctx, owner, repo, github.CreateCheckRunOptions{Name: "queued", HeadSHA: w.head}))
		must(w.bot.Checks.GetCheckRun(w.ctx, owner, repo, run.GetID()))
		must(w.bot.Checks.ListCheckRunAnnotations(w.ctx, owner, repo, run.GetID(), nil))
		for _, wrong := range []*github.CheckRunAnnotation{
			{Path: github.String("a"), StartLine: github.Int(2), EndLine: github.Int(1), AnnotationLevel: github.String("notice"), Message: github.String("m")},
			{Path: github.String("a"), StartLine: github.Int(1), EndLine: github.Int(2), StartColumn: github.Int(1), AnnotationLevel: github.String("notice"), Message: github.String("m")},
		} {
			refused[*github.CheckRun](422)(w.bot.Checks.UpdateCheckRun(w.ctx, owner, repo, run.GetID(), github.UpdateCheckRunOptions{
				Name: "coderflow/gate", Output: &github.CheckRunOutput{Title: github.String("t"), Summary: github.String("s"), Annotations: []*github.CheckRunAnnotation{wrong}}}))
		}
		must(w.bot.Checks.ListCheckRunsForRef(w.ctx, owner, repo, w.head, &github.ListCheckRunsOptions{CheckName: github.String("coderflow/gate")}))
		must(w.bot.Repositories.CreateStatus(w.ctx, owner, repo, w.head, &github.RepoStatus{
			State: github.String("success"), Context: github.String("ci"), Description: github.String("fine"), TargetURL: github.String("https://example.com/ci"),
		}))
		must(w.bot.Repositories.ListStatuses(w.ctx, owner, repo, w.head, nil))
		must(w.bot.Repositories.GetCombinedStatus(w.ctx, owner, repo, w.head, nil))
		refused[*github.CheckRun](403)(w.alice.Checks.CreateCheckRun(w.ctx, owner, repo, github.CreateCheckRunOptions{Name: "mine", HeadSHA: w.head}))
	}},
	{"reviews", func(w *world) {
		comment := must(w.bob.PullRequests.CreateReview(w.ctx, owner, repo, w.pull, &github.PullRequestReviewRequest{Body: github.String("Hm"), Event: github.String("COMMENT")}))
		draft := must(w.bob.PullRequests.CreateReview(w.ctx, owner, repo, w.pull, &github.PullRequestReviewRequest{Body: github.String("Never")}))
		must(w.bob.PullRequests.DeletePendingReview(w.ctx, owner, repo, w.pull, draft.GetID()))
		must(w.bob.PullRequests.UpdateReview(w.ctx, owner, repo, w.pull, comment.GetID(), "Hm, better"))
		pending := must(w.bob.PullRequests.CreateReview(w.ctx, owner, repo, w.pull, &github.PullRequestReviewRequest{Body: github.String("Later")}))
		must(w.bob.PullRequests.SubmitReview(w.ctx, owner, repo, w.pull, pending.GetID(), &github.PullRequestReviewRequest{Body: github.String("No"), Event: github.String("REQUEST_CHANGES")}))
		approval := must(w.bob.PullRequests.CreateReview(w.ctx, owner, repo, w.pull, &github.PullRequestReviewRequest{
			CommitID: &w.head, Body: github.String("Good"), Event: github.String("APPROVE"),
		}))
		must(w.bot.PullRequests.GetReview(w.ctx, owner, repo, w.pull, approval.GetID()))
		must(w.bot.PullRequests.ListReviews(w.ctx, owner, repo, w.pull, nil))
		onLine := must(w.bob.PullRequests.CreateReview(w.ctx, owner, repo, w.pull, &github.PullRequestReviewRequest{
			Body: github.String("One thing"), Event: github.String("COMMENT"),
			Comments: []*github.DraftReviewComment{{Path: github.String("src/feature.go"), Line: github.Int(1), Side: github.String("RIGHT"), Body: github.String("Why?")}},
		}))
		if said := must(w.bot.PullRequests.ListReviewComments(w.ctx, owner, repo, w.pull, onLine.GetID(), nil)); len(said) != 1 || said[0].GetBody() != "Why?" || said[0].GetOriginalPosition() != 1 {
			w.t.Errorf("the review says of lines: %+v", said)
		}
		for _, wrong := range []*github.DraftReviewComment{
			{Path: github.String("src/feature.go"), Line: github.Int(99), Body: github.String("x")}, {Path: github.String("README.md"), Line: github.Int(1), Body: github.String("x")},
		} {
			refused[*github.PullRequestReview](422)(w.bob.PullRequests.CreateReview(w.ctx, owner, repo, w.pull, &github.PullRequestReviewRequest{
				Body: github.String("x"), Event: github.String("COMMENT"), Comments: []*github.DraftReviewComment{wrong},
			}))
		}
		must(w.alice.PullRequests.DismissReview(w.ctx, owner, repo, w.pull, approval.GetID(), &github.PullRequestReviewDismissalRequest{Message: github.String("Stale")}))
		refused[*github.PullRequestReview](422)(w.bot.PullRequests.CreateReview(w.ctx, owner, repo, w.pull, &github.PullRequestReviewRequest{Event: github.String("APPROVE")}))
		must(w.alice.PullRequests.CreateReview(w.ctx, owner, repo, w.pull, &github.PullRequestReviewRequest{Event: github.String("APPROVE")}))
	}},
	{"a moved head", func(w *world) {
		w.head = w.push("feature/x", "src/feature.go", "package main\n\n// A better feature.\n", "Improve the feature")
		must(w.bot.PullRequests.Get(w.ctx, owner, repo, w.pull))
	}},
	{"an approval that a push makes stale", func(w *world) {
		must(w.alice.Repositories.UpdateBranchProtection(w.ctx, owner, repo, "main", &github.ProtectionRequest{
			RequiredPullRequestReviews: &github.PullRequestReviewsEnforcementRequest{RequiredApprovingReviewCount: 1, DismissStaleReviews: true},
		}))
		approval := must(w.bob.PullRequests.CreateReview(w.ctx, owner, repo, w.pull, &github.PullRequestReviewRequest{Event: github.String("APPROVE")}))
		w.head = w.push("feature/x", "src/feature.go", "package main\n\n// The best feature.\n", "Improve it again")
		dismissed := false
		for _, e := range must(w.bot.Issues.ListIssueEvents(w.ctx, owner, repo, w.pull, nil)) {
			d := e.GetDismissedReview()
			dismissed = dismissed || d.GetReviewID() == approval.GetID() && d.GetDismissalCommitID() == w.head && d.GetDismissalMessage() == ""
		}
		if !dismissed {
			panic("no event names the commit that made the approval stale")
		}
	}},
	{"protection and merge", func(w *world) {
		must(w.alice.Repositories.UpdateBranchProtection(w.ctx, owner, repo, "main", &github.ProtectionRequest{
			RequiredStatusChecks:       &github.RequiredStatusChecks{Strict: false, Contexts: &[]string{"ci"}},
			RequiredPullRequestReviews: &github.PullRequestReviewsEnforcementRequest{RequiredApprovingReviewCount: 1},
			EnforceAdmins:              true,
		}))
		must(w.alice.Repositories.GetBranchProtection(w.ctx, owner, repo, "main"))
		must(w.bot.Repositories.GetBranch(w.ctx, owner, repo, "main", 1))
		refused[*github.PullRequestMergeResult](405)(w.bob.PullRequests.Merge(w.ctx, owner, repo, w.pull, "", nil))
		must(w.bot.Repositories.CreateStatus(w.ctx, owner, repo, w.head, &github.RepoStatus{State: github.String("success"), Context: github.String("ci")}))
		must(w.bob.PullRequests.CreateReview(w.ctx, owner, repo, w.pull, &github.PullRequestReviewRequest{Event: github.String("APPROVE")}))
		refused[*github.PullRequestMergeResult](409)(w.bob.PullRequests.Merge(w.ctx, owner, repo, w.pull, "", &github.PullRequestOptions{SHA: "0123456789012345678901234567890123456789"}))
		must(w.bob.PullRequests.Merge(w.ctx, owner, repo, w.pull, "Merge it", &github.PullRequestOptions{SHA: w.head}))
		must(w.bot.PullRequests.Get(w.ctx, owner, repo, w.pull))
		done(w.alice.Repositories.RemoveBranchProtection(w.ctx, owner, repo, "main"))
	}},
	{"deployments", func(w *world) {
		d := must(w.bot.Repositories.CreateDeployment(w.ctx, owner, repo, &github.DeploymentRequest{
			Ref: &w.head, Task: github.String("deploy"), AutoMerge: github.Bool(false), RequiredContexts: &[]string{},
			Environment: github.String("staging"), Description: github.String("by approval"), Payload: map[string]string{"run": "1"},
		}))
		must(w.bot.Repositories.GetDeployment(w.ctx, owner, repo, d.GetID()))
		must(w.bot.Repositories.ListDeployments(w.ctx, owner, repo, &github.DeploymentsListOptions{Environment: "staging"}))
		for _, state := range []string{"in_progress", "success"} {
			must(w.bot.Repositories.CreateDeploymentStatus(w.ctx, owner, repo, d.GetID(), &github.DeploymentStatusRequest{
				State: github.String(state), LogURL: github.String("https://example.com/log"), Description: github.String("fine"),
				Environment: github.String("staging"), AutoInactive: github.Bool(false),
			}))
		}
		must(w.bot.Repositories.ListDeploymentStatuses(w.ctx, owner, repo, d.GetID(), nil))
	}},
	{"a closed and reopened pull request", func(w *world) {
		w.push("feature/y", "y.txt", "y\n", "Add y")
		p := must(w.alice.PullRequests.Create(w.ctx, owner, repo, &github.NewPullRequest{Title: github.String("Y"), Head: github.String("feature/y"), Base: github.String("main")}))
		must(w.alice.PullRequests.Edit(w.ctx, owner, repo, p.GetNumber(), &github.PullRequest{State: github.String("closed")}))
		must(w.alice.PullRequests.Edit(w.ctx, owner, repo, p.GetNumber(), &github.PullRequest{State: github.String("open")}))
		must(w.bot.PullRequests.Edit(w.ctx, owner, repo, p.GetNumber(), &github.PullRequest{State: github.String("closed")}))
		must(w.bot.PullRequests.Edit(w.ctx, owner, repo, p.GetNumber(), &github.PullRequest{State: github.String("closed")}))
		must(w.alice.PullRequests.Edit(w.ctx, owner, repo, p.GetNumber(), &github.PullRequest{State: github.String("open")}))
		must(w.alice.Issues.AddLabelsToIssue(w.ctx, owner, repo, p.GetNumber(), []string{"bug"}))
	}},
	{"conditional requests", func(w *world) {
		path := "repos/" + full + "/issues/1"
		first := w.get(w.alice, path)
		if again := w.get(w.alice, path, "If-None-Match", first.Header.Get("ETag")); again.StatusCode != 304 {
			panic("the answer to a conditional request is not 304")
		}
	}},
}

// endSteps come last: they look at the deliveries of all others, and take the App away.
var endSteps = []step{
	{"webhook deliveries", func(w *world) {
		w.quiet()
		deliveries := must(w.app.Apps.ListHookDeliveries(w.ctx, &github.ListCursorOptions{PerPage: 100}))
		must(w.app.Apps.GetHookDelivery(w.ctx, deliveries[0].GetID()))
		var accepted *github.AcceptedError
		if _, _, err := w.app.Apps.RedeliverHookDelivery(w.ctx, deliveries[0].GetID()); !errors.As(err, &accepted) {
			panic(err)
		}
	}},
	{"another App by manifest", func(w *world) {
		must(w.nobody.Apps.CompleteAppManifest(w.ctx, w.manifestCode(owner)))
	}},
	{"a token given back", func(w *world) {
		token := must(w.app.Apps.CreateInstallationToken(w.ctx, w.info.InstallationID, &github.InstallationTokenOptions{}))
		bot := w.client(nil).WithAuthToken(token.GetToken())
		done(bot.Apps.RevokeInstallationToken(w.ctx))
		refused[*github.Repository](401)(bot.Repositories.Get(w.ctx, owner, repo))
	}},
	{"installation without a repository", func(w *world) {
		w.check(w.forge.Uninstall(owner + "/hidden"))
		w.check(w.forge.Uninstall(full))
	}},
}
