package github

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// Issue implements [forge.Issues]. GitHub numbers issues and pull requests together,
// so the number decides.
func (a *Adapter) Issue(ctx context.Context, ref forge.RepositoryRef, topic forge.Topic) (forge.Issue, error) {
	number := topic.Number
	client, err := a.reader(ctx, ref, opReadIssue)
	if err != nil {
		return forge.Issue{}, err
	}
	doing := fmt.Sprintf("read issue %s#%d", ref.FullName(), number)
	found, _, err := client.Issues.Get(ctx, ref.Owner, ref.Name, number)
	if err != nil {
		return forge.Issue{}, translate(doing, err)
	}
	if found.GetNumber() != number { // transferred: GitHub redirects to the new place
		return forge.Issue{}, fmt.Errorf("%s: it moved to %s: %w", doing, found.GetHTMLURL(), forge.ErrNotFound)
	}
	return issueOf(found), nil
}

// Comments implements [forge.Issues], oldest first.
func (a *Adapter) Comments(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.Comment, error) {
	client, err := a.reader(ctx, ref, opReadComments)
	if err != nil {
		return nil, err
	}
	doing := fmt.Sprintf("read the comments of %s#%d", ref.FullName(), number)
	if number <= 0 { // 0 would list the whole repository's
		return nil, fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
	}
	return listComments(ctx, client, ref, doing, number, gh.IssueListCommentsOptions{})
}

// CommentsSince implements [forge.Issues]. It lists by creation, the only order in
// which a comment edited meanwhile cannot push another off the page being read.
func (a *Adapter) CommentsSince(ctx context.Context, ref forge.RepositoryRef, since time.Time) ([]forge.Comment, error) {
	client, err := a.reader(ctx, ref, opReadComments)
	if err != nil {
		return nil, err
	}
	since = since.UTC().Truncate(time.Second)
	doing := fmt.Sprintf("read the comments of %s since %s", ref.FullName(), since.Format(time.RFC3339))
	return listComments(ctx, client, ref, doing, 0, gh.IssueListCommentsOptions{
		Sort: gh.String("created"), Direction: gh.String("asc"), Since: &since,
	})
}

func listComments(ctx context.Context, client *gh.Client, ref forge.RepositoryRef, doing string,
	number int, opts gh.IssueListCommentsOptions) ([]forge.Comment, error) {
	found, err := pages(doing, func(page gh.ListOptions) ([]*gh.IssueComment, *gh.Response, error) {
		opts.ListOptions = page
		return client.Issues.ListComments(ctx, ref.Owner, ref.Name, number, &opts)
	})
	if err != nil {
		return nil, err
	}
	comments := make([]forge.Comment, 0, len(found))
	for _, comment := range found {
		comments = append(comments, commentOf(comment))
	}
	slices.SortStableFunc(comments, func(a, b forge.Comment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return comments, nil
}

// LabelEvents implements [forge.Issues].
func (a *Adapter) LabelEvents(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.LabelEvent, error) {
	events, err := a.issueEvents(ctx, ref, number, "labeled")
	if err != nil {
		return nil, err
	}
	labeled := make([]forge.LabelEvent, 0, len(events))
	for _, event := range events {
		labeled = append(labeled, forge.LabelEvent{
			ID: strconv.FormatInt(event.GetID(), 10), IssueNumber: number, Label: event.GetLabel().GetName(),
			Actor: userOf(event.GetActor()), CreatedAt: event.GetCreatedAt().Time,
		})
	}
	return labeled, nil
}

// issueEvents returns the events of one kind of an issue or pull request, oldest first.
func (a *Adapter) issueEvents(ctx context.Context, ref forge.RepositoryRef, number int, kind string) ([]*gh.IssueEvent, error) {
	doing := fmt.Sprintf("read the events of %s#%d", ref.FullName(), number)
	var events []*gh.IssueEvent
	err := a.read(ctx, ref, opReadIssueEvents, func(client *gh.Client) (err error) {
		events, err = pages(doing, func(page gh.ListOptions) ([]*gh.IssueEvent, *gh.Response, error) {
			return client.Issues.ListIssueEvents(ctx, ref.Owner, ref.Name, number, &page)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	events = slices.DeleteFunc(events, func(e *gh.IssueEvent) bool { return e.GetEvent() != kind })
	slices.SortStableFunc(events, func(a, b *gh.IssueEvent) int { return cmp.Compare(a.GetID(), b.GetID()) })
	return events, nil
}

// LabeledIssues implements [forge.Issues]. Pull requests, which GitHub lists as
// issues, are left out.
func (a *Adapter) LabeledIssues(ctx context.Context, ref forge.RepositoryRef, label string) ([]forge.Issue, error) {
	client, err := a.reader(ctx, ref, opListIssues)
	if err != nil {
		return nil, err
	}
	doing := fmt.Sprintf("list the issues of %s labeled %q", ref.FullName(), label)
	if label == "" || strings.Contains(label, ",") {
		return nil, fmt.Errorf("%s: GitHub cannot be asked for an empty label or one with a comma", doing)
	}
	found, err := pages(doing, func(page gh.ListOptions) ([]*gh.Issue, *gh.Response, error) {
		return client.Issues.ListByRepo(ctx, ref.Owner, ref.Name, &gh.IssueListByRepoOptions{
			State: "open", Labels: []string{label}, Sort: "created", Direction: "asc", ListOptions: page,
		})
	})
	if err != nil {
		return nil, err
	}
	var issues []forge.Issue
	for _, issue := range found {
		if !issue.IsPullRequest() && issue.GetState() == "open" {
			issues = append(issues, issueOf(issue))
		}
	}
	return issues, nil
}
