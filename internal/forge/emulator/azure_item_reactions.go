package emulator

import (
	"slices"
	"strings"
)

// itemReactions are the kinds of reaction that there are.
var itemReactions = []string{"like", "dislike", "heart", "hooray", "smile", "confused"}

// itemReactionsJSON counts reactions by kind, in the eyes of the viewer.
func (f *Forge) itemReactionsJSON(c *itemComment, viewer *user) []obj {
	out := []obj{}
	for _, kind := range itemReactions {
		count, own := 0, false
		for _, r := range c.reactions {
			if r.content == kind {
				count++
				own = own || r.author == viewer
			}
		}
		if count > 0 {
			out = append(out, obj{"commentId": c.id, "type": kind, "count": count, "isCurrentUserEngaged": own,
				"url": f.itemCommentURL(c) + "/reactions/" + kind})
		}
	}
	return out
}

func (c *azureCall) listItemReactions() (response, error) {
	said, err := c.wantedItemComment()
	if err != nil {
		return response{}, err
	}
	return listed(c.f.itemReactionsJSON(said, c.who.user))
}

func (c *azureCall) wantedReaction() (*itemComment, string, error) {
	said, err := c.wantedItemComment()
	if err != nil {
		return nil, "", err
	}
	for _, kind := range itemReactions {
		if strings.EqualFold(kind, c.vars["reactionType"]) {
			return said, kind, nil
		}
	}
	return nil, "", badArgument("The reaction '%s' is not one that there is.", c.vars["reactionType"])
}

func (c *azureCall) reactToItemComment() (response, error) {
	said, kind, err := c.wantedReaction()
	if err == nil {
		err = c.mayWriteItems(said.item.project)
	}
	if err != nil {
		return response{}, err
	}
	mine := func(r *reaction) bool { return r.author == c.who.user && r.content == kind }
	if !slices.ContainsFunc(said.reactions, mine) {
		said.reactions = append(said.reactions, &reaction{id: c.f.newID(), author: c.who.user, content: kind, created: c.f.moment()})
	}
	return c.reactionAnswer(said, kind)
}

func (c *azureCall) unreactToItemComment() (response, error) {
	said, kind, err := c.wantedReaction()
	if err == nil {
		err = c.mayWriteItems(said.item.project)
	}
	if err != nil {
		return response{}, err
	}
	said.reactions = slices.DeleteFunc(said.reactions, func(r *reaction) bool { return r.author == c.who.user && r.content == kind })
	return c.reactionAnswer(said, kind)
}

func (c *azureCall) reactionAnswer(said *itemComment, kind string) (response, error) {
	for _, o := range c.f.itemReactionsJSON(said, c.who.user) {
		if o["type"] == kind {
			return ok(o)
		}
	}
	return ok(obj{"commentId": said.id, "type": kind, "count": 0, "isCurrentUserEngaged": false, "url": c.f.itemCommentURL(said) + "/reactions/" + kind})
}

func (c *azureCall) engagedUsers() (response, error) {
	said, kind, err := c.wantedReaction()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, r := range said.reactions {
		if r.content == kind {
			out = append(out, c.f.identityRef(r.author))
		}
	}
	return listed(c.paging(out, 200))
}
