package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/command"
	"github.com/coderflow/coderflow/internal/forge"
)

// votes are the service's numbers for verdicts.
var votes = map[forge.ReviewState]int{forge.ReviewApproved: 10, forge.ReviewCommented: 5, forge.ReviewChangesRequested: -5}

// votable waits until a draft is published, as a reviewer has to.
func (p azurePeople) votable(ctx context.Context, number int) error {
	return until(ctx, 2*time.Minute, fmt.Sprintf("the publication of draft pull request %d", number), func(ctx context.Context) (bool, error) {
		pr, err := p.pullRequest(ctx, number)
		return !pr.Draft || !pr.Open, err
	})
}

// review says what there is to say before it votes, as a vote has no text: in a comment, or
// at a line where that is what the verdict is about.
func (p azurePeople) review(ctx context.Context, login string, number int, verdict forge.ReviewState, text string, remarks ...forge.Remark) (forge.Review, error) {
	if err := p.votable(ctx, number); err != nil {
		return forge.Review{}, err
	}
	switch {
	case verdict == forge.ReviewApproved && text != "" && !command.HasDirective(text):
		text += "\n\n/coderflow message"
	case text != "" && len(remarks) > 0:
		remarks = append(remarks, forge.Remark{Path: remarks[0].Path, Line: remarks[0].Line, Body: text})
		text = ""
	}
	for _, r := range remarks {
		if _, err := p.thread(ctx, login, number, r.Body, &r); err != nil {
			return forge.Review{}, err
		}
	}
	if text != "" {
		if _, err := p.thread(ctx, login, number, text, nil); err != nil {
			return forge.Review{}, err
		}
	}
	return p.vote(ctx, login, number, votes[verdict])
}

// vote votes, and finds the service's note of it. A vote that is there already is taken back first.
func (p azurePeople) vote(ctx context.Context, login string, number, vote int) (forge.Review, error) {
	client, err := p.git(ctx, login)
	if err != nil {
		return forge.Review{}, err
	}
	give := git.CreatePullRequestReviewerArgs{
		Reviewer: &git.IdentityRefWithVote{Vote: &vote}, Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &number, ReviewerId: to(p.known(login).GUID),
	}
	before, err := client.GetPullRequestReviewers(ctx, git.GetPullRequestReviewersArgs{Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &number})
	if err != nil {
		return forge.Review{}, err
	}
	for _, r := range is(before) {
		if strings.EqualFold(is(r.Id), p.known(login).GUID) && is(r.Vote) == vote && vote != 0 {
			back := give
			back.Reviewer = &git.IdentityRefWithVote{Vote: to(0)}
			if _, err := client.CreatePullRequestReviewer(ctx, back); err != nil {
				return forge.Review{}, err
			}
		}
	}
	if _, err := client.CreatePullRequestReviewer(ctx, give); err != nil {
		return forge.Review{}, err
	}
	reviews, err := p.reviews(ctx, number)
	for _, r := range slices.Backward(reviews) {
		if r.Author.Subject.ID == p.known(login).GUID {
			return r, err
		}
	}
	return forge.Review{}, err
}

func (p azurePeople) reviews(ctx context.Context, number int) ([]forge.Review, error) {
	threads, err := p.threads(ctx, number)
	states := map[string]forge.ReviewState{"10": forge.ReviewApproved, "5": forge.ReviewCommented, "-5": forge.ReviewChangesRequested, "-10": forge.ReviewChangesRequested, "0": forge.ReviewDismissed}
	var reviews []forge.Review
	for _, t := range threads {
		if property(t, "CodeReviewThreadType") != "VoteUpdate" {
			continue
		}
		voter := is(t.Identities)[property(t, "CodeReviewVotedByIdentity")]
		reviews = append(reviews, forge.Review{
			ID: strconv.Itoa(is(t.Id)), Author: azureUser(&voter), State: states[property(t, "CodeReviewVoteResult")], SubmittedAt: is(t.PublishedDate).Time,
		})
	}
	return reviews, err
}

func property(t git.GitPullRequestCommentThread, name string) string {
	all, _ := t.Properties.(map[string]any)
	one, _ := all[name].(map[string]any)
	if one == nil {
		return ""
	}
	return fmt.Sprint(one["$value"])
}

// dismiss has the reviewer take their own vote back: nobody else can.
func (p azurePeople) dismiss(ctx context.Context, _ string, number int, review forge.Review) error {
	_, err := p.vote(ctx, p.known(review.Author.Subject.ID).Login, number, 0)
	return err
}
