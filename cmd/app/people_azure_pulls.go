package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
)

func (p azurePeople) pullRequest(ctx context.Context, number int) (forge.PullRequest, error) {
	client, err := p.git(ctx, tom)
	if err != nil {
		return forge.PullRequest{}, err
	}
	pr, err := client.GetPullRequest(ctx, git.GetPullRequestArgs{Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &number})
	if err != nil {
		return forge.PullRequest{}, err
	}
	return p.pull(*pr), nil
}

func (p azurePeople) pullRequests(ctx context.Context) ([]forge.PullRequest, error) {
	client, err := p.git(ctx, tom)
	if err != nil {
		return nil, err
	}
	list, err := client.GetPullRequests(ctx, git.GetPullRequestsArgs{
		Project: sampleProjectName, RepositoryId: sampleRepository, SearchCriteria: &git.GitPullRequestSearchCriteria{Status: &git.PullRequestStatusValues.All},
	})
	var pulls []forge.PullRequest
	for _, pr := range is(list) {
		pulls = append(pulls, p.pull(pr))
	}
	return pulls, err
}

func (p azurePeople) pull(pr git.GitPullRequest) forge.PullRequest {
	number, state := is(pr.PullRequestId), is(pr.Status)
	return forge.PullRequest{
		Number: number, Title: is(pr.Title), Body: is(pr.Description), Author: azureUser(pr.CreatedBy), Draft: is(pr.IsDraft),
		Open: state == git.PullRequestStatusValues.Active, Merged: state == git.PullRequestStatusValues.Completed,
		Head:     forge.Tip{Branch: strings.TrimPrefix(is(pr.SourceRefName), "refs/heads/"), Commit: is(is(pr.LastMergeSourceCommit).CommitId)},
		Base:     forge.Tip{Branch: strings.TrimPrefix(is(pr.TargetRefName), "refs/heads/"), Commit: is(is(pr.LastMergeTargetCommit).CommitId)},
		URL:      p.page("_git/" + sampleName + "/pullrequest/" + strconv.Itoa(number)),
		MergedAs: is(is(pr.LastMergeCommit).CommitId),
	}
}

func (p azurePeople) updatePull(ctx context.Context, login string, number int, change git.GitPullRequest) error {
	client, err := p.git(ctx, login)
	if err != nil {
		return err
	}
	_, err = client.UpdatePullRequest(ctx, git.UpdatePullRequestArgs{
		GitPullRequestToUpdate: &change, Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &number,
	})
	return err
}

func (p azurePeople) setPullRequestOpen(ctx context.Context, login string, number int, open bool) error {
	status := git.PullRequestStatusValues.Abandoned
	if open {
		status = git.PullRequestStatusValues.Active
	}
	return p.updatePull(ctx, login, number, git.GitPullRequest{Status: &status})
}

func (p azurePeople) retarget(ctx context.Context, login string, number int, branch string) error {
	return p.updatePull(ctx, login, number, git.GitPullRequest{TargetRefName: to("refs/heads/" + branch)})
}

func (p azurePeople) merge(ctx context.Context, login string, number int) (string, error) {
	pr, err := p.pullRequest(ctx, number)
	if err != nil {
		return "", err
	}
	err = p.updatePull(ctx, login, number, git.GitPullRequest{
		Status: &git.PullRequestStatusValues.Completed, LastMergeSourceCommit: &git.GitCommitRef{CommitId: &pr.Head.Commit},
		CompletionOptions: &git.GitPullRequestCompletionOptions{MergeStrategy: &git.GitPullRequestMergeStrategyValues.NoFastForward},
	})
	if err != nil {
		return "", err
	}
	err = until(ctx, time.Minute, "the merge", func(ctx context.Context) (bool, error) {
		pr, err = p.pullRequest(ctx, number)
		return pr.Merged, err
	})
	return pr.MergedAs, err
}

func (p azurePeople) files(ctx context.Context, number int) ([]changedFile, error) {
	client, err := p.git(ctx, tom)
	if err != nil {
		return nil, err
	}
	iterations, err := client.GetPullRequestIterations(ctx, git.GetPullRequestIterationsArgs{Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &number})
	if err != nil {
		return nil, err
	}
	last := len(is(iterations))
	changes, err := client.GetPullRequestIterationChanges(ctx, git.GetPullRequestIterationChangesArgs{
		Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &number, IterationId: &last,
	})
	if err != nil {
		return nil, err
	}
	var files []changedFile
	for _, c := range is(changes.ChangeEntries) {
		files = append(files, azureFile(c.Item, is(c.ChangeType)))
	}
	return files, nil
}

// azureFile is a change in the words that the stories have.
func azureFile(item any, kind git.VersionControlChangeType) changedFile {
	fields, _ := item.(map[string]any)
	path, _ := fields["path"].(string)
	words := map[git.VersionControlChangeType]string{
		git.VersionControlChangeTypeValues.Add: "added", git.VersionControlChangeTypeValues.Edit: "modified", git.VersionControlChangeTypeValues.Delete: "removed",
	}
	return changedFile{Path: strings.TrimPrefix(path, "/"), Status: words[kind]}
}

func (p azurePeople) commit(ctx context.Context, sha string) (commitAtForge, error) {
	client, err := p.git(ctx, tom)
	if err != nil {
		return commitAtForge{}, err
	}
	c, err := client.GetCommit(ctx, git.GetCommitArgs{CommitId: &sha, Project: sampleProjectName, RepositoryId: sampleRepository})
	if err != nil {
		return commitAtForge{}, err
	}
	changes, err := client.GetChanges(ctx, git.GetChangesArgs{CommitId: &sha, Project: sampleProjectName, RepositoryId: sampleRepository})
	if err != nil {
		return commitAtForge{}, err
	}
	commit := commitAtForge{
		SHA: is(c.CommitId), Tree: is(c.TreeId), Message: is(c.Comment), Parents: is(c.Parents),
		Author:    signature{is(is(c.Author).Name), is(is(c.Author).Email)},
		Committer: signature{is(is(c.Committer).Name), is(is(c.Committer).Email)},
	}
	for _, one := range is(changes.Changes) {
		fields, _ := one.(map[string]any)
		item, _ := fields["item"].(map[string]any)
		kind, _ := fields["changeType"].(string)
		if item["isFolder"] != true {
			commit.Files = append(commit.Files, azureFile(item, git.VersionControlChangeType(kind)))
		}
	}
	return commit, nil
}

// thread begins a discussion, of a line where one is named.
func (p azurePeople) thread(ctx context.Context, login string, number int, body string, at *forge.Remark) (forge.Comment, error) {
	client, err := p.git(ctx, login)
	if err != nil {
		return forge.Comment{}, err
	}
	thread := git.GitPullRequestCommentThread{
		Comments: &[]git.Comment{{Content: &body, CommentType: &git.CommentTypeValues.Text, ParentCommentId: to(0)}}, Status: &git.CommentThreadStatusValues.Active,
	}
	if at != nil {
		thread.ThreadContext = &git.CommentThreadContext{
			FilePath: to("/" + at.Path), RightFileStart: &git.CommentPosition{Line: &at.Line, Offset: to(1)}, RightFileEnd: &git.CommentPosition{Line: &at.Line, Offset: to(2)},
		}
	}
	made, err := client.CreateThread(ctx, git.CreateThreadArgs{CommentThread: &thread, Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &number})
	if err != nil {
		return forge.Comment{}, err
	}
	return threadComment(forge.PullTopic(number), *made, is(made.Comments)[0]), nil
}

func threadComment(topic forge.Topic, t git.GitPullRequestCommentThread, c git.Comment) forge.Comment {
	return forge.Comment{
		ID: fmt.Sprintf("%d.%d", is(t.Id), is(c.Id)), Topic: topic, Author: azureUser(c.Author), Body: is(c.Content),
		CreatedAt: is(c.PublishedDate).Time, UpdatedAt: is(c.LastContentUpdatedDate).Time,
	}
}

func (p azurePeople) threads(ctx context.Context, number int) ([]git.GitPullRequestCommentThread, error) {
	client, err := p.git(ctx, tom)
	if err != nil {
		return nil, err
	}
	list, err := client.GetThreads(ctx, git.GetThreadsArgs{Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &number})
	return is(list), err
}

// threadComments are what people and CoderFlow wrote, without what the service notes.
func (p azurePeople) threadComments(ctx context.Context, topic forge.Topic) ([]forge.Comment, error) {
	threads, err := p.threads(ctx, topic.Number)
	var comments []forge.Comment
	for _, t := range threads {
		for _, c := range is(t.Comments) {
			if is(c.CommentType) != git.CommentTypeValues.System && !is(c.IsDeleted) {
				comments = append(comments, threadComment(topic, t, c))
			}
		}
	}
	slices.SortStableFunc(comments, func(a, b forge.Comment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return comments, err
}
