package azuredevops

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
)

// commentID tells where a comment is, as the service numbers comments within threads.
// "w7.12" is comment 12 of work item 7, "p9.3.1" comment 1 in thread 3 of pull request 9.
type commentID struct {
	topic   forge.Topic
	thread  int
	comment int
}

func (c commentID) String() string {
	if c.topic.PullRequest {
		return fmt.Sprintf("p%d.%d.%d", c.topic.Number, c.thread, c.comment)
	}
	return fmt.Sprintf("w%d.%d", c.topic.Number, c.comment)
}

func parseCommentID(text string) (commentID, error) {
	bad := fmt.Errorf("comment %q: not an id of Azure DevOps: %w", text, forge.ErrNotFound)
	if len(text) < 2 || len(text) > 64 {
		return commentID{}, bad
	}
	var numbers []int
	for part := range strings.SplitSeq(text[1:], ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n <= 0 {
			return commentID{}, bad
		}
		numbers = append(numbers, n)
	}
	switch {
	case text[0] == 'w' && len(numbers) == 2:
		return commentID{topic: forge.IssueTopic(numbers[0]), comment: numbers[1]}, nil
	case text[0] == 'p' && len(numbers) == 3:
		return commentID{topic: forge.PullTopic(numbers[0]), thread: numbers[1], comment: numbers[2]}, nil
	}
	return commentID{}, bad
}

// Comments implements [forge.Issues].
func (a *Adapter) Comments(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.Comment, error) {
	w, err := a.itemIn(ctx, ref, number)
	if err != nil {
		return nil, err
	}
	return a.itemComments(ctx, w, time.Time{})
}

// itemComments reads the comments of a work item that were changed at or after since,
// oldest first. They come newest first, so that the reading can end.
func (a *Adapter) itemComments(ctx context.Context, w workItem, since time.Time) ([]forge.Comment, error) {
	doing := fmt.Sprintf("read the comments of work item %d", w.id)
	of, most, order, token := w.text(fieldProject), perPage, workitemtracking.CommentSortOrderValues.Desc, (*string)(nil)
	var all []forge.Comment
	for range maxPages {
		page, err := a.work.GetComments(ctx, workitemtracking.GetCommentsArgs{
			Project: &of, WorkItemId: &w.id, Top: &most, Order: &order, ContinuationToken: token,
		})
		if err != nil {
			return nil, translate(doing, err)
		}
		ended := is(page.ContinuationToken) == ""
		for _, c := range is(page.Comments) {
			if is(c.IsDeleted) {
				continue
			}
			comment, err := a.itemComment(ctx, w, c)
			if err != nil {
				return nil, err
			}
			ended = ended || comment.CreatedAt.Before(since)
			if !comment.UpdatedAt.Before(since) {
				all = append(all, comment)
			}
		}
		if ended {
			slices.SortStableFunc(all, func(a, b forge.Comment) int { return a.CreatedAt.Compare(b.CreatedAt) })
			return all, nil
		}
		token = page.ContinuationToken
	}
	return nil, fmt.Errorf("%s: more than %d", doing, maxPages*perPage)
}

// itemComment makes a comment of the service's. Whoever may bypass rules can write in
// another's name; such a comment is nobody's.
func (a *Adapter) itemComment(ctx context.Context, w workItem, c workitemtracking.Comment) (forge.Comment, error) {
	author, err := a.userOf(ctx, c.CreatedBy)
	if err != nil {
		return forge.Comment{}, err
	}
	if inAnothersName(personOf(c.CreatedOnBehalfOf), author) {
		author.Kind = forge.Other
	}
	created, updated := at(c.CreatedDate), at(c.ModifiedDate)
	switch {
	case is(c.Version) > 1 && !updated.After(created):
		updated = created.Add(time.Nanosecond)
	case is(c.Version) <= 1 || updated.IsZero():
		updated = created
	}
	body := is(c.Text)
	if c.Format == nil || !strings.EqualFold(string(*c.Format), "markdown") {
		body = textOf(body)
	}
	id := commentID{topic: forge.IssueTopic(w.id), comment: is(c.Id)}
	return forge.Comment{
		ID: id.String(), Topic: id.topic, Author: author, Body: body, CreatedAt: created, UpdatedAt: updated,
		URL: a.page(w.text(fieldProject), "_workitems", "edit", strconv.Itoa(w.id)) + "#" + strconv.Itoa(id.comment),
	}, nil
}

// inAnothersName compares by what the service tells: of whom an import speaks it may have a
// name alone.
func inAnothersName(of person, author forge.User) bool {
	switch {
	case of.id != "":
		return of.id != author.Subject.ID
	case of.unique != "":
		return !strings.EqualFold(of.unique, author.Login)
	}
	return of.display != "" && !strings.Contains(of.display, author.Name)
}

// upsertItemComment edits the comment of ours that ends with the marker's line, or posts
// one. Work items lose HTML comments, so the line is what is seen of the marker.
func (a *Adapter) upsertItemComment(ctx context.Context, ref forge.RepositoryRef, number int, marker, body string) (forge.Comment, error) {
	doing := fmt.Sprintf("comment on work item %d", number)
	w, err := a.itemIn(ctx, ref, number)
	if err != nil {
		return forge.Comment{}, err
	}
	self, err := a.Self(ctx, ref.Host)
	if err != nil {
		return forge.Comment{}, err
	}
	text, err := withRef(marker, body)
	if err != nil {
		return forge.Comment{}, err
	}
	comments, err := a.itemComments(ctx, w, time.Time{})
	if err != nil {
		return forge.Comment{}, err
	}
	of := w.text(fieldProject)
	for _, ours := range comments {
		if ours.Author.Subject != self.Subject || !hasRef(ours.Body, marker) {
			continue
		}
		if ours.Body == textOf(text) {
			return ours, nil
		}
		id, err := parseCommentID(ours.ID)
		if err != nil {
			return forge.Comment{}, err
		}
		edited, err := a.work.UpdateComment(ctx, workitemtracking.UpdateCommentArgs{
			Project: &of, WorkItemId: &number, CommentId: &id.comment, Request: &workitemtracking.CommentUpdate{Text: &text},
		})
		if err != nil {
			return forge.Comment{}, translate(doing, err)
		}
		return a.itemComment(ctx, w, *edited)
	}
	posted, err := a.work.AddComment(ctx, workitemtracking.AddCommentArgs{
		Project: &of, WorkItemId: &number, Request: &workitemtracking.CommentCreate{Text: &text},
	})
	if err != nil {
		return forge.Comment{}, translate(doing, err)
	}
	return a.itemComment(ctx, w, *posted)
}
