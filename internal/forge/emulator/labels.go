package emulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// labelsNamed finds labels by name, making those that are missing, as GitHub does for issues.
func (f *Forge) labelsNamed(r *repository, names []string) []*label {
	var out []*label
	for _, name := range names {
		key := strings.ToLower(name)
		if r.labels[key] == nil {
			r.labels[key] = &label{id: f.newID(), name: name, color: "ededed"}
		}
		if !slices.Contains(out, r.labels[key]) {
			out = append(out, r.labels[key])
		}
	}
	return out
}

// announceLabels tells of labels that the issue has just got.
func (f *Forge) announceLabels(i *issue, who caller, labels []*label) {
	for _, l := range labels {
		f.announceLabel(i, who, l, "labeled")
	}
}

func (f *Forge) announceLabel(i *issue, who caller, l *label, action string) {
	f.addEvent(i, who, issueEvent{event: action, label: l})
	more := obj{"label": f.labelJSON(i.repo, l)}
	if i.pull != nil {
		f.emitPull(i.pull, who.user, action, more)
		return
	}
	f.emitIssue(i, who.user, action, more)
}

// setLabels makes labels the issue's labels, telling of each difference.
func (f *Forge) setLabels(i *issue, who caller, labels []*label) {
	for _, l := range slices.Clone(i.labels) {
		if !slices.Contains(labels, l) {
			i.labels = slices.DeleteFunc(i.labels, func(x *label) bool { return x == l })
			f.announceLabel(i, who, l, "unlabeled")
		}
	}
	for _, l := range labels {
		if !i.hasLabel(l) {
			i.labels = append(i.labels, l)
			f.announceLabel(i, who, l, "labeled")
		}
	}
}

// labelNames reads {"labels": [...]} or a bare list of names.
func (c *call) labelNames() ([]string, error) {
	var names []string
	if trimmed := bytes.TrimSpace(c.body); len(trimmed) > 0 && trimmed[0] == '[' {
		if err := json.Unmarshal(trimmed, &names); err != nil {
			return nil, failure(http.StatusBadRequest, "Problems parsing JSON")
		}
		return names, nil
	}
	var in struct {
		Labels []string `json:"labels"`
	}
	err := c.decode(&in)
	return in.Labels, err
}

func (c *call) addLabels() (response, error) {
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	names, err := c.labelNames()
	if err != nil {
		return response{}, err
	}
	if !c.canTriage() {
		return response{}, failure(http.StatusForbidden, "Must have triage access to Repository.")
	}
	labels := slices.Clone(i.labels)
	c.f.setLabels(i, c.who, append(labels, c.f.labelsNamed(c.repo, names)...))
	return c.listLabels()
}

func (c *call) removeLabel() (response, error) {
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	if !c.canTriage() {
		return response{}, failure(http.StatusForbidden, "Must have triage access to Repository.")
	}
	l := c.repo.labels[strings.ToLower(c.vars["name"])]
	if l == nil || !i.hasLabel(l) {
		return response{}, failure(http.StatusNotFound, "Label does not exist")
	}
	c.f.setLabels(i, c.who, slices.DeleteFunc(slices.Clone(i.labels), func(x *label) bool { return x == l }))
	return ok(c.f.labelsJSON(c.repo, i.labels))
}

func (c *call) listLabels() (response, error) {
	i, err := c.wanted()
	if err != nil {
		return response{}, err
	}
	return pages(c.f.labelsJSON(c.repo, i.labels))
}

func (c *call) listRepoLabels() (response, error) {
	var all []*label
	for _, l := range c.repo.labels {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *label) int { return strings.Compare(a.name, b.name) })
	return pages(c.f.labelsJSON(c.repo, all))
}

func (c *call) getLabel() (response, error) {
	if l := c.repo.labels[strings.ToLower(c.vars["name"])]; l != nil {
		return ok(c.f.labelJSON(c.repo, l))
	}
	return response{}, notFound()
}

func (c *call) createLabel() (response, error) {
	var in struct {
		Name        string `json:"name"`
		Color       string `json:"color"`
		Description string `json:"description"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	key := strings.ToLower(in.Name)
	if key == "" {
		return response{}, invalid("Label", "name", "missing_field", "")
	}
	if c.repo.labels[key] != nil {
		return response{}, invalid("Label", "name", "already_exists", "")
	}
	l := &label{id: c.f.newID(), name: in.Name, color: in.Color, description: in.Description}
	if l.color == "" {
		l.color = "ededed"
	}
	c.repo.labels[key] = l
	return created(c.f.labelJSON(c.repo, l))
}
