package github

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// UpsertComment implements [forge.Conversation]. The marker is put at the start of
// the body if it is not there; a comment is ours if our bot account wrote it and
// it starts with the marker, so that quoting the marker adopts nothing.
func (a *Adapter) UpsertComment(ctx context.Context, ref forge.RepositoryRef, topic forge.Topic, marker, body string) (forge.Comment, error) {
	number := topic.Number
	doing := fmt.Sprintf("comment on %s#%d", ref.FullName(), number)
	if marker == "" || number <= 0 {
		return forge.Comment{}, fmt.Errorf("%s: a marker and a number are needed to find the comment again", doing)
	}
	client, err := a.reader(ctx, ref, opWriteComment)
	if err != nil {
		return forge.Comment{}, err
	}
	self, err := a.selfBy(ctx, client)
	if err != nil {
		return forge.Comment{}, err
	}
	if !strings.HasPrefix(body, marker) {
		body = marker + "\n" + body
	}
	comments, err := listComments(ctx, client, ref, doing, number, gh.IssueListCommentsOptions{})
	if err != nil {
		return forge.Comment{}, err
	}
	for _, ours := range comments {
		if ours.Author.Subject == self.Subject && strings.HasPrefix(ours.Body, marker) {
			return editComment(ctx, client, ref, doing, ours, body)
		}
	}
	posted, _, err := client.Issues.CreateComment(ctx, ref.Owner, ref.Name, number, &gh.IssueComment{Body: &body})
	if err != nil {
		return forge.Comment{}, translate(doing, err)
	}
	return commentOf(posted), nil
}

func editComment(ctx context.Context, client *gh.Client, ref forge.RepositoryRef, doing string,
	ours forge.Comment, body string) (forge.Comment, error) {
	if sameText(ours.Body, body) {
		return ours, nil
	}
	id, err := objectID("comment", ours.ID)
	if err != nil {
		return forge.Comment{}, err
	}
	edited, _, err := client.Issues.EditComment(ctx, ref.Owner, ref.Name, id, &gh.IssueComment{Body: &body})
	if err != nil {
		return forge.Comment{}, translate(doing, err)
	}
	return commentOf(edited), nil
}

// sameText leaves out what a forge may normalize.
func sameText(a, b string) bool {
	plain := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return plain(a) == plain(b)
}

// React implements [forge.Conversation]. GitHub answers 200 to a repetition.
func (a *Adapter) React(ctx context.Context, ref forge.RepositoryRef, commentID string, reaction forge.Reaction) error {
	id, err := objectID("comment", commentID)
	if err != nil {
		return err
	}
	client, err := a.rest(ref, opReact)
	if err != nil {
		return err
	}
	_, _, err = client.Reactions.CreateIssueCommentReaction(ctx, ref.Owner, ref.Name, id, string(reaction))
	return translate("react to comment "+commentID+" in "+ref.FullName(), err)
}

// ReactToIssue implements [forge.Conversation].
func (a *Adapter) ReactToIssue(ctx context.Context, ref forge.RepositoryRef, number int, reaction forge.Reaction) error {
	client, err := a.rest(ref, opReact)
	if err != nil {
		return err
	}
	_, _, err = client.Reactions.CreateIssueReaction(ctx, ref.Owner, ref.Name, number, string(reaction))
	return translate(fmt.Sprintf("react to %s#%d", ref.FullName(), number), err)
}

// objectID reads an id that this adapter gave out.
func objectID(what, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("%s %q: not a GitHub id: %w", what, text, forge.ErrNotFound)
	}
	return id, nil
}
