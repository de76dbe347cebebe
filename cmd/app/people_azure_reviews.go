package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/command"
	"github.com/coderflow/coderflow/internal/forge"
)

// votes are the service's numbers for verdicts.
var votes = map[forge.ReviewState]int{forge.ReviewApproved: 10, forge.ReviewCommented: 5, forge.ReviewChangesRequested: -5}

// votable waits until a draft is published, as a reviewer has to.
func (p azurePeople) votable(ctx context.Context, number int) error {
	return until(ctx, 5*time.Minute, fmt.Sprintf("the publication of draft pull request %d", number), func(ctx context.Context) (bool, error) {
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

// again is a vote that counts anew where it is the same as before, which the client library
// has no field for.
type again struct {
	Vote        int  `json:"vote"`
	IsReapprove bool `json:"isReapprove"`
}

// vote votes, and finds the service's note of it.
func (p azurePeople) vote(ctx context.Context, login string, number, vote int) (forge.Review, error) {
	voter := p.known(login).GUID
	body, err := json.Marshal(again{vote, vote == 10})
	if err != nil {
		return forge.Review{}, err
	}
	conn := p.as(login)
	client := conn.GetClientByUrl(conn.BaseUrl)
	// https://learn.microsoft.com/rest/api/azure/devops/git/pull-request-reviewers/create-pull-request-reviewer
	response, err := client.Send(ctx, http.MethodPut, uuid.MustParse("4b6702c7-aa35-4b89-9c96-b9abf6d3e540"), "7.1-preview.1",
		map[string]string{"project": sampleOwner, "repositoryId": sampleName, "pullRequestId": strconv.Itoa(number), "reviewerId": voter},
		nil, bytes.NewReader(body), "application/json", "application/json", nil)
	if err != nil {
		return forge.Review{}, err
	}
	if err := response.Body.Close(); err != nil {
		return forge.Review{}, err
	}
	reviews, err := p.reviews(ctx, number)
	for _, r := range slices.Backward(reviews) {
		if r.Author.Subject.ID == voter {
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
