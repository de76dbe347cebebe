package github

import (
	"context"
	"fmt"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// PullRequest implements [forge.PullRequests].
func (a *Adapter) PullRequest(ctx context.Context, ref forge.RepositoryRef, number int) (forge.PullRequest, error) {
	client, err := a.rest(ref, opReadPullRequest)
	if err != nil {
		return forge.PullRequest{}, err
	}
	return fetchPullRequest(ctx, client, ref, number)
}

func fetchPullRequest(ctx context.Context, client *gh.Client, ref forge.RepositoryRef, number int) (forge.PullRequest, error) {
	found, _, err := client.PullRequests.Get(ctx, ref.Owner, ref.Name, number)
	if err != nil {
		return forge.PullRequest{}, translate(fmt.Sprintf("read pull request %s#%d", ref.FullName(), number), err)
	}
	return checkedPullRequest(ref, found)
}

// checkedPullRequest refuses a pull request into another repository than ref.
func checkedPullRequest(ref forge.RepositoryRef, found *gh.PullRequest) (forge.PullRequest, error) {
	pr := pullRequestOf(found)
	if pr.Base.RepositoryID != ref.ID {
		return forge.PullRequest{}, otherRepository(ref, found.GetBase().GetRepo().GetID())
	}
	return pr, nil
}

// PullRequestByHead implements [forge.PullRequests]. An open one goes before
// closed ones, then the newest; a fork's branch of the same name does not count.
func (a *Adapter) PullRequestByHead(ctx context.Context, ref forge.RepositoryRef, branch string) (forge.PullRequest, error) {
	doing := fmt.Sprintf("find the pull request of %s in %s", branch, ref.FullName())
	client, err := a.rest(ref, opReadPullRequest)
	if err != nil {
		return forge.PullRequest{}, err
	}
	found, err := pages(doing, func(page gh.ListOptions) ([]*gh.PullRequest, *gh.Response, error) {
		return client.PullRequests.List(ctx, ref.Owner, ref.Name, &gh.PullRequestListOptions{
			State: "all", Head: ref.Owner + ":" + branch, Sort: "created", Direction: "desc", ListOptions: page,
		})
	})
	if err != nil {
		return forge.PullRequest{}, err
	}
	best := 0
	for _, item := range found {
		pr := pullRequestOf(item)
		if pr.Head.Branch != branch || pr.Head.RepositoryID != ref.ID {
			continue
		}
		if pr.Open {
			best = pr.Number
			break
		}
		best = max(best, pr.Number)
	}
	if best == 0 {
		return forge.PullRequest{}, fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
	}
	return fetchPullRequest(ctx, client, ref, best) // the list leaves out whether it was merged
}

// OpenPullRequest implements [forge.PullRequests]. It is not idempotent: after a
// lost answer, ask PullRequestByHead.
func (a *Adapter) OpenPullRequest(ctx context.Context, ref forge.RepositoryRef, pr forge.NewPullRequest) (forge.PullRequest, error) {
	client, err := a.rest(ref, opWritePullRequest)
	if err != nil {
		return forge.PullRequest{}, err
	}
	opened, _, err := client.PullRequests.Create(ctx, ref.Owner, ref.Name, &gh.NewPullRequest{
		Title: &pr.Title, Body: &pr.Body, Head: &pr.Head, Base: &pr.Base, Draft: &pr.Draft,
		MaintainerCanModify: gh.Bool(false),
	})
	if err != nil {
		return forge.PullRequest{}, translate(fmt.Sprintf("open a pull request from %s in %s", pr.Head, ref.FullName()), err)
	}
	return checkedPullRequest(ref, opened)
}

// UpdatePullRequest implements [forge.PullRequests].
func (a *Adapter) UpdatePullRequest(ctx context.Context, ref forge.RepositoryRef, number int, title, body string) error {
	client, err := a.rest(ref, opWritePullRequest)
	if err != nil {
		return err
	}
	_, _, err = client.PullRequests.Edit(ctx, ref.Owner, ref.Name, number, &gh.PullRequest{Title: &title, Body: &body})
	return translate(fmt.Sprintf("update pull request %s#%d", ref.FullName(), number), err)
}

// ClosePullRequest implements [forge.PullRequests]. Closing a closed one changes
// nothing at GitHub, so a repetition after a lost answer is harmless.
func (a *Adapter) ClosePullRequest(ctx context.Context, ref forge.RepositoryRef, number int) error {
	client, err := a.rest(ref, opWritePullRequest)
	if err != nil {
		return err
	}
	closed, _, err := client.PullRequests.Edit(ctx, ref.Owner, ref.Name, number, &gh.PullRequest{State: gh.String("closed")})
	doing := fmt.Sprintf("close pull request %s#%d", ref.FullName(), number)
	if err != nil {
		return translate(doing, err)
	}
	pr, err := checkedPullRequest(ref, closed)
	if err != nil {
		return err
	}
	if pr.Open {
		return fmt.Errorf("%s: GitHub did not confirm it", doing)
	}
	return nil
}
