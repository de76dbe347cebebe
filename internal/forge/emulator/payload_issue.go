package emulator

import (
	"slices"
	"strings"
)

func (f *Forge) labelJSON(r *repository, l *label) obj {
	return obj{"id": l.id, "node_id": nodeID("LA", l.id), "url": f.repoURL(r, "/labels/"+pathEscape(l.name)),
		"name": l.name, "color": l.color, "default": l.name == "bug" || l.name == "enhancement", "description": orNull(l.description)}
}

func (f *Forge) labelsJSON(r *repository, labels []*label) []obj {
	out := []obj{}
	for _, l := range labels {
		out = append(out, f.labelJSON(r, l))
	}
	return out
}

var reactionNames = []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}

// reactionsJSON is the rollup of reactions; self is the object's own address.
func reactionsJSON(self string, reactions []*reaction) obj {
	o := obj{"url": self + "/reactions", "total_count": len(reactions)}
	for _, name := range reactionNames {
		o[name] = 0
	}
	for _, r := range reactions {
		o[r.content] = o[r.content].(int) + 1
	}
	return o
}

func (f *Forge) reactionJSON(r *reaction) obj {
	return obj{"id": r.id, "node_id": nodeID("REA", r.id), "user": f.userJSON(r.author), "content": r.content,
		"created_at": stamp(r.created)}
}

func (f *Forge) issueURL(i *issue) string { return f.repoURL(i.repo, "/issues/"+str(int64(i.number))) }

// issueHTML is the page of the issue or pull request.
func (f *Forge) issueHTML(i *issue) string {
	kind := "/issues/"
	if i.pull != nil {
		kind = "/pull/"
	}
	return f.base + "/" + i.repo.fullName() + kind + str(int64(i.number))
}

func state(open bool) string {
	if open {
		return "open"
	}
	return "closed"
}

// issueJSON is GitHub's issue; a pull request has the extra pull_request and draft.
func (f *Forge) issueJSON(i *issue) obj {
	self := f.issueURL(i)
	o := obj{
		"url": self, "repository_url": f.repoURL(i.repo, ""), "labels_url": self + "/labels{/name}",
		"comments_url": self + "/comments", "events_url": self + "/events", "html_url": f.issueHTML(i),
		"timeline_url": self + "/timeline", "id": i.id, "node_id": nodeID("I", i.id), "number": i.number,
		"title": i.title, "user": f.userJSON(i.author), "labels": f.labelsJSON(i.repo, i.labels),
		"state": state(i.open), "state_reason": orNull(i.stateReason), "locked": false,
		"assignee": nil, "assignees": f.usersJSON(i.assignees), "milestone": nil, "comments": len(i.comments),
		"created_at": stamp(i.created), "updated_at": stamp(i.updated), "closed_at": stampOrNull(i.closed),
		"author_association": i.repo.association(i.author), "active_lock_reason": nil, "body": orNull(i.body),
		"reactions": reactionsJSON(self, i.reactions), "performed_via_github_app": f.appOrNull(i.via),
	}
	if len(i.assignees) > 0 {
		o["assignee"] = f.userJSON(i.assignees[0])
	}
	if i.pull != nil {
		html := f.issueHTML(i)
		o["draft"] = i.pull.draft
		o["pull_request"] = obj{"url": f.pullURL(i.pull), "html_url": html, "diff_url": html + ".diff",
			"patch_url": html + ".patch", "merged_at": stampOrNull(i.pull.merged)}
	}
	return o
}

func (f *Forge) commentHTML(c *comment) string {
	return f.issueHTML(c.issue) + "#issuecomment-" + str(c.id)
}

func (f *Forge) commentJSON(c *comment) obj {
	self := f.repoURL(c.issue.repo, "/issues/comments/"+str(c.id))
	return obj{
		"url": self, "html_url": f.commentHTML(c), "issue_url": f.issueURL(c.issue), "id": c.id,
		"node_id": nodeID("IC", c.id), "user": f.userJSON(c.author), "created_at": stamp(c.created),
		"updated_at": stamp(c.updated), "author_association": c.issue.repo.association(c.author), "body": c.body,
		"reactions": reactionsJSON(self, c.reactions), "performed_via_github_app": f.appOrNull(c.via),
	}
}

// eventJSON is GitHub's issue event; withIssue is the form of the repository-wide list.
func (f *Forge) eventJSON(e *issueEvent, withIssue bool) obj {
	r := e.issue.repo
	o := obj{
		"id": e.id, "node_id": nodeID("IE", e.id), "url": f.repoURL(r, "/issues/events/"+str(e.id)),
		"actor": f.userJSON(e.actor), "event": e.event, "commit_id": orNull(e.commit), "commit_url": nil,
		"created_at": stamp(e.created), "performed_via_github_app": f.appOrNull(e.via),
	}
	if e.commit != "" {
		o["commit_url"] = f.repoURL(r, "/commits/"+e.commit)
	}
	if e.label != nil {
		o["label"] = obj{"name": e.label.name, "color": e.label.color}
	}
	if e.event == "renamed" {
		o["rename"] = obj{"from": e.rename[0], "to": e.rename[1]}
	}
	if e.review != nil {
		dismissed := obj{"state": strings.ToLower(e.was), "review_id": e.review.id, "dismissal_message": orNull(e.message)}
		if e.dismissal != "" {
			dismissed["dismissal_commit_id"] = e.dismissal
		}
		o["dismissed_review"] = dismissed
	}
	if withIssue {
		o["issue"] = f.issueJSON(e.issue)
	}
	return o
}

// appJSON is GitHub's integration object.
func (f *Forge) appJSON(a *app) obj {
	events := slices.Clone(a.manifest.Events)
	if events == nil {
		events = []string{}
	}
	external := a.manifest.URL
	if external == "" {
		external = f.base + "/apps/" + a.slug
	}
	return obj{
		"id": a.id, "slug": a.slug, "node_id": nodeID("A", a.id), "owner": f.userJSON(f.ownerOf(a)),
		"name": a.manifest.Name, "description": orNull(a.manifest.Description), "external_url": external,
		"html_url": f.base + "/apps/" + a.slug, "created_at": stamp(a.created), "updated_at": stamp(a.created),
		"permissions": a.manifest.Permissions, "events": events,
	}
}

func (f *Forge) appOrNull(a *app) any {
	if a == nil {
		return nil
	}
	return f.appJSON(a)
}

func (f *Forge) installationJSON(i *installation) obj {
	html := f.base + "/settings/installations/" + str(i.id)
	events := slices.Clone(i.app.manifest.Events)
	if events == nil {
		events = []string{}
	}
	return obj{
		"id": i.id, "account": f.userJSON(i.account), "repository_selection": "selected",
		"access_tokens_url": f.apiURL("app/installations/" + str(i.id) + "/access_tokens"),
		"repositories_url":  f.apiURL("installation/repositories"), "html_url": html,
		"app_id": i.app.id, "app_slug": i.app.slug, "target_id": i.account.id, "target_type": i.account.kind,
		"permissions": i.app.manifest.Permissions, "events": events,
		"created_at": stamp(i.created), "updated_at": stamp(i.updated), "single_file_name": nil,
		"has_multiple_single_files": false, "single_file_paths": []string{}, "suspended_by": nil, "suspended_at": nil,
	}
}

// hookJSON describes an App's webhook in its ping.
func (f *Forge) hookJSON(a *app) obj {
	return obj{
		"type": "App", "id": a.hookID, "name": "web", "active": true, "app_id": a.id, "events": a.manifest.Events,
		"config":     obj{"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": a.hookURL},
		"updated_at": stamp(f.now()), "created_at": stamp(a.created), "url": f.apiURL("app/hook/config"),
		"ping_url": f.apiURL("app/hook/pings"), "deliveries_url": f.apiURL("app/hook/deliveries"),
	}
}
