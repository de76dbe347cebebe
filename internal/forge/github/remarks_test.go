package github_test

import (
	"errors"
	"strings"
	"testing"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// Remarks are one review that decides nothing, once, however often they are posted; somebody
// who quotes its marker keeps nothing from being posted.
func TestRemarksAreOneReviewThatDecidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx, pr := t.Context(), w.proposal("coderflow/aaaaaaaaaaaa", true)
	found, _, err := w.as("rob").PullRequests.ListFiles(ctx, "acme", "shop", pr.Number, nil)
	w.must(err)
	path, marker := found[0].GetFilename(), "<!-- coderflow:judge=aaaaaaaaaaaa -->"
	_, _, err = w.as("rob").PullRequests.CreateReview(ctx, "acme", "shop", pr.Number, &gh.PullRequestReviewRequest{Body: gh.String(marker), Event: gh.String("COMMENT")})
	w.must(err)
	remarks := forge.NewRemarks{Commit: pr.Head.Commit, Marker: marker, Body: "Advice.", Remarks: []forge.Remark{{Path: path, Line: 1, Body: "**major**: x"}}}
	w.failOnce("POST", "/reviews", &emulator.Fault{DropResponse: true})
	for range 3 {
		_ = w.newAdapter().PostRemarks(ctx, w.ref, pr.Number, remarks)
	}
	w.must(w.adapter.PostRemarks(ctx, w.ref, pr.Number, remarks))
	reviews, err := w.adapter.Reviews(ctx, w.ref, pr.Number)
	if err != nil || len(reviews) != 2 || reviews[1].State != forge.ReviewCommented || !strings.HasPrefix(reviews[1].Body, marker+"\nAdvice.") {
		t.Fatalf("%+v %v", reviews, err)
	}
	said, err := w.adapter.ReviewComments(ctx, w.ref, pr.Number, reviews[1].ID)
	if err != nil || len(said) != 1 || said[0].Path != path || said[0].Body != "**major**: x" {
		t.Errorf("%+v %v", said, err)
	}
	remarks.Marker, remarks.Remarks[0].Line = "<!-- other -->", 9999
	refused := (*forge.RefusedError)(nil)
	if err := w.adapter.PostRemarks(ctx, w.ref, pr.Number, remarks); !errors.As(err, &refused) {
		t.Errorf("a line that is not shown: %v", err)
	}
}
