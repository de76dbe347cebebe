package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// gitHubPeople act through GitHub's REST API.
type gitHubPeople struct{ hub *emulator.Forge }

var _ acts = gitHubPeople{}

func (p gitHubPeople) as(login string) *gh.Client {
	client := gh.NewClient(nil).WithAuthToken(p.hub.ClientFor(login))
	client, err := client.WithEnterpriseURLs(p.hub.Info().APIURL, p.hub.Info().APIURL)
	if err != nil { // the forge's own address is a URL
		panic(fmt.Sprintf("the local forge's address: %v", err))
	}
	return client
}

func (p gitHubPeople) ours(u forge.User) bool { return u.Login == p.hub.Info().AppSlug+"[bot]" }

func (p gitHubPeople) openIssue(ctx context.Context, login, title, body string) (forge.Issue, error) {
	i, _, err := p.as(login).Issues.Create(ctx, sampleOwner, sampleName, &gh.IssueRequest{Title: &title, Body: &body})
	return forge.Issue{
		Number: i.GetNumber(), Title: i.GetTitle(), Body: i.GetBody(), Author: gitHubUser(i.GetUser()), Open: i.GetState() == "open", URL: i.GetHTMLURL(),
	}, err
}

func (p gitHubPeople) editIssue(ctx context.Context, login string, number int, body string) error {
	_, _, err := p.as(login).Issues.Edit(ctx, sampleOwner, sampleName, number, &gh.IssueRequest{Body: &body})
	return err
}

func (p gitHubPeople) setIssueOpen(ctx context.Context, login string, number int, open bool) error {
	state := gitHubState(open)
	_, _, err := p.as(login).Issues.Edit(ctx, sampleOwner, sampleName, number, &gh.IssueRequest{State: &state})
	return err
}

func gitHubState(open bool) string {
	if open {
		return "open"
	}
	return "closed"
}

func (p gitHubPeople) addLabel(ctx context.Context, login string, number int, label string) error {
	_, _, err := p.as(login).Issues.AddLabelsToIssue(ctx, sampleOwner, sampleName, number, []string{label})
	return err
}

func (p gitHubPeople) labels(ctx context.Context, number int) ([]string, error) {
	list, _, err := p.as(tom).Issues.ListLabelsByIssue(ctx, sampleOwner, sampleName, number, nil)
	var names []string
	for _, l := range list {
		names = append(names, l.GetName())
	}
	return names, err
}

func (p gitHubPeople) comment(ctx context.Context, login string, topic forge.Topic, body string) (forge.Comment, error) {
	c, _, err := p.as(login).Issues.CreateComment(ctx, sampleOwner, sampleName, topic.Number, &gh.IssueComment{Body: &body})
	return gitHubComment(topic, c), err
}

func (p gitHubPeople) editComment(ctx context.Context, login string, comment forge.Comment, body string) error {
	id, err := strconv.ParseInt(comment.ID, 10, 64)
	if err != nil {
		return err
	}
	_, _, err = p.as(login).Issues.EditComment(ctx, sampleOwner, sampleName, id, &gh.IssueComment{Body: &body})
	return err
}

func (p gitHubPeople) comments(ctx context.Context, topic forge.Topic) ([]forge.Comment, error) {
	list, _, err := p.as(tom).Issues.ListComments(ctx, sampleOwner, sampleName, topic.Number, nil)
	var comments []forge.Comment
	for _, c := range list {
		comments = append(comments, gitHubComment(topic, c))
	}
	return comments, err
}

func gitHubComment(topic forge.Topic, c *gh.IssueComment) forge.Comment {
	return forge.Comment{
		ID: strconv.FormatInt(c.GetID(), 10), Topic: topic, Author: gitHubUser(c.GetUser()), Body: c.GetBody(), URL: c.GetHTMLURL(),
		CreatedAt: c.GetCreatedAt().Time, UpdatedAt: c.GetUpdatedAt().Time,
	}
}

func gitHubUser(u *gh.User) forge.User {
	user := forge.User{Login: u.GetLogin(), Name: u.GetName(), Kind: forge.Person}
	if u.GetID() > 0 {
		user.Subject = forge.Subject{Host: forge.GitHub, ID: strconv.FormatInt(u.GetID(), 10)}
	}
	if u.GetType() == "Bot" {
		user.Kind = forge.Bot
	}
	return user
}

func (p gitHubPeople) commit(ctx context.Context, sha string) (commitAtForge, error) {
	c, _, err := p.as(tom).Repositories.GetCommit(ctx, sampleOwner, sampleName, sha, nil)
	if err != nil {
		return commitAtForge{}, err
	}
	of := c.GetCommit()
	commit := commitAtForge{
		SHA: c.GetSHA(), Tree: of.GetTree().GetSHA(), Message: of.GetMessage(),
		Author:    signature{of.GetAuthor().GetName(), of.GetAuthor().GetEmail()},
		Committer: signature{of.GetCommitter().GetName(), of.GetCommitter().GetEmail()},
		Files:     gitHubFiles(c.Files),
	}
	for _, parent := range c.Parents {
		commit.Parents = append(commit.Parents, parent.GetSHA())
	}
	return commit, nil
}

func gitHubFiles(list []*gh.CommitFile) (files []changedFile) {
	for _, f := range list {
		files = append(files, changedFile{f.GetFilename(), f.GetStatus(), f.GetAdditions(), f.GetDeletions()})
	}
	return files
}

// gitHubEvents are what a review is submitted with.
var gitHubEvents = map[forge.ReviewState]string{
	forge.ReviewApproved: "APPROVE", forge.ReviewChangesRequested: "REQUEST_CHANGES", forge.ReviewCommented: "COMMENT",
}

func (p gitHubPeople) review(ctx context.Context, login string, number int, verdict forge.ReviewState, text string, remarks ...forge.Remark) (forge.Review, error) {
	event := gitHubEvents[verdict]
	request := &gh.PullRequestReviewRequest{Event: &event, Body: &text}
	for _, r := range remarks {
		request.Comments = append(request.Comments, &gh.DraftReviewComment{Path: &r.Path, Line: &r.Line, Body: &r.Body})
	}
	r, _, err := p.as(login).PullRequests.CreateReview(ctx, sampleOwner, sampleName, number, request)
	return gitHubReview(r), err
}

func gitHubReview(r *gh.PullRequestReview) forge.Review {
	return forge.Review{
		ID: strconv.FormatInt(r.GetID(), 10), Author: gitHubUser(r.GetUser()), State: forge.ReviewState(strings.ToLower(r.GetState())),
		Commit: r.GetCommitID(), Body: r.GetBody(), URL: r.GetHTMLURL(), SubmittedAt: r.GetSubmittedAt().Time,
	}
}

func (p gitHubPeople) dismiss(ctx context.Context, login string, number int, review forge.Review) error {
	id, err := strconv.ParseInt(review.ID, 10, 64)
	if err != nil {
		return err
	}
	_, _, err = p.as(login).PullRequests.DismissReview(ctx, sampleOwner, sampleName, number, id,
		&gh.PullRequestReviewDismissalRequest{Message: gh.String("on second thought")})
	return err
}

func (p gitHubPeople) reviews(ctx context.Context, number int) ([]forge.Review, error) {
	list, _, err := p.as(tom).PullRequests.ListReviews(ctx, sampleOwner, sampleName, number, nil)
	var reviews []forge.Review
	for _, r := range list {
		reviews = append(reviews, gitHubReview(r))
	}
	return reviews, err
}
