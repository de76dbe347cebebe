package emulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

type pullChange struct {
	Title       *string `json:"title"`
	Description *string `json:"description"`
	Status      *string `json:"status"`
	Draft       *bool   `json:"isDraft"`
	Target      *string `json:"targetRefName"`
	Source      *struct {
		CommitID string `json:"commitId"`
		URL      string `json:"url"`
	} `json:"lastMergeSourceCommit"`
	Completion   *completionInput `json:"completionOptions"`
	AutoComplete json.RawMessage  `json:"autoCompleteSetBy"`
}

type completionInput struct {
	BypassPolicy  bool   `json:"bypassPolicy"`
	BypassReason  string `json:"bypassReason"`
	DeleteSource  bool   `json:"deleteSourceBranch"`
	Message       string `json:"mergeCommitMessage"`
	Strategy      string `json:"mergeStrategy"`
	Squash        bool   `json:"squashMerge"`
	Transition    bool   `json:"transitionWorkItems"`
	ByAuto        bool   `json:"triggeredByAutoComplete"`
	IgnoreConfigs []int  `json:"autoCompleteIgnoreConfigIds"`
}

// updateGitPull changes one thing or several; those who may contribute to pull requests may.
func (c *azureCall) updateGitPull() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	var in pullChange
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if len(bytes.TrimSpace(in.AutoComplete)) > 0 {
		return response{}, c.unknown("body field autoCompleteSetBy")
	}
	if p.issue.author != c.who.user && p.issue.repo.level(c.who.user) < levelWrite {
		return response{}, c.f.needsPermission(c.who.user, "PullRequestContribute", "repository")
	}
	reopens := in.Status != nil && *in.Status == "active" && p.azure.status == "abandoned"
	if p.azure.status == "completed" || p.azure.status == "abandoned" && !reopens {
		return response{}, azureFailure(http.StatusBadRequest, "GitPullRequestNotEditableException",
			"TF401181: The pull request cannot be edited due to its state.")
	}
	if err := c.changePull(p, in); err != nil {
		return response{}, err
	}
	return ok(c.f.gitPullJSON(p))
}

func (c *azureCall) changePull(p *pull, in pullChange) error {
	if err := checkPullTexts(in.Title, in.Description); err != nil {
		return err
	}
	if in.Title != nil && strings.TrimSpace(*in.Title) == "" {
		return badArgument("The title of a pull request cannot be empty.")
	}
	if in.Target != nil && *in.Target != "refs/heads/"+p.baseRef {
		if err := c.retarget(p, *in.Target); err != nil {
			return err
		}
	}
	set(&p.issue.title, in.Title)
	if in.Description != nil && *in.Description != p.issue.body {
		p.issue.body = *in.Description
		c.f.noteAzure(p.issue.repo.fullName(), p.issue.number, c.who.user, p.issue.body, true)
	}
	p.issue.updated = c.f.moment()
	if in.Draft != nil {
		c.f.setAzureDraft(p, c.who, *in.Draft)
	}
	if in.Completion != nil {
		raw, _ := json.Marshal(in.Completion)
		_ = json.Unmarshal(raw, &p.azure.completion)
	}
	if in.Status == nil {
		return nil
	}
	switch *in.Status {
	case "active":
		return c.f.reactivate(p, c.who)
	case "abandoned":
		c.f.endPull(p, c.who, "abandoned", false)
		return nil
	case "completed":
		if in.Source == nil || in.Source.CommitID == "" {
			return badArgument("Completing a pull request needs lastMergeSourceCommit.")
		}
		if in.Source.CommitID != p.headSHA {
			return azureFailure(http.StatusConflict, "GitPullRequestStaleException",
				"TF401192: The source branch has been modified since the last merge attempt.")
		}
		return c.complete(p, in.Completion)
	}
	return badArgument("The status '%s' is not one that can be set.", *in.Status)
}

// retarget gives the pull request another target branch, which makes an iteration.
func (c *azureCall) retarget(p *pull, ref string) error {
	branch := strings.TrimPrefix(ref, "refs/heads/")
	sha := c.f.git.branch(p.issue.repo, branch)
	if sha == "" {
		return noBranch(ref)
	}
	old := "refs/heads/" + p.baseRef
	p.baseRef, p.baseSHA = branch, sha
	it := c.f.addIteration(p, c.who.user, "retarget", nil)
	it.oldTarget, it.newTarget = old, ref
	c.f.systemThread(p, nil, "TargetChanged", c.who.user.displayName()+" changed the target branch from "+old+" to "+ref, map[string]any{
		"CodeReviewTargetChangedByDisplayName": c.who.user.displayName(), "CodeReviewTargetChangedByTfId": c.f.userGUID(c.who.user)})
	c.f.tryMerge(p)
	c.f.hookPull(p, c.who.user, "git.pullrequest.updated", "changed the target branch of")
	return nil
}

// setAzureDraft publishes a draft, or makes a pull request one, which takes every vote back.
func (f *Forge) setAzureDraft(p *pull, who caller, draft bool) {
	if p.draft == draft {
		return
	}
	p.draft = draft
	done, now := "published", "False"
	if draft {
		done, now = "marked as a draft", "True"
	}
	f.systemThread(p, nil, "IsDraftUpdate", who.user.displayName()+" "+done+" the pull request", map[string]any{
		"CodeReviewIsDraftNowSet": now, "CodeReviewIsDraftUpdatedByIdentity": who.user})
	if draft {
		f.takeVotesBack(p, who.user, "IsDraft")
	}
	f.hookPull(p, who.user, "git.pullrequest.updated", done)
}

func (f *Forge) reactivate(p *pull, who caller) error {
	if p.azure.status == "active" {
		return nil
	}
	head, base := f.git.branch(p.headRepo, p.headRef), f.git.branch(p.issue.repo, p.baseRef)
	if head == "" || base == "" {
		return azureFailure(http.StatusBadRequest, "GitPullRequestCannotBeActivated",
			"TF401398: The pull request cannot be activated because the source and/or the target branch no longer exists, or the pull request already exists.")
	}
	p.issue.open, p.azure.status = true, "active"
	if head != p.headSHA {
		p.headSHA, p.baseSHA = head, base
		f.addIteration(p, who.user, "push", nil)
	}
	f.tryMerge(p)
	f.statusThread(p, who, "Active", false)
	return nil
}

// endPull abandons or completes.
func (f *Forge) endPull(p *pull, who caller, status string, bypassed bool) {
	p.issue.open, p.azure.status = false, status
	p.azure.closed, p.azure.closedBy = f.moment(), who.user
	p.issue.closed, p.issue.closedBy = p.azure.closed, who.user
	f.statusThread(p, who, strings.ToUpper(status[:1])+status[1:], bypassed)
}

func (f *Forge) statusThread(p *pull, who caller, status string, bypassed bool) {
	f.systemThread(p, nil, "StatusUpdate", who.user.displayName()+" updated the pull request status to "+status, map[string]any{
		"CodeReviewStatus": status, "CodeReviewStatusUpdateAssociatedCommit": p.mergeSHA, "CodeReviewStatusUpdatedByIdentity": who.user, "BypassPolicy": map[bool]string{true: "True", false: "False"}[bypassed]})
	f.hookPull(p, who.user, "git.pullrequest.updated", map[string]string{"Active": "reactivated", "Abandoned": "abandoned", "Completed": "completed"}[status])
}

// complete merges, if nothing that binds the target branch stands against it.
func (c *azureCall) complete(p *pull, in *completionInput) error {
	f, r := c.f, p.issue.repo
	if in == nil {
		in = &completionInput{}
	}
	switch {
	case p.draft:
		return azureFailure(http.StatusBadRequest, "GitPullRequestDraftCannotComplete", "A draft pull request cannot be completed. Publish it first.")
	case r.level(c.who.user) < levelWrite:
		return c.lacks(levelWrite)
	case p.azure.preview == "":
		return azureFailure(http.StatusConflict, "GitPullRequestCannotComplete", "The merge has conflicts.")
	}
	unmet := f.unmetPolicies(p)
	if len(unmet) > 0 {
		if !in.BypassPolicy {
			return azureFailure(http.StatusForbidden, "GitPullRequestUpdateRejectedByPolicyException",
				"The pull request cannot be completed, as it does not meet these policies of the target branch: %s.", strings.Join(unmet, "; "))
		}
		if !f.azure.bypass[[2]int64{r.id, c.who.user.id}] {
			return f.needsPermission(c.who.user, "PullRequestBypassPolicy", "branch")
		}
	}
	sha, err := f.mergeAzure(p, c.who, in)
	if err != nil {
		return err
	}
	p.merged, p.mergedBy, p.mergeSHA = f.now(), c.who.user, sha
	f.endPull(p, c.who, "completed", len(unmet) > 0)
	f.hookPull(p, c.who.user, "git.pullrequest.merged", "")
	if in.Transition {
		f.transitionItems(p, c.who.user)
	}
	if in.DeleteSource {
		if _, err := f.git.in(r, "update-ref", "-d", "refs/heads/"+p.headRef, p.headSHA); err == nil {
			f.pushedAzure(r, c.who, "refs/heads/"+p.headRef, p.headSHA, zeroSHA)
		}
	}
	return nil
}

// mergeAzure makes the commit on the target branch: a merge, or one with all changes if squashed.
func (f *Forge) mergeAzure(p *pull, who caller, in *completionInput) (string, error) {
	r, base := p.issue.repo, f.git.branch(p.issue.repo, p.baseRef)
	parents := []string{base, p.headSHA}
	switch in.Strategy {
	case "", "noFastForward":
		if in.Squash {
			parents = parents[:1]
		}
	case "squash":
		parents = parents[:1]
	default:
		return "", azureUnsupported("mergeStrategy %s", in.Strategy)
	}
	tree, err := f.mergedTree(r, base, p.headSHA)
	if err != nil {
		return "", azureFailure(http.StatusConflict, "GitPullRequestCannotComplete", "The merge has conflicts.")
	}
	message := firstOf(in.Message, strings.TrimSpace("Merged PR "+strconv.Itoa(p.issue.number)+": "+p.issue.title+"\n\n"+p.issue.body))
	sha, err := f.commitTree(r, who.user, tree, message, parents...)
	if err != nil {
		return "", err
	}
	if _, err := f.git.in(r, "update-ref", "refs/heads/"+p.baseRef, sha, base); err != nil {
		return "", azureFailure(http.StatusConflict, "GitPullRequestStaleException", "TF401192: The target branch has been modified since the last merge attempt.")
	}
	p.issue.open = false // what follows the push is not this pull request's
	f.pushedAzure(r, who, "refs/heads/"+p.baseRef, base, sha).Kind = "pr_merge"
	return sha, nil
}
