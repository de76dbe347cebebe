package emulator

import (
	"net/url"
	"strconv"
	"time"
)

// obj is one JSON object as GitHub shapes it. The builders in the payload files fill every property that the
// published schemas require, and no other than they know: the webhook schemas forbid additional properties.
type obj map[string]any

// with returns a copy of o with more properties.
func (o obj) with(more obj) obj {
	out := make(obj, len(o)+len(more))
	for k, v := range o {
		out[k] = v
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// orNull is s, or null where GitHub sends null for "not set".
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// stampOrNull is the date, or null for the zero time.
func stampOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}

func str(id int64) string { return strconv.FormatInt(id, 10) }

// userJSON is GitHub's simple user.
func (f *Forge) userJSON(u *user) obj {
	self := f.apiURL("users/" + url.PathEscape(u.login))
	html := f.base + "/" + u.login
	if u.kind == typeBot {
		html = f.base + "/apps/" + u.app.slug
	}
	return obj{
		"login": u.login, "id": u.id, "node_id": nodeID("U", u.id), "gravatar_id": "",
		"avatar_url": f.base + "/avatars/u/" + str(u.id), "url": self, "html_url": html,
		"followers_url": self + "/followers", "following_url": self + "/following{/other_user}",
		"gists_url": self + "/gists{/gist_id}", "starred_url": self + "/starred{/owner}{/repo}",
		"subscriptions_url": self + "/subscriptions", "organizations_url": self + "/orgs",
		"repos_url": self + "/repos", "events_url": self + "/events{/privacy}",
		"received_events_url": self + "/received_events", "type": u.kind, "site_admin": u.siteAdmin,
	}
}

func (f *Forge) userOrNull(u *user) any {
	if u == nil {
		return nil
	}
	return f.userJSON(u)
}

func (f *Forge) usersJSON(users []*user) []obj {
	out := []obj{}
	for _, u := range users {
		out = append(out, f.userJSON(u))
	}
	return out
}

// accountJSON is GitHub's public user, or with private the fields that only the person itself sees.
func (f *Forge) accountJSON(u *user, private bool) obj {
	owned, hidden := 0, 0
	for _, r := range f.repos {
		switch {
		case r.owner == u && r.private:
			hidden++
		case r.owner == u:
			owned++
		}
	}
	o := f.userJSON(u).with(obj{
		"name": orNull(u.name), "company": nil, "blog": "", "location": nil, "email": orNull(u.email),
		"hireable": nil, "bio": nil, "twitter_username": nil, "public_repos": owned, "public_gists": 0,
		"followers": 0, "following": 0, "created_at": stamp(u.created), "updated_at": stamp(u.created),
		"user_view_type": "public",
	})
	if private {
		return o.with(obj{"user_view_type": "private", "private_gists": 0, "total_private_repos": hidden,
			"owned_private_repos": hidden, "disk_usage": 0, "collaborators": 0, "two_factor_authentication": true})
	}
	return o
}

func (f *Forge) repoURL(r *repository, path string) string {
	return f.apiURL("repos/" + r.fullName() + path)
}

// minimalRepoJSON is GitHub's minimal repository.
func (f *Forge) minimalRepoJSON(r *repository) obj {
	self := f.repoURL(r, "")
	return obj{
		"id": r.id, "node_id": nodeID("R", r.id), "name": r.name, "full_name": r.fullName(), "private": r.private,
		"owner": f.userJSON(r.owner), "html_url": f.base + "/" + r.fullName(), "description": orNull(r.description),
		"fork": r.parent != nil, "url": self, "forks_url": self + "/forks", "keys_url": self + "/keys{/key_id}",
		"collaborators_url": self + "/collaborators{/collaborator}", "teams_url": self + "/teams",
		"hooks_url": self + "/hooks", "issue_events_url": self + "/issues/events{/number}",
		"events_url": self + "/events", "assignees_url": self + "/assignees{/user}",
		"branches_url": self + "/branches{/branch}", "tags_url": self + "/tags",
		"blobs_url": self + "/git/blobs{/sha}", "git_tags_url": self + "/git/tags{/sha}",
		"git_refs_url": self + "/git/refs{/sha}", "trees_url": self + "/git/trees{/sha}",
		"statuses_url": self + "/statuses/{sha}", "languages_url": self + "/languages",
		"stargazers_url": self + "/stargazers", "contributors_url": self + "/contributors",
		"subscribers_url": self + "/subscribers", "subscription_url": self + "/subscription",
		"commits_url": self + "/commits{/sha}", "git_commits_url": self + "/git/commits{/sha}",
		"comments_url": self + "/comments{/number}", "issue_comment_url": self + "/issues/comments{/number}",
		"contents_url": self + "/contents/{+path}", "compare_url": self + "/compare/{base}...{head}",
		"merges_url": self + "/merges", "archive_url": self + "/{archive_format}{/ref}",
		"downloads_url": self + "/downloads", "issues_url": self + "/issues{/number}",
		"pulls_url": self + "/pulls{/number}", "milestones_url": self + "/milestones{/number}",
		"notifications_url": self + "/notifications{?since,all,participating}", "labels_url": self + "/labels{/name}",
		"releases_url": self + "/releases{/id}", "deployments_url": self + "/deployments",
	}
}

// repoJSON is GitHub's repository as it appears inside other objects and in webhooks.
func (f *Forge) repoJSON(r *repository) obj {
	openIssues, visibility := 0, "public"
	for _, i := range r.issues {
		if i.open {
			openIssues++
		}
	}
	if r.private {
		visibility = "private"
	}
	return f.minimalRepoJSON(r).with(obj{
		"created_at": stamp(r.created), "updated_at": stamp(r.updated), "pushed_at": stamp(r.pushed),
		"git_url": "git" + schemeless(f.base) + "/" + r.fullName() + ".git", "clone_url": f.base + "/" + r.fullName() + ".git",
		"ssh_url": "git@" + f.noreplyHost() + ":" + r.fullName() + ".git", "svn_url": f.base + "/" + r.fullName(),
		"homepage": nil, "size": 0, "stargazers_count": 0, "watchers_count": 0, "language": nil,
		"has_issues": true, "has_projects": false, "has_downloads": true, "has_wiki": false, "has_pages": false,
		"has_discussions": false, "forks_count": 0, "mirror_url": nil, "archived": r.archived, "disabled": false,
		"open_issues_count": openIssues, "license": nil, "allow_forking": true, "is_template": false,
		"web_commit_signoff_required": false, "topics": []string{}, "visibility": visibility, "forks": 0,
		"open_issues": openIssues, "watchers": 0, "default_branch": r.defaultBranch,
	})
}

// schemeless cuts the scheme but keeps the "://".
func schemeless(base string) string {
	for i := range base {
		if base[i] == ':' {
			return base[i:]
		}
	}
	return base
}

// hookRepoJSON is the repository in webhook payloads, which must name its custom properties.
func (f *Forge) hookRepoJSON(r *repository) obj {
	return f.repoJSON(r).with(obj{"custom_properties": obj{}})
}

// fullRepoJSON is what GET on the repository itself answers, with the caller's own permissions.
func (f *Forge) fullRepoJSON(r *repository, level int) obj {
	o := f.repoJSON(r).with(obj{
		"network_count": 0, "subscribers_count": 0, "temp_clone_token": nil,
		"allow_squash_merge": false, "allow_merge_commit": true, "allow_rebase_merge": false,
		"allow_auto_merge": false, "delete_branch_on_merge": false, "allow_update_branch": false,
		"permissions": levelJSON(level),
	})
	if r.parent != nil {
		o["parent"], o["source"] = f.repoJSON(r.parent), f.repoJSON(r.parent)
	}
	return o
}

// levelJSON is GitHub's permissions object.
func levelJSON(level int) obj {
	return obj{"pull": level >= levelRead, "triage": level >= levelTriage, "push": level >= levelWrite,
		"maintain": level >= levelMaintain, "admin": level >= levelAdmin}
}

// shortRepoJSON is the repository in installation events.
func (f *Forge) shortRepoJSON(r *repository) obj {
	return obj{"id": r.id, "node_id": nodeID("R", r.id), "name": r.name, "full_name": r.fullName(), "private": r.private}
}

// refRepoJSON is the repository in the pull requests of a check run.
func (f *Forge) refRepoJSON(r *repository) obj {
	return obj{"id": r.id, "url": f.repoURL(r, ""), "name": r.name}
}
