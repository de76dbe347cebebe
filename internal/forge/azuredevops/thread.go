package azuredevops

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

// Properties of threads. The service's own are written by it for events; CoderFlow's is
// the marker by which it finds a thread again.
const (
	propertyKind   = "CodeReviewThreadType"
	propertyMarker = "CoderFlow.Marker"
)

// thread is a conversation of a pull request, or what the service notes of an event.
type thread struct {
	id        int
	kind      string // of the service's event; empty for a conversation
	marker    string
	published time.Time
	path      string // of the file that it is about; empty for the pull request
	line      int    // on the right side
	comments  []git.Comment
	raw       *git.GitPullRequestCommentThread
}

// threads reads the threads of a pull request, in the service's order of numbers.
func (a *Adapter) threads(ctx context.Context, ref forge.RepositoryRef, number int) ([]thread, error) {
	id, err := repositoryID(ref)
	if err != nil {
		return nil, err
	}
	found, err := a.git.GetThreads(ctx, git.GetThreadsArgs{RepositoryId: &id, PullRequestId: &number})
	if err != nil {
		return nil, translate(fmt.Sprintf("read the threads of pull request %d of %s", number, ref.FullName()), err)
	}
	var all []thread
	for _, t := range is(found) {
		if one := threadOf(&t); one.id > 0 && !is(t.IsDeleted) {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b thread) int { return a.id - b.id })
	return all, nil
}

// threadOf believes that an event is one only where the service says that it wrote the
// text: whoever may comment can give a thread any properties.
func threadOf(t *git.GitPullRequestCommentThread) thread {
	one := thread{id: is(t.Id), marker: property(t.Properties, propertyMarker), published: at(t.PublishedDate), raw: t}
	for _, c := range is(t.Comments) {
		if !is(c.IsDeleted) {
			one.comments = append(one.comments, c)
		}
	}
	if kind := property(t.Properties, propertyKind); kind != "" && len(one.comments) > 0 && is(one.comments[0].CommentType) == git.CommentTypeValues.System {
		one.kind = kind
	}
	if t.ThreadContext != nil {
		one.path = strings.TrimPrefix(is(t.ThreadContext.FilePath), "/")
		if one.path == "" {
			one.path = "/"
		}
		if from := t.ThreadContext.RightFileStart; from != nil {
			one.line = is(from.Line)
		}
	}
	return one
}

// named is who a property of an event points to, among the thread's identities.
func (t thread) named(name string) person {
	key := property(t.raw.Properties, name)
	if i, found := is(t.raw.Identities)[key]; found && key != "" {
		return personOf(&i)
	}
	return person{}
}

// written is who the service says wrote the first comment.
func (t thread) written() person {
	if len(t.comments) == 0 {
		return person{}
	}
	return personOf(t.comments[0].Author)
}

// pullComments reads what people and programs said in a pull request, oldest first: texts
// of the service are not among them.
func (a *Adapter) pullComments(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.Comment, error) {
	threads, err := a.threads(ctx, ref, number)
	if err != nil {
		return nil, err
	}
	var all []forge.Comment
	for _, t := range threads {
		for _, c := range t.comments {
			if is(c.CommentType) == git.CommentTypeValues.System || strings.TrimSpace(is(c.Content)) == "" {
				continue
			}
			comment, err := a.threadComment(ctx, ref, number, t, c)
			if err != nil {
				return nil, err
			}
			all = append(all, comment)
		}
	}
	slices.SortStableFunc(all, func(a, b forge.Comment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return all, nil
}

// threadComment makes a comment of the service's. Its other time changes with likes.
func (a *Adapter) threadComment(ctx context.Context, ref forge.RepositoryRef, number int, t thread, c git.Comment) (forge.Comment, error) {
	author, err := a.userOf(ctx, c.Author)
	if err != nil {
		return forge.Comment{}, err
	}
	created, updated := at(c.PublishedDate), at(c.LastContentUpdatedDate)
	if updated.Before(created) {
		updated = created
	}
	id := commentID{topic: forge.PullTopic(number), thread: t.id, comment: is(c.Id)}
	return forge.Comment{
		ID: id.String(), Topic: id.topic, Author: author, Body: is(c.Content), CreatedAt: created, UpdatedAt: updated,
		URL: a.threadPage(ref, number, t.id),
	}, nil
}

func (a *Adapter) threadPage(ref forge.RepositoryRef, number, thread int) string {
	return a.pullPage(ref, nil, number) + "?discussionId=" + strconv.Itoa(thread)
}

// ours finds the thread of CoderFlow with the marker: by the property, or by the text for
// a thread that lost it, and always by the author.
func ours(threads []thread, self forge.User, marker string) (thread, bool) {
	for _, t := range threads {
		if t.kind == "" && t.written().id == self.Subject.ID &&
			(t.marker == marker || t.marker == "" && strings.HasPrefix(is(t.comments[0].Content), marker)) {
			return t, true
		}
	}
	return thread{}, false
}

// upsertThread edits the first comment of the thread with the marker, or opens one. place
// is where in a file it is shown, if anywhere.
func (a *Adapter) upsertThread(ctx context.Context, ref forge.RepositoryRef, number int, marker, body string, place *git.GitPullRequestCommentThread) (thread, error) {
	doing := fmt.Sprintf("comment on pull request %d of %s", number, ref.FullName())
	id, err := repositoryID(ref)
	if err != nil {
		return thread{}, err
	}
	self, err := a.Self(ctx, ref.Host)
	if err != nil {
		return thread{}, err
	}
	if !strings.HasPrefix(body, marker) {
		body = marker + "\n" + body
	}
	threads, err := a.threads(ctx, ref, number)
	if err != nil {
		return thread{}, err
	}
	if t, found := ours(threads, self, marker); found {
		if sameText(is(t.comments[0].Content), body) {
			return t, nil
		}
		edited, err := a.git.UpdateComment(ctx, git.UpdateCommentArgs{
			RepositoryId: &id, PullRequestId: &number, ThreadId: &t.id, CommentId: t.comments[0].Id, Comment: &git.Comment{Content: &body},
		})
		if err != nil {
			return thread{}, translate(doing, err)
		}
		t.comments[0] = *edited
		return t, nil
	}
	return a.openThread(ctx, ref, number, marker, body, place)
}

func (a *Adapter) openThread(ctx context.Context, ref forge.RepositoryRef, number int, marker, body string, place *git.GitPullRequestCommentThread) (thread, error) {
	doing := fmt.Sprintf("comment on pull request %d of %s", number, ref.FullName())
	parent, kind := 0, git.CommentTypeValues.Text
	made := git.GitPullRequestCommentThread{
		Comments:   &[]git.Comment{{ParentCommentId: &parent, Content: &body, CommentType: &kind}},
		Properties: map[string]any{propertyMarker: map[string]any{"$type": "System.String", "$value": marker}},
	}
	if place != nil {
		made.ThreadContext, made.PullRequestThreadContext = place.ThreadContext, place.PullRequestThreadContext
	}
	posted, err := a.git.CreateThread(ctx, git.CreateThreadArgs{RepositoryId: &ref.ID, PullRequestId: &number, CommentThread: &made})
	if err != nil {
		return thread{}, translate(doing, err)
	}
	t := threadOf(posted)
	if len(t.comments) == 0 {
		return thread{}, fmt.Errorf("%s: Azure DevOps answered with a thread without a comment", doing)
	}
	return t, nil
}
