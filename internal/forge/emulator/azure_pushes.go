package emulator

import (
	"net/http"
	"slices"
	"strings"
)

// pushedAzure draws every consequence of a ref's change: the push event, and pull requests that follow.
func (f *Forge) pushedAzure(r *repository, who caller, ref, old, new string) *Push {
	p := f.recordPush(r, who.user, ref, old, new)
	p.At = f.moment()
	f.hookPush(r, p)
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	if !isBranch || new == zeroSHA {
		return p // a pull request stays active without its source branch
	}
	f.readAzureCommits(r, who, p)
	for _, target := range f.repos {
		for _, pr := range target.pulls() {
			if !pr.issue.open {
				continue
			}
			if pr.headRepo == r && pr.headRef == branch {
				f.sourceMoved(pr, who, p)
			}
			if target == r && pr.baseRef == branch {
				pr.baseSHA = new
				f.tryMerge(pr)
			}
		}
	}
	return p
}

// sourceMoved gives an active pull request another iteration.
func (f *Forge) sourceMoved(pr *pull, who caller, p *Push) {
	pr.headSHA = p.New
	pr.issue.updated = p.At
	reason := "push"
	if p.Kind == "force_push" {
		reason = "forcePush"
	}
	fresh := f.newCommits(pr.headRepo, p)
	slices.Reverse(fresh) // newest first
	f.addIteration(pr, who.user, reason, p)
	f.systemThread(pr, nil, "RefUpdate", "The reference refs/heads/"+pr.headRef+" was updated.", map[string]any{
		"CodeReviewRefName": "refs/heads/" + pr.headRef, "CodeReviewRefNewCommits": strings.Join(fresh, ";"),
		"CodeReviewRefNewCommitsCount": len(fresh), "CodeReviewRefNewHeadCommit": p.New, "CodeReviewRefUpdatedByIdentity": who.user})
	f.resetByPush(pr, who)
	f.tryMerge(pr)
	f.queueBuilds(pr)
	f.hookPull(pr, who.user, "git.pullrequest.updated", "updated the source branch of")
	f.hookPull(pr, who.user, "git.pullrequest.merged", "")
}

func (f *Forge) gitPushJSON(r *repository, p *Push) obj {
	return obj{"pushId": p.ID, "date": azureDate(p.At), "pushedBy": f.identityRef(p.actor), "repository": f.gitRepoJSON(r),
		"refUpdates": []obj{{"repositoryId": f.repoGUID(r), "name": p.Ref, "oldObjectId": p.Old, "newObjectId": p.New}},
		"url":        f.gitAPI(r) + "/pushes/" + str(p.ID)}
}

func (c *azureCall) listGitPushes() (response, error) {
	out := []obj{}
	for _, p := range slices.Backward(c.repo.pushes) {
		if matchesQuery(c.param("searchCriteria.refName"), p.Ref) && matchesQuery(c.param("searchCriteria.pusherId"), c.f.userGUID(p.actor)) {
			o := c.f.gitPushJSON(c.repo, p)
			if !strings.EqualFold(c.param("searchCriteria.includeRefUpdates"), "true") {
				delete(o, "refUpdates")
			}
			out = append(out, o)
		}
	}
	return listed(c.paging(out, 1000))
}

func (c *azureCall) getGitPush() (response, error) {
	for _, p := range c.repo.pushes {
		if p.ID == c.id("pushId") {
			commits, err := c.f.gitCommitsJSON(c.repo, c.f.newCommits(c.repo, p))
			return response{status: http.StatusOK, body: c.f.gitPushJSON(c.repo, p).with(obj{"commits": commits})}, err
		}
	}
	return response{}, azureFailure(http.StatusNotFound, "GitPushNotFoundException", "The push %s does not exist.", c.vars["pushId"])
}

// readAzureCommits notes whom and what the messages of new commits name.
func (f *Forge) readAzureCommits(r *repository, who caller, p *Push) {
	list, err := f.commits(r, f.newCommits(r, p))
	if err != nil {
		f.log.Error("reading pushed commits", "error", err)
	}
	for _, c := range list {
		f.noteAzure(r.fullName(), 0, who.user, c.message, p.Ref == "refs/heads/"+r.defaultBranch)
	}
}
