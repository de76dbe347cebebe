package emulator

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// visibilityOf is a project's: private if any of its repositories is.
func (f *Forge) visibilityOf(p *user) string {
	if slices.ContainsFunc(f.repos, func(r *repository) bool { return r.owner == p && !r.private }) {
		return "public"
	}
	return "private"
}

func (f *Forge) projectRef(p *user) obj {
	return obj{"id": f.projectGUID(p), "name": p.login, "url": f.orgURL() + "/_apis/projects/" + f.projectGUID(p), "state": "wellFormed",
		"revision": 11, "visibility": f.visibilityOf(p), "lastUpdateTime": azureDate(p.created)}
}

func (f *Forge) gitURL(r *repository) string {
	return f.orgURL() + "/" + pathEscape(r.owner.login) + "/_git/" + pathEscape(r.name)
}

func (f *Forge) gitAPI(r *repository) string {
	return f.orgURL() + "/" + f.projectGUID(r.owner) + "/_apis/git/repositories/" + f.repoGUID(r)
}

func (f *Forge) gitRepoJSON(r *repository) obj {
	o := obj{"id": f.repoGUID(r), "name": r.name, "url": f.gitAPI(r), "project": f.projectRef(r.owner), "size": 1024,
		"remoteUrl": f.gitURL(r), "sshUrl": "", "webUrl": f.gitURL(r), "isDisabled": r.archived, "isInMaintenance": false}
	if f.git.branch(r, r.defaultBranch) != "" {
		o["defaultBranch"] = "refs/heads/" + r.defaultBranch
	}
	if r.parent != nil {
		o["isFork"] = true
		o["parentRepository"] = obj{"id": f.repoGUID(r.parent), "name": r.parent.name, "url": f.gitAPI(r.parent), "isFork": false,
			"project": f.projectRef(r.parent.owner), "remoteUrl": f.gitURL(r.parent)}
	}
	return o
}

func (c *azureCall) listGitRepos() (response, error) {
	out := []obj{}
	for _, r := range c.f.repos {
		if (c.project == nil || r.owner == c.project) && r.level(c.who.user) >= levelRead {
			out = append(out, c.f.gitRepoJSON(r))
		}
	}
	return listed(out)
}

func (c *azureCall) getGitRepo() (response, error) { return ok(c.f.gitRepoJSON(c.repo)) }

// listGitRefs filters by what follows refs/; a filter is a prefix.
func (c *azureCall) listGitRefs() (response, error) {
	for _, name := range []string{"includeStatuses", "peelTags", "latestStatusesOnly", "includeLinks"} {
		if strings.EqualFold(c.param(name), "true") {
			return response{}, c.unknown("query " + name)
		}
	}
	refs, err := c.f.refs(c.repo, "refs/"+c.param("filter"))
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, ref := range refs {
		if strings.Contains(strings.ToLower(ref.name), strings.ToLower(c.param("filterContains"))) && ref.name > c.param("continuationToken") {
			out = append(out, obj{"name": ref.name, "objectId": ref.sha, "creator": c.f.identityRef(c.f.creatorOf(c.repo, ref.name)),
				"url": c.f.gitAPI(c.repo) + "/refs?filter=" + strings.TrimPrefix(ref.name, "refs/")})
		}
	}
	header := http.Header{}
	if cut := c.paging(out, 1000); len(cut) < len(out) {
		header.Set("X-Ms-Continuationtoken", cut[len(cut)-1]["name"].(string))
		out = cut
	}
	return response{status: http.StatusOK, body: listOf(out), header: header}, nil
}

// creatorOf is who made a ref, and with that may do with it as they like.
func (f *Forge) creatorOf(r *repository, ref string) *user {
	for _, p := range slices.Backward(r.pushes) {
		if p.Ref == ref && p.Old == zeroSHA {
			return p.actor
		}
	}
	return r.owner
}

// updateGitRefs answers 200 and the fate of each ref.
func (c *azureCall) updateGitRefs() (response, error) {
	var in []struct {
		Name     string `json:"name"`
		Old      string `json:"oldObjectId"`
		New      string `json:"newObjectId"`
		IsLocked *bool  `json:"isLocked"`
		RepoID   string `json:"repositoryId"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, change := range in {
		if change.IsLocked != nil {
			return response{}, c.unknown("body field isLocked")
		}
		o := obj{"repositoryId": c.f.repoGUID(c.repo), "name": change.Name, "oldObjectId": change.Old, "newObjectId": change.New,
			"isLocked": false, "updateStatus": "succeeded", "success": true}
		if status, why := c.updateGitRef(change.Name, change.Old, change.New); status != "" {
			o["updateStatus"], o["success"], o["customMessage"] = status, false, why
		}
		out = append(out, o)
	}
	return listed(out)
}

func (c *azureCall) updateGitRef(name, old, new string) (status, why string) {
	f, r := c.f, c.repo
	if _, err := f.git.in(r, "check-ref-format", name); err != nil || !shaPattern.MatchString(old) || !shaPattern.MatchString(new) {
		return "invalidRefName", "The ref name is not valid."
	}
	if new != zeroSHA && f.git.resolve(r, new) == "" {
		return "unresolvableToCommit", "The object does not resolve to a commit."
	}
	if why := f.refuseAzure(r, c.who, refChange{ref: name, old: old, new: new}, nil); why != "" {
		return "rejectedByPolicy", why
	}
	args := []string{"update-ref", name, new, old}
	if new == zeroSHA {
		args = []string{"update-ref", "-d", name, old}
	}
	if _, err := f.git.in(r, args...); err != nil {
		return "staleOldObjectId", "The old object id is out of date."
	}
	f.pushedAzure(r, c.who, name, old, new)
	return "", ""
}

func (c *azureCall) branchStats() (response, error) {
	refs, err := c.f.refs(c.repo, "refs/heads/")
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, ref := range refs {
		name := strings.TrimPrefix(ref.name, "refs/heads/")
		if want := c.param("name"); want != "" && want != name {
			continue
		}
		list, err := c.f.commits(c.repo, []string{ref.sha})
		if err != nil {
			return response{}, err
		}
		o := obj{"name": name, "aheadCount": 0, "behindCount": 0, "isBaseVersion": name == c.repo.defaultBranch, "commit": c.f.gitCommitJSON(c.repo, list[0])}
		if base := c.f.git.branch(c.repo, c.repo.defaultBranch); base != "" {
			if stats, err := c.f.compare(c.repo, base, ref.sha); err == nil {
				o["aheadCount"], o["behindCount"] = len(stats.commits), stats.behind
			}
		}
		out = append(out, o)
	}
	if want := c.param("name"); want != "" {
		if len(out) == 0 {
			return response{}, azureFailure(http.StatusNotFound, "GitUnresolvableToCommitException", "TF401175: The version descriptor <Branch: %s > could not be resolved to a version in the repository %s", want, c.repo.name)
		}
		return ok(out[0])
	}
	return listed(out)
}

func (f *Forge) gitCommitRef(r *repository, sha string) obj {
	return obj{"commitId": sha, "url": f.gitAPI(r) + "/commits/" + sha}
}

func (f *Forge) gitCommitJSON(r *repository, c commitInfo) obj {
	who := func(p person) obj { return obj{"name": p.name, "email": p.email, "date": azureDate(p.when)} }
	return obj{"commitId": c.sha, "treeId": c.tree, "parents": append([]string{}, c.parents...), "author": who(c.author), "committer": who(c.committer),
		"comment": c.message, "url": f.gitAPI(r) + "/commits/" + c.sha, "remoteUrl": f.gitURL(r) + "/commit/" + c.sha}
}

func (f *Forge) gitCommitsJSON(r *repository, shas []string) ([]obj, error) {
	list, err := f.commits(r, shas)
	out := []obj{}
	for _, c := range list {
		o := f.gitCommitJSON(r, c)
		delete(o, "treeId")
		delete(o, "parents")
		out = append(out, o)
	}
	return out, err
}

func (c *azureCall) listGitCommits() (response, error) {
	if kind := c.param("searchCriteria.itemVersion.versionType"); kind != "" && !strings.EqualFold(kind, "branch") && !strings.EqualFold(kind, "commit") {
		return response{}, c.unknown("query searchCriteria.itemVersion.versionType=" + kind)
	}
	sha := c.f.git.resolve(c.repo, cmp.Or(c.param("searchCriteria.itemVersion.version"), c.repo.defaultBranch))
	if sha == "" {
		return listed(nil)
	}
	out, err := c.f.git.in(c.repo, "rev-list", "--max-count=2000", sha)
	if err != nil {
		return response{}, err
	}
	list, err := c.f.gitCommitsJSON(c.repo, strings.Fields(out))
	if err != nil {
		return response{}, err
	}
	if top := c.param("searchCriteria.$top"); top != "" {
		c.query.Set("$top", top)
	}
	if skip := c.param("searchCriteria.$skip"); skip != "" {
		c.query.Set("$skip", skip)
	}
	return listed(c.paging(list, 100))
}

func (c *azureCall) getGitCommit() (response, error) {
	commit, err := c.wantedCommit()
	if err != nil {
		return response{}, err
	}
	o := c.f.gitCommitJSON(c.repo, commit)
	if u := c.f.userByEmail(commit.committer.email); u != nil {
		o["push"] = obj{"pushedBy": c.f.identityRef(u), "date": azureDate(commit.committer.when)}
	}
	return ok(o)
}

func (c *azureCall) wantedCommit() (commitInfo, error) {
	list, err := c.f.commits(c.repo, []string{c.vars["commitId"]})
	if !shaPattern.MatchString(c.vars["commitId"]) || err != nil || len(list) == 0 {
		return commitInfo{}, noCommit(c.vars["commitId"])
	}
	return list[0], nil
}

// commitChanges lists the files that differ from the first parent.
func (c *azureCall) commitChanges() (response, error) {
	commit, err := c.wantedCommit()
	if err != nil {
		return response{}, err
	}
	_, files, err := c.f.changedBy(c.repo, commit)
	if err != nil {
		return response{}, err
	}
	counts, out := map[string]int{}, []obj{}
	for _, file := range files {
		kind := changeKinds[file.status]
		counts[strings.ToUpper(kind[:1])+kind[1:]]++
		out = append(out, obj{"changeType": kind, "item": obj{"objectId": file.blob, "gitObjectType": "blob", "commitId": commit.sha, "path": "/" + file.name}})
	}
	return ok(obj{"changeCounts": counts, "changes": c.paging(out, 2000)})
}

// changeKinds are the service's words for what became of a file.
var changeKinds = map[string]string{"added": "add", "modified": "edit", "removed": "delete", "renamed": "rename"}

func noCommit(sha string) error {
	return azureFailure(http.StatusNotFound, "GitCommitDoesNotExistException", "TF401175: The commit %s does not exist.", sha)
}
