package main

import (
	"context"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

func (p gitHubPeople) pullRequest(ctx context.Context, number int) (forge.PullRequest, error) {
	pr, _, err := p.as(tom).PullRequests.Get(ctx, sampleOwner, sampleName, number)
	return gitHubPull(pr), err
}

func (p gitHubPeople) pullRequests(ctx context.Context) ([]forge.PullRequest, error) {
	list, _, err := p.as(tom).PullRequests.List(ctx, sampleOwner, sampleName, &gh.PullRequestListOptions{State: "all"})
	var pulls []forge.PullRequest
	for _, pr := range list {
		pulls = append(pulls, gitHubPull(pr))
	}
	return pulls, err
}

func gitHubPull(p *gh.PullRequest) forge.PullRequest {
	return forge.PullRequest{
		Number: p.GetNumber(), Title: p.GetTitle(), Body: p.GetBody(), Author: gitHubUser(p.GetUser()),
		Open: p.GetState() == "open", Merged: p.GetMerged(), Draft: p.GetDraft(),
		Head: forge.Tip{Branch: p.GetHead().GetRef(), Commit: p.GetHead().GetSHA()},
		Base: forge.Tip{Branch: p.GetBase().GetRef(), Commit: p.GetBase().GetSHA()}, URL: p.GetHTMLURL(),
	}
}

func (p gitHubPeople) setPullRequestOpen(ctx context.Context, login string, number int, open bool) error {
	state := gitHubState(open)
	_, _, err := p.as(login).PullRequests.Edit(ctx, sampleOwner, sampleName, number, &gh.PullRequest{State: &state})
	return err
}

func (p gitHubPeople) retarget(ctx context.Context, login string, number int, branch string) error {
	_, _, err := p.as(login).PullRequests.Edit(ctx, sampleOwner, sampleName, number, &gh.PullRequest{Base: &gh.PullRequestBranch{Ref: &branch}})
	return err
}

func (p gitHubPeople) files(ctx context.Context, number int) ([]changedFile, error) {
	list, _, err := p.as(tom).PullRequests.ListFiles(ctx, sampleOwner, sampleName, number, nil)
	return gitHubFiles(list), err
}

func (p gitHubPeople) merge(ctx context.Context, login string, number int) (string, error) {
	result, _, err := p.as(login).PullRequests.Merge(ctx, sampleOwner, sampleName, number, "", &gh.PullRequestOptions{MergeMethod: "merge"})
	return result.GetSHA(), err
}
