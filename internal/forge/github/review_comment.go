package github

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// ReviewComments implements [forge.Reviews]. GitHub gives a comment's position in the
// file's patch here, and not always its line; in a file that is added as a whole, which
// is the only kind that CoderFlow asks about, the two are the same number.
// https://docs.github.com/rest/pulls/reviews#list-comments-for-a-pull-request-review
func (a *Adapter) ReviewComments(ctx context.Context, ref forge.RepositoryRef, number int, review string) ([]forge.ReviewComment, error) {
	reviewID, err := objectID("review", review)
	if err != nil {
		return nil, err
	}
	client, err := a.reader(ctx, ref, opReadReviews)
	if err != nil {
		return nil, err
	}
	doing := fmt.Sprintf("read the comments of review %s of %s#%d", review, ref.FullName(), number)
	found, err := pages(doing, func(page gh.ListOptions) ([]*gh.PullRequestComment, *gh.Response, error) {
		return client.PullRequests.ListReviewComments(ctx, ref.Owner, ref.Name, number, reviewID, &page)
	})
	if err != nil {
		return nil, err
	}
	comments := make([]forge.ReviewComment, 0, len(found))
	for _, c := range found {
		comments = append(comments, forge.ReviewComment{
			ID: strconv.FormatInt(c.GetID(), 10), Author: userOf(c.GetUser()), Path: c.GetPath(), Body: c.GetBody(), URL: c.GetHTMLURL(),
			Line: cmp.Or(c.GetOriginalLine(), c.GetLine(), c.GetOriginalPosition(), c.GetPosition()),
		})
	}
	return comments, nil
}
