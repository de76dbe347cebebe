package emulator

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// newPull needs the lock; the branches have been checked.
func (f *Forge) newPull(r *repository, who caller, in pullInput, head *repository, headSHA, baseSHA string) *pull {
	i := f.newIssue(r, who, in.Title, in.Body)
	branch := in.Head
	if _, after, found := strings.Cut(in.Head, ":"); found {
		branch = after
	}
	p := &pull{id: f.newID(), issue: i, draft: in.Draft, headRepo: head, headRef: branch, headSHA: headSHA,
		baseRef: in.Base, baseSHA: baseSHA}
	i.pull = p
	f.keepHead(p)
	f.emitPull(p, who.user, "opened", nil)
	f.notice(i, who.user, i.body)
	return p
}

type pullInput struct {
	Title               string `json:"title"`
	Body                string `json:"body"`
	Head                string `json:"head"`
	HeadRepo            string `json:"head_repo"`
	Base                string `json:"base"`
	Draft               bool   `json:"draft"`
	MaintainerCanModify *bool  `json:"maintainer_can_modify"`
}

func (c *call) createPull() (response, error) {
	var in pullInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if err := checkTexts("PullRequest", &in.Title, &in.Body); err != nil {
		return response{}, err
	}
	head, err := c.headRepo(in)
	if err != nil {
		return response{}, err
	}
	_, branch, found := strings.Cut(in.Head, ":")
	if !found {
		branch = in.Head
	}
	headSHA, baseSHA := c.f.git.branch(head, branch), c.f.git.branch(c.repo, in.Base)
	switch {
	case strings.TrimSpace(in.Title) == "":
		return response{}, invalid("PullRequest", "title", "missing_field", "")
	case headSHA == "":
		return response{}, invalid("PullRequest", "head", "invalid", "")
	case baseSHA == "":
		return response{}, invalid("PullRequest", "base", "invalid", "")
	case in.Draft && c.repo.refuseDrafts:
		return response{}, failure(http.StatusUnprocessableEntity, "Draft pull requests are not supported in this repository.")
	}
	if err := c.refuseDouble(head, branch, in.Base, headSHA); err != nil {
		return response{}, err
	}
	return created(c.f.pullJSON(c.f.newPull(c.repo, c.who, in, head, headSHA, baseSHA)))
}

// headRepo is the repository that "owner:branch" names: this one or a fork of it.
func (c *call) headRepo(in pullInput) (*repository, error) {
	owner, _, found := strings.Cut(in.Head, ":")
	if !found || strings.EqualFold(owner, c.repo.owner.login) {
		return c.repo, nil
	}
	for _, r := range c.f.repos {
		if r.parent == c.repo && strings.EqualFold(r.owner.login, owner) && c.who.sees(r) {
			return r, nil
		}
	}
	return nil, invalid("PullRequest", "head", "invalid", "")
}

// refuseDouble answers as GitHub does if there is nothing to pull, or an open pull request for it.
func (c *call) refuseDouble(head *repository, branch, base, headSHA string) error {
	for _, p := range c.repo.pulls() {
		if p.issue.open && p.headRepo == head && p.headRef == branch && p.baseRef == base {
			return &apiError{status: http.StatusUnprocessableEntity, message: "Validation Failed", errors: []any{obj{
				"resource": "PullRequest", "code": "custom",
				"message": "A pull request already exists for " + head.owner.login + ":" + branch + "."}}}
		}
	}
	if head == c.repo && c.f.git.isAncestor(c.repo, headSHA, c.f.git.branch(c.repo, base)) {
		return &apiError{status: http.StatusUnprocessableEntity, message: "Validation Failed", errors: []any{obj{
			"resource": "PullRequest", "code": "custom", "message": "No commits between " + base + " and " + branch}}}
	}
	return nil
}

func (c *call) wantedPull() (*pull, error) {
	i, err := c.wanted()
	if err != nil || i.pull == nil {
		return nil, notFound()
	}
	return i.pull, nil
}

// getPull answers as JSON, or as the diff or patch that the Accept header names.
func (c *call) getPull() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	accept := c.r.Header.Get("Accept")
	switch {
	case strings.Contains(accept, ".diff"):
		cmp, err := c.f.compare(c.repo, p.baseSHA, p.headSHA)
		if err != nil {
			return response{}, err
		}
		return response{status: http.StatusOK, raw: []byte(cmp.diff), mime: accept + "; charset=utf-8"}, nil
	case strings.Contains(accept, ".patch"):
		out, err := c.f.git.in(c.repo, "format-patch", "--stdout", "--no-signature", p.baseSHA+".."+p.headSHA)
		if err != nil {
			return response{}, err
		}
		return response{status: http.StatusOK, raw: []byte(out), mime: accept + "; charset=utf-8"}, nil
	}
	return ok(c.f.pullJSON(p))
}

func (c *call) listPulls() (response, error) {
	state, err := c.one("state", "open", "closed", "all")
	if err != nil {
		return response{}, err
	}
	key, err := c.one("sort", "created", "updated")
	if err != nil {
		return response{}, err
	}
	direction, err := c.one("direction", "desc", "asc")
	if err != nil {
		return response{}, err
	}
	var found []*pull
	for _, p := range c.repo.pulls() {
		head := p.headRepo.owner.login + ":" + p.headRef
		if matchesState(p.issue, state) && matchesQuery(c.query.Get("head"), head) && matchesQuery(c.query.Get("base"), p.baseRef) {
			found = append(found, p)
		}
	}
	slices.SortStableFunc(found, func(a, b *pull) int {
		order := cmp.Compare(a.issue.number, b.issue.number)
		if key == "updated" {
			order = cmp.Or(a.issue.updated.Compare(b.issue.updated), order)
		}
		if direction == "desc" {
			return -order
		}
		return order
	})
	out := []obj{}
	for _, p := range found {
		out = append(out, c.f.simplePullJSON(p))
	}
	return pages(out)
}

func matchesQuery(want, have string) bool { return want == "" || strings.EqualFold(want, have) }

// editPull changes title, body, base and state. It cannot un-draft: GitHub ignores draft here, and only
// GraphQL's markPullRequestReadyForReview does it.
func (c *call) editPull() (response, error) {
	var in struct {
		Title               *string `json:"title"`
		Body                *string `json:"body"`
		State               *string `json:"state"`
		Base                *string `json:"base"`
		MaintainerCanModify *bool   `json:"maintainer_can_modify"`
		Draft               *bool   `json:"draft"`
	}
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if p.issue.author != c.who.user && c.who.token == nil && c.repo.level(c.who.user) < levelWrite {
		return response{}, failure(http.StatusForbidden, "Must have write access to Repository.")
	}
	if in.Base != nil && *in.Base != p.baseRef {
		if err := c.f.retarget(p, c.who, *in.Base); err != nil {
			return response{}, err
		}
	}
	if err := c.f.editText(p.issue, c.who, in.Title, in.Body); err != nil {
		return response{}, err
	}
	if in.State != nil {
		if err := c.f.setPullState(p, c.who, *in.State); err != nil {
			return response{}, err
		}
	}
	return ok(c.f.pullJSON(p))
}

func (f *Forge) setPullState(p *pull, who caller, to string) error {
	switch {
	case to != "open" && to != "closed":
		return invalid("PullRequest", "state", "invalid", "")
	case to == "open" && !p.merged.IsZero():
		return invalid("PullRequest", "state", "custom", "state cannot be changed. The pull request is merged.")
	case to == "open" && f.git.branch(p.headRepo, p.headRef) == "":
		return invalid("PullRequest", "state", "custom", "state cannot be changed. The "+p.headRef+" branch has been deleted.")
	}
	f.setOpen(p.issue, who, to == "open", "")
	return nil
}

// retarget gives the pull request another base branch.
func (f *Forge) retarget(p *pull, who caller, base string) error {
	sha := f.git.branch(p.issue.repo, base)
	if sha == "" {
		return invalid("PullRequest", "base", "invalid", "")
	}
	changes := obj{"base": obj{"ref": obj{"from": p.baseRef}, "sha": obj{"from": p.baseSHA}}}
	p.baseRef, p.baseSHA = base, sha
	f.addEvent(p.issue, who, issueEvent{event: "base_ref_changed"})
	f.emitPull(p, who.user, "edited", obj{"changes": changes})
	return nil
}

// setDraft is what the two GraphQL mutations do.
func (f *Forge) setDraft(p *pull, who caller, draft bool) {
	if p.draft == draft {
		return
	}
	p.draft = draft
	event, action := "ready_for_review", "ready_for_review"
	if draft {
		event, action = "convert_to_draft", "converted_to_draft"
	}
	f.addEvent(p.issue, who, issueEvent{event: event})
	f.emitPull(p, who.user, action, nil)
}

func (c *call) listPullFiles() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	comparison, err := c.f.compare(c.repo, p.baseSHA, p.headSHA)
	if err != nil {
		return response{}, err
	}
	files := comparison.files
	if len(files) > 3000 { // GitHub's limit
		files = files[:3000]
	}
	return pages(c.f.filesJSON(c.repo, p.headSHA, files))
}

func (c *call) listPullCommits() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	comparison, err := c.f.compare(c.repo, p.baseSHA, p.headSHA)
	if err != nil {
		return response{}, err
	}
	commits, err := c.f.commitsJSON(c.repo, comparison.commits)
	if err != nil {
		return response{}, err
	}
	return pages(commits[:min(len(commits), 250)]) // GitHub's limit
}
