package azuredevops

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/webapi"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// ourBranches is what the branches of proposals begin with.
const ourBranches = "coderflow/"

// maxTitle is the service's limit, in characters.
const maxTitle = 400

// fetchPull reads a pull request of the repository.
func (a *Adapter) fetchPull(ctx context.Context, ref forge.RepositoryRef, number int) (*git.GitPullRequest, error) {
	id, err := repositoryID(ref)
	if err != nil {
		return nil, err
	}
	doing := fmt.Sprintf("read pull request %d of %s", number, ref.FullName())
	found, err := a.git.GetPullRequest(ctx, git.GetPullRequestArgs{RepositoryId: &id, PullRequestId: &number})
	if err != nil {
		return nil, translate(doing, err)
	}
	if is(found.PullRequestId) != number || found.Repository == nil || found.Repository.Id == nil || found.Repository.Id.String() != id {
		return nil, fmt.Errorf("%s: Azure DevOps answered about another one: %w", doing, forge.ErrNotFound)
	}
	return found, nil
}

// PullRequest implements [forge.PullRequests].
func (a *Adapter) PullRequest(ctx context.Context, ref forge.RepositoryRef, number int) (forge.PullRequest, error) {
	found, err := a.fetchPull(ctx, ref, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	return a.pullOf(ctx, ref, found)
}

// pullOf makes a pull request of the service's. The service notes the head when it tries a
// merge, which may be later: the head of an open one is where its branch is now.
func (a *Adapter) pullOf(ctx context.Context, ref forge.RepositoryRef, p *git.GitPullRequest) (forge.PullRequest, error) {
	author, err := a.userOf(ctx, p.CreatedBy)
	if err != nil {
		return forge.PullRequest{}, err
	}
	number := is(p.PullRequestId)
	pr := forge.PullRequest{
		Number: number, Title: is(p.Title), Body: is(p.Description), Author: author,
		Open: is(p.Status) == git.PullRequestStatusValues.Active, Merged: is(p.Status) == git.PullRequestStatusValues.Completed, Draft: is(p.IsDraft),
		Head: forge.Tip{RepositoryID: ref.ID, Branch: branchOf(is(p.SourceRefName)), Commit: commitOf(p.LastMergeSourceCommit)},
		Base: forge.Tip{RepositoryID: ref.ID, Branch: branchOf(is(p.TargetRefName)), Commit: commitOf(p.LastMergeTargetCommit)},
		URL:  a.pullPage(ref, p.Repository, number),
	}
	if p.ForkSource != nil {
		pr.Head.RepositoryID = ""
		if p.ForkSource.Repository != nil && p.ForkSource.Repository.Id != nil {
			pr.Head.RepositoryID = p.ForkSource.Repository.Id.String()
		}
	}
	if pr.Merged {
		pr.MergedAs = commitOf(p.LastMergeCommit)
	}
	if pr.Open && pr.Head.RepositoryID == ref.ID {
		if pr.Head.Commit, err = a.head(ctx, ref, pr.Head.Branch); err != nil {
			return forge.PullRequest{}, err
		}
	}
	return pr, nil
}

func commitOf(c *git.GitCommitRef) string {
	if c == nil || !commitShape.MatchString(is(c.CommitId)) {
		return ""
	}
	return *c.CommitId
}

func (a *Adapter) pullPage(ref forge.RepositoryRef, r *git.GitRepository, number int) string {
	if r != nil {
		if now := refOf(r); now.Owner != "" && now.Name != "" {
			ref = now
		}
	}
	return a.page(ref.Owner, "_git", ref.Name, "pullrequest", strconv.Itoa(number))
}

// pullIssue is a pull request as what people talk under.
func (a *Adapter) pullIssue(ctx context.Context, ref forge.RepositoryRef, number int) (forge.Issue, error) {
	found, err := a.fetchPull(ctx, ref, number)
	if err != nil {
		return forge.Issue{}, err
	}
	author, err := a.userOf(ctx, found.CreatedBy)
	if err != nil {
		return forge.Issue{}, err
	}
	created, updated := at(found.CreationDate), at(found.ClosedDate)
	if updated.IsZero() {
		updated = created
	}
	return forge.Issue{
		Number: number, Title: is(found.Title), Body: is(found.Description), Author: author, IsPullRequest: true,
		Open: is(found.Status) == git.PullRequestStatusValues.Active, URL: a.pullPage(ref, found.Repository, number),
		CreatedAt: created, UpdatedAt: updated,
	}, nil
}

// PullRequestByHead implements [forge.PullRequests]: an open one before any other, and
// else the newest.
func (a *Adapter) PullRequestByHead(ctx context.Context, ref forge.RepositoryRef, branch string) (forge.PullRequest, error) {
	doing := fmt.Sprintf("find the pull request of %s in %s", branch, ref.FullName())
	source, all := heads+branch, git.PullRequestStatusValues.All
	found, err := a.listPulls(ctx, ref, doing, git.GitPullRequestSearchCriteria{SourceRefName: &source, Status: &all})
	if err != nil {
		return forge.PullRequest{}, err
	}
	number, open := 0, false
	for _, p := range found {
		active := is(p.Status) == git.PullRequestStatusValues.Active
		if is(p.SourceRefName) == source && p.ForkSource == nil && (active && !open || active == open && is(p.PullRequestId) > number) {
			number, open = is(p.PullRequestId), active
		}
	}
	if number == 0 {
		return forge.PullRequest{}, fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
	}
	return a.PullRequest(ctx, ref, number) // lists cut descriptions
}

func (a *Adapter) listPulls(ctx context.Context, ref forge.RepositoryRef, doing string, by git.GitPullRequestSearchCriteria) ([]git.GitPullRequest, error) {
	id, err := repositoryID(ref)
	if err != nil {
		return nil, err
	}
	return pages(doing, func(top, skip int) ([]git.GitPullRequest, error) {
		found, err := a.git.GetPullRequests(ctx, git.GetPullRequestsArgs{RepositoryId: &id, SearchCriteria: &by, Top: &top, Skip: &skip})
		return is(found), err
	})
}

// ourPulls are the numbers of the open pull requests of proposals.
func (a *Adapter) ourPulls(ctx context.Context, ref forge.RepositoryRef) ([]int, error) {
	active := git.PullRequestStatusValues.Active
	found, err := a.listPulls(ctx, ref, "list the pull requests of "+ref.FullName(), git.GitPullRequestSearchCriteria{Status: &active})
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, p := range found {
		if p.ForkSource == nil && strings.HasPrefix(branchOf(is(p.SourceRefName)), ourBranches) {
			numbers = append(numbers, is(p.PullRequestId))
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// OpenPullRequest implements [forge.PullRequests]. An open one for the same branches is
// the one that an answer was lost for.
func (a *Adapter) OpenPullRequest(ctx context.Context, ref forge.RepositoryRef, n forge.NewPullRequest) (forge.PullRequest, error) {
	doing := fmt.Sprintf("open a pull request of %s in %s", n.Head, ref.FullName())
	id, err := repositoryID(ref)
	if err != nil {
		return forge.PullRequest{}, err
	}
	title, source, target, iterations := wire.Clip(n.Title, maxTitle-4), heads+n.Head, heads+n.Base, true
	pull := git.GitPullRequest{Title: &title, Description: &n.Body, SourceRefName: &source, TargetRefName: &target, IsDraft: &n.Draft}
	if n.Issue > 0 {
		number := strconv.Itoa(n.Issue)
		pull.WorkItemRefs = &[]webapi.ResourceRef{{Id: &number}}
	}
	made, err := a.git.CreatePullRequest(ctx, git.CreatePullRequestArgs{RepositoryId: &id, GitPullRequestToCreate: &pull, SupportsIterations: &iterations})
	switch {
	case err == nil:
		return a.pullOf(ctx, ref, made)
	case status(err) == http.StatusConflict || says(err, pullRequestExists):
		found, lookErr := a.PullRequestByHead(ctx, ref, n.Head)
		if lookErr == nil && found.Open && found.Base.Branch == n.Base {
			return found, nil
		}
	}
	return forge.PullRequest{}, translate(doing, err)
}

// updatePull changes what is set in the given one.
func (a *Adapter) updatePull(ctx context.Context, ref forge.RepositoryRef, doing string, number int, to git.GitPullRequest) (*git.GitPullRequest, error) {
	id, err := repositoryID(ref)
	if err != nil {
		return nil, err
	}
	updated, err := a.git.UpdatePullRequest(ctx, git.UpdatePullRequestArgs{RepositoryId: &id, PullRequestId: &number, GitPullRequestToUpdate: &to})
	return updated, translate(doing, err)
}

// UpdatePullRequest implements [forge.PullRequests].
func (a *Adapter) UpdatePullRequest(ctx context.Context, ref forge.RepositoryRef, number int, title, body string) error {
	now, err := a.fetchPull(ctx, ref, number)
	if err != nil {
		return err
	}
	if title = wire.Clip(title, maxTitle-4); is(now.Title) == title && sameText(is(now.Description), body) {
		return nil
	}
	doing := fmt.Sprintf("update pull request %d of %s", number, ref.FullName())
	_, err = a.updatePull(ctx, ref, doing, number, git.GitPullRequest{Title: &title, Description: &body})
	return err
}

// sameText leaves out what a forge may normalize.
func sameText(a, b string) bool {
	plain := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return plain(a) == plain(b)
}

// ClosePullRequest implements [forge.PullRequests].
func (a *Adapter) ClosePullRequest(ctx context.Context, ref forge.RepositoryRef, number int) error {
	now, err := a.fetchPull(ctx, ref, number)
	if err != nil || is(now.Status) != git.PullRequestStatusValues.Active {
		return err
	}
	abandoned := git.PullRequestStatusValues.Abandoned
	_, err = a.updatePull(ctx, ref, fmt.Sprintf("close pull request %d of %s", number, ref.FullName()), number, git.GitPullRequest{Status: &abandoned})
	return err
}

// MarkReady implements [forge.PullRequests]: the draft is published.
func (a *Adapter) MarkReady(ctx context.Context, ref forge.RepositoryRef, pr forge.PullRequest) error {
	return a.setDraft(ctx, ref, fmt.Sprintf("publish pull request %d of %s", pr.Number, ref.FullName()), pr.Number, false)
}

// HoldReviews implements [forge.PullRequests]: nobody can vote on a draft, and making it
// one takes all votes back.
func (a *Adapter) HoldReviews(ctx context.Context, ref forge.RepositoryRef, pr forge.PullRequest) error {
	return a.setDraft(ctx, ref, fmt.Sprintf("make pull request %d of %s a draft", pr.Number, ref.FullName()), pr.Number, true)
}

// setDraft reads first, so a repetition after a lost answer does nothing.
func (a *Adapter) setDraft(ctx context.Context, ref forge.RepositoryRef, doing string, number int, draft bool) error {
	now, err := a.fetchPull(ctx, ref, number)
	if err != nil || is(now.IsDraft) == draft {
		return err
	}
	updated, err := a.updatePull(ctx, ref, doing, number, git.GitPullRequest{IsDraft: &draft})
	if err != nil {
		return err
	}
	if is(updated.IsDraft) != draft {
		return fmt.Errorf("%s: Azure DevOps did not confirm it", doing)
	}
	return nil
}
