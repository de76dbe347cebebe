package emulator

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// newIssue makes the issue that an issue or a pull request is; numbers are shared. It needs the lock.
func (f *Forge) newIssue(r *repository, who caller, title, body string) *issue {
	now := f.now()
	i := &issue{id: f.newID(), number: len(r.issues) + 1, repo: r, title: title, body: body, open: true,
		author: who.user, via: who.via(), created: now, updated: now}
	r.issues = append(r.issues, i)
	return i
}

func (c *call) createIssue() (response, error) {
	var in struct {
		Title     string    `json:"title"`
		Body      string    `json:"body"`
		Labels    *[]string `json:"labels"`
		Assignees *[]string `json:"assignees"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if strings.TrimSpace(in.Title) == "" {
		return response{}, invalid("Issue", "title", "missing_field", "")
	}
	if err := checkTexts("Issue", &in.Title, &in.Body); err != nil {
		return response{}, err
	}
	i := c.f.newIssue(c.repo, c.who, in.Title, in.Body)
	i.assignees = c.people(in.Assignees)
	var labels []*label
	if in.Labels != nil && c.canTriage() {
		labels = c.f.labelsNamed(c.repo, *in.Labels)
	}
	i.labels = labels
	c.f.emitIssue(i, c.who.user, "opened", nil)
	c.f.announceLabels(i, c.who, labels)
	c.f.notice(i, c.who.user, i.body)
	return created(c.f.issueJSON(i))
}

func (c *call) people(logins *[]string) []*user {
	var out []*user
	if logins == nil {
		return nil
	}
	for _, login := range *logins {
		if u := c.f.userByLogin(login); u != nil {
			out = append(out, u)
		}
	}
	return out
}

// canTriage says whether the caller may label and close what is not its own.
func (c *call) canTriage() bool {
	return c.who.token != nil || c.repo.level(c.who.user) >= levelTriage
}

// wanted finds the issue or pull request that the route names.
func (c *call) wanted() (*issue, error) {
	if i := c.repo.issue(c.num("number")); i != nil {
		return i, nil
	}
	return nil, notFound()
}

func (c *call) getIssue() (response, error) {
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.issueJSON(i).with(obj{"closed_by": c.f.userOrNull(i.closedBy)}))
}

func (c *call) listIssues() (response, error) {
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
	since, err := c.since()
	if err != nil {
		return response{}, err
	}
	var found []*issue
	for _, i := range c.repo.issues {
		if matchesState(i, state) && !i.updated.Before(since) && c.matchesFilters(i) {
			found = append(found, i)
		}
	}
	slices.SortStableFunc(found, func(a, b *issue) int {
		order := cmp.Compare(a.number, b.number)
		if key == "updated" {
			order = cmp.Or(a.updated.Compare(b.updated), order)
		}
		if direction == "desc" {
			return -order
		}
		return order
	})
	out := []obj{}
	for _, i := range found {
		out = append(out, c.f.issueJSON(i))
	}
	return pages(out)
}

func matchesState(i *issue, state string) bool {
	return state == "all" || i.open == (state == "open")
}

// matchesFilters holds an issue against the labels and creator parameters.
func (c *call) matchesFilters(i *issue) bool {
	if creator := c.query.Get("creator"); creator != "" && !strings.EqualFold(creator, i.author.login) {
		return false
	}
	for name := range strings.SplitSeq(c.query.Get("labels"), ",") {
		if name != "" && !i.hasLabel(c.repo.labels[strings.ToLower(name)]) {
			return false
		}
	}
	return true
}

func (c *call) editIssue() (response, error) {
	var in struct {
		Title       *string   `json:"title"`
		Body        *string   `json:"body"`
		State       *string   `json:"state"`
		StateReason *string   `json:"state_reason"`
		Labels      *[]string `json:"labels"`
		Assignees   *[]string `json:"assignees"`
	}
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if i.author != c.who.user && !c.canTriage() {
		return response{}, failure(http.StatusForbidden, "Must have triage access to Repository.")
	}
	if err := c.f.editText(i, c.who, in.Title, in.Body); err != nil {
		return response{}, err
	}
	if in.Labels != nil {
		c.f.setLabels(i, c.who, c.f.labelsNamed(c.repo, *in.Labels))
	}
	if in.Assignees != nil {
		i.assignees = c.people(in.Assignees)
	}
	if in.State != nil {
		reason := ""
		if in.StateReason != nil {
			reason = *in.StateReason
		}
		if *in.State != "open" && *in.State != "closed" {
			return response{}, invalid("Issue", "state", "invalid", "")
		}
		c.f.setOpen(i, c.who, *in.State == "open", reason)
	}
	return c.getIssue()
}

// editText changes title and body, with the event that tells what they were.
func (f *Forge) editText(i *issue, who caller, title, body *string) error {
	if err := checkTexts("Issue", title, body); err != nil {
		return err
	}
	changes := obj{}
	if title != nil && *title != i.title {
		if strings.TrimSpace(*title) == "" {
			return invalid("Issue", "title", "missing_field", "")
		}
		changes["title"] = obj{"from": i.title}
		f.addEvent(i, who, issueEvent{event: "renamed", rename: [2]string{i.title, *title}})
		i.title = *title
	}
	if body != nil && *body != i.body {
		changes["body"] = obj{"from": i.body}
		i.body = *body
		f.notice(i, who.user, i.body)
	}
	if len(changes) == 0 {
		return nil
	}
	i.updated = f.now()
	if i.pull != nil {
		f.emitPull(i.pull, who.user, "edited", obj{"changes": changes})
	} else {
		f.emitIssue(i, who.user, "edited", obj{"changes": changes})
	}
	return nil
}

// setOpen closes or reopens, once.
func (f *Forge) setOpen(i *issue, who caller, open bool, reason string) {
	if i.open == open {
		return
	}
	action := "closed"
	i.open, i.closed, i.closedBy, i.stateReason = false, f.now(), who.user, cmp.Or(reason, "completed")
	if open {
		action = "reopened"
		i.open, i.closed, i.closedBy, i.stateReason = true, time.Time{}, nil, "reopened"
	}
	f.addEvent(i, who, issueEvent{event: action})
	if i.pull != nil {
		i.stateReason = ""
		f.emitPull(i.pull, who.user, action, nil)
		return
	}
	f.emitIssue(i, who.user, action, nil)
}

func (c *call) listIssueEvents() (response, error) {
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, e := range c.repo.events {
		if e.issue == i {
			out = append(out, c.f.eventJSON(e, false))
		}
	}
	return pages(out)
}

// listRepoEvents is newest first, as on GitHub.
func (c *call) listRepoEvents() (response, error) {
	out := []obj{}
	for _, e := range slices.Backward(c.repo.events) {
		out = append(out, c.f.eventJSON(e, true))
	}
	return pages(out)
}
