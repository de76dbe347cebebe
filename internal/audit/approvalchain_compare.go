package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Rows are what other records than the log say of a task: the database's rows,
// which the log is compared with. Empty: they say nothing of it.
type Rows struct {
	State     string
	Requester string // HOST:ID
	Image     string // of the agent's container
	Digest    string // of the newest proposal
	Carrier   string
	Approval  string // in force, or carried out
	Commit    string // that the approval made
	// Deployments are the runs by their id.
	Deployments map[string]RunRow
}

// RunRow is one deployment of [Rows].
type RunRow struct {
	State, Commit string
	// Waits tells that it has not begun, so that the log may say nothing of it but
	// that it was armed.
	Waits bool
}

// Compare adds where the rows say another thing than the log.
func (c *Chain) Compare(r Rows) {
	same := func(what, log, row string) {
		if log != row {
			c.differ("%s: the log says %s, the task's record says %s", what, or(log, "nothing"), or(row, "nothing"))
		}
	}
	same("state", or(c.state, "queued"), r.State)
	for _, a := range c.Acts(StepCreated) {
		same("who asked", a.By, r.Requester)
	}
	if started := last(c.Acts(StepGenerated), func(a Act) bool { return a.fact("image") != "" }); started != nil && r.Image != "" {
		same("image", started.fact("image"), r.Image)
	}
	proposed := last(c.Acts(StepGenerated), func(a Act) bool { return a.fact("digest") != "" && a.fact("tree") != "" && a.Ended == "" })
	same("digest of the proposal", factOf(proposed, "digest"), r.Digest)
	published := last(c.Acts(StepGenerated), func(a Act) bool { return a.commit != "" })
	if published != nil && published.fact("digest") == r.Digest { // otherwise a revision is just being put up
		same("commit with the patch", published.commit, r.Carrier)
	}
	standing := last(c.Acts(StepApproved), func(a Act) bool { return a.key != "" && a.Ended == "" })
	same("approval", keyOf(standing), r.Approval)
	made := last(c.Acts(StepCommitted), func(a Act) bool { return a.ref != "" && a.Ended == "" })
	if made == nil {
		made = last(c.Acts(StepPushed), func(Act) bool { return true })
	}
	same("commit", keyOf(made), r.Commit)
	c.compareRuns(r.Deployments)
}

func (c *Chain) compareRuns(rows map[string]RunRow) {
	known := map[string]bool{}
	for _, a := range c.Acts(StepDeployed) {
		known[a.key] = true
		row, there := rows[a.key]
		switch {
		case a.state == "" && !there: // removed by age
		case !there:
			c.differ("deployment %s: the log has it (entry %d), and there is no record of it", a.key, a.Entry)
		case row.State != a.state:
			c.differ("deployment %s: the log says %s (entry %d), its record says %s", a.key, a.state, a.Entry, row.State)
		case row.Commit != a.commit:
			c.differ("deployment %s: the log says commit %s (entry %d), its record says %s", a.key, or(a.commit, "nothing"), a.Entry, or(row.Commit, "nothing"))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		if !known[id] && !rows[id].Waits {
			c.differ("deployment %s: there is a record of it (%s), and the log has no entry", id, rows[id].State)
		}
	}
}

// within adds what does not fit in the log itself: whatever was made, pushed or
// deployed names an approval that an earlier entry recorded.
func (c *Chain) within() {
	if len(c.Acts(StepCreated)) == 0 {
		c.differ("no entry says who asked for the task")
	}
	recorded := map[string]int64{}
	for _, a := range c.Acts(StepApproved) {
		if a.key != "" && recorded[a.key] == 0 {
			recorded[a.key] = a.Entry
		}
	}
	intended := map[string]bool{}
	for _, a := range c.Acts(StepCommitted) {
		intended[a.commit] = true
	}
	for _, name := range []string{StepCommitted, StepPushed, StepDeployed} {
		for _, a := range c.Acts(name) {
			switch at := recorded[a.approval]; {
			case at == 0:
				c.differ("%s: entry %d names approval %s, which no entry recorded", name, a.Entry, or(a.approval, "none"))
			case at > a.Entry:
				c.differ("%s: entry %d comes before entry %d, which recorded its approval", name, a.Entry, at)
			case name == StepPushed && !intended[a.commit]:
				c.differ("pushed: entry %d has commit %.12s, and no entry says that it was made", a.Entry, a.commit)
			}
		}
	}
}

func (a Act) fact(name string) string {
	for _, f := range a.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func factOf(a *Act, name string) string {
	if a == nil {
		return ""
	}
	return a.fact(name)
}

func keyOf(a *Act) string {
	if a == nil {
		return ""
	}
	return a.key
}

// last is the last act that fits; nil if none does.
func last(acts []Act, fits func(Act) bool) *Act {
	for _, a := range slices.Backward(acts) {
		if fits(a) {
			return &a
		}
	}
	return nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// Named adds logins, which are display text, to the subjects that the log has.
func (c *Chain) Named(logins map[string]string) {
	for i := range c.Steps {
		for j := range c.Steps[i].Acts {
			if a := &c.Steps[i].Acts[j]; a.Login == "" {
				a.Login = logins[a.By]
			}
		}
	}
}

// Linked adds where the forge shows commits, below an address that ends with a
// slash; empty adds nothing.
func (c *Chain) Linked(commits string) {
	for _, name := range []string{StepPushed} {
		for i := range c.Step(name).Acts {
			if a := &c.Step(name).Acts[i]; a.URL == "" && a.commit != "" && commits != "" {
				a.URL = commits + a.commit
			}
		}
	}
}

// Narrowed leaves out deployments of environments that the reader may not see, and
// counts them. What differs about them is left out too.
func (c *Chain) Narrowed(sees func(environment string) bool) {
	s := c.Step(StepDeployed)
	s.Acts = slices.DeleteFunc(s.Acts, func(a Act) bool {
		if sees(a.environment) {
			return false
		}
		c.Hidden++
		c.Differences = slices.DeleteFunc(c.Differences, func(d string) bool { return strings.Contains(d, a.key) })
		return true
	})
}

// Approval is one approval of a chain, for whoever looks for it at the forge.
type Approval struct {
	ID      string
	Digest  string // of the proposal
	Entry   int64
	Reviews []string // ids of reviews; empty in entries of earlier versions
	Stands  bool
}

// Approvals are the approvals that the log recorded, oldest first.
func (c *Chain) Approvals() []Approval {
	var list []Approval
	for _, a := range c.Acts(StepApproved) {
		if a.key == "" || slices.ContainsFunc(list, func(o Approval) bool { return o.ID == a.key }) {
			continue
		}
		list = append(list, Approval{ID: a.key, Digest: a.fact("digest"), Entry: a.Entry, Reviews: a.reviews, Stands: a.Ended == ""})
	}
	return list
}

// Commit is a commit that an approval made.
type Commit struct {
	ID, Approval string
	Entry        int64
	Ref          string // it is meant for; empty: it was to be kept
	Pushed       bool   // the log has the outcome of the push
}

// Commits are the commits that the log knows, pushed or not.
func (c *Chain) Commits() []Commit {
	var list []Commit
	for _, a := range slices.Concat(c.Acts(StepPushed), c.Acts(StepCommitted)) {
		if slices.ContainsFunc(list, func(o Commit) bool { return o.ID == a.commit && (o.Ref == a.ref || a.ref == "") }) {
			continue
		}
		pushed := slices.ContainsFunc(c.Acts(StepPushed), func(p Act) bool { return p.Entry == a.Entry })
		list = append(list, Commit{ID: a.commit, Approval: a.approval, Entry: a.Entry, Ref: a.ref, Pushed: pushed})
	}
	return list
}

// Carriers are the commits with the patch that the log has, put up or meant to be.
func (c *Chain) Carriers() []string {
	list := slices.Clone(c.carriers)
	for _, a := range c.Acts(StepGenerated) {
		if a.commit != "" {
			list = append(list, a.commit)
		}
	}
	return list
}

// DeploymentEntry is the entry that last spoke of a deployment; 0 if none does.
func (c *Chain) DeploymentEntry(id string) (entry int64, commit string) {
	for _, a := range c.Acts(StepDeployed) {
		if a.key == id {
			return a.Entry, a.commit
		}
	}
	return 0, ""
}

// State is the state to which the log says the task moved last; empty: it did not.
func (c *Chain) State() string { return c.state }

// String is the chain in one line, for messages.
func (c *Chain) String() string {
	var parts []string
	for _, s := range c.Steps {
		parts = append(parts, fmt.Sprintf("%s %d", s.Name, len(s.Acts)))
	}
	return strings.Join(parts, ", ")
}
