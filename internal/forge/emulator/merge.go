package emulator

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
)

func (c *call) mergePull() (response, error) {
	var in struct {
		CommitTitle   string `json:"commit_title"`
		CommitMessage string `json:"commit_message"`
		SHA           string `json:"sha"`
		MergeMethod   string `json:"merge_method"`
	}
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if in.SHA != "" && in.SHA != p.headSHA {
		return response{}, failure(http.StatusConflict, "Head branch was modified. Review and try the merge again.")
	}
	if in.MergeMethod != "" && in.MergeMethod != "merge" {
		name := strings.ToUpper(in.MergeMethod[:1]) + in.MergeMethod[1:]
		return response{}, failure(http.StatusMethodNotAllowed, "%s merges are not allowed on this repository.", name)
	}
	if c.who.token != nil {
		if path := c.f.changedInPull(p); path != "" && !c.who.token.allows(c.repo, "workflows", "write") {
			return response{}, failure(http.StatusForbidden, "refusing to allow a GitHub App to create or update workflow `%s` without `workflows` permission", path)
		}
	}
	sha, err := c.f.merge(p, c.who, in.CommitTitle, in.CommitMessage)
	if err != nil {
		return response{}, err
	}
	return ok(obj{"sha": sha, "merged": true, "message": "Pull Request successfully merged"})
}

// changedInPull names a workflow file that the pull request changes, or "".
func (f *Forge) changedInPull(p *pull) string {
	stats, err := f.compare(p.issue.repo, p.baseSHA, p.headSHA)
	if err != nil {
		return ""
	}
	for _, file := range stats.files {
		if strings.HasPrefix(file.name, workflowDir) || strings.HasPrefix(file.previous, workflowDir) {
			return file.name
		}
	}
	return ""
}

// merge makes a real merge commit on the base branch, if everything that protects it is satisfied.
func (f *Forge) merge(p *pull, who caller, title, message string) (string, error) {
	r := p.issue.repo
	notAllowed := func(why string) error { return failure(http.StatusMethodNotAllowed, "%s", why) }
	switch {
	case !p.merged.IsZero() || !p.issue.open:
		return "", notAllowed("Pull Request is not mergeable")
	case p.draft:
		return "", notAllowed("Pull Request is still a draft")
	}
	if why := f.unmet(p); why != "" && !f.bypassesMerge(p, who) {
		return "", notAllowed(why)
	}
	if prot := r.protections[p.baseRef]; prot != nil && prot.RestrictPushes && !prot.mayPush(who) && !r.bypasses(prot, who) {
		return "", notAllowed("You're not authorized to push to this branch. Visit https://docs.github.com/articles/about-protected-branches/ for more information.")
	}
	base := f.git.branch(r, p.baseRef)
	tree, err := f.mergedTree(r, base, p.headSHA)
	if err != nil {
		return "", notAllowed("Pull Request is not mergeable")
	}
	title = cmp.Or(title, fmt.Sprintf("Merge pull request #%d from %s/%s", p.issue.number, p.headRepo.owner.login, p.headRef))
	sha, err := f.commitTree(r, who.user, tree, strings.TrimSpace(title+"\n\n"+cmp.Or(message, p.issue.title)), base, p.headSHA)
	if err != nil {
		return "", err
	}
	ref := "refs/heads/" + p.baseRef
	if _, err := f.git.in(r, "update-ref", ref, sha, base); err != nil {
		return "", failure(http.StatusConflict, "Base branch was modified. Review and try the merge again.")
	}
	f.pushed(r, who, ref, base, sha).Kind = "pr_merge"
	return sha, nil
}

func (f *Forge) bypassesMerge(p *pull, who caller) bool {
	prot := p.issue.repo.protections[p.baseRef]
	return prot != nil && p.issue.repo.bypasses(prot, who)
}

// mergedTree is the tree of the merge, or an error on conflicts.
func (f *Forge) mergedTree(r *repository, base, head string) (string, error) {
	if f.git.isAncestor(r, base, head) {
		return f.git.line(r, "rev-parse", head+"^{tree}")
	}
	return f.git.line(r, "merge-tree", "--write-tree", base, head)
}

// commitTree writes a commit as the service's pages do: the person as author, and GitHub itself as committer.
func (f *Forge) commitTree(r *repository, author *user, tree, message string, parents ...string) (string, error) {
	date := fmt.Sprintf("%d +0000", f.now().Unix())
	committer := [2]string{"GitHub", "noreply@" + f.noreplyHost()}
	if f.azure != nil {
		committer = [2]string{author.displayName(), author.address(f)}
	}
	args := []string{"commit-tree", tree}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	out, err := f.git.run(gitCall{dir: r.dir, stdin: []byte(message + "\n"), env: []string{
		"GIT_AUTHOR_NAME=" + author.displayName(), "GIT_AUTHOR_EMAIL=" + author.address(f), "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=" + committer[0], "GIT_COMMITTER_EMAIL=" + committer[1], "GIT_COMMITTER_DATE=" + date}}, args...)
	return strings.TrimSpace(out), err
}

// unmet is the requirement of the base branch's protection that the pull request does not meet, or "".
func (f *Forge) unmet(p *pull) string {
	r := p.issue.repo
	prot := r.protections[p.baseRef]
	if prot == nil {
		return ""
	}
	approvals, objections := p.verdicts()
	switch {
	case objections > 0 && prot.RequiredReviews > 0:
		return "Changes requested by reviewers with write access."
	case approvals < prot.RequiredReviews:
		return fmt.Sprintf("At least %d approving review is required by reviewers with write access.", prot.RequiredReviews)
	}
	for _, name := range prot.RequiredChecks {
		switch r.checkState(name, p.headSHA) {
		case "success":
		case "":
			return fmt.Sprintf("Required status check %q is expected.", name)
		case "pending":
			return fmt.Sprintf("Required status check %q is pending.", name)
		default:
			return fmt.Sprintf("Required status check %q is failing.", name)
		}
	}
	return ""
}

// verdicts counts the latest approvals and objections of people with write access.
func (p *pull) verdicts() (approvals, objections int) {
	latest := map[*user]string{}
	for _, rv := range p.reviews {
		if rv.state == "APPROVED" || rv.state == "CHANGES_REQUESTED" || rv.state == "DISMISSED" {
			latest[rv.author] = rv.state
		}
	}
	for u, state := range latest {
		switch {
		case u.kind != typeUser || p.issue.repo.level(u) < levelWrite:
		case state == "APPROVED":
			approvals++
		case state == "CHANGES_REQUESTED":
			objections++
		}
	}
	return approvals, objections
}

// markMerged ends a pull request as merged, and closes the issues that its text names if its base is the
// default branch.
func (f *Forge) markMerged(p *pull, who caller, sha string) {
	i := p.issue
	p.merged, p.mergedBy, p.mergeSHA = f.now(), who.user, sha
	f.addEvent(i, who, issueEvent{event: "merged", commit: sha})
	f.setOpen(i, who, false, "")
	if p.baseRef == i.repo.defaultBranch {
		f.closeNamed(i.repo, who, i.body)
	}
}

// closeNamed closes the issues that a text says it closes.
func (f *Forge) closeNamed(r *repository, who caller, text string) {
	for _, number := range closing(text) {
		if target := r.issue(number); target != nil && target.pull == nil {
			f.setOpen(target, who, false, "completed")
		}
	}
}
