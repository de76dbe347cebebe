package github_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/github"
)

// What the local forge sends is proven by its signature and says the same as what
// is then read from it.
func TestDeliveriesSayWhatTheForgeSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	inbox := &inbox{t: t}
	var err error
	inbox.hook, err = github.NewWebhook([]byte(w.info.WebhookSecret))
	w.must(err)
	server := httptest.NewServer(inbox)
	t.Cleanup(server.Close)
	w.forge.SetWebhookURL(server.URL)

	ctx, number := t.Context(), w.issue("Broken", "coderflow")
	_, _, err = w.as("rob").Issues.CreateComment(ctx, "acme", "shop", number, &gh.IssueComment{Body: gh.String("/coderflow run")})
	w.must(err)
	pr := w.proposal("coderflow/t1", true)
	review, _, err := w.as("rob").PullRequests.CreateReview(ctx, "acme", "shop", pr.Number, &gh.PullRequestReviewRequest{Event: gh.String("APPROVE")})
	w.must(err)
	_, _, err = w.as("rob").PullRequests.DismissReview(ctx, "acme", "shop", pr.Number, review.GetID(), &gh.PullRequestReviewDismissalRequest{Message: gh.String("no")})
	w.must(err)
	w.push("coderflow/t1", "changed")
	w.must(w.adapter.UpdatePullRequest(ctx, w.ref, pr.Number, "New", "Text"))
	_, _, err = w.as("rob").PullRequests.Edit(ctx, "acme", "shop", pr.Number, &gh.PullRequest{State: gh.String("closed")})
	w.must(err)
	settled, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	w.must(w.forge.Settle(settled))

	var kinds []forge.EventKind
	for _, e := range inbox.events {
		kinds = append(kinds, e.Kind)
		if e.Repository != w.ref {
			t.Errorf("%s: repository %+v, want %+v", e.Kind, e.Repository, w.ref)
		}
	}
	want := []forge.EventKind{forge.EventIssueLabeled, forge.EventCommentCreated, forge.EventReviewSubmitted, forge.EventReviewDismissed,
		forge.EventPullRequestPushed, forge.EventPullRequestEdited, forge.EventPullRequestClosed}
	if !slices.Equal(kinds, want) {
		t.Fatalf("events %v, want %v", kinds, want)
	}
	comments, err := w.adapter.Comments(ctx, w.ref, number)
	if err != nil || *inbox.events[1].Comment != comments[0] || inbox.events[1].Actor != w.users["rob"] {
		t.Errorf("comment %+v, %v, delivered %+v", comments, err, inbox.events[1].Comment)
	}
	now, err := w.adapter.PullRequest(ctx, w.ref, pr.Number)
	if err != nil || *inbox.events[6].PullRequest != now {
		t.Errorf("pull request %+v, %v, delivered %+v", now, err, inbox.events[6].PullRequest)
	}
	dismissed, err := w.adapter.Reviews(ctx, w.ref, pr.Number)
	if err != nil || *inbox.events[3].Review != dismissed[0] || inbox.events[2].Review.State != forge.ReviewApproved {
		t.Errorf("review %+v, %v, delivered %+v", dismissed, err, inbox.events[3].Review)
	}
}

// inbox takes deliveries as the server does.
type inbox struct {
	t      *testing.T
	hook   *github.Webhook
	mu     sync.Mutex
	events []forge.Event
}

func (i *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body := make([]byte, r.ContentLength)
	for n := 0; n < len(body); {
		m, err := r.Body.Read(body[n:])
		if n += m; err != nil {
			break
		}
	}
	d, err := github.DeliveryOf(r.Header)
	if err != nil {
		i.t.Errorf("delivery: %v", err)
	}
	if err := i.hook.Verify(r.Header, body); err != nil {
		i.t.Errorf("%s: %v", d.Event, err)
	}
	events, err := i.hook.Decode(d.Event, body)
	if err != nil {
		i.t.Errorf("%s: %v", d.Event, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.events = append(i.events, events...)
}
