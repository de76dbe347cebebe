package emulator

// emit tells every App that is installed on the repository of an event. It needs the lock, as all here.
func (f *Forge) emit(r *repository, sender *user, event string, payload obj) {
	for _, a := range f.apps {
		inst := a.installationFor(r)
		if inst == nil {
			continue
		}
		f.deliver(a, inst, r, event, payload.with(obj{"repository": f.hookRepoJSON(r), "sender": f.userJSON(sender),
			"installation": obj{"id": inst.id, "node_id": nodeID("IN", inst.id)}}))
	}
}

func (f *Forge) emitIssue(i *issue, sender *user, action string, more obj) {
	f.emit(i.repo, sender, "issues", obj{"action": action, "issue": f.issueJSON(i)}.with(more))
}

func (f *Forge) emitComment(c *comment, sender *user, action string, more obj) {
	f.emit(c.issue.repo, sender, "issue_comment",
		obj{"action": action, "issue": f.issueJSON(c.issue), "comment": f.commentJSON(c)}.with(more))
}

func (f *Forge) emitPull(p *pull, sender *user, action string, more obj) {
	f.emit(p.issue.repo, sender, "pull_request",
		obj{"action": action, "number": p.issue.number, "pull_request": f.hookPullJSON(p)}.with(more))
}

func (f *Forge) emitReview(rv *review, sender *user, action string, more obj) {
	f.emit(rv.pull.issue.repo, sender, "pull_request_review",
		obj{"action": action, "review": f.hookReviewJSON(rv), "pull_request": f.hookSimplePullJSON(rv.pull)}.with(more))
}

// emitInstallation tells the App itself that it was installed or removed.
func (f *Forge) emitInstallation(i *installation, action string, repos []*repository) {
	f.deliver(i.app, i, nil, "installation", obj{"action": action, "installation": f.installationJSON(i),
		"repositories": f.shortReposJSON(repos), "sender": f.userJSON(i.account)})
}

func (f *Forge) emitInstallationRepositories(i *installation, action string, repos []*repository) {
	payload := obj{"action": action, "installation": f.installationJSON(i), "repository_selection": "selected",
		"repositories_added": []obj{}, "repositories_removed": []obj{}, "requester": nil, "sender": f.userJSON(i.account)}
	payload["repositories_"+action] = f.shortReposJSON(repos)
	f.deliver(i.app, i, nil, "installation_repositories", payload)
}

func (f *Forge) shortReposJSON(repos []*repository) []obj {
	out := []obj{}
	for _, r := range repos {
		out = append(out, f.shortRepoJSON(r))
	}
	return out
}

// addEvent records an issue event.
func (f *Forge) addEvent(i *issue, who caller, e issueEvent) {
	e.id, e.issue, e.actor, e.via, e.created = f.newID(), i, who.user, who.via(), f.now()
	i.repo.events = append(i.repo.events, &e)
	i.updated = e.created
}
