package github_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// Fault 11: the pull request was made and the answer lost; it is found by its branch.
func TestFault11PullRequestIsFoundByItsBranchAfterALostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx := t.Context()
	head := w.push("coderflow/t1", "x")
	if _, err := w.adapter.PullRequestByHead(ctx, w.ref, "coderflow/t1"); !errors.Is(err, forge.ErrNotFound) {
		t.Fatalf("before: %v, want ErrNotFound", err)
	}
	draft := forge.NewPullRequest{Title: "Fix", Body: "Why", Head: "coderflow/t1", Base: "main", Draft: true}
	w.failOnce("POST", "/pulls", &emulator.Fault{DropResponse: true})
	if _, err := w.adapter.OpenPullRequest(ctx, w.ref, draft); err == nil {
		t.Error("a lost answer is no success")
	}
	found, err := w.adapter.PullRequestByHead(ctx, w.ref, "coderflow/t1")
	want := forge.PullRequest{
		Number: found.Number, NodeID: found.NodeID, Title: "Fix", Body: "Why", Author: found.Author, Open: true, Draft: true,
		Head: forge.Tip{RepositoryID: w.ref.ID, Branch: "coderflow/t1", Commit: head},
		Base: forge.Tip{RepositoryID: w.ref.ID, Branch: "main", Commit: found.Base.Commit}, URL: found.URL,
	}
	if err != nil || found != want || found.NodeID == "" || found.Author.Login != "coderflow[bot]" {
		t.Errorf("found %+v, %v", found, err)
	}
	var refused *forge.RefusedError
	if _, err := w.adapter.OpenPullRequest(ctx, w.ref, draft); !errors.As(err, &refused) ||
		!strings.Contains(refused.Words, "A pull request already exists for acme:coderflow/t1.") {
		t.Errorf("second: %v", err)
	}
	if _, err := w.adapter.PullRequestByHead(ctx, w.ref, "coderflow/t"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("another branch: %v, want ErrNotFound", err)
	}
}

func TestDraftRefusedByTheRepositoryIsItsOwnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{RefuseDrafts: true})
	w.push("coderflow/t1", "x")
	open := forge.NewPullRequest{Title: "Fix", Head: "coderflow/t1", Base: "main", Draft: true}
	if _, err := w.adapter.OpenPullRequest(t.Context(), w.ref, open); !errors.Is(err, forge.ErrDraftsUnsupported) {
		t.Errorf("draft: %v, want ErrDraftsUnsupported", err)
	}
	open.Draft = false
	if pr, err := w.adapter.OpenPullRequest(t.Context(), w.ref, open); err != nil || pr.Draft {
		t.Errorf("ordinary: %+v, %v", pr, err)
	}
}

func TestPullRequestIsUpdatedAndMadeReadyOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx, pr := t.Context(), w.proposal("coderflow/t1", true)
	w.must(w.adapter.UpdatePullRequest(ctx, w.ref, pr.Number, "New", "Text"))
	stranger := pr
	stranger.NodeID = "PR_other"
	if err := w.adapter.MarkReady(ctx, w.ref, stranger); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("another node id: %v", err)
	}
	w.failOnce("POST", "/graphql", &emulator.Fault{DropResponse: true})
	if err := w.adapter.MarkReady(ctx, w.ref, pr); err == nil {
		t.Error("a lost answer is no success")
	}
	for range 2 {
		w.must(w.adapter.MarkReady(ctx, w.ref, pr))
	}
	if n := w.ledger.count("GRAPHQL", "markPullRequestReadyForReview"); n > 1 {
		t.Errorf("marked %d times", n)
	}
	got, err := w.adapter.PullRequest(ctx, w.ref, pr.Number)
	if err != nil || got.Title != "New" || got.Body != "Text" || got.Draft {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestReviewsAreReadAsTheyAreNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx, pr := t.Context(), w.proposal("coderflow/t1", false)
	for login, event := range map[string]string{"rob": "APPROVE", "anna": "COMMENT"} {
		_, _, err := w.as(login).PullRequests.CreateReview(ctx, "acme", "shop", pr.Number,
			&gh.PullRequestReviewRequest{Event: &event, Body: gh.String("said " + event)})
		w.must(err)
	}
	reviews, err := w.adapter.Reviews(ctx, w.ref, pr.Number)
	w.must(err)
	at := slices.IndexFunc(reviews, func(r forge.Review) bool { return r.Author == w.users["rob"] })
	if len(reviews) != 2 || at < 0 {
		t.Fatalf("reviews %+v", reviews)
	}
	approval := reviews[at]
	if approval.State != forge.ReviewApproved || approval.Commit != pr.Head.Commit || approval.Body != "said APPROVE" || approval.SubmittedAt.IsZero() {
		t.Errorf("approval %+v", approval)
	}
	if one, err := w.adapter.Review(ctx, w.ref, pr.Number, approval.ID); err != nil || one != approval {
		t.Errorf("read alone %+v, %v", one, err)
	}
	id := int64(0)
	_, _ = fmt.Sscan(approval.ID, &id)
	_, _, err = w.as("rob").PullRequests.DismissReview(ctx, "acme", "shop", pr.Number, id, &gh.PullRequestReviewDismissalRequest{Message: gh.String("no")})
	w.must(err)
	if one, err := w.adapter.Review(ctx, w.ref, pr.Number, approval.ID); err != nil || one.State != forge.ReviewDismissed {
		t.Errorf("dismissed %+v, %v", one, err)
	}
	if _, err := w.adapter.Review(ctx, w.ref, pr.Number, "12345"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("missing review: %v", err)
	}
}

// Threat 43: the forge's own record of a force-push is read.
func TestThreat43ForcePushedHeadIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	pr := w.proposal("coderflow/t1", true)
	if changes, err := w.adapter.HeadChanges(t.Context(), w.ref, pr.Number); err != nil || len(changes) != 0 {
		t.Fatalf("before: %+v, %v", changes, err)
	}
	head := w.push("coderflow/t1", "other content")
	changes, err := w.adapter.HeadChanges(t.Context(), w.ref, pr.Number)
	if err != nil || len(changes) != 1 || changes[0].Actor.Kind != forge.Bot || changes[0].ID == "" || changes[0].CreatedAt.IsZero() ||
		changes[0].Commit != head {
		t.Errorf("after: %+v, %v", changes, err)
	}
	if now, err := w.adapter.PullRequest(t.Context(), w.ref, pr.Number); err != nil || now.Head.Commit != head {
		t.Errorf("head %+v, %v, want %s", now.Head, err, head)
	}
}

// A fork's branch of the same name is another branch; an open pull request goes
// before a newer closed one.
func TestPullRequestOfAForksBranchIsNotOurs(t *testing.T) {
	t.Parallel()
	item := func(number, repository int, state, branch string) string {
		return fmt.Sprintf(`{"number":%d,"state":%q,"head":{"ref":%q,"repo":{"id":%d}},"base":{"repo":{"id":42}}}`, number, state, branch, repository)
	}
	for name, c := range map[string]struct {
		list []string
		want int
	}{
		"fork":        {[]string{item(9, 43, "open", "b")}, 0},
		"gone fork":   {[]string{`{"number":9,"state":"open","head":{"ref":"b","repo":null},"base":{"repo":{"id":42}}}`}, 0},
		"other":       {[]string{item(9, 42, "open", "bb")}, 0},
		"ours":        {[]string{item(9, 43, "open", "b"), item(8, 42, "closed", "b")}, 8},
		"newest":      {[]string{item(8, 42, "closed", "b"), item(9, 42, "closed", "b")}, 9},
		"open before": {[]string{item(9, 42, "closed", "b"), item(7, 42, "open", "b")}, 7},
	} {
		s := newStub(t, map[string]http.HandlerFunc{
			"GET /repos/acme/shop/pulls":                               reply(200, "["+strings.Join(c.list, ",")+"]"),
			"GET /repos/acme/shop/pulls/" + fmt.Sprint(max(c.want, 9)): reply(200, item(max(c.want, 9), 42, "open", "b")),
			"GET /repos/acme/shop/pulls/" + fmt.Sprint(max(c.want, 1)): reply(200, item(max(c.want, 1), 42, "open", "b")),
		})
		pr, err := s.adapter(t).PullRequestByHead(t.Context(), stubRepo, "b")
		if pr.Number != c.want || errors.Is(err, forge.ErrNotFound) != (c.want == 0) {
			t.Errorf("%s: #%d, %v, want #%d", name, pr.Number, err, c.want)
		}
	}
}
