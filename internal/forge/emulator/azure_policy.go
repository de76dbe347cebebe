package emulator

import (
	"errors"
	"fmt"
	"strings"
)

// Types of branch policies.
const (
	policyReviewers = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
	policyBuild     = "0609b952-1397-4640-95ec-e00a01b2c241"
	policyStatus    = "cbdc66da-9728-4af8-aada-9a5a32e4a226"
)

var policyNames = map[string]string{policyReviewers: "Minimum number of reviewers", policyBuild: "Build", policyStatus: "Status"}

// BranchPolicy is one policy of a branch; exactly one of its three parts is set.
// https://learn.microsoft.com/en-us/azure/devops/repos/git/branch-policies
type BranchPolicy struct {
	Optional  bool // it is shown and binds nobody
	Reviewers *ReviewersPolicy
	Status    *StatusPolicy
	Build     *BuildPolicy
}

// ReviewersPolicy wants a number of approving votes.
type ReviewersPolicy struct {
	Minimum           int
	CreatorVoteCounts bool
	AllowDownvotes    bool
	ResetOnSourcePush bool
}

// StatusPolicy wants a status to have succeeded, if an author is given one of theirs.
type StatusPolicy struct{ Genre, Name, AuthorGUID string }

// BuildPolicy wants a run of a pipeline on the merge to have succeeded.
type BuildPolicy struct {
	PipelineID int
	Name       string
}

type policy struct {
	id       int
	repo     *repository
	branch   string
	kind     string
	blocking bool
	disabled bool
	settings BranchPolicy
	creator  *user
}

// AddPolicy binds a branch and returns the id of the policy.
func (f *Forge) AddPolicy(fullName, branch string, p BranchPolicy) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repoByName(fullName)
	if f.azure == nil || r == nil || branch == "" {
		return 0, errors.New("emulator: no such repository or branch to bind")
	}
	return f.addPolicy(r, branch, p, r.owner).id, nil
}

func (f *Forge) addPolicy(r *repository, branch string, settings BranchPolicy, creator *user) *policy {
	p := &policy{id: int(f.newID()), repo: r, branch: branch, blocking: !settings.Optional, settings: settings, creator: creator}
	switch {
	case settings.Reviewers != nil:
		p.kind = policyReviewers
	case settings.Status != nil:
		p.kind = policyStatus
	default:
		p.kind = policyBuild
	}
	f.azure.policies = append(f.azure.policies, p)
	return p
}

// AllowBypass gives an account the permissions to bypass policies when pushing and completing.
func (f *Forge) AllowBypass(fullName, login string) error {
	return f.changeRepo(fullName, login, func(r *repository, u *user) error {
		f.azure.bypass[[2]int64{r.id, u.id}] = true
		return nil
	})
}

// policiesOf are the policies that bind a branch: those that were added, and what Protect says.
func (f *Forge) policiesOf(r *repository, branch string) []*policy {
	var out []*policy
	for _, p := range f.azure.policies {
		if p.repo == r && p.branch == branch && !p.disabled {
			out = append(out, p)
		}
	}
	prot := r.protections[branch]
	if prot == nil {
		return out
	}
	if prot.RequiredReviews > 0 {
		out = append(out, &policy{repo: r, branch: branch, kind: policyReviewers, blocking: true, creator: r.owner,
			settings: BranchPolicy{Reviewers: &ReviewersPolicy{Minimum: prot.RequiredReviews, ResetOnSourcePush: prot.DismissStaleReviews}}})
	}
	for _, name := range prot.RequiredChecks {
		genre, rest, found := strings.Cut(name, "/")
		if !found {
			genre, rest = "", name
		}
		out = append(out, &policy{repo: r, branch: branch, kind: policyStatus, blocking: true, creator: r.owner,
			settings: BranchPolicy{Status: &StatusPolicy{Genre: genre, Name: rest}}})
	}
	return out
}

// evaluate is the state of a policy on a pull request, in the service's words, and what is missing.
func (f *Forge) evaluate(po *policy, p *pull) (state, missing string) {
	switch po.kind {
	case policyReviewers:
		return evaluateReviewers(po.settings.Reviewers, p)
	case policyStatus:
		return f.evaluateStatus(po.settings.Status, p)
	}
	return f.evaluateBuild(po.settings.Build, p)
}

// evaluateReviewers counts approvals, with suggestions or without; whoever waits or rejects blocks. The creator's own
// vote counts for nothing, and neither do teams'.
func evaluateReviewers(s *ReviewersPolicy, p *pull) (state, missing string) {
	approvals, against := 0, 0
	for _, rv := range p.azure.reviewers {
		switch {
		case rv.user == nil || rv.user == p.issue.author && !s.CreatorVoteCounts:
		case rv.vote >= 5:
			approvals++
		case rv.vote < 0:
			against++
		}
	}
	switch {
	case against > 0 && !s.AllowDownvotes:
		return "rejected", "At least one reviewer rejected the changes or waits for the author"
	case approvals < s.Minimum:
		return "running", fmt.Sprintf("At least %d reviewer(s) must approve", s.Minimum)
	}
	return "approved", ""
}

// evaluateStatus looks at the newest status of the context; one of an earlier iteration is out of date.
func (f *Forge) evaluateStatus(s *StatusPolicy, p *pull) (state, missing string) {
	context := contextOf(s.Genre, s.Name)
	newest := p.newest(context, func(by *user) bool { return s.AuthorGUID == "" || strings.EqualFold(f.userGUID(by), s.AuthorGUID) })
	switch {
	case newest == nil || newest.iteration > 0 && newest.iteration < len(p.azure.iterations):
		return "queued", context + " has not been posted"
	case newest.state == "succeeded" || newest.state == "notApplicable":
		return "approved", ""
	case newest.state == "failed" || newest.state == "error":
		return "rejected", context + " has failed"
	}
	return "running", context + " is pending"
}

// unmetPolicies lists what stands between a pull request and its target branch.
func (f *Forge) unmetPolicies(p *pull) []string {
	var out []string
	for _, po := range f.policiesOf(p.issue.repo, p.baseRef) {
		if state, missing := f.evaluate(po, p); po.blocking && state != "approved" {
			out = append(out, missing)
		}
	}
	return out
}

// resetByPush takes approvals back where a policy says so.
func (f *Forge) resetByPush(p *pull, who caller) {
	for _, po := range f.policiesOf(p.issue.repo, p.baseRef) {
		if po.kind != policyReviewers || !po.settings.Reviewers.ResetOnSourcePush {
			continue
		}
		var approving []*reviewer
		for _, rv := range p.azure.reviewers {
			if rv.vote > 0 {
				approving = append(approving, rv)
			}
		}
		f.takeBack(p, who.user, "ApprovalsOnPush", approving)
	}
}

// refuseAzure says why the service would not accept a change of a ref, or "". env leads git to the objects of a push
// that are still in quarantine.
func (f *Forge) refuseAzure(r *repository, who caller, c refChange, env []string) string {
	branch, isBranch := strings.CutPrefix(c.ref, "refs/heads/")
	if strings.HasPrefix(c.ref, "refs/pull/") {
		return f.needs(who.user, "GenericContribute", "branch")
	}
	if !isBranch {
		return ""
	}
	bypasses := f.azure.bypass[[2]int64{r.id, who.user.id}]
	if p := r.protections[branch]; p != nil && !bypasses {
		bypasses = p.RestrictPushes && p.mayPush(who)
	}
	if !bypasses {
		for _, po := range f.policiesOf(r, branch) {
			if po.blocking {
				return "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch."
			}
		}
	}
	if why := f.refuseRuled(r, who, c, branch); why != "" {
		return "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch."
	}
	deletes := c.new == zeroSHA
	forced := !deletes && c.old != zeroSHA && !f.contains(r, c.old, c.new, env)
	if (forced || deletes) && f.creatorOf(r, c.ref) != who.user && r.level(who.user) < levelMaintain {
		return f.needs(who.user, "ForcePush", "branch")
	}
	p := r.protections[branch]
	switch {
	case p != nil && (deletes && !p.AllowDeletions || forced && !p.AllowForcePushes):
		return f.needs(who.user, "ForcePush", "branch")
	case p != nil && p.RestrictPushes && !p.mayPush(who):
		return f.needs(who.user, "GenericContribute", "branch")
	}
	return ""
}
