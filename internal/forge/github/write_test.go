package github_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func TestStatusCommentIsOneThatIsEdited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx, number, marker := t.Context(), w.issue("Broken"), "<!-- coderflow:task/1 -->"
	self, err := w.adapter.Self(ctx, forge.GitHub)
	w.must(err)
	// Others may quote the marker or even start with it; theirs is never edited.
	for _, body := range []string{marker + "\nmine", "> " + marker} {
		_, _, err := w.as("otto").Issues.CreateComment(ctx, "acme", "shop", number, &gh.IssueComment{Body: &body})
		if err != nil { // a stranger does not see the private repository
			_, _, err = w.as("rob").Issues.CreateComment(ctx, "acme", "shop", number, &gh.IssueComment{Body: &body})
		}
		w.must(err)
	}
	first, err := w.adapter.UpsertComment(ctx, w.ref, forge.IssueTopic(number), marker, "queued")
	if err != nil || first.Author != self || self.Kind != forge.Bot || first.Body != marker+"\nqueued" {
		t.Fatalf("posted %+v, %v", first, err)
	}
	same, err := w.adapter.UpsertComment(ctx, w.ref, forge.IssueTopic(number), marker, marker+"\nqueued")
	if err != nil || same.ID != first.ID {
		t.Errorf("repeated: %+v, %v", same, err)
	}
	edited, err := w.newAdapter().UpsertComment(ctx, w.ref, forge.IssueTopic(number), marker, "running")
	if err != nil || edited.ID != first.ID || edited.Body != marker+"\nrunning" {
		t.Errorf("edited: %+v, %v", edited, err)
	}
	other, err := w.adapter.UpsertComment(ctx, w.ref, forge.IssueTopic(number), "<!-- coderflow:task/12 -->", "queued")
	if err != nil || other.ID == first.ID {
		t.Errorf("other task: %+v, %v", other, err)
	}
	if comments, err := w.adapter.Comments(ctx, w.ref, number); err != nil || len(comments) != 4 {
		t.Errorf("%d comments, %v, want 4", len(comments), err)
	}
	if n := w.ledger.count("PATCH", "/repos/acme/shop/issues/comments/"+first.ID); n != 1 {
		t.Errorf("%d edits, want 1", n)
	}
}

// Fault 23: a failure after the effect does not lead to the effect twice.
func TestFault23LostAnswerLeadsToNoSecondComment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx, number := t.Context(), w.issue("Broken")
	path := fmt.Sprintf("/issues/%d/comments", number)
	for i, fault := range []*emulator.Fault{{Status: 500}, {Status: 502}, {DropResponse: true}} {
		w.failOnce("POST", path, fault)
		if _, err := w.adapter.UpsertComment(ctx, w.ref, forge.IssueTopic(number), "<!-- m -->", "x"); err == nil && i < 2 {
			t.Errorf("fault %d: no error", i)
		}
	}
	comment, err := w.adapter.UpsertComment(ctx, w.ref, forge.IssueTopic(number), "<!-- m -->", "x")
	w.must(err)
	comments, err := w.adapter.Comments(ctx, w.ref, number)
	if err != nil || len(comments) != 1 || comments[0] != comment {
		t.Errorf("comments %+v, %v", comments, err)
	}
}

func TestReactionsAreIdempotent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx, number := t.Context(), w.issue("Broken")
	comment, err := w.adapter.UpsertComment(ctx, w.ref, forge.IssueTopic(number), "<!-- m -->", "x")
	w.must(err)
	for range 2 {
		w.must(w.adapter.React(ctx, w.ref, comment.ID, forge.ReactionEyes))
		w.must(w.adapter.ReactToIssue(ctx, w.ref, number, forge.ReactionConfused))
	}
	reactions, _, err := w.as("anna").Reactions.ListIssueReactions(ctx, "acme", "shop", number, nil)
	if err != nil || len(reactions) != 1 || reactions[0].GetContent() != "confused" {
		t.Errorf("reactions %v, %v", reactions, err)
	}
	if err := w.adapter.React(ctx, w.ref, "1", forge.ReactionEyes); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("missing comment: %v", err)
	}
}

func TestGateIsOneCheckRunThatChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx, pr := t.Context(), w.proposal("coderflow/t1", true)
	gate := forge.GateCheck{Commit: pr.Head.Commit, ExternalID: "t1", Title: "Waits", Summary: "for a reviewer", DetailsURL: "https://cf.example/t1"}
	for _, state := range []forge.CheckStatus{forge.CheckPending, forge.CheckActionRequired, forge.CheckActionRequired,
		forge.CheckFailure, forge.CheckCancelled, forge.CheckSuccess} {
		gate.Status, gate.Title = state, string(state)
		w.must(w.adapter.SetGate(ctx, w.ref, gate))
		runs, _, err := w.as("anna").Checks.ListCheckRunsForRef(ctx, "acme", "shop", pr.Head.Commit, &gh.ListCheckRunsOptions{Filter: gh.String("all")})
		w.must(err)
		if len(runs.CheckRuns) != 1 {
			t.Fatalf("%s: %d check runs", state, len(runs.CheckRuns))
		}
		run := runs.CheckRuns[0]
		want := "completed " + string(state)
		if state == forge.CheckPending {
			want = "in_progress "
		}
		if got := run.GetStatus() + " " + run.GetConclusion(); got != want || run.GetName() != "coderflow/gate" || run.GetExternalID() != "t1" ||
			run.GetOutput().GetTitle() != string(state) || run.GetDetailsURL() != gate.DetailsURL {
			t.Errorf("%s: got %s, %v", state, got, run)
		}
	}
	beside := gate
	beside.Name, beside.Status = forge.ChecksRun, forge.CheckNeutral
	for range 2 {
		w.must(w.adapter.SetGate(ctx, w.ref, beside))
	}
	runs, _, err := w.as("anna").Checks.ListCheckRunsForRef(ctx, "acme", "shop", pr.Head.Commit, &gh.ListCheckRunsOptions{Filter: gh.String("all")})
	w.must(err)
	if len(runs.CheckRuns) != 2 {
		t.Errorf("%d check runs, want the gate's and the one beside it", len(runs.CheckRuns))
	}
	gate.Status = forge.CheckNeutral
	if err := w.adapter.SetGate(ctx, w.ref, gate); err == nil {
		t.Error("the gate's run is neutral")
	}
	gate.Status = forge.CheckSuccess
	gate.ExternalID = "t2"
	w.must(w.adapter.SetGate(ctx, w.ref, gate))
	if n := w.ledger.count("POST", "/repos/acme/shop/check-runs"); n != 3 {
		t.Errorf("%d check runs created, want 3", n)
	}
	gate.Commit = strings.Repeat("0", 40)
	if err := w.adapter.SetGate(ctx, w.ref, gate); err == nil {
		t.Error("a gate on no commit")
	}
}

func TestDeploymentIsFoundAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx := t.Context()
	commit := w.push("coderflow/t1", "x")
	d := forge.Deployment{Commit: commit, Environment: "prod", Task: "run-1", Description: strings.Repeat("é", 200)}
	w.failOnce("POST", "/deployments", &emulator.Fault{DropResponse: true})
	if _, err := w.adapter.EnsureDeployment(ctx, w.ref, d); err == nil {
		t.Error("a lost answer is no success")
	}
	first, err := w.adapter.EnsureDeployment(ctx, w.ref, d)
	if err != nil || first.Commit != commit || first.Environment != "prod" || first.Task != "run-1" || first.ID == "" {
		t.Fatalf("got %+v, %v", first, err)
	}
	d.Task = "run-2"
	second, err := w.adapter.EnsureDeployment(ctx, w.ref, d)
	if err != nil || second.ID == first.ID {
		t.Errorf("another run: %+v, %v", second, err)
	}
	all, _, err := w.as("anna").Repositories.ListDeployments(ctx, "acme", "shop", nil)
	if err != nil || len(all) != 2 {
		t.Errorf("%d deployments, %v, want 2", len(all), err)
	}
	for _, state := range []forge.DeploymentState{forge.DeploymentInProgress, forge.DeploymentInProgress, forge.DeploymentSuccess} {
		w.must(w.adapter.SetDeploymentState(ctx, w.ref, first.ID, state, strings.Repeat("x", 200), "https://cf.example/run-1"))
	}
	if n := w.ledger.count("POST", "/repos/acme/shop/deployments/"+first.ID+"/statuses"); n != 2 {
		t.Errorf("%d statuses, want 2", n)
	}
}

// Fault 24 against the local forge: the wait is as told, and then it goes on.
func TestFault24WaitsAsToldAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	w.failOnce("GET", "/repos/acme/shop", emulator.SecondaryRateLimit("1"))
	var limited *forge.RateLimitError
	if _, err := w.adapter.Repository(t.Context(), w.ref); !errors.As(err, &limited) || limited.RetryAfter != time.Second {
		t.Fatalf("got %v", err)
	}
	time.Sleep(limited.RetryAfter)
	if _, err := w.adapter.Repository(t.Context(), w.ref); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestFault25ExpiredTokensAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	number := w.issue("Broken")
	for i := range 3 {
		comment, err := w.adapter.UpsertComment(t.Context(), w.ref, forge.IssueTopic(number), "<!-- m -->", fmt.Sprint(i))
		if err != nil || comment.Body != "<!-- m -->\n"+fmt.Sprint(i) {
			t.Fatalf("%d: %+v, %v", i, comment, err)
		}
		w.forge.ExpireTokens()
	}
	if comments, err := w.adapter.Comments(t.Context(), w.ref, number); err != nil || len(comments) != 1 {
		t.Errorf("%d comments, %v", len(comments), err)
	}
}

// GitHub takes 50 annotations in a request and adds them to those that are there:
// all arrive, each once, also when an answer is lost or the gate changes.
func TestGateHasEachAnnotationOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx, pr := t.Context(), w.proposal("coderflow/t1", true)
	gate := forge.GateCheck{Commit: pr.Head.Commit, ExternalID: "t1", Title: "Waits", Summary: "s", Status: forge.CheckActionRequired}
	for n := range 120 {
		gate.Annotations = append(gate.Annotations, forge.Annotation{Path: "a b.patch", Line: n + 1, Level: forge.AnnotationFailure, Title: strings.Repeat("é", 300), Message: fmt.Sprintf("m %d", n)})
	}
	for _, method := range []string{"POST", "PATCH", "PATCH"} {
		w.failOnce(method, "", &emulator.Fault{DropResponse: true})
		if err := w.adapter.SetGate(ctx, w.ref, gate); err == nil {
			t.Errorf("a lost answer to %s is no success", method)
		}
	}
	w.must(w.adapter.SetGate(ctx, w.ref, gate))
	gate.Title, gate.Status = "Landed", forge.CheckSuccess
	w.must(w.adapter.SetGate(ctx, w.ref, gate))
	runs, _, err := w.as("anna").Checks.ListCheckRunsForRef(ctx, "acme", "shop", pr.Head.Commit, nil)
	w.must(err)
	var got []*gh.CheckRunAnnotation
	for page := 1; page > 0; {
		some, res, err := w.as("anna").Checks.ListCheckRunAnnotations(ctx, "acme", "shop", runs.CheckRuns[0].GetID(), &gh.ListOptions{PerPage: 100, Page: page})
		w.must(err)
		got, page = append(got, some...), res.NextPage
	}
	if len(got) != 120 {
		t.Fatalf("%d annotations, want 120", len(got))
	}
	for n, a := range got {
		if a.GetPath() != "a b.patch" || a.GetStartLine() != n+1 || a.GetMessage() != fmt.Sprintf("m %d", n) || a.GetAnnotationLevel() != "failure" {
			t.Errorf("annotation %d: %v", n, a)
		}
	}
}
