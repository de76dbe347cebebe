package emulator

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func (f *Forge) hookPush(r *repository, p *Push) {
	commits, err := f.gitCommitsJSON(r, f.newCommits(r, p))
	if err != nil {
		f.log.Error("listing pushed commits", "error", err)
	}
	resource := f.gitPushJSON(r, p)
	resource["refUpdates"] = []obj{{"name": p.Ref, "oldObjectId": p.Old, "newObjectId": p.New}}
	branch := strings.TrimPrefix(p.Ref, "refs/heads/")
	f.publish(hookEvent{event: "git.push", project: r.owner, repo: r, branch: branch,
		text:     p.actor.displayName() + " pushed updates to " + r.name + ":" + branch + ".",
		resource: resource.with(obj{"commits": commits}), minimal: obj{"pushId": p.ID, "url": resource["url"]}})
}

// hookPull tells of a pull request. What was done stands in the message.
func (f *Forge) hookPull(p *pull, by *user, event, done string) {
	r := p.issue.repo
	named := fmt.Sprintf("pull request %d (%s) in %s", p.issue.number, p.issue.title, r.name)
	text := by.displayName() + " " + done + " " + named
	switch event {
	case "git.pullrequest.created":
		text = by.displayName() + " created " + named
	case "git.pullrequest.merged":
		text = by.displayName() + " has created a merge commit for " + named
	}
	f.publish(hookEvent{event: event, project: r.owner, repo: r, branch: p.baseRef, text: text, resource: f.gitPullJSON(p),
		minimal: obj{"pullRequestId": p.issue.number, "url": f.gitPullURL(p)}})
}

// hookThreadComment tells of a comment on a pull request, in version 2 of the resource.
func (f *Forge) hookThreadComment(t *thread, c *threadComment, by *user, done string) {
	p := t.pull
	r := p.issue.repo
	said := f.threadCommentJSON(t, c)
	f.publish(hookEvent{event: "ms.vss-code.git-pullrequest-comment-event", project: r.owner, repo: r, branch: p.baseRef,
		text:   fmt.Sprintf("%s %s pull request %d (%s)", by.displayName(), done, p.issue.number, p.issue.title),
		detail: fmt.Sprintf("%s %s pull request %d (%s)\r\n%s", by.displayName(), done, p.issue.number, p.issue.title, c.content), resource: obj{"comment": said, "pullRequest": f.gitPullJSON(p)},
		minimal: obj{"comment": obj{"id": c.id, "_links": said["_links"]}, "pullRequest": obj{"pullRequestId": p.issue.number, "url": f.gitPullURL(p)}}})
}

// plainFields are fields as service hooks have them: people are "Name <address>".
func (f *Forge) plainFields(w *workItem) obj {
	out := obj{}
	for name, value := range w.fields {
		out[name] = f.plainField(value)
	}
	return out
}

func (f *Forge) plainField(value any) any {
	switch v := value.(type) {
	case *user:
		return v.displayName() + " <" + f.mail(v) + ">"
	case time.Time:
		return azureDate(v)
	}
	return value
}

// hookItem tells of a revision of a work item: created or updated, and commented on if that is what it was.
func (f *Forge) hookItem(w *workItem, up *itemUpdate, first bool) {
	named := fmt.Sprintf("%s #%d (%s)", w.kind(), w.id, w.text("System.Title"))
	page := "\r\n(" + f.itemPage(w) + ")"
	self := f.itemURL(w)
	e := hookEvent{event: "workitem.updated", project: w.project, kind: w.kind(), text: named + " updated by " + up.by.displayName() + page}
	if first {
		e.event, e.text = "workitem.created", named+" created by "+up.by.displayName()+page
		e.resource = obj{"id": w.id, "rev": w.rev, "fields": f.plainFields(w), "_links": obj{"self": href(self), "html": href(f.itemPage(w))}, "url": self}
		e.minimal = obj{"id": w.id, "url": self}
		f.publish(e)
		return
	}
	fields := obj{}
	for name, change := range up.fields {
		o := obj{}
		if change[0] != nil {
			o["oldValue"] = f.plainField(change[0])
		}
		if change[1] != nil {
			o["newValue"] = f.plainField(change[1])
		}
		fields[name] = o
	}
	update := f.updateJSON(w, up)
	e.resource = update.with(obj{"fields": fields, "_links": obj{"self": href(update["url"].(string)), "parent": href(self), "html": href(f.itemPage(w))},
		"revision": obj{"id": w.id, "rev": w.rev, "fields": f.plainFields(w), "url": self + "/revisions/" + strconv.Itoa(w.rev)}})
	e.minimal = obj{"id": up.rev, "workItemId": w.id, "url": update["url"]}
	f.publish(e)
	if up.comment != nil && up.comment.version == 1 && !up.comment.deleted {
		f.hookItemComment(w, up, named, page)
	}
}

// hookItemComment tells of a new comment; its text is the history of the revision.
func (f *Forge) hookItemComment(w *workItem, up *itemUpdate, named, page string) {
	self := f.itemURL(w)
	text := named + " commented on by " + up.by.displayName() + page
	ref := obj{"commentId": up.comment.id, "version": up.comment.version, "url": f.itemCommentURL(up.comment) + "/versions/1"}
	f.publish(hookEvent{event: "workitem.commented", project: w.project, kind: w.kind(), text: text, detail: text + "\r\n\r\n" + htmlText(up.comment.text),
		resource: obj{"id": w.id, "rev": w.rev, "fields": f.plainFields(w).with(obj{"System.History": up.comment.text}), "commentVersionRef": ref,
			"_links": obj{"self": href(self), "html": href(f.itemPage(w))}, "url": self},
		minimal: obj{"id": w.id, "url": self}})
}
