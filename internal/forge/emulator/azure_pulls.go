package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The service's limits on the texts of a pull request, in characters.
const (
	maxPullTitle       = 400
	maxPullDescription = 4000
)

// pullByNumber finds a pull request by its id, which is unique in the organization.
func (f *Forge) pullByNumber(number int) *pull {
	for _, r := range f.repos {
		if i := r.issue(number); i != nil && i.pull != nil {
			return i.pull
		}
	}
	return nil
}

func noPull() error {
	return azureFailure(http.StatusNotFound, "GitPullRequestNotFoundException", "TF401180: The requested pull request was not found.")
}

func (c *azureCall) wantedPull() (*pull, error) {
	p := c.f.pullByNumber(c.num("pullRequestId"))
	if p == nil || c.repo != nil && p.issue.repo != c.repo || c.project != nil && p.issue.repo.owner != c.project {
		return nil, noPull()
	}
	if p.issue.repo.level(c.who.user) < levelRead {
		return nil, noPull()
	}
	return p, nil
}

func (c *azureCall) getGitPull() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	o := c.f.gitPullJSON(p)
	if c.param("includeCommits") == "true" {
		if o["commits"], err = c.f.commitsBetween(p, p.baseSHA, p.headSHA); err != nil {
			return response{}, err
		}
	}
	if c.param("includeWorkItemRefs") == "true" {
		o["workItemRefs"] = c.f.itemRefs(p)
	}
	return ok(o)
}

// listGitPulls is newest first; without a status only active ones are shown.
func (c *azureCall) listGitPulls() (response, error) {
	want := firstOf(strings.ToLower(c.param("searchCriteria.status")), "active")
	if !slices.Contains([]string{"active", "abandoned", "completed", "all", "notset"}, want) {
		return response{}, c.unknown("query searchCriteria.status=" + want)
	}
	var found []*pull
	for _, r := range c.f.repos {
		if (c.repo == nil || r == c.repo) && (c.project == nil || r.owner == c.project) && r.level(c.who.user) >= levelRead &&
			matchesQuery(c.param("searchCriteria.repositoryId"), c.f.repoGUID(r)) {
			found = append(found, r.pulls()...)
		}
	}
	slices.SortFunc(found, func(a, b *pull) int { return b.issue.number - a.issue.number })
	out := []obj{}
	for _, p := range found {
		if (want == "all" || want == p.azure.status) && c.matchesCriteria(p) {
			o := c.f.gitPullJSON(p)
			o["description"] = cutText(p.issue.body, 400)
			delete(o, "_links")
			delete(o, "artifactId")
			out = append(out, o)
		}
	}
	return listed(c.paging(out, 1000))
}

func (c *azureCall) matchesCriteria(p *pull) bool {
	reviews := c.param("searchCriteria.reviewerId")
	return matchesQuery(c.param("searchCriteria.sourceRefName"), "refs/heads/"+p.headRef) &&
		matchesQuery(c.param("searchCriteria.targetRefName"), "refs/heads/"+p.baseRef) &&
		matchesQuery(c.param("searchCriteria.creatorId"), c.f.userGUID(p.issue.author)) &&
		matchesQuery(c.param("searchCriteria.sourceRepositoryId"), c.f.repoGUID(p.headRepo)) &&
		(reviews == "" || p.reviewer(c.f, reviews) != nil)
}

func cutText(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most])
}

type refInput struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

type newPullInput struct {
	Source      string     `json:"sourceRefName"`
	Target      string     `json:"targetRefName"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Draft       bool       `json:"isDraft"`
	Items       []refInput `json:"workItemRefs"`
	Reviewers   []refInput `json:"reviewers"`
	Supports    *bool      `json:"supportsIterations"`
}

// createGitPull needs the right to contribute to pull requests, and the branches.
func (c *azureCall) createGitPull() (response, error) {
	var in newPullInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	source, isSource := strings.CutPrefix(in.Source, "refs/heads/")
	target, isTarget := strings.CutPrefix(in.Target, "refs/heads/")
	head, base := c.f.git.branch(c.repo, source), c.f.git.branch(c.repo, target)
	switch {
	case !isSource || !isTarget || strings.TrimSpace(in.Title) == "":
		return response{}, badArgument("A pull request needs a title, a source and a target branch.")
	case head == "":
		return response{}, noBranch(in.Source)
	case base == "":
		return response{}, noBranch(in.Target)
	case in.Supports != nil && !*in.Supports || c.param("supportsIterations") == "false":
		return response{}, c.unknown("body field supportsIterations")
	case source == target:
		return response{}, badArgument("The source and the target of a pull request have to differ.")
	}
	if err := checkPullTexts(&in.Title, &in.Description); err != nil {
		return response{}, err
	}
	for _, p := range c.repo.pulls() {
		if p.issue.open && p.headRef == source && p.baseRef == target {
			return response{}, azureFailure(http.StatusConflict, "GitPullRequestExistsException",
				"TF401179: An active pull request for the source and target branch already exists.")
		}
	}
	items, err := c.itemsNamed(in.Items)
	if err != nil {
		return response{}, err
	}
	for _, ref := range in.Reviewers {
		if _, err := c.possibleReviewer(ref.ID); err != nil {
			return response{}, err
		}
	}
	p := c.f.newAzurePull(c.repo, c.who, in, source, target, head, base)
	for _, w := range items {
		c.f.linkItem(p, w, c.who.user)
	}
	for _, ref := range in.Reviewers {
		if _, err := c.ensureReviewer(p, ref.ID); err != nil {
			return response{}, err
		}
	}
	c.f.hookPull(p, c.who.user, "git.pullrequest.created", "")
	c.f.hookPull(p, c.who.user, "git.pullrequest.merged", "")
	c.f.noteAzure(c.repo.fullName(), p.issue.number, c.who.user, p.issue.body, true)
	return created(c.f.gitPullJSON(p))
}

// itemsNamed are work items that the caller can see.
func (c *azureCall) itemsNamed(refs []refInput) (items []*workItem, err error) {
	for _, ref := range refs {
		n, _ := strconv.Atoi(ref.ID)
		w := c.f.itemByID(n)
		if w == nil || !c.f.memberOf(c.who.user, w.project, levelRead) {
			return nil, noItem(n)
		}
		items = append(items, w)
	}
	return items, nil
}

func badArgument(format string, args ...any) error {
	return azureFailure(http.StatusBadRequest, "InvalidArgumentValueException", format, args...)
}

func noBranch(ref string) error {
	return azureFailure(http.StatusBadRequest, "GitRefNotFoundException", "The branch %s does not exist.", ref)
}

func checkPullTexts(title, description *string) error {
	if title != nil && utf8.RuneCountInString(*title) > maxPullTitle {
		return badArgument("Invalid argument value.\r\nParameter name: The title for the pull request must be less than or equal to %d characters.", maxPullTitle)
	}
	if description != nil && utf8.RuneCountInString(*description) > maxPullDescription {
		return badArgument("Invalid argument value.\r\nParameter name: A description for a pull request must not be longer than %d characters.", maxPullDescription)
	}
	return nil
}

// newAzurePull needs the lock; the branches have been checked.
func (f *Forge) newAzurePull(r *repository, who caller, in newPullInput, source, target, head, base string) *pull {
	f.azure.lastPull++
	now := f.moment()
	i := &issue{id: f.newID(), number: f.azure.lastPull, repo: r, title: in.Title, body: in.Description, open: true, author: who.user, created: now, updated: now}
	p := &pull{id: f.newID(), issue: i, draft: in.Draft, headRepo: r, headRef: source, headSHA: head, baseRef: target, baseSHA: base}
	i.pull = p
	p.azure = &azurePull{status: "active", created: now}
	r.issues = append(r.issues, i)
	f.addIteration(p, who.user, "create", nil)
	f.tryMerge(p)
	f.queueBuilds(p)
	return p
}

// addIteration records the present state of the branches.
func (f *Forge) addIteration(p *pull, author *user, reason string, push *Push) *iteration {
	it := &iteration{id: len(p.azure.iterations) + 1, author: author, reason: reason, source: p.headSHA, target: p.baseSHA, push: push, at: f.moment()}
	it.common, _ = f.git.line(p.issue.repo, "merge-base", p.baseSHA, p.headSHA)
	p.azure.iterations = append(p.azure.iterations, it)
	return it
}

// tryMerge makes the merge that the service tries out, and with it keeps the source's objects.
func (f *Forge) tryMerge(p *pull) {
	r, ref := p.issue.repo, "refs/pull/"+strconv.Itoa(p.issue.number)+"/merge"
	p.azure.preview = ""
	tree, err := f.mergedTree(r, p.baseSHA, p.headSHA)
	if err != nil {
		return
	}
	if p.azure.preview, err = f.commitTree(r, p.issue.author, tree, "Merge pull request "+strconv.Itoa(p.issue.number), p.baseSHA, p.headSHA); err != nil {
		f.log.Error("trying a merge", "error", err)
		return
	}
	if _, err := f.git.in(r, "update-ref", ref, p.azure.preview); err != nil {
		f.log.Error("keeping a merge", "error", err)
	}
}

// linkItem links a work item with a pull request, both ways.
func (f *Forge) linkItem(p *pull, w *workItem, by *user) {
	if slices.Contains(p.azure.items, w) {
		return
	}
	p.azure.items = append(p.azure.items, w)
	f.reviseItem(w, by, map[string]any{}, nil, obj{"rel": "ArtifactLink",
		"url":        "vstfs:///Git/PullRequestId/" + f.projectGUID(p.issue.repo.owner) + "%2F" + f.repoGUID(p.issue.repo) + "%2F" + strconv.Itoa(p.issue.number),
		"attributes": obj{"name": "Pull Request"}})
}
