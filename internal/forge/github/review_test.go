package github_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
)

func TestOnlySubmittedReviewsOfTheRightIDCount(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]http.HandlerFunc{
		"GET /repos/acme/shop/pulls/1/reviews": reply(200, `[{"id":2,"state":"APPROVED","submitted_at":"2026-01-02T00:00:00Z"},
			{"id":3,"state":"PENDING"},{"id":1,"state":"CHANGES_REQUESTED","submitted_at":"2026-01-01T00:00:00Z"}]`),
		"GET /repos/acme/shop/pulls/1/reviews/5": reply(200, `{"id":6,"state":"APPROVED"}`),
	})
	a := s.adapter(t)
	reviews, err := a.Reviews(t.Context(), stubRepo, 1)
	if err != nil || len(reviews) != 2 || reviews[0].State != forge.ReviewChangesRequested || reviews[1].ID != "2" {
		t.Errorf("got %+v, %v", reviews, err)
	}
	if _, err := a.Review(t.Context(), stubRepo, 1, "5"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("an answer about another review: %v", err)
	}
	for _, id := range []string{"", "0", "-1", "5/../6", "x"} {
		if _, err := a.Review(t.Context(), stubRepo, 1, id); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

// Number 0 would list the comments of the whole repository as those of one issue.
func TestCommentsOfNoIssueAreNotThoseOfAll(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]http.HandlerFunc{"GET /repos/acme/shop/issues/comments": reply(200, `[{"id":1,"body":"x"}]`)})
	if comments, err := s.adapter(t).Comments(t.Context(), stubRepo, 0); !errors.Is(err, forge.ErrNotFound) || len(comments) != 0 {
		t.Errorf("got %+v, %v", comments, err)
	}
}

// GitHub's event tells a person's dismissal from its own when a commit was pushed.
func TestOnlyGitHubsOwnDismissalNamesItsCommit(t *testing.T) {
	t.Parallel()
	commit := "2222222222222222222222222222222222222222"
	for name, c := range map[string]struct{ event, want string }{
		"by a push":             {`{"state":"approved","review_id":2,"dismissal_message":null,"dismissal_commit_id":"` + commit + `"}`, commit},
		"by a person":           {`{"state":"approved","review_id":2,"dismissal_message":"not now"}`, ""},
		"message and commit":    {`{"state":"approved","review_id":2,"dismissal_message":"not now","dismissal_commit_id":"` + commit + `"}`, ""},
		"it was an objection":   {`{"state":"changes_requested","review_id":2,"dismissal_message":null,"dismissal_commit_id":"` + commit + `"}`, ""},
		"of another review":     {`{"state":"approved","review_id":3,"dismissal_message":null,"dismissal_commit_id":"` + commit + `"}`, ""},
		"the event is missing":  {`null`, ""},
		"no commit, no message": {`{"state":"approved","review_id":2,"dismissal_message":null}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, map[string]http.HandlerFunc{
				"GET /repos/acme/shop/pulls/1/reviews":   reply(200, `[{"id":2,"state":"DISMISSED"}]`),
				"GET /repos/acme/shop/pulls/1/reviews/2": reply(200, `{"id":2,"state":"DISMISSED"}`),
				"GET /repos/acme/shop/issues/1/events":   reply(200, `[{"id":9,"event":"review_dismissed","dismissed_review":`+c.event+`}]`),
			})
			a := s.adapter(t)
			one, err := a.Review(t.Context(), stubRepo, 1, "2")
			if err != nil || one.DismissedByCommit != c.want {
				t.Errorf("got %+v, %v", one, err)
			}
			all, err := a.Reviews(t.Context(), stubRepo, 1)
			if err != nil || len(all) != 1 || all[0].DismissedByCommit != c.want {
				t.Errorf("got %+v, %v", all, err)
			}
		})
	}
}

func TestClosingIsConfirmed(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]bool{"closed": true, "open": false} {
		s := newStub(t, map[string]http.HandlerFunc{
			"PATCH /repos/acme/shop/pulls/1": reply(200, `{"number":1,"state":"`+state+`","base":{"repo":{"id":`+stubRepo.ID+`}}}`),
		})
		if err := s.adapter(t).ClosePullRequest(t.Context(), stubRepo, 1); (err == nil) != want {
			t.Errorf("%s: %v", state, err)
		}
	}
}
