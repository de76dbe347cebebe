package emulator

import "strings"

func (f *Forge) pullURL(p *pull) string {
	return f.repoURL(p.issue.repo, "/pulls/"+str(int64(p.issue.number)))
}

// simplePullJSON is the pull request of lists; webhooks about reviews carry the same.
func (f *Forge) simplePullJSON(p *pull) obj {
	return f.pullBase(p, f.repoJSON)
}

// hookSimplePullJSON is simplePullJSON with the repository as webhooks have it.
func (f *Forge) hookSimplePullJSON(p *pull) obj { return f.pullBase(p, f.hookRepoJSON) }

func (f *Forge) pullBase(p *pull, repoJSON func(*repository) obj) obj {
	i, r := p.issue, p.issue.repo
	self, html := f.pullURL(p), f.issueHTML(p.issue)
	links := obj{
		"self": href(self), "html": href(html), "issue": href(f.issueURL(i)), "comments": href(f.issueURL(i) + "/comments"),
		"review_comments": href(self + "/comments"), "review_comment": href(f.repoURL(r, "/pulls/comments{/number}")),
		"commits": href(self + "/commits"), "statuses": href(f.repoURL(r, "/statuses/"+p.headSHA)),
	}
	side := func(repo *repository, ref, sha string) obj {
		return obj{"label": repo.owner.login + ":" + ref, "ref": ref, "sha": sha, "user": f.userJSON(repo.owner), "repo": repoJSON(repo)}
	}
	o := obj{
		"url": self, "id": p.id, "node_id": nodeID("PR", p.id), "html_url": html, "diff_url": html + ".diff",
		"patch_url": html + ".patch", "issue_url": f.issueURL(i), "number": i.number, "state": state(i.open),
		"locked": false, "title": i.title, "user": f.userJSON(i.author), "body": orNull(i.body),
		"created_at": stamp(i.created), "updated_at": stamp(i.updated), "closed_at": stampOrNull(i.closed),
		"merged_at": stampOrNull(p.merged), "merge_commit_sha": orNull(p.mergeSHA), "assignee": nil,
		"assignees": f.usersJSON(i.assignees), "requested_reviewers": []obj{}, "requested_teams": []obj{},
		"labels": f.labelsJSON(r, i.labels), "milestone": nil, "draft": p.draft, "commits_url": self + "/commits",
		"review_comments_url": self + "/comments", "review_comment_url": f.repoURL(r, "/pulls/comments{/number}"),
		"comments_url": f.issueURL(i) + "/comments", "statuses_url": f.repoURL(r, "/statuses/"+p.headSHA),
		"head": side(p.headRepo, p.headRef, p.headSHA), "base": side(r, p.baseRef, p.baseSHA), "_links": links,
		"author_association": r.association(i.author), "auto_merge": nil, "active_lock_reason": nil,
	}
	if len(i.assignees) > 0 {
		o["assignee"] = f.userJSON(i.assignees[0])
	}
	return o
}

func href(url string) obj { return obj{"href": url} }

// pullJSON is the whole pull request, with what git says about it.
func (f *Forge) pullJSON(p *pull) obj { return f.simplePullJSON(p).with(f.pullStats(p)) }

// hookPullJSON is the whole pull request in webhooks.
func (f *Forge) hookPullJSON(p *pull) obj { return f.hookSimplePullJSON(p).with(f.pullStats(p)) }

func (f *Forge) pullStats(p *pull) obj {
	stats, err := f.compare(p.issue.repo, p.baseSHA, p.headSHA)
	if err != nil {
		f.log.Error("comparing a pull request", "error", err)
		stats = &comparison{}
	}
	o := obj{
		"merged": !p.merged.IsZero(), "merged_by": f.userOrNull(p.mergedBy), "comments": len(p.issue.comments),
		"review_comments": 0, "maintainer_can_modify": false, "commits": len(stats.commits), "additions": stats.additions,
		"deletions": stats.deletions, "changed_files": len(stats.files), "mergeable": nil, "rebaseable": nil,
		"mergeable_state": "unknown",
	}
	if p.issue.open {
		o["mergeable"], o["rebaseable"] = stats.mergeable, stats.mergeable
		o["mergeable_state"] = f.mergeableState(p, stats)
	}
	return o
}

// mergeableState is GitHub's: draft, dirty (conflicts), blocked (protection) or clean.
func (f *Forge) mergeableState(p *pull, stats *comparison) string {
	switch {
	case p.draft:
		return "draft"
	case !stats.mergeable:
		return "dirty"
	case f.unmet(p) != "":
		return "blocked"
	default:
		return "clean"
	}
}

// reviewJSON is GitHub's review; its state is upper-case here and lower-case in webhooks.
func (f *Forge) reviewJSON(rv *review) obj {
	o := f.reviewBase(rv)
	o["state"] = rv.state
	o["body"] = rv.body
	if rv.submitted.IsZero() {
		delete(o, "submitted_at")
	}
	return o
}

func (f *Forge) hookReviewJSON(rv *review) obj {
	o := f.reviewBase(rv)
	o["state"] = strings.ToLower(rv.state)
	o["body"] = orNull(rv.body)
	return o
}

func (f *Forge) reviewBase(rv *review) obj {
	html := f.issueHTML(rv.pull.issue) + "#pullrequestreview-" + str(rv.id)
	return obj{
		"id": rv.id, "node_id": nodeID("PRR", rv.id), "user": f.userJSON(rv.author), "commit_id": rv.commit,
		"html_url": html, "pull_request_url": f.pullURL(rv.pull), "submitted_at": stampOrNull(rv.submitted),
		"author_association": rv.pull.issue.repo.association(rv.author),
		"_links":             obj{"html": href(html), "pull_request": href(f.pullURL(rv.pull))},
	}
}
