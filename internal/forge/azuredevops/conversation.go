package azuredevops

import (
	"context"
	"fmt"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
)

// UpsertComment implements [forge.Conversation].
func (a *Adapter) UpsertComment(ctx context.Context, ref forge.RepositoryRef, topic forge.Topic, marker, body string) (forge.Comment, error) {
	if marker == "" || topic.Number <= 0 {
		return forge.Comment{}, fmt.Errorf("comment on %s: a marker and a number are needed to find the comment again", topic)
	}
	if !topic.PullRequest {
		return a.upsertItemComment(ctx, ref, topic.Number, marker, body)
	}
	t, err := a.upsertThread(ctx, ref, topic.Number, marker, body, nil)
	if err != nil {
		return forge.Comment{}, err
	}
	return a.threadComment(ctx, ref, topic.Number, t, t.comments[0])
}

// React implements [forge.Conversation]. Pull requests know likes only: eyes are one, and
// confusion, which a like would not say, is left out. The service answers a repetition like
// the first time.
func (a *Adapter) React(ctx context.Context, ref forge.RepositoryRef, comment string, reaction forge.Reaction) error {
	id, err := parseCommentID(comment)
	if err != nil {
		return err
	}
	doing := "react to comment " + comment
	if id.topic.PullRequest {
		repository, err := repositoryID(ref)
		if err != nil || reaction != forge.ReactionEyes {
			return err
		}
		return translate(doing, a.git.CreateLike(ctx, git.CreateLikeArgs{
			RepositoryId: &repository, PullRequestId: &id.topic.Number, ThreadId: &id.thread, CommentId: &id.comment,
		}))
	}
	w, err := a.itemIn(ctx, ref, id.topic.Number)
	if err != nil {
		return err
	}
	kind := workitemtracking.CommentReactionTypeValues.Like
	if reaction == forge.ReactionConfused {
		kind = workitemtracking.CommentReactionTypeValues.Confused
	}
	of := w.text(fieldProject)
	_, err = a.work.CreateCommentReaction(ctx, workitemtracking.CreateCommentReactionArgs{
		Project: &of, WorkItemId: &id.topic.Number, CommentId: &id.comment, ReactionType: &kind,
	})
	return translate(doing, err)
}

// ReactToIssue implements [forge.Conversation]: a work item has no reactions, and its tag
// and the status comment show the same.
func (a *Adapter) ReactToIssue(context.Context, forge.RepositoryRef, int, forge.Reaction) error {
	return nil
}
