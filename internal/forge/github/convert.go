package github

import (
	"path"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// Conversions from go-github's types. Pointers that GitHub leaves nil (a deleted
// account, a deleted fork) become zero values, which permit nothing.

func userOf(u *gh.User) forge.User {
	user := forge.User{Login: u.GetLogin(), Name: u.GetName(), Kind: forge.Other}
	if u.GetID() > 0 {
		user.Subject = forge.Subject{Host: forge.GitHub, ID: strconv.FormatInt(u.GetID(), 10)}
	}
	switch u.GetType() {
	case "User":
		user.Kind = forge.Person
	case "Bot":
		user.Kind = forge.Bot
	}
	if strings.HasSuffix(user.Login, "[bot]") { // no person's login can end so
		user.Kind = forge.Bot
	}
	return user
}

func repositoryRefOf(r *gh.Repository) forge.RepositoryRef {
	return forge.RepositoryRef{
		Host: forge.GitHub, ID: strconv.FormatInt(r.GetID(), 10),
		Owner: r.GetOwner().GetLogin(), Name: r.GetName(),
	}
}

func repositoryOf(r *gh.Repository) forge.Repository {
	return forge.Repository{
		RepositoryRef: repositoryRefOf(r),
		DefaultBranch: r.GetDefaultBranch(),
		URL:           r.GetHTMLURL(),
		Private:       r.GetPrivate(),
		Archived:      r.GetArchived(),
		Fork:          r.GetFork(),
	}
}

func issueOf(i *gh.Issue) forge.Issue {
	issue := forge.Issue{
		Number: i.GetNumber(), Title: i.GetTitle(), Body: i.GetBody(), Author: userOf(i.GetUser()),
		Open: i.GetState() == "open", IsPullRequest: i.IsPullRequest(), URL: i.GetHTMLURL(),
		CreatedAt: i.GetCreatedAt().Time, UpdatedAt: i.GetUpdatedAt().Time,
	}
	for _, label := range i.Labels {
		issue.Labels = append(issue.Labels, label.GetName())
	}
	return issue
}

func commentOf(c *gh.IssueComment) forge.Comment {
	number, _ := strconv.Atoi(path.Base(c.GetIssueURL())) // 0 if GitHub names no issue
	topic := forge.Topic{Number: number, PullRequest: strings.Contains(c.GetHTMLURL(), "/pull/")}
	return forge.Comment{
		ID: strconv.FormatInt(c.GetID(), 10), Topic: topic, Author: userOf(c.GetUser()),
		Body: c.GetBody(), URL: c.GetHTMLURL(),
		CreatedAt: c.GetCreatedAt().Time, UpdatedAt: c.GetUpdatedAt().Time,
	}
}

func pullRequestOf(p *gh.PullRequest) forge.PullRequest {
	pr := forge.PullRequest{
		Number: p.GetNumber(), NodeID: p.GetNodeID(), Title: p.GetTitle(), Body: p.GetBody(),
		Author: userOf(p.GetUser()), Open: p.GetState() == "open",
		Merged: p.GetMerged() || p.MergedAt != nil, Draft: p.GetDraft(),
		Head: tipOf(p.GetHead()), Base: tipOf(p.GetBase()), URL: p.GetHTMLURL(),
	}
	if pr.Merged { // before that, the field holds GitHub's trial merge
		pr.MergedAs = p.GetMergeCommitSHA()
	}
	return pr
}

func tipOf(b *gh.PullRequestBranch) forge.Tip {
	tip := forge.Tip{Branch: b.GetRef(), Commit: b.GetSHA()}
	if id := b.GetRepo().GetID(); id > 0 {
		tip.RepositoryID = strconv.FormatInt(id, 10)
	}
	return tip
}

// reviewOf lowers the state's case: REST says APPROVED, deliveries say approved.
func reviewOf(r *gh.PullRequestReview) forge.Review {
	return forge.Review{
		ID: strconv.FormatInt(r.GetID(), 10), Author: userOf(r.GetUser()),
		State: forge.ReviewState(strings.ToLower(r.GetState())), Commit: r.GetCommitID(),
		Body: r.GetBody(), URL: r.GetHTMLURL(), SubmittedAt: r.GetSubmittedAt().Time,
	}
}
