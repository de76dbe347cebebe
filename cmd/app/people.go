package main

import (
	"context"
	"fmt"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// people acts at the local forge as its sample users do: through the REST API,
// each with their own token.
type people struct {
	hub *emulator.Forge
}

func (p people) as(login string) *gh.Client {
	client := gh.NewClient(nil).WithAuthToken(p.hub.ClientFor(login))
	client, err := client.WithEnterpriseURLs(p.hub.Info().APIURL, p.hub.Info().APIURL)
	if err != nil { // the forge's own address is a URL
		panic(fmt.Sprintf("the local forge's address: %v", err))
	}
	return client
}

func (p people) openIssue(ctx context.Context, login, title, body string) (*gh.Issue, error) {
	issue, _, err := p.as(login).Issues.Create(ctx, sampleOwner, sampleName, &gh.IssueRequest{Title: &title, Body: &body})
	return issue, err
}

func (p people) comment(ctx context.Context, login string, number int, body string) (*gh.IssueComment, error) {
	comment, _, err := p.as(login).Issues.CreateComment(ctx, sampleOwner, sampleName, number, &gh.IssueComment{Body: &body})
	return comment, err
}

func (p people) review(ctx context.Context, login string, number int, event, body string) (*gh.PullRequestReview, error) {
	review, _, err := p.as(login).PullRequests.CreateReview(ctx, sampleOwner, sampleName, number,
		&gh.PullRequestReviewRequest{Event: &event, Body: &body})
	return review, err
}

func (p people) comments(ctx context.Context, number int) ([]*gh.IssueComment, error) {
	comments, _, err := p.as(tom).Issues.ListComments(ctx, sampleOwner, sampleName, number, nil)
	return comments, err
}

func (p people) pullRequest(ctx context.Context, number int) (*gh.PullRequest, error) {
	pr, _, err := p.as(tom).PullRequests.Get(ctx, sampleOwner, sampleName, number)
	return pr, err
}

func (p people) pullRequests(ctx context.Context) ([]*gh.PullRequest, error) {
	prs, _, err := p.as(tom).PullRequests.List(ctx, sampleOwner, sampleName, &gh.PullRequestListOptions{State: "all"})
	return prs, err
}

func (p people) commit(ctx context.Context, sha string) (*gh.RepositoryCommit, error) {
	commit, _, err := p.as(tom).Repositories.GetCommit(ctx, sampleOwner, sampleName, sha, nil)
	return commit, err
}

// until calls look until it reports true, an error, or the time is over.
func until(ctx context.Context, atMost time.Duration, what string, look func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	for {
		done, err := look(ctx)
		if err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s", what, atMost)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
