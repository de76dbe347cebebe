package github

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// Review implements [forge.Reviews].
func (a *Adapter) Review(ctx context.Context, ref forge.RepositoryRef, number int, id string) (forge.Review, error) {
	reviewID, err := objectID("review", id)
	if err != nil {
		return forge.Review{}, err
	}
	doing := fmt.Sprintf("read review %s of %s#%d", id, ref.FullName(), number)
	var found *gh.PullRequestReview
	err = a.read(ctx, ref, opReadReviews, func(client *gh.Client) (err error) {
		if found, _, err = client.PullRequests.GetReview(ctx, ref.Owner, ref.Name, number, reviewID); err != nil {
			return translate(doing, err)
		}
		return nil
	})
	if err != nil {
		return forge.Review{}, err
	}
	if found.GetID() != reviewID {
		return forge.Review{}, fmt.Errorf("%s: GitHub answered about review %d: %w", doing, found.GetID(), forge.ErrNotFound)
	}
	review := []forge.Review{reviewOf(found)}
	err = a.explainDismissals(ctx, ref, number, review)
	return review[0], err
}

// Reviews implements [forge.Reviews].
func (a *Adapter) Reviews(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.Review, error) {
	doing := fmt.Sprintf("read the reviews of %s#%d", ref.FullName(), number)
	var found []*gh.PullRequestReview
	err := a.read(ctx, ref, opReadReviews, func(client *gh.Client) (err error) {
		found, err = pages(doing, func(page gh.ListOptions) ([]*gh.PullRequestReview, *gh.Response, error) {
			return client.PullRequests.ListReviews(ctx, ref.Owner, ref.Name, number, &page)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	reviews := make([]forge.Review, 0, len(found))
	for _, item := range found {
		if review := reviewOf(item); review.State != forge.ReviewPending {
			reviews = append(reviews, review)
		}
	}
	slices.SortStableFunc(reviews, func(a, b forge.Review) int { return a.SubmittedAt.Compare(b.SubmittedAt) })
	return reviews, a.explainDismissals(ctx, ref, number, reviews)
}

// explainDismissals notes which approvals GitHub itself dismissed when a commit was
// pushed: its event names that commit and has no message, which a person must give.
// https://docs.github.com/rest/using-the-rest-api/issue-event-types#review_dismissed
func (a *Adapter) explainDismissals(ctx context.Context, ref forge.RepositoryRef, number int, reviews []forge.Review) error {
	if !slices.ContainsFunc(reviews, func(r forge.Review) bool { return r.State == forge.ReviewDismissed }) {
		return nil
	}
	events, err := a.issueEvents(ctx, ref, number, "review_dismissed")
	if err != nil {
		return err
	}
	by := map[string]string{}
	for _, event := range events {
		d := event.GetDismissedReview()
		by[strconv.FormatInt(d.GetReviewID(), 10)] = ""
		if d.GetState() == string(forge.ReviewApproved) && d.GetDismissalMessage() == "" {
			by[strconv.FormatInt(d.GetReviewID(), 10)] = d.GetDismissalCommitID()
		}
	}
	for i := range reviews {
		if reviews[i].State == forge.ReviewDismissed {
			reviews[i].DismissedByCommit = by[reviews[i].ID]
		}
	}
	return nil
}

// Closings implements [forge.Reviews].
func (a *Adapter) Closings(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.Closing, error) {
	events, err := a.issueEvents(ctx, ref, number, "closed")
	if err != nil {
		return nil, err
	}
	closings := make([]forge.Closing, 0, len(events))
	for _, event := range events {
		closings = append(closings, forge.Closing{Actor: userOf(event.GetActor()), At: event.GetCreatedAt().Time})
	}
	return closings, nil
}

// HeadChanges implements [forge.Reviews].
func (a *Adapter) HeadChanges(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.HeadChange, error) {
	events, err := a.issueEvents(ctx, ref, number, "head_ref_force_pushed")
	if err != nil {
		return nil, err
	}
	changes := make([]forge.HeadChange, 0, len(events))
	for _, event := range events {
		changes = append(changes, forge.HeadChange{
			ID: strconv.FormatInt(event.GetID(), 10), Actor: userOf(event.GetActor()),
			Commit:    event.GetCommitID(),
			CreatedAt: event.GetCreatedAt().Time,
		})
	}
	return changes, nil
}
