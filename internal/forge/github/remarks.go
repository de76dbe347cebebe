package github

import (
	"context"
	"fmt"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// PostRemarks implements [forge.Remarks]. The review is found again like a comment: our bot
// account wrote it and it begins with the marker. Nothing but COMMENT is ever its event.
// https://docs.github.com/rest/pulls/reviews#create-a-review-for-a-pull-request
func (a *Adapter) PostRemarks(ctx context.Context, ref forge.RepositoryRef, number int, r forge.NewRemarks) error {
	doing := fmt.Sprintf("post remarks on %s#%d", ref.FullName(), number)
	if r.Marker == "" || number <= 0 || !commitShape.MatchString(r.Commit) {
		return fmt.Errorf("%s: a marker, a number and a commit are needed", doing)
	}
	client, err := a.reader(ctx, ref, opPostRemarks)
	if err != nil {
		return err
	}
	self, err := a.selfBy(ctx, client)
	if err != nil {
		return err
	}
	posted, err := pages(doing, func(page gh.ListOptions) ([]*gh.PullRequestReview, *gh.Response, error) {
		return client.PullRequests.ListReviews(ctx, ref.Owner, ref.Name, number, &page)
	})
	if err != nil {
		return err
	}
	for _, review := range posted {
		if userOf(review.GetUser()).Subject == self.Subject && strings.HasPrefix(review.GetBody(), r.Marker) {
			return nil
		}
	}
	body := r.Body
	if !strings.HasPrefix(body, r.Marker) {
		body = r.Marker + "\n" + body
	}
	request := &gh.PullRequestReviewRequest{CommitID: &r.Commit, Body: &body, Event: gh.String("COMMENT")}
	for _, remark := range r.Remarks {
		request.Comments = append(request.Comments, &gh.DraftReviewComment{
			Path: gh.String(remark.Path), Line: gh.Int(remark.Line), Side: gh.String("RIGHT"), Body: gh.String(remark.Body),
		})
	}
	_, _, err = client.PullRequests.CreateReview(ctx, ref.Owner, ref.Name, number, request)
	return translate(doing, err)
}
