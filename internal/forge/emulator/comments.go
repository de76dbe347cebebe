package emulator

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// comment finds an issue comment of the repository by id, or nil.
func (r *repository) comment(id int64) *comment {
	for _, i := range r.issues {
		for _, c := range i.comments {
			if c.id == id {
				return c
			}
		}
	}
	return nil
}

type commentInput struct {
	Body string `json:"body"`
}

func (c *call) commentBody() (string, error) {
	var in commentInput
	if err := c.decode(&in); err != nil {
		return "", err
	}
	if strings.TrimSpace(in.Body) == "" {
		return "", invalid("IssueComment", "body", "missing_field", "")
	}
	return in.Body, tooLong("IssueComment", "body", in.Body, maxBody)
}

func (c *call) createComment() (response, error) {
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	body, err := c.commentBody()
	if err != nil {
		return response{}, err
	}
	return created(c.f.commentJSON(c.f.addComment(i, c.who, body)))
}

// addComment needs the lock.
func (f *Forge) addComment(i *issue, who caller, body string) *comment {
	now := f.now()
	cm := &comment{id: f.newID(), issue: i, author: who.user, via: who.via(), body: body, created: now, updated: now}
	i.comments = append(i.comments, cm)
	i.updated = now
	f.emitComment(cm, who.user, "created", nil)
	f.notice(i, who.user, body)
	return cm
}

func (c *call) wantedComment() (*comment, error) {
	if found := c.repo.comment(c.id("comment_id")); found != nil {
		return found, nil
	}
	return nil, notFound()
}

func (c *call) getComment() (response, error) {
	cm, err := c.wantedComment()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.commentJSON(cm))
}

// mayEdit says whether the caller may change another's comment: people with write access may.
func (c *call) mayEdit(author *user) bool {
	return author == c.who.user || c.who.token == nil && c.repo.level(c.who.user) >= levelWrite ||
		c.who.token != nil
}

func (c *call) editComment() (response, error) {
	cm, err := c.wantedComment()
	if err != nil {
		return response{}, err
	}
	if !c.mayEdit(cm.author) {
		return response{}, failure(http.StatusForbidden, "Must have write access to Repository.")
	}
	body, err := c.commentBody()
	if err != nil {
		return response{}, err
	}
	before := cm.body
	cm.body, cm.updated, cm.issue.updated = body, c.f.now(), c.f.now()
	c.f.emitComment(cm, c.who.user, "edited", obj{"changes": obj{"body": obj{"from": before}}})
	c.f.notice(cm.issue, c.who.user, body)
	return ok(c.f.commentJSON(cm))
}

func (c *call) deleteComment() (response, error) {
	cm, err := c.wantedComment()
	if err != nil {
		return response{}, err
	}
	if !c.mayEdit(cm.author) {
		return response{}, failure(http.StatusForbidden, "Must have write access to Repository.")
	}
	c.f.emitComment(cm, c.who.user, "deleted", nil)
	cm.issue.comments = slices.DeleteFunc(cm.issue.comments, func(x *comment) bool { return x == cm })
	return noContent()
}

// listComments is one issue's, oldest first.
func (c *call) listComments() (response, error) {
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	since, err := c.since()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, cm := range i.comments {
		if !cm.updated.Before(since) {
			out = append(out, c.f.commentJSON(cm))
		}
	}
	return pages(out)
}

// listRepoComments is all issues', by creation or update; without sort the direction is ignored.
func (c *call) listRepoComments() (response, error) {
	key, err := c.one("sort", "created", "updated")
	if err != nil {
		return response{}, err
	}
	direction, err := c.one("direction", "asc", "desc")
	if err != nil {
		return response{}, err
	}
	since, err := c.since()
	if err != nil {
		return response{}, err
	}
	var found []*comment
	for _, i := range c.repo.issues {
		for _, cm := range i.comments {
			if !cm.updated.Before(since) {
				found = append(found, cm)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b *comment) int {
		order := cmp.Compare(a.id, b.id)
		if key == "updated" {
			order = cmp.Or(a.updated.Compare(b.updated), order)
		}
		if direction == "desc" && c.query.Has("sort") {
			return -order
		}
		return order
	})
	out := []obj{}
	for _, cm := range found {
		out = append(out, c.f.commentJSON(cm))
	}
	return pages(out)
}
