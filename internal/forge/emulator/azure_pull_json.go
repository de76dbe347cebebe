package emulator

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

func (f *Forge) gitPullURL(p *pull) string {
	return f.gitAPI(p.issue.repo) + "/pullRequests/" + strconv.Itoa(p.issue.number)
}

func (f *Forge) gitPullPage(p *pull) string {
	return f.gitURL(p.issue.repo) + "/pullrequest/" + strconv.Itoa(p.issue.number)
}

// artifact is the id of a pull request in policy evaluations.
func (f *Forge) artifact(p *pull) string {
	return fmt.Sprintf("vstfs:///CodeReview/CodeReviewId/%s/%d", f.projectGUID(p.issue.repo.owner), p.issue.number)
}

// gitPullJSON is a pull request in full. Lists cut the description at 400 characters.
func (f *Forge) gitPullJSON(p *pull) obj {
	i, r, a := p.issue, p.issue.repo, p.azure
	self := f.gitPullURL(p)
	o := obj{
		"repository": f.gitRepoJSON(r), "pullRequestId": i.number, "codeReviewId": i.number, "status": a.status,
		"createdBy": f.identityRef(i.author), "creationDate": azureDate(a.created), "title": i.title, "description": i.body,
		"sourceRefName": "refs/heads/" + p.headRef, "targetRefName": "refs/heads/" + p.baseRef, "isDraft": p.draft,
		"mergeId": f.guid("merge", p.id), "mergeStatus": "succeeded", "supportsIterations": true, "reviewers": f.reviewersJSON(p),
		"lastMergeSourceCommit": f.gitCommitRef(p.headRepo, p.headSHA), "lastMergeTargetCommit": f.gitCommitRef(r, p.baseSHA),
		"url": self, "artifactId": f.artifact(p),
		"_links": obj{"self": href(self), "web": href(f.gitPullPage(p)), "repository": href(f.gitAPI(r)), "workItems": href(self + "/workitems"),
			"sourceBranch": href(f.gitAPI(r) + "/refs/heads/" + p.headRef), "targetBranch": href(f.gitAPI(r) + "/refs/heads/" + p.baseRef),
			"statuses": href(self + "/statuses"), "iterations": href(self + "/iterations"), "createdBy": href(f.orgURL() + "/_apis/Identities/" + f.userGUID(i.author))},
	}
	if i.body == "" {
		delete(o, "description")
	}
	if merged := cmp.Or(p.mergeSHA, a.preview); merged != "" {
		o["lastMergeCommit"] = f.gitCommitRef(r, merged)
	} else {
		o["mergeStatus"] = "conflicts"
	}
	if p.headRepo != r {
		o["forkSource"] = obj{"repository": f.gitRepoJSON(p.headRepo), "name": "refs/heads/" + p.headRef}
	}
	if a.completion != nil {
		o["completionOptions"] = a.completion
	}
	if a.status != "active" {
		o["closedDate"], o["closedBy"] = azureDate(a.closed), f.identityRef(a.closedBy)
	}
	if a.status == "completed" {
		o["completionQueueTime"] = azureDate(a.closed)
	}
	return o
}

func (f *Forge) reviewersJSON(p *pull) []obj {
	out := []obj{}
	for _, rv := range p.azure.reviewers {
		out = append(out, f.reviewerJSON(p, rv))
	}
	return out
}

func (f *Forge) reviewerJSON(p *pull, rv *reviewer) obj {
	var o obj
	if rv.team != nil {
		o = f.teamRef(rv.team)
	} else {
		o = f.identityRef(rv.user)
	}
	return o.with(obj{"reviewerUrl": f.gitPullURL(p) + "/reviewers/" + o["id"].(string), "vote": rv.vote, "hasDeclined": rv.declined,
		"isRequired": rv.required, "isFlagged": rv.flagged})
}

func (f *Forge) iterationJSON(p *pull, it *iteration) obj {
	o := obj{"id": it.id, "description": "", "author": f.identityRef(it.author), "createdDate": azureDate(it.at), "updatedDate": azureDate(it.at),
		"sourceRefCommit": obj{"commitId": it.source}, "targetRefCommit": obj{"commitId": it.target}, "commonRefCommit": obj{"commitId": it.common},
		"hasMoreCommits": false, "reason": it.reason, "_links": obj{"self": href(f.gitPullURL(p) + "/iterations/" + strconv.Itoa(it.id))}}
	if it.push != nil {
		o["push"] = obj{"pushId": it.push.ID}
	}
	if it.reason == "retarget" {
		o["oldTargetRefName"], o["newTargetRefName"] = it.oldTarget, it.newTarget
	}
	if list, err := f.compare(p.issue.repo, it.target, it.source); err == nil {
		if info, err := f.commits(p.issue.repo, list.commits); err == nil && len(info) > 0 {
			o["description"] = firstLine(info[len(info)-1].message)
		}
	}
	return o
}

func (c *azureCall) listIterations() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, it := range p.azure.iterations {
		o := c.f.iterationJSON(p, it)
		if c.param("includeCommits") == "true" {
			if o["commits"], err = c.f.commitsBetween(p, it.target, it.source); err != nil {
				return response{}, err
			}
		}
		out = append(out, o)
	}
	return listed(out)
}

// commitsBetween lists commits newest first.
func (f *Forge) commitsBetween(p *pull, base, head string) ([]obj, error) {
	stats, err := f.compare(p.issue.repo, base, head)
	if err != nil {
		return nil, err
	}
	shas := slices.Clone(stats.commits)
	slices.Reverse(shas)
	return f.gitCommitsJSON(p.issue.repo, shas)
}

func (c *azureCall) pullAndIteration() (*pull, *iteration, error) {
	p, err := c.wantedPull()
	if err != nil {
		return nil, nil, err
	}
	if n := c.num("iterationId"); n > 0 && n <= len(p.azure.iterations) {
		return p, p.azure.iterations[n-1], nil
	}
	return nil, nil, azureFailure(404, "CodeReviewIterationNotFoundException", "The iteration %s does not exist.", c.vars["iterationId"])
}

func (c *azureCall) getIteration() (response, error) {
	p, it, err := c.pullAndIteration()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.iterationJSON(p, it))
}

func (c *azureCall) iterationCommits() (response, error) {
	p, it, err := c.pullAndIteration()
	if err != nil {
		return response{}, err
	}
	list, err := c.f.commitsBetween(p, it.target, it.source)
	if err != nil {
		return response{}, err
	}
	return listed(c.paging(list, 1000))
}

func (c *azureCall) pullCommits() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	last := p.azure.iterations[len(p.azure.iterations)-1]
	list, err := c.f.commitsBetween(p, last.target, last.source)
	if err != nil {
		return response{}, err
	}
	return c.pageOf(list, 100)
}

// iterationChanges lists files; a change has the same tracking id in every iteration.
func (c *azureCall) iterationChanges() (response, error) {
	p, it, err := c.pullAndIteration()
	if err != nil {
		return response{}, err
	}
	from := it.common
	if n, _ := strconv.Atoi(c.param("$compareTo")); n > 0 && n <= len(p.azure.iterations) {
		from = p.azure.iterations[n-1].source
	}
	_, files, err := c.f.diffTrees(p.issue.repo, from, it.source)
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for n, file := range files {
		o := obj{"changeTrackingId": n + 1, "changeId": n + 1, "changeType": changeKinds[file.status], "item": obj{"objectId": file.blob, "path": "/" + file.name}}
		if file.previous != "" {
			o["originalPath"] = "/" + file.previous
		}
		out = append(out, o)
	}
	return ok(obj{"changeEntries": c.paging(out, 2000)})
}

func (c *azureCall) pullItems() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	return listed(c.f.itemRefs(p))
}

func (f *Forge) itemRefs(p *pull) []obj {
	out := []obj{}
	for _, w := range p.azure.items {
		out = append(out, obj{"id": strconv.Itoa(w.id), "url": f.itemURL(w)})
	}
	return out
}
