package emulator

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"
)

type checkInput struct {
	Name        *string    `json:"name"`
	HeadSHA     string     `json:"head_sha"`
	DetailsURL  *string    `json:"details_url"`
	ExternalID  *string    `json:"external_id"`
	Status      *string    `json:"status"`
	StartedAt   *time.Time `json:"started_at"`
	Conclusion  *string    `json:"conclusion"`
	CompletedAt *time.Time `json:"completed_at"`
	Output      *struct {
		Title   *string `json:"title"`
		Summary *string `json:"summary"`
		Text    *string `json:"text"`
		// Annotations are added to those that the run has.
		Annotations []annotation `json:"annotations"`
	} `json:"output"`
	Actions *[]checkAction `json:"actions"`
}

var (
	shaPattern  = regexp.MustCompile(`^[0-9a-f]{40}$`)
	conclusions = []string{"success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"}
)

// createCheckRun is for Apps only, as on GitHub.
func (c *call) createCheckRun() (response, error) {
	if c.who.token == nil {
		return response{}, failure(http.StatusForbidden, "You must authenticate via a GitHub App.")
	}
	var in checkInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if in.Name == nil || *in.Name == "" {
		return response{}, failure(http.StatusUnprocessableEntity, "Invalid request.\n\n\"name\" wasn't supplied.")
	}
	if !shaPattern.MatchString(in.HeadSHA) || c.f.git.resolve(c.repo, in.HeadSHA) == "" {
		return response{}, failure(http.StatusUnprocessableEntity, "No commit found for SHA: %s", in.HeadSHA)
	}
	cr := &checkRun{app: c.who.app, head: in.HeadSHA, status: "queued", started: c.f.now()}
	if err := c.f.applyCheck(cr, in); err != nil {
		return response{}, err
	}
	cr.id, cr.suite = c.f.newID(), c.f.suiteFor(c.repo, c.who.app, in.HeadSHA)
	c.repo.checks = append(c.repo.checks, cr)
	c.f.emitCheck(c.repo, cr, c.who.user, "created", nil)
	if cr.status == "completed" {
		c.f.emitCheck(c.repo, cr, c.who.user, "completed", nil)
	}
	return created(c.f.checkJSON(c.repo, cr))
}

// suiteFor is the one suite of an App on a commit.
func (f *Forge) suiteFor(r *repository, a *app, head string) *checkSuite {
	key := str(a.id) + " " + head
	if r.suites[key] == nil {
		r.suites[key] = &checkSuite{id: f.newID(), app: a, head: head, created: f.now(), updated: f.now()}
	}
	return r.suites[key]
}

func (c *call) wantedCheck() (*checkRun, error) {
	for _, cr := range c.repo.checks {
		if cr.id == c.id("check_run_id") {
			return cr, nil
		}
	}
	return nil, notFound()
}

func (c *call) getCheckRun() (response, error) {
	cr, err := c.wantedCheck()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.checkJSON(c.repo, cr))
}

func (c *call) updateCheckRun() (response, error) {
	cr, err := c.wantedCheck()
	if err != nil {
		return response{}, err
	}
	if c.who.app != cr.app {
		return response{}, failure(http.StatusForbidden, "Invalid app_id `%d` - check run can only be modified by the GitHub App that created it.", cr.app.id)
	}
	var in checkInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	before := cr.status
	if err := c.f.applyCheck(cr, in); err != nil {
		return response{}, err
	}
	cr.suite.updated = c.f.now()
	if cr.status == "completed" && before != "completed" {
		c.f.emitCheck(c.repo, cr, c.who.user, "completed", nil)
	}
	return ok(c.f.checkJSON(c.repo, cr))
}

// applyCheck checks and takes over what a request sets; a conclusion completes the run.
func (f *Forge) applyCheck(cr *checkRun, in checkInput) error {
	if in.Conclusion != nil && !slices.Contains(conclusions, *in.Conclusion) {
		return failure(http.StatusUnprocessableEntity, "Invalid request.\n\n%s is not a conclusion.", *in.Conclusion)
	}
	if in.Status != nil && !slices.Contains([]string{"queued", "in_progress", "completed"}, *in.Status) {
		return failure(http.StatusUnprocessableEntity, "Invalid request.\n\n%s is not a status.", *in.Status)
	}
	if in.Status != nil && *in.Status == "completed" && in.Conclusion == nil && cr.conclusion == "" {
		return failure(http.StatusUnprocessableEntity, "Invalid request.\n\nMissing required property: conclusion.")
	}
	if in.Actions != nil && len(*in.Actions) > 3 {
		return failure(http.StatusUnprocessableEntity, "Invalid request.\n\nNo more than 3 actions are allowed.")
	}
	set(&cr.name, in.Name)
	set(&cr.detailsURL, in.DetailsURL)
	set(&cr.externalID, in.ExternalID)
	set(&cr.started, in.StartedAt)
	set(&cr.actions, in.Actions)
	if in.Status != nil && *in.Status != "completed" && in.Conclusion == nil {
		cr.conclusion, cr.completed = "", time.Time{}
	}
	set(&cr.status, in.Status)
	if in.Conclusion != nil {
		cr.status, cr.conclusion, cr.completed = "completed", *in.Conclusion, f.now()
	}
	set(&cr.completed, in.CompletedAt)
	if in.Output != nil {
		set(&cr.title, in.Output.Title)
		set(&cr.summary, in.Output.Summary)
		set(&cr.text, in.Output.Text)
		if err := cr.annotate(in.Output.Annotations); err != nil {
			return err
		}
	}
	for _, s := range []string{cr.summary, cr.text} {
		if len(s) > 65535 {
			return failure(http.StatusUnprocessableEntity, "Invalid request.\n\nOnly 65535 characters are allowed; %d were supplied.", len(s))
		}
	}
	return nil
}

// set takes over a value that was sent.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// listCheckRuns lists those of a commit; filter=latest (the default) hides older ones of the same name.
func (c *call) listCheckRuns() (response, error) {
	sha := c.f.git.resolve(c.repo, c.vars["ref"])
	if sha == "" {
		return response{}, failure(http.StatusUnprocessableEntity, "No commit found for SHA: %s", c.vars["ref"])
	}
	filter, err := c.one("filter", "latest", "all")
	if err != nil {
		return response{}, err
	}
	seen := map[string]bool{}
	out := []obj{}
	for _, cr := range slices.Backward(c.repo.checks) {
		key := str(cr.app.id) + cr.name
		if cr.head != sha || !c.matchesCheck(cr) || filter == "latest" && seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, c.f.checkJSON(c.repo, cr))
	}
	return wrapped("check_runs", out)
}

func (c *call) matchesCheck(cr *checkRun) bool {
	return matchesQuery(c.query.Get("check_name"), cr.name) && matchesQuery(c.query.Get("status"), cr.status) &&
		matchesQuery(c.query.Get("app_id"), str(cr.app.id))
}

func (f *Forge) checkJSON(r *repository, cr *checkRun) obj {
	return f.checkBase(r, cr).with(obj{"check_suite": obj{"id": cr.suite.id}})
}

func (f *Forge) checkBase(r *repository, cr *checkRun) obj {
	self := f.repoURL(r, "/check-runs/"+str(cr.id))
	html := f.base + "/" + r.fullName() + "/runs/" + str(cr.id)
	return obj{
		"id": cr.id, "node_id": nodeID("CR", cr.id), "head_sha": cr.head, "name": cr.name, "url": self, "html_url": html,
		"details_url": cmp.Or(cr.detailsURL, html), "external_id": cr.externalID, "status": cr.status,
		"conclusion": orNull(cr.conclusion), "started_at": stamp(cr.started), "completed_at": stampOrNull(cr.completed),
		"output": obj{"title": orNull(cr.title), "summary": orNull(cr.summary), "text": orNull(cr.text),
			"annotations_count": len(cr.annotations), "annotations_url": self + "/annotations"},
		"app": f.appJSON(cr.app), "pull_requests": f.pullsOf(r, cr.head),
	}
}

// pullsOf are the open pull requests whose head is the commit, in their shortest form.
func (f *Forge) pullsOf(r *repository, head string) []obj {
	out := []obj{}
	for _, p := range r.pulls() {
		if p.issue.open && p.headSHA == head {
			out = append(out, obj{"url": f.pullURL(p), "id": p.id, "number": p.issue.number,
				"head": obj{"ref": p.headRef, "sha": p.headSHA, "repo": f.refRepoJSON(p.headRepo)},
				"base": obj{"ref": p.baseRef, "sha": p.baseSHA, "repo": f.refRepoJSON(r)}})
		}
	}
	return out
}

// emitCheck tells of a check run, with its whole suite as webhooks have it.
func (f *Forge) emitCheck(r *repository, cr *checkRun, sender *user, action string, more obj) {
	suite := obj{
		"id": cr.suite.id, "node_id": nodeID("CS", cr.suite.id), "head_branch": f.branchAt(r, cr.head), "head_sha": cr.head,
		"status": cr.status, "conclusion": orNull(cr.conclusion), "url": f.repoURL(r, "/check-suites/"+str(cr.suite.id)),
		"before": nil, "after": nil, "pull_requests": f.pullsOf(r, cr.head), "app": f.appJSON(cr.app),
		"created_at": stamp(cr.suite.created), "updated_at": stamp(cr.suite.updated),
	}
	f.emit(r, sender, "check_run", obj{"action": action, "check_run": f.checkBase(r, cr).with(obj{"check_suite": suite})}.with(more))
}

// branchAt names a branch whose tip is the commit, or null.
func (f *Forge) branchAt(r *repository, sha string) any {
	out, err := f.git.line(r, "for-each-ref", "--count=1", "--points-at="+sha, "--format=%(refname:lstrip=2)", "refs/heads")
	if err != nil {
		return nil
	}
	return orNull(out)
}

// RequestAction is a person's click on a button of a check run (check_run.requested_action).
func (f *Forge) RequestAction(fullName string, checkRunID int64, identifier, login string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, u := f.repoByName(fullName), f.userByLogin(login)
	if r == nil || u == nil || r.level(u) < levelWrite {
		return fmt.Errorf("emulator: %s cannot act on check runs of %s", login, fullName)
	}
	for _, cr := range r.checks {
		if cr.id == checkRunID && slices.ContainsFunc(cr.actions, func(a checkAction) bool { return a.Identifier == identifier }) {
			f.emitCheck(r, cr, u, "requested_action", obj{"requested_action": obj{"identifier": identifier}})
			return nil
		}
	}
	return fmt.Errorf("emulator: no check run %d with the action %q", checkRunID, identifier)
}
