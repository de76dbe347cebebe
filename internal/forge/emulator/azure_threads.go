package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxThreadComment is the service's limit on a comment of a pull request, in characters.
const maxThreadComment = 150_000

// systemThread notes an event as the service does: a thread with properties, in which a *user stands for a key of the
// thread's identities. Without an author it is the service itself that wrote it.
func (f *Forge) systemThread(p *pull, author *user, kind, text string, properties map[string]any) *thread {
	now := f.moment()
	t := &thread{id: f.newID(), pull: p, published: now, updated: now, properties: map[string]any{"CodeReviewThreadType": kind}}
	for _, name := range sortedKeys(properties) {
		value := properties[name]
		switch v := value.(type) {
		case *user:
			value = t.identity(v)
		case []*user:
			var keys []string
			for _, u := range v {
				keys = append(keys, t.identity(u))
			}
			value = strings.Join(keys, ";")
		}
		t.properties[name] = value
	}
	t.comments = []*threadComment{{id: 1, author: author, content: text, kind: "system", published: now, updated: now, edited: now}}
	p.azure.threads = append(p.azure.threads, t)
	p.issue.updated = now
	return t
}

// identity is the key under which the thread's identities have the person.
func (t *thread) identity(u *user) string {
	at := slices.Index(t.identities, u)
	if at < 0 {
		t.identities = append(t.identities, u)
		at = len(t.identities) - 1
	}
	return strconv.Itoa(at + 1)
}

func (t *thread) deleted() bool {
	return !slices.ContainsFunc(t.comments, func(c *threadComment) bool { return !c.deleted })
}

func (f *Forge) threadURL(t *thread) string { return f.gitPullURL(t.pull) + "/threads/" + str(t.id) }

func (f *Forge) threadJSON(t *thread) obj {
	comments := []obj{}
	for _, c := range t.comments {
		comments = append(comments, f.threadCommentJSON(t, c))
	}
	o := obj{"id": t.id, "publishedDate": azureDate(t.published), "lastUpdatedDate": azureDate(t.updated), "comments": comments,
		"threadContext": nil, "pullRequestThreadContext": nil, "properties": typedProperties(t.properties), "identities": nil,
		"isDeleted": t.deleted(), "_links": obj{"self": href(f.threadURL(t)), "repository": href(f.gitAPI(t.pull.issue.repo))}}
	if t.status != "" {
		o["status"] = t.status
	}
	if t.context != nil {
		o["threadContext"] = t.context
	}
	if t.within != nil {
		o["pullRequestThreadContext"] = t.within
	}
	if len(t.identities) > 0 {
		identities := obj{}
		for n, u := range t.identities {
			identities[strconv.Itoa(n+1)] = f.identityRef(u)
		}
		o["identities"] = identities
	}
	return o
}

// typedProperties names the .NET type of every value.
func typedProperties(values map[string]any) any {
	if len(values) == 0 {
		return nil
	}
	out := obj{}
	for name, value := range values {
		kind := "System.String"
		switch value.(type) {
		case int:
			kind = "System.Int32"
		case float64:
			kind = "System.Double"
		}
		out[name] = obj{"$type": kind, "$value": value}
	}
	return out
}

func (c *azureCall) listThreads() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	if c.param("$iteration") != "" || c.param("$baseIteration") != "" {
		return response{}, c.unknown("query $iteration")
	}
	out := []obj{}
	for _, t := range p.azure.threads {
		out = append(out, c.f.threadJSON(t))
	}
	return listed(out)
}

func (c *azureCall) wantedThread() (*thread, error) {
	p, err := c.wantedPull()
	if err != nil {
		return nil, err
	}
	for _, t := range p.azure.threads {
		if t.id == c.id("threadId") {
			return t, nil
		}
	}
	return nil, azureFailure(http.StatusNotFound, "DiscussionThreadNotFoundException", "The discussion thread %s could not be found.", c.vars["threadId"])
}

func (c *azureCall) getThread() (response, error) {
	t, err := c.wantedThread()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.threadJSON(t))
}

type threadInput struct {
	ID         int64                      `json:"id"`
	Comments   []threadCommentInput       `json:"comments"`
	Status     any                        `json:"status"`
	Context    *threadContext             `json:"threadContext"`
	Within     *pullContext               `json:"pullRequestThreadContext"`
	Properties map[string]json.RawMessage `json:"properties"`
}

var threadStatuses = []string{"unknown", "active", "fixed", "wontFix", "closed", "byDesign", "pending"}

// statusOf reads a status by name or number.
func statusOf(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case float64:
		if int(v) < len(threadStatuses) && v >= 0 {
			return threadStatuses[int(v)], nil
		}
	case string:
		for _, s := range threadStatuses {
			if strings.EqualFold(s, v) {
				return s, nil
			}
		}
	}
	return "", badArgument("The status of the thread is not valid.")
}

// readProperties takes plain values, or those with their type.
func readProperties(raw map[string]json.RawMessage) (map[string]any, error) {
	out := map[string]any{}
	for name, text := range raw {
		var typed struct {
			Type  string `json:"$type"`
			Value any    `json:"$value"`
		}
		var value any
		if json.Unmarshal(text, &typed) == nil && typed.Type != "" {
			value = typed.Value
		} else if err := json.Unmarshal(text, &value); err != nil {
			return nil, badArgument("The property %s is not valid.", name)
		}
		if number, is := value.(float64); is && number == float64(int(number)) {
			value = int(number)
		}
		out[name] = value
	}
	return out, nil
}

// createThread opens a thread, with a place in a file or without.
func (c *azureCall) createThread() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	var in threadInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if err := c.checkNewThread(p, in); err != nil {
		return response{}, err
	}
	now := c.f.moment()
	t := &thread{id: c.f.newID(), pull: p, context: in.Context, within: in.Within, published: now, updated: now}
	if t.status, err = statusOf(in.Status); err != nil {
		return response{}, err
	}
	if t.properties, err = readProperties(in.Properties); err != nil {
		return response{}, err
	}
	for _, text := range in.Comments {
		c.f.addThreadComment(t, c.who.user, text, now)
	}
	p.azure.threads = append(p.azure.threads, t)
	for _, said := range t.comments {
		c.f.hookThreadComment(t, said, c.who.user, "has commented on")
	}
	return ok(c.f.threadJSON(t))
}

func (c *azureCall) checkNewThread(p *pull, in threadInput) error {
	if len(in.Comments) == 0 {
		return badArgument("A thread needs a comment.")
	}
	for n, said := range in.Comments {
		if err := c.checkComment(said, n); err != nil {
			return err
		}
	}
	if in.ID != 0 {
		return c.unknown("body field id of a new thread")
	}
	if at := in.Context; at != nil {
		if !strings.HasPrefix(at.FilePath, "/") {
			return badArgument("The file path of a thread begins with a slash.")
		}
		if !spans(at.LeftFileStart, at.LeftFileEnd) || !spans(at.RightFileStart, at.RightFileEnd) {
			return badArgument("The positions of a thread are not valid.")
		}
	}
	if in.Within != nil && in.Within.IterationContext != nil {
		last, between := len(p.azure.iterations), in.Within.IterationContext
		if between.First < 1 || between.Second < between.First || between.Second > last {
			return badArgument("The iterations of a thread are not valid.")
		}
	}
	return nil
}

// spans says whether two positions are the ends of a part of a file; there may be none.
func spans(start, end *filePosition) bool {
	if start == nil || end == nil {
		return start == nil && end == nil
	}
	return start.Line >= 1 && start.Offset >= 1 && (end.Line > start.Line || end.Line == start.Line && end.Offset >= start.Offset)
}

// checkComment holds a comment to what is kept of it; before is how many the thread has.
func (c *azureCall) checkComment(in threadCommentInput, before int) error {
	switch {
	case strings.TrimSpace(in.Content) == "":
		return badArgument("A comment cannot be empty.")
	case utf8.RuneCountInString(in.Content) > maxThreadComment:
		return badArgument("A comment must not be longer than %d characters.", maxThreadComment)
	case in.kind() == "":
		return badArgument("The type of the comment is not valid.")
	case in.Parent < 0 || in.Parent > before:
		return badArgument("The parent comment %d does not exist.", in.Parent)
	}
	return nil
}

func (c *azureCall) updateThread() (response, error) {
	t, err := c.wantedThread()
	if err != nil {
		return response{}, err
	}
	var in threadInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if len(in.Comments) > 0 || in.Context != nil || in.Within != nil || in.ID != 0 && in.ID != t.id {
		return response{}, c.unknown("body field id, comments or a context on PATCH")
	}
	if in.Status != nil {
		if t.status, err = statusOf(in.Status); err != nil {
			return response{}, err
		}
	}
	more, err := readProperties(in.Properties)
	if err != nil {
		return response{}, err
	}
	for name, value := range more {
		t.properties[name] = value
	}
	t.updated = c.f.moment()
	return ok(c.f.threadJSON(t))
}

func (f *Forge) addThreadComment(t *thread, author *user, in threadCommentInput, at time.Time) *threadComment {
	said := &threadComment{id: len(t.comments) + 1, parent: in.Parent, author: author, content: in.Content, kind: in.kind(), published: at, updated: at, edited: at}
	t.comments = append(t.comments, said)
	t.updated, t.pull.issue.updated = at, at
	f.noteAzure(t.pull.issue.repo.fullName(), t.pull.issue.number, author, in.Content, false)
	return said
}
