package github_test

import (
	"maps"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/emulator/contract"
)

// Every token is enough for what was asked with it, and would not be with less.
// On conversations, where one permission of two is enough but which depends on
// what the number is, both are asked for.
func TestTokensHaveThePermissionsOfTheirCallsAndNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	w.exerciseAll()
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	used := map[string]string{}
	for auth, granted := range w.ledger.granted {
		var calls []entry
		for _, e := range w.ledger.calls {
			if e.auth == auth && e.status < 400 {
				calls = append(calls, e)
			}
		}
		for _, e := range calls {
			if !contract.Satisfied(e.method, e.path, granted) {
				t.Errorf("%v does not allow %s %s", granted, e.method, e.path)
			}
		}
		for name, level := range granted {
			if used[name] != "write" {
				used[name] = level
			}
			less := maps.Clone(granted)
			if delete(less, name); level == "write" {
				less[name] = "read"
			}
			if name == "pull_requests" && granted["issues"] != "" { // the conversation
				delete(less, "issues")
			} else if name == "issues" {
				delete(less, "pull_requests")
			}
			needed := name == "metadata" || // GitHub adds it to every token
				name == "contents" && len(granted) == 2 // of git
			for _, e := range calls {
				needed = needed || !contract.Satisfied(e.method, e.path, less)
			}
			if !needed {
				t.Errorf("%v: nothing needed %s=%s in %v", granted, name, level, calls)
			}
		}
	}
	if want := readManifest(t).Permissions; !maps.Equal(used, want) {
		t.Errorf("tokens used %v, app.yml asks for %v", used, want)
	}
}

// exerciseAll makes every call of the port succeed at least once.
func (w *world) exerciseAll() {
	w.t.Helper()
	ctx, a := w.t.Context(), w.adapter
	ok := func(_ any, err error) { w.t.Helper(); w.must(err) }
	number := w.issue("Broken", "coderflow")
	pr := w.proposal("coderflow/t1", true)
	_, _, err := w.as("rob").PullRequests.CreateReview(ctx, "acme", "shop", pr.Number, &gh.PullRequestReviewRequest{Event: gh.String("APPROVE")})
	w.must(err)
	comment, err := a.UpsertComment(ctx, w.ref, forge.IssueTopic(number), "<!-- m -->", "x")
	w.must(err)
	ok(a.UpsertComment(ctx, w.ref, forge.IssueTopic(number), "<!-- m -->", "y"))
	ok(a.ReadToken(ctx, w.ref))
	ok(a.Repository(ctx, w.ref))
	ok(a.BranchHead(ctx, w.ref, "main"))
	ok(a.AccessOf(ctx, w.ref, w.users["anna"]))
	ok(a.Issue(ctx, w.ref, forge.IssueTopic(number)))
	ok(a.Comments(ctx, w.ref, number))
	ok(a.CommentsSince(ctx, w.ref, time.Unix(0, 0)))
	ok(a.LabelEvents(ctx, w.ref, number))
	ok(a.LabeledIssues(ctx, w.ref, "coderflow"))
	w.must(a.React(ctx, w.ref, comment.ID, forge.ReactionEyes))
	w.must(a.ReactToIssue(ctx, w.ref, number, forge.ReactionEyes))
	ok(a.PullRequestByHead(ctx, w.ref, "coderflow/t1"))
	w.must(a.UpdatePullRequest(ctx, w.ref, pr.Number, "New", "Text"))
	w.must(a.MarkReady(ctx, w.ref, pr))
	reviews, err := a.Reviews(ctx, w.ref, pr.Number)
	w.must(err)
	ok(a.Review(ctx, w.ref, pr.Number, reviews[0].ID))
	ok(a.HeadChanges(ctx, w.ref, pr.Number))
	gate := forge.GateCheck{Commit: pr.Head.Commit, ExternalID: "t1", Status: forge.CheckActionRequired, Title: "T", Summary: "S"}
	w.must(a.SetGate(ctx, w.ref, gate))
	gate.Status = forge.CheckSuccess
	w.must(a.SetGate(ctx, w.ref, gate))
	deployment, err := a.EnsureDeployment(ctx, w.ref, forge.Deployment{Commit: pr.Head.Commit, Environment: "prod", Task: "r1"})
	w.must(err)
	w.must(a.SetDeploymentState(ctx, w.ref, deployment.ID, forge.DeploymentSuccess, "done", ""))
	w.members(w.team("anna"))
	ok(a.Self(ctx, forge.GitHub))
	w.must(a.Ping(ctx))
}
