package emulator

import (
	"fmt"
	"slices"
	"strings"
)

// refChange is one line of what a push asks for.
type refChange struct {
	ref, old, new string
}

const workflowDir = ".github/workflows/"

// refuse says why GitHub would not accept the change, or "". env leads git to the objects of a push that
// are still in quarantine.
func (f *Forge) refuse(r *repository, who caller, c refChange, env []string) string {
	if strings.HasPrefix(c.ref, "refs/pull/") {
		return "deny updating a hidden ref"
	}
	if who.token != nil && c.new != zeroSHA && !who.token.allows(r, "workflows", "write") {
		if path := f.changedWorkflow(r, c, env); path != "" {
			return fmt.Sprintf("refusing to allow a GitHub App to create or update workflow `%s` without `workflows` permission", path)
		}
	}
	branch, isBranch := strings.CutPrefix(c.ref, "refs/heads/")
	if !isBranch {
		return ""
	}
	if c.new == zeroSHA && branch == r.defaultBranch {
		return "refusing to delete the current branch: " + c.ref
	}
	if why := f.refuseRuled(r, who, c, branch); why != "" {
		return why
	}
	p := r.protections[branch]
	if p == nil {
		return ""
	}
	forced := c.old != zeroSHA && c.new != zeroSHA && !f.contains(r, c.old, c.new, env)
	if why := f.refuseProtected(r, p, who, c, forced); why != "" {
		return "GH006: Protected branch update failed for " + c.ref + ".\n" + why
	}
	return ""
}

// refuseProtected holds a change against the protection of its branch.
func (f *Forge) refuseProtected(r *repository, p *Protection, who caller, c refChange, forced bool) string {
	switch {
	case c.new == zeroSHA && !p.AllowDeletions:
		return "Cannot delete this protected branch"
	case forced && !p.AllowForcePushes:
		return "Cannot force-push to this branch"
	case r.bypasses(p, who):
		return ""
	case p.RestrictPushes && !p.mayPush(who):
		return "You're not authorized to push to this branch. Visit https://docs.github.com/articles/about-protected-branches/ for more information."
	case p.RequiredReviews > 0 && !p.mayPush(who):
		return "Changes must be made through a pull request."
	}
	for _, name := range p.RequiredChecks {
		if !p.mayPush(who) && r.checkState(name, c.new) != "success" {
			return fmt.Sprintf("Required status check %q is expected.", name)
		}
	}
	return ""
}

// bypasses says whether the caller is an administrator whom the protection does not bind.
func (r *repository) bypasses(p *Protection, who caller) bool {
	return !p.EnforceAdmins && who.token == nil && r.level(who.user) >= levelAdmin
}

func (p *Protection) mayPush(who caller) bool {
	return slices.ContainsFunc(p.AllowPush, func(name string) bool {
		return strings.EqualFold(name, who.user.login) || who.app != nil && name == who.app.slug
	})
}

// changedWorkflow names a workflow file that a commit touches which is new to the repository.
func (f *Forge) changedWorkflow(r *repository, c refChange, env []string) string {
	out, err := f.git.run(gitCall{dir: r.dir, env: env}, "log", "--format=", "--name-only", "-z", "-c", "--no-renames",
		"--full-history", c.new, "--not", "--branches", "--tags", "--", workflowDir)
	if err != nil {
		return workflowDir // what cannot be read is refused
	}
	for path := range strings.FieldsFuncSeq(out, func(c rune) bool { return c == 0 || c == '\n' }) {
		return path
	}
	return ""
}

// contains says whether old is an ancestor of new, which may be in quarantine.
func (f *Forge) contains(r *repository, old, new string, env []string) bool {
	_, err := f.git.run(gitCall{dir: r.dir, env: env}, "merge-base", "--is-ancestor", old, new)
	return err == nil
}

// checkState is the state of the newest check run or status of that name on a commit: "success", "failure"
// or "pending"; "" if there is none.
func (r *repository) checkState(name, sha string) string {
	state := ""
	for _, c := range r.checks {
		if c.name == name && c.head == sha {
			state = c.outcome()
		}
	}
	for _, s := range r.statuses {
		if s.context == name && s.sha == sha {
			state = s.state
		}
	}
	return state
}

// outcome reduces a check run to the states of a commit status.
func (c *checkRun) outcome() string {
	switch {
	case c.status != "completed":
		return "pending"
	case slices.Contains([]string{"success", "neutral", "skipped"}, c.conclusion):
		return "success"
	default:
		return "failure"
	}
}
