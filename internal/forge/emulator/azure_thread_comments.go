package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

type threadCommentInput struct {
	ID      int    `json:"id"`
	Parent  int    `json:"parentCommentId"`
	Content string `json:"content"`
	Kind    any    `json:"commentType"`
}

// commentKinds are in the order of their numbers.
var commentKinds = []string{"unknown", "text", "codeChange", "system"}

// kind is the type by name or number, text if none is given; "" is none that there is. People can call their own
// comments the system's.
func (in threadCommentInput) kind() string {
	for n, kind := range commentKinds[1:] {
		if name, is := in.Kind.(string); is && strings.EqualFold(name, kind) || in.Kind == float64(n+1) {
			return kind
		}
	}
	if in.Kind == nil {
		return "text"
	}
	return ""
}

func (f *Forge) threadCommentJSON(t *thread, c *threadComment) obj {
	likes := []obj{}
	for _, u := range c.likes {
		likes = append(likes, f.identityRef(u))
	}
	o := obj{"id": c.id, "parentCommentId": c.parent, "author": f.identityRef(c.author), "content": c.content,
		"publishedDate": azureDate(c.published), "lastUpdatedDate": azureDate(c.updated), "lastContentUpdatedDate": azureDate(c.edited),
		"commentType": c.kind, "usersLiked": likes,
		"_links": obj{"self": href(f.threadURL(t) + "/comments/" + strconv.Itoa(c.id)), "repository": href(f.gitAPI(t.pull.issue.repo)),
			"threads": href(f.threadURL(t)), "pullRequests": href(f.orgURL() + "/_apis/git/pullRequests/" + strconv.Itoa(t.pull.issue.number))}}
	if c.deleted {
		delete(o, "content")
		o["isDeleted"] = true
	}
	return o
}

func (c *azureCall) listThreadComments() (response, error) {
	t, err := c.wantedThread()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, said := range t.comments {
		out = append(out, c.f.threadCommentJSON(t, said))
	}
	return listed(out)
}

func (c *azureCall) wantedThreadComment() (*thread, *threadComment, error) {
	t, err := c.wantedThread()
	if err != nil {
		return nil, nil, err
	}
	if n := c.num("commentId"); n > 0 && n <= len(t.comments) {
		return t, t.comments[n-1], nil
	}
	return nil, nil, azureFailure(http.StatusNotFound, "DiscussionCommentNotFoundException", "The comment %s could not be found.", c.vars["commentId"])
}

func (c *azureCall) getThreadComment() (response, error) {
	t, said, err := c.wantedThreadComment()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.threadCommentJSON(t, said))
}

func (c *azureCall) createThreadComment() (response, error) {
	t, err := c.wantedThread()
	if err != nil {
		return response{}, err
	}
	var in threadCommentInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if in.ID != 0 {
		return response{}, c.unknown("body field id of a new comment")
	}
	if err := c.checkComment(in, len(t.comments)); err != nil {
		return response{}, err
	}
	said := c.f.addThreadComment(t, c.who.user, in, c.f.moment())
	c.f.hookThreadComment(t, said, c.who.user, "has commented on")
	return ok(c.f.threadCommentJSON(t, said))
}

// updateThreadComment is for the author only.
func (c *azureCall) updateThreadComment() (response, error) {
	t, said, err := c.wantedThreadComment()
	if err != nil {
		return response{}, err
	}
	var in threadCommentInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if err := c.checkComment(in, len(t.comments)); err != nil {
		return response{}, err
	}
	if in.Parent != 0 && in.Parent != said.parent || in.ID != 0 && in.ID != said.id || in.Kind != nil && in.kind() != said.kind {
		return response{}, c.unknown("body field id, parentCommentId or commentType on PATCH")
	}
	if said.author != c.who.user || said.kind == "system" || said.deleted {
		return response{}, notYourComment()
	}
	now := c.f.moment()
	said.content, said.updated, said.edited, t.updated = in.Content, now, now, now
	c.f.noteAzure(t.pull.issue.repo.fullName(), t.pull.issue.number, c.who.user, in.Content, false)
	c.f.hookThreadComment(t, said, c.who.user, "has edited a comment on")
	return ok(c.f.threadCommentJSON(t, said))
}

func notYourComment() error {
	return azureFailure(http.StatusForbidden, "DiscussionAccessDeniedException", "Only the author can change a comment.")
}

func (c *azureCall) deleteThreadComment() (response, error) {
	t, said, err := c.wantedThreadComment()
	if err != nil {
		return response{}, err
	}
	if said.author != c.who.user || said.kind == "system" {
		return response{}, notYourComment()
	}
	now := c.f.moment()
	said.deleted, said.content, said.updated, t.updated = true, "", now, now
	return response{status: http.StatusOK}, nil
}

func (c *azureCall) listLikes() (response, error) {
	_, said, err := c.wantedThreadComment()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, u := range said.likes {
		out = append(out, c.f.identityRef(u))
	}
	return listed(out)
}

func (c *azureCall) like() (response, error) {
	_, said, err := c.wantedThreadComment()
	if err != nil {
		return response{}, err
	}
	if !slices.Contains(said.likes, c.who.user) {
		said.likes = append(said.likes, c.who.user)
	}
	return response{status: http.StatusOK}, nil
}

func (c *azureCall) unlike() (response, error) {
	_, said, err := c.wantedThreadComment()
	if err != nil {
		return response{}, err
	}
	said.likes = slices.DeleteFunc(said.likes, func(u *user) bool { return u == c.who.user })
	return response{status: http.StatusOK}, nil
}
