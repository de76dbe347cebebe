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
