package emulator

import (
	"net/http"
	"slices"
)

func (c *call) reactToIssue() (response, error) {
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	return c.react(&i.reactions)
}

func (c *call) reactToComment() (response, error) {
	cm, err := c.wantedComment()
	if err != nil {
		return response{}, err
	}
	return c.react(&cm.reactions)
}

// react adds a reaction, or answers 200 with the one that the caller has left before.
func (c *call) react(list *[]*reaction) (response, error) {
	var in struct {
		Content string `json:"content"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if !slices.Contains(reactionNames, in.Content) {
		return response{}, invalid("Reaction", "content", "invalid", "")
	}
	for _, have := range *list {
		if have.author == c.who.user && have.content == in.Content {
			return ok(c.f.reactionJSON(have))
		}
	}
	r := &reaction{id: c.f.newID(), author: c.who.user, content: in.Content, created: c.f.now()}
	*list = append(*list, r)
	return created(c.f.reactionJSON(r))
}

func (c *call) listIssueReactions() (response, error) {
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	return c.listReactions(i.reactions)
}

func (c *call) listCommentReactions() (response, error) {
	cm, err := c.wantedComment()
	if err != nil {
		return response{}, err
	}
	return c.listReactions(cm.reactions)
}

func (c *call) listReactions(list []*reaction) (response, error) {
	out := []obj{}
	for _, r := range list {
		if want := c.query.Get("content"); want == "" || want == r.content {
			out = append(out, c.f.reactionJSON(r))
		}
	}
	return pages(out)
}

func (c *call) deleteIssueReaction() (response, error) {
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	return c.unreact(&i.reactions)
}

func (c *call) deleteCommentReaction() (response, error) {
	cm, err := c.wantedComment()
	if err != nil {
		return response{}, err
	}
	return c.unreact(&cm.reactions)
}

// unreact takes the caller's own reaction back.
func (c *call) unreact(list *[]*reaction) (response, error) {
	for n, r := range *list {
		if r.id == c.id("reaction_id") {
			if r.author != c.who.user {
				return response{}, failure(http.StatusForbidden, "Must be the author of the reaction.")
			}
			*list = slices.Delete(*list, n, n+1)
			return noContent()
		}
	}
	return response{}, notFound()
}
