package emulator

import (
	"net/http"
	"slices"
	"strings"
)

func (f *Forge) itemCommentURL(c *itemComment) string {
	return f.itemURL(c.item) + "/comments/" + str(c.id)
}

// commentItem adds a comment, whose text has been sanitized; that is a revision of the work item.
func (f *Forge) commentItem(w *workItem, by *user, text string) *itemComment {
	now := f.moment()
	said := &itemComment{id: f.newID(), item: w, author: by, editor: by, text: text, version: 1, created: now, modified: now}
	w.comments = append(w.comments, said)
	f.noteHTML(w, by, text)
	f.reviseItem(w, by, nil, said, nil)
	said.created, said.modified = w.updates[len(w.updates)-1].at, w.updates[len(w.updates)-1].at
	return said
}

func (f *Forge) itemCommentJSON(c *itemComment, expand string) obj {
	o := obj{"workItemId": c.item.id, "id": c.id, "version": c.version, "text": c.text, "createdBy": f.identityRef(c.author),
		"createdDate": azureDate(c.created), "modifiedBy": f.identityRef(c.editor), "modifiedDate": azureDate(c.modified), "format": "html",
		"url": f.itemCommentURL(c)}
	if c.deleted {
		o["isDeleted"] = true
		delete(o, "text")
	}
	expand = strings.ToLower(expand)
	if strings.Contains(expand, "renderedtext") || expand == "all" {
		o["renderedText"] = c.text
	}
	if expand == "reactions" || expand == "all" {
		o["reactions"] = f.itemReactionsJSON(c, nil)
	}
	return o
}

var commentExpansions = []string{"", "none", "reactions", "renderedtext", "renderedtextonly", "all"}

func (c *azureCall) expansion() (string, error) {
	expand := strings.ToLower(c.param("$expand"))
	if !slices.Contains(commentExpansions, expand) {
		return "", c.unknown("query $expand=" + expand)
	}
	return expand, nil
}

// maxCommentPage is the most and the default of one page.
const maxCommentPage = 200

// listItemComments is newest first unless asked otherwise; a page ends with the token of the next.
func (c *azureCall) listItemComments() (response, error) {
	w, err := c.readable(c.num("workItemId"))
	if err != nil {
		return response{}, err
	}
	expand, err := c.expansion()
	if err != nil {
		return response{}, err
	}
	order := strings.ToLower(firstOf(c.param("order"), "desc"))
	if order != "asc" && order != "desc" {
		return response{}, badArgument("The order '%s' is not valid.", order)
	}
	wanted := splitList(c.param("ids"))
	var found []*itemComment
	for _, said := range w.comments {
		if (!said.deleted || c.param("includeDeleted") == "true") && (len(wanted) == 0 || slices.Contains(wanted, str(said.id))) {
			found = append(found, said)
		}
	}
	if order == "desc" {
		slices.Reverse(found)
	}
	total := len(found)
	if token := c.param("continuationToken"); token != "" {
		at := slices.IndexFunc(found, func(said *itemComment) bool { return str(said.id) == token })
		if at < 0 {
			return response{}, badArgument("The continuation token is not valid.")
		}
		found = found[at:]
	}
	size := min(positive(c.param("$top"), maxCommentPage), maxCommentPage)
	o := obj{"totalCount": total, "url": c.f.itemURL(w) + "/comments"}
	if len(found) > size {
		o["continuationToken"] = str(found[size].id)
		o["nextPage"] = c.f.itemURL(w) + "/comments?continuationToken=" + str(found[size].id)
		found = found[:size]
	}
	out := []obj{}
	for _, said := range found {
		out = append(out, c.f.itemCommentJSON(said, expand))
	}
	return ok(o.with(obj{"count": len(out), "comments": out}))
}

func (c *azureCall) wantedItemComment() (*itemComment, error) {
	w, err := c.readable(c.num("workItemId"))
	if err != nil {
		return nil, err
	}
	for _, said := range w.comments {
		if said.id == c.id("commentId") && (!said.deleted || c.param("includeDeleted") == "true") {
			return said, nil
		}
	}
	return nil, azureFailure(http.StatusNotFound, "CommentNotFoundException", "VS403686: The comment with id %s was not found.", c.vars["commentId"])
}

func (c *azureCall) writableItemComment() (*itemComment, error) {
	said, err := c.wantedItemComment()
	if err != nil {
		return nil, err
	}
	return said, c.mayWriteItems(said.item.project)
}

func (c *azureCall) getItemComment() (response, error) {
	said, err := c.wantedItemComment()
	if err != nil {
		return response{}, err
	}
	expand, err := c.expansion()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.itemCommentJSON(said, expand))
}

// itemText reads and sanitizes the text of a comment.
func (c *azureCall) itemText() (string, error) {
	var in struct {
		Text string `json:"text"`
	}
	if format := c.param("format"); format != "" && !strings.EqualFold(format, "html") {
		return "", c.unknown("query format=" + format)
	}
	if err := c.decode(&in); err != nil {
		return "", err
	}
	if strings.TrimSpace(in.Text) == "" {
		return "", azureFailure(http.StatusBadRequest, "VssPropertyValidationException", "Value cannot be null or empty.\r\nParameter name: text")
	}
	return sanitizeHTML(in.Text), nil
}

func (c *azureCall) addItemComment() (response, error) {
	w, err := c.writable(c.num("workItemId"))
	if err != nil {
		return response{}, err
	}
	text, err := c.itemText()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.itemCommentJSON(c.f.commentItem(w, c.who.user, text), ""))
}

// updateItemComment is for the author only; it makes another version, and changes the work item.
func (c *azureCall) updateItemComment() (response, error) {
	said, err := c.writableItemComment()
	if err != nil {
		return response{}, err
	}
	text, err := c.itemText()
	if err != nil {
		return response{}, err
	}
	if said.author != c.who.user {
		return response{}, notYourItemComment()
	}
	said.text, said.editor = text, c.who.user
	said.version++
	c.f.noteHTML(said.item, c.who.user, text)
	said.modified = c.f.reviseItem(said.item, c.who.user, nil, said, nil).at
	return ok(c.f.itemCommentJSON(said, ""))
}

func notYourItemComment() error {
	return azureFailure(http.StatusForbidden, "CommentUpdateException", "VS403690: Comment can only be changed by its author.")
}

func (c *azureCall) deleteItemComment() (response, error) {
	said, err := c.writableItemComment()
	if err != nil {
		return response{}, err
	}
	if said.author != c.who.user {
		return response{}, notYourItemComment()
	}
	said.deleted, said.text = true, ""
	said.version++
	said.modified = c.f.reviseItem(said.item, c.who.user, map[string]any{"System.CommentCount": said.item.liveComments()}, said, nil).at
	return noContent()
}
