package emulator

import (
	"net/http"
	"slices"
)

func contexts(p *Protection) []string {
	out := append([]string{}, p.RequiredChecks...)
	return out
}

func checksJSON(p *Protection) []obj {
	out := []obj{}
	for _, name := range p.RequiredChecks {
		out = append(out, obj{"context": name, "app_id": nil})
	}
	return out
}

func (c *call) getProtection() (response, error) {
	p := c.repo.protections[c.vars["branch"]]
	if p == nil {
		return response{}, failure(http.StatusNotFound, "Branch not protected")
	}
	return ok(c.protectionJSON(p))
}

func (c *call) protectionJSON(p *Protection) obj {
	self := c.f.repoURL(c.repo, "/branches/"+pathEscape(c.vars["branch"])+"/protection")
	o := obj{"url": self, "enforce_admins": obj{"url": self + "/enforce_admins", "enabled": p.EnforceAdmins},
		"allow_force_pushes": obj{"enabled": p.AllowForcePushes}, "allow_deletions": obj{"enabled": p.AllowDeletions},
		"required_linear_history": obj{"enabled": false}, "block_creations": obj{"enabled": false},
		"required_conversation_resolution": obj{"enabled": false}, "lock_branch": obj{"enabled": false},
		"allow_fork_syncing": obj{"enabled": false}}
	if p.RequiredReviews > 0 {
		o["required_pull_request_reviews"] = obj{"url": self + "/required_pull_request_reviews",
			"dismiss_stale_reviews": p.DismissStaleReviews, "require_code_owner_reviews": false,
			"required_approving_review_count": p.RequiredReviews, "require_last_push_approval": false}
	}
	if len(p.RequiredChecks) > 0 {
		o["required_status_checks"] = obj{"url": self + "/required_status_checks", "strict": false, "contexts": contexts(p),
			"contexts_url": self + "/required_status_checks/contexts", "checks": checksJSON(p)}
	}
	if p.RestrictPushes {
		o["restrictions"] = c.restrictionsJSON(p, self+"/restrictions")
	}
	return o
}

func (c *call) restrictionsJSON(p *Protection, self string) obj {
	users, apps := []obj{}, []obj{}
	for _, name := range p.AllowPush {
		if a := c.f.appBySlug(name); a != nil {
			apps = append(apps, c.f.appJSON(a))
		} else if u := c.f.userByLogin(name); u != nil {
			users = append(users, c.f.userJSON(u))
		}
	}
	return obj{"url": self, "users_url": self + "/users", "teams_url": self + "/teams", "apps_url": self + "/apps",
		"users": users, "teams": []obj{}, "apps": apps}
}

// protectionInput is GitHub's body for the protection of a branch, as far as it is emulated.
type protectionInput struct {
	RequiredStatusChecks *struct {
		Strict   bool      `json:"strict"`
		Contexts *[]string `json:"contexts"`
		Checks   *[]struct {
			Context string `json:"context"`
			AppID   *int64 `json:"app_id"`
		} `json:"checks"`
	} `json:"required_status_checks"`
	RequiredPullRequestReviews *struct {
		DismissStaleReviews          bool `json:"dismiss_stale_reviews"`
		RequireCodeOwnerReviews      bool `json:"require_code_owner_reviews"`
		RequiredApprovingReviewCount int  `json:"required_approving_review_count"`
	} `json:"required_pull_request_reviews"`
	EnforceAdmins *bool `json:"enforce_admins"`
	Restrictions  *struct {
		Users []string `json:"users"`
		Teams []string `json:"teams"`
		Apps  []string `json:"apps"`
	} `json:"restrictions"`
	AllowForcePushes *bool `json:"allow_force_pushes"`
	AllowDeletions   *bool `json:"allow_deletions"`
}

// putProtection replaces the protection of a branch.
func (c *call) putProtection() (response, error) {
	var in protectionInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if c.f.git.branch(c.repo, c.vars["branch"]) == "" {
		return response{}, failure(http.StatusNotFound, "Branch not found")
	}
	p, err := in.protection()
	if err != nil {
		return response{}, err
	}
	c.repo.protections[c.vars["branch"]] = p
	return ok(c.protectionJSON(p))
}

// protection refuses what it could not enforce.
func (in protectionInput) protection() (*Protection, error) {
	p := &Protection{}
	set(&p.EnforceAdmins, in.EnforceAdmins)
	set(&p.AllowForcePushes, in.AllowForcePushes)
	set(&p.AllowDeletions, in.AllowDeletions)
	if rv := in.RequiredPullRequestReviews; rv != nil {
		if rv.RequireCodeOwnerReviews {
			return nil, unsupported("branch protection: require_code_owner_reviews")
		}
		p.RequiredReviews, p.DismissStaleReviews = max(1, rv.RequiredApprovingReviewCount), rv.DismissStaleReviews
	}
	if checks := in.RequiredStatusChecks; checks != nil {
		if checks.Strict {
			return nil, unsupported("branch protection: required_status_checks.strict")
		}
		set(&p.RequiredChecks, checks.Contexts)
		if checks.Checks != nil {
			for _, check := range *checks.Checks {
				if !slices.Contains(p.RequiredChecks, check.Context) { // clients send both lists
					p.RequiredChecks = append(p.RequiredChecks, check.Context)
				}
			}
		}
	}
	if r := in.Restrictions; r != nil {
		if len(r.Teams) > 0 {
			return nil, unsupported("branch protection: restrictions.teams")
		}
		p.RestrictPushes, p.AllowPush = true, append(r.Users, r.Apps...)
	}
	return p, nil
}

func (c *call) deleteProtection() (response, error) {
	if c.repo.protections[c.vars["branch"]] == nil {
		return response{}, failure(http.StatusNotFound, "Branch not protected")
	}
	delete(c.repo.protections, c.vars["branch"])
	return noContent()
}
