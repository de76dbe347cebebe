package azuredevops_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func TestACommentIsWrittenOnceAndEdited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	item := w.item("alice", "Do it", "")
	pr, _ := w.proposal(item)
	for _, topic := range []forge.Topic{forge.IssueTopic(item), forge.PullTopic(pr.Number)} {
		const marker = "<!-- coderflow:status=abc -->"
		first, err := w.adapter.UpsertComment(t.Context(), w.ref, topic, marker, marker+"\nHello **you**")
		w.must(err)
		if !strings.Contains(first.Body, "**you**") || first.Author.Kind != forge.Bot {
			t.Errorf("%s: posted is %+v", topic, first)
		}
		w.clock.advance(time.Second)
		for _, body := range []string{"Hello **you**", "Bye", "Bye"} {
			again, err := w.adapter.UpsertComment(t.Context(), w.ref, topic, marker, marker+"\n"+body)
			if err != nil || again.ID != first.ID || !strings.Contains(again.Body, body) {
				t.Errorf("%s: %q is %+v, %v", topic, body, again, err)
			}
		}
		other, err := w.adapter.UpsertComment(t.Context(), w.ref, topic, "<!-- coderflow:status=ab -->", "other")
		if err != nil || other.ID == first.ID {
			t.Errorf("%s: another marker is the same comment", topic)
		}
		for _, reaction := range []forge.Reaction{forge.ReactionEyes, forge.ReactionConfused, forge.ReactionEyes} {
			w.must(w.adapter.React(t.Context(), w.ref, first.ID, reaction))
		}
	}
	if err := w.adapter.React(t.Context(), w.ref, "1234", forge.ReactionEyes); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("an id of nothing: %v", err)
	}
	w.must(w.adapter.ReactToIssue(t.Context(), w.ref, item, forge.ReactionEyes))
}

// Somebody who quotes the marker does not get CoderFlow's words into their own comment.
func TestAQuotedMarkerAdoptsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	item := w.item("alice", "Do it", "")
	pr, _ := w.proposal(item)
	w.say("alice", item, "<p>ref: coderflow:status=abc</p>")
	w.comment("bob", pr.Number, "<!-- coderflow:status=abc -->\nmine", "", 0)
	for _, topic := range []forge.Topic{forge.IssueTopic(item), forge.PullTopic(pr.Number)} {
		c, err := w.adapter.UpsertComment(t.Context(), w.ref, topic, "<!-- coderflow:status=abc -->", "ours")
		if err != nil || c.Author.Kind != forge.Bot {
			t.Errorf("%s: %+v, %v", topic, c, err)
		}
	}
}

func TestOnePullRequestAlsoWhenTheAnswerIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	item := w.item("alice", "Do it", "")
	w.push("", "coderflow/abc", "x\n")
	n := forge.NewPullRequest{Title: "A change", Body: "Why", Head: "coderflow/abc", Base: "main", Draft: true, Issue: item}
	dropped := false
	w.forge.Fail(func(r *http.Request) *emulator.Fault {
		if r.Method == http.MethodPost && strings.HasSuffix(strings.ToLower(r.URL.Path), "/pullrequests") && !dropped {
			dropped = true
			return &emulator.Fault{DropResponse: true}
		}
		return nil
	})
	if _, err := w.adapter.OpenPullRequest(t.Context(), w.ref, n); err == nil {
		t.Fatal("the lost answer was not seen")
	}
	first, err := w.adapter.PullRequestByHead(t.Context(), w.ref, "coderflow/abc")
	w.must(err)
	again, err := w.adapter.OpenPullRequest(t.Context(), w.ref, n)
	if err != nil || again != first || !again.Draft || !again.Open || again.Body != "Why" || again.Head.Branch != "coderflow/abc" || again.Base.Branch != "main" {
		t.Errorf("the second is %+v, the first %+v, %v", again, first, err)
	}
	if _, err := w.adapter.PullRequestByHead(t.Context(), w.ref, "coderflow/ab"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("another branch: %v", err)
	}
	w.must(w.adapter.UpdatePullRequest(t.Context(), w.ref, first.Number, "New", "Text"))
	w.must(w.adapter.MarkReady(t.Context(), w.ref, first))
	w.must(w.adapter.MarkReady(t.Context(), w.ref, first))
	w.must(w.adapter.ClosePullRequest(t.Context(), w.ref, first.Number))
	w.must(w.adapter.ClosePullRequest(t.Context(), w.ref, first.Number))
	now, err := w.adapter.PullRequest(t.Context(), w.ref, first.Number)
	if err != nil || now.Open || now.Merged || now.Draft || now.Title != "New" || now.Body != "Text" || now.Author.Kind != forge.Bot {
		t.Errorf("in the end it is %+v, %v", now, err)
	}
}

func TestTheGateIsAStatusOfItsIteration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, commit := w.proposal(w.item("alice", "Do it", ""))
	check := forge.GateCheck{Commit: commit, PullRequest: pr.Number, ExternalID: "abc", Status: forge.CheckActionRequired, Title: "Waiting", Summary: "Somebody **approves**.",
		DetailsURL: "https://coderflow.example.com/x", Annotations: []forge.Annotation{{Path: "new.txt", Line: 1, Level: forge.AnnotationWarning, Title: "bad", Message: "</details> <script>"}}}
	for _, c := range []struct {
		status forge.CheckStatus
		want   string
	}{{forge.CheckActionRequired, ""}, {forge.CheckActionRequired, ""}, {forge.CheckFailure, "failure"}, {forge.CheckCancelled, "cancelled"}, {forge.CheckSuccess, "success"}} {
		check.Status = c.status
		w.must(w.adapter.SetGate(t.Context(), w.ref, check))
		runs := w.forge.CheckRuns(repoName, commit)
		if len(runs) != 1 || runs[0].Name != forge.GateRun || runs[0].Conclusion != c.want || runs[0].Title != "Waiting" {
			t.Errorf("%s: %+v", c.status, runs)
		}
	}
	check.Name, check.Summary = forge.ChecksRun, "All well."
	w.must(w.adapter.SetGate(t.Context(), w.ref, check))
	if said := w.forge.PullRequestComments(repoName, pr.Number); len(said) != 2 || !strings.Contains(said[0].Body, "Somebody **approves**.") || !strings.Contains(said[0].Body, "    new.txt:1: warning: bad: </details>") {
		t.Errorf("the threads are %+v", said)
	}
	check.Name, check.Status = "", forge.CheckNeutral
	if err := w.adapter.SetGate(t.Context(), w.ref, check); err == nil {
		t.Error("a neutral gate is set")
	}
}

func TestRemarksAreMadeOnceAndOnLinesThatAreShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, commit := w.proposal(w.item("alice", "Do it", ""))
	r := forge.NewRemarks{Commit: commit, Marker: "<!-- coderflow:remarks=abc -->", Body: "Two remarks", Remarks: []forge.Remark{{Path: "new.txt", Line: 1, Body: "first"}, {Path: "new.txt", Line: 3, Body: "none"}}}
	var refused *forge.RefusedError
	if err := w.adapter.PostRemarks(t.Context(), w.ref, pr.Number, r); !errors.As(err, &refused) {
		t.Errorf("line 3 of 2: %v", err)
	}
	r.Remarks[1] = forge.Remark{Path: "README.md", Line: 1, Body: "none"}
	if err := w.adapter.PostRemarks(t.Context(), w.ref, pr.Number, r); !errors.As(err, &refused) {
		t.Errorf("a file that is not changed: %v", err)
	}
	if said := w.forge.PullRequestComments(repoName, pr.Number); len(said) != 0 {
		t.Errorf("posted in spite of it: %+v", said)
	}
	r.Remarks[1] = forge.Remark{Path: "new.txt", Line: 2, Body: "second"}
	w.must(w.adapter.PostRemarks(t.Context(), w.ref, pr.Number, r))
	w.must(w.adapter.PostRemarks(t.Context(), w.ref, pr.Number, r))
	if said := w.forge.PullRequestComments(repoName, pr.Number); len(said) != 3 {
		t.Errorf("posted are %+v", said)
	}
	threads, err := w.git("alice").GetThreads(t.Context(), git.GetThreadsArgs{RepositoryId: &w.ref.ID, PullRequestId: &pr.Number})
	w.must(err)
	for _, thread := range *threads {
		if c := thread.ThreadContext; c != nil && (*c.FilePath != "/new.txt" || *c.RightFileStart.Line < 1) {
			t.Errorf("a remark is at %+v", *c)
		}
	}
}

func TestStateTagsTakeTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	item := w.item("alice", "Do it", "other; coderflow")
	names := []string{"coderflow: running", "coderflow: waiting"}
	for _, c := range []struct{ want, all string }{
		{"coderflow: running", "coderflow,coderflow: running,other"}, {"coderflow: running", "coderflow,coderflow: running,other"},
		{"coderflow: waiting", "coderflow,coderflow: waiting,other"}, {"", "coderflow,other"},
	} {
		w.must(w.adapter.SetStateLabel(t.Context(), w.ref, item, forge.Label{Name: c.want}, names))
		issue, err := w.adapter.Issue(t.Context(), w.ref, forge.IssueTopic(item))
		w.must(err)
		sortStrings(issue.Labels)
		if got := strings.Join(issue.Labels, ","); got != c.all {
			t.Errorf("%q: the tags are %q, want %q", c.want, got, c.all)
		}
	}
	// Somebody changes the work item in between.
	tries := 0
	w.forge.Fail(func(r *http.Request) *emulator.Fault {
		if r.Method == http.MethodPatch && tries < 2 {
			tries++
			if tries == 1 {
				return &emulator.Fault{Status: http.StatusPreconditionFailed, Message: "VS403351: Test Operation for path /rev failed."}
			}
		}
		return nil
	})
	w.must(w.adapter.SetStateLabel(t.Context(), w.ref, item, forge.Label{Name: names[0]}, names))
	if tries != 2 {
		t.Errorf("%d tries", tries)
	}
}

func TestDeploymentsAreStatusesOfTheCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	head, err := w.adapter.BranchHead(t.Context(), w.ref, "main")
	w.must(err)
	d := forge.Deployment{Commit: head, Environment: "prod", Task: "0123456789abcdef", Description: "web"}
	first, err := w.adapter.EnsureDeployment(t.Context(), w.ref, d)
	w.must(err)
	again, err := w.adapter.EnsureDeployment(t.Context(), w.ref, d)
	if err != nil || again.ID != first.ID || first.ID == "" {
		t.Errorf("%+v is not %+v: %v", again, first, err)
	}
	if shown := w.forge.Deployments(repoName); len(shown) != 1 || shown[0].Environment != "prod" || len(shown[0].States) != 0 {
		t.Errorf("before it begins, shown are %+v", shown)
	}
	w.must(w.adapter.SetDeploymentState(t.Context(), w.ref, first.ID, forge.DeploymentInProgress, "web", ""))
	w.must(w.adapter.SetDeploymentState(t.Context(), w.ref, first.ID, forge.DeploymentSuccess, "done", "https://coderflow.example.com/run"))
	w.must(w.adapter.SetDeploymentState(t.Context(), w.ref, first.ID, forge.DeploymentSuccess, "done", "https://coderflow.example.com/run"))
	shown := w.forge.Deployments(repoName)
	if len(shown) != 1 || shown[0].Environment != "prod" || strings.Join(shown[0].States, ",") != "in_progress,success" {
		t.Errorf("shown are %+v", shown)
	}
	read, err := w.adapter.Deployment(t.Context(), w.ref, first.ID)
	if err != nil || read.Environment != "prod" || read.Task != d.Task || read.Commit != head || read.Creator.Kind != forge.Bot {
		t.Errorf("read is %+v, %v", read, err)
	}
	if _, err := w.adapter.Deployment(t.Context(), w.ref, head+"/prod/none"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("another run: %v", err)
	}
	if _, _, err := w.adapter.RecentDeployments(t.Context(), w.ref, 10); !errors.Is(err, forge.ErrUnsupported) {
		t.Errorf("a list: %v", err)
	}
}

func TestWorkItemsAreFoundByTagAndByTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *emulator.Options, c *azuredevops.Config) {
		c.WorkItems = []azuredevops.WorkItemRule{{Project: "shop", Repository: "widget"}, {Project: "shop", AreaPath: `shop\elsewhere`, Repository: "none"}}
	})
	start := w.clock.Now()
	w.clock.advance(time.Hour)
	tagged, closed := w.item("alice", "Do it", "Coderflow"), w.item("alice", "Done", "coderflow")
	w.set("alice", closed, "System.State", "Closed")
	w.item("alice", "Other", "coderflow-not")
	w.say("alice", tagged, "hello")
	issues, err := w.adapter.LabeledIssues(t.Context(), w.ref, "coderflow")
	if err != nil || len(issues) != 1 || issues[0].Number != tagged || issues[0].Author.Subject != w.user("alice").Subject || issues[0].URL == "" {
		t.Errorf("tagged are %+v, %v", issues, err)
	}
	comments, err := w.adapter.CommentsSince(t.Context(), w.ref, start)
	if err != nil || len(comments) != 1 || comments[0].Body != "hello" || comments[0].Topic != forge.IssueTopic(tagged) {
		t.Errorf("the comments are %+v, %v", comments, err)
	}
	if comments, err = w.adapter.CommentsSince(t.Context(), w.ref, w.clock.Now().Add(time.Hour)); err != nil || len(comments) != 0 {
		t.Errorf("in the future: %+v, %v", comments, err)
	}
}
