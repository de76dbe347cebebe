package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Names of the steps of an approval chain, in their order.
const (
	StepCreated   = "created"
	StepGenerated = "generated"
	StepChecked   = "checked"
	StepJudged    = "judged"
	StepApproved  = "approved"
	StepCommitted = "committed"
	StepPushed    = "pushed"
	StepDeployed  = "deployed"
)

// StepNames are all steps of a chain. A chain has each of them, also those in
// which nothing happened.
func StepNames() []string {
	return []string{
		StepCreated, StepGenerated, StepChecked, StepJudged, StepApproved, StepCommitted, StepPushed, StepDeployed,
	}
}

// Chain is how one task came to what it did: each step with the entries that say
// so. It is read from the log alone; [Chain.Compare] holds it against other records.
type Chain struct {
	Task  string `json:"task"`
	Steps []Step `json:"steps"`
	// Differences are what does not fit: within the log, or between the log and the
	// records of the task. Each is a sentence for people.
	Differences []string `json:"differences"`
	// Hidden counts deployments that the reader may not see.
	Hidden int `json:"hidden,omitempty"`

	state    string   // to which the last entry moved the task
	carriers []string // commits with the patch, in the order they were made
}

// Step is one step of a chain. Without acts, nothing in the log belongs to it.
type Step struct {
	Name string `json:"name"`
	Acts []Act  `json:"acts"`
}

// Act is something that was done, as one entry or several of the log have it.
type Act struct {
	Entry int64     `json:"entry"` // number of the entry that proves it
	At    time.Time `json:"at"`
	Class Class     `json:"class"`
	By    string    `json:"by"`              // HOST:ID, or System
	Login string    `json:"login,omitempty"` // display text
	What  string    `json:"what"`
	URL   string    `json:"url,omitempty"` // at the forge
	Facts []Fact    `json:"facts,omitempty"`
	// Receipt is the API's path of the receipt of the approval, of a push.
	Receipt string `json:"receipt,omitempty"`
	// Ended says why it does not stand any more, and by which entry.
	Ended string `json:"ended,omitempty"`

	key         string // what later entries name it by: an approval, a commit, a deployment
	environment string
	state       string // of a deployment
	commit      string
	ref         string
	approval    string
	reviews     []string // ids of an approval's reviews at the forge
}

// Fact is a named value of an act.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Step returns the step of a name.
func (c *Chain) Step(name string) *Step {
	i := slices.IndexFunc(c.Steps, func(s Step) bool { return s.Name == name })
	return &c.Steps[i]
}

// Acts are the acts of the step of a name.
func (c *Chain) Acts(name string) []Act { return c.Step(name).Acts }

// told is the part of the entries' details that chains are made of. Which keys
// there are depends on the action.
type told struct {
	URL, Trigger, Repository                       string
	Container, Image, Agent, Model, Reason         string
	ExitCode                                       *int
	Base, Tree, Digest, Carrier, PullRequest       string
	Approval, Review                               string
	Reviews                                        []toldReview
	Commit, Parent, Ref, Author, Words, Credential string
	Deployment, Environment, Profile, State        string
	Covers, RequestedBy, Detail                    string
	From, To                                       string
	Examination, Name, Summary, Definition         string
	Why, Dropped                                   string
	Issue, Revision                                int
}

type toldReview struct {
	ID, URL string
	Author  struct{ Subject, Login string }
}

// link is one rule: how an entry becomes part of a chain.
type link func(c *Chain, e Entry, d told)

// links are the rules by action. Actions of checks and judges have one by their
// object: whatever they will be called, they are steps of their own.
var links = map[Action]link{
	TaskCreated: func(c *Chain, e Entry, d told) {
		c.add(StepCreated, e, Act{What: fmt.Sprintf("asked for it on issue %d", d.Issue), URL: d.URL, Facts: facts("trigger", d.Trigger, "repository", d.Repository)})
	},
	TaskMoved: func(c *Chain, _ Entry, d told) { c.state = d.To },
	BaseFetched: func(c *Chain, e Entry, d told) {
		c.add(StepGenerated, e, Act{What: "pinned the base", Facts: facts("commit", d.Commit)})
	},
	ContainerStarted: func(c *Chain, e Entry, d told) {
		c.add(StepGenerated, e, Act{What: "started the agent in its container", key: d.Container,
			Facts: facts("agent", d.Agent, "model", d.Model, "container", d.Container, "image", d.Image)})
	},
	ContainerEnded: func(c *Chain, e Entry, d told) {
		a := Act{What: "the container ended", Facts: facts("reason", d.Reason, "container", d.Container)}
		if d.ExitCode != nil {
			a.What = fmt.Sprintf("the container ended with exit status %d", *d.ExitCode)
		}
		c.add(StepGenerated, e, a)
	},
	ProposalRecorded: func(c *Chain, e Entry, d told) {
		c.add(StepGenerated, e, Act{What: "recorded the proposal", key: d.Digest, Facts: facts("digest", d.Digest, "base", d.Base, "tree", d.Tree)})
	},
	ProposalIntent: func(c *Chain, _ Entry, d told) { c.carriers = append(c.carriers, d.Carrier) },
	ProposalPublished: func(c *Chain, e Entry, d told) {
		c.add(StepGenerated, e, Act{What: "put the proposal up for review", URL: d.PullRequest, commit: d.Carrier,
			Facts: facts("carrier", d.Carrier, "digest", d.Digest)})
	},
	RevisionAsked: func(c *Chain, e Entry, d told) {
		c.add(StepGenerated, e, Act{What: "asked for a revision", URL: d.URL})
	},
	RevisionStarted: func(c *Chain, e Entry, d told) {
		c.add(StepGenerated, e, Act{What: fmt.Sprintf("began revision %d; approvals of before are void", d.Revision)})
	},
	RevisionEnded: func(c *Chain, e Entry, d told) {
		if d.State != "nothing" { // what it proposes has entries of its own
			return
		}
		c.add(StepGenerated, e, Act{What: fmt.Sprintf("revision %d came to nothing: %s", d.Revision, d.Why)})
		for i := range c.Step(StepGenerated).Acts {
			if a := &c.Step(StepGenerated).Acts[i]; a.key == d.Dropped && d.Dropped != "" {
				a.Ended = fmt.Sprintf("dropped by entry %d: it was never put up for review", e.Seq)
			}
		}
	},
	ApprovalCounted: func(c *Chain, e Entry, d told) {
		c.add(StepApproved, e, Act{What: "approved; others were missing", URL: d.Review})
	},
	ApprovalRecorded: (*Chain).approved,
	ApprovalVoid: func(c *Chain, e Entry, d told) {
		c.end(d.Approval, fmt.Sprintf("void since entry %d: it no longer stood", e.Seq))
	},
	PushRefused: func(c *Chain, e Entry, d told) {
		c.end(d.Approval, fmt.Sprintf("void since entry %d: the forge refused the push: %s", e.Seq, d.Words))
	},
	CommitKept: func(c *Chain, e Entry, d told) {
		c.add(StepCommitted, e, Act{What: "made the commit and kept it: nothing was pushed, as the review asked", key: d.Commit, commit: d.Commit, approval: d.Approval,
			Facts: facts("commit", d.Commit, "tree", d.Tree, "parent", d.Parent, "author", d.Author, "approval", d.Approval)})
		c.end(d.Approval, fmt.Sprintf("used up by entry %d: its commit was made and kept", e.Seq))
	},
	PushIntent: func(c *Chain, e Entry, d told) {
		c.add(StepCommitted, e, Act{What: "made the commit", key: d.Commit, commit: d.Commit, ref: d.Ref, approval: d.Approval,
			Facts: facts("commit", d.Commit, "tree", d.Tree, "parent", d.Parent, "author", d.Author, "approval", d.Approval)})
	},
	PushDone: func(c *Chain, e Entry, d told) {
		c.add(StepPushed, e, Act{What: "pushed it to " + strings.TrimPrefix(d.Ref, "refs/heads/"), Receipt: receiptOf(d.Approval), key: d.Commit, commit: d.Commit, ref: d.Ref, approval: d.Approval,
			Facts: facts("commit", d.Commit, "ref", d.Ref, "approval", d.Approval, "credential", d.Credential)})
	},
	DeployRequested: (*Chain).deployed, DeployMerged: (*Chain).deployed, DeployIntent: (*Chain).deployed,
	DeployStarted: (*Chain).deployed, DeployCancel: (*Chain).deployed, DeployEnded: (*Chain).deployed, DeployRefused: (*Chain).deployed,
	DeployRemoved: func(c *Chain, e Entry, d told) {
		for i := range c.Step(StepDeployed).Acts {
			if a := &c.Step(StepDeployed).Acts[i]; a.key == d.Deployment {
				a.Facts = append(a.Facts, Fact{"record", fmt.Sprintf("removed by age, entry %d", e.Seq)})
				a.state = ""
			}
		}
	},
}

// ChainOf makes the chain of a task from its entries, oldest first. Entries of
// other tasks are left out.
func ChainOf(task string, entries []Entry) Chain {
	c := Chain{Task: task, Differences: []string{}}
	for _, name := range StepNames() {
		c.Steps = append(c.Steps, Step{Name: name, Acts: []Act{}})
	}
	for _, e := range entries {
		if e.Task != task {
			continue
		}
		var d told
		err := json.Unmarshal(e.Detail, &d)
		if rule, known := links[e.Action]; known {
			if err != nil {
				c.differ("entry %d (%s) cannot be read: %v", e.Seq, e.Action, err)
				continue
			}
			rule(&c, e, d)
			continue
		}
		switch object, event, _ := strings.Cut(string(e.Action), "."); object {
		case "check":
			c.add(StepChecked, e, examined(event, d))
		case "judge":
			c.add(StepJudged, e, examined(event, d))
		}
	}
	c.within()
	return c
}

// examined is what an entry says of a check or a judge.
func examined(event string, d told) Act {
	a := Act{What: event, URL: d.URL, key: d.Examination, Facts: facts(
		"digest", d.Digest, "examination", d.Examination, "definition", d.Definition, "container", d.Container, "image", d.Image,
		"agent", d.Agent, "model", d.Model, "says", d.Summary)}
	if d.Name != "" {
		a.What = d.Name + ": " + cmp.Or(d.State, event)
	}
	return a
}

var approvalForm = regexp.MustCompile(`^[0-9a-f]{8,64}$`)

// receiptOf is where the API gives the receipt of an approval.
func receiptOf(approval string) string {
	if !approvalForm.MatchString(approval) {
		return ""
	}
	return "/api/v1/approvals/" + approval + "/receipt"
}

func (c *Chain) add(step string, e Entry, a Act) {
	a.Entry, a.At, a.By, a.Class = e.Seq, e.At.UTC(), cmp.Or(a.By, e.Actor), e.Action.Class()
	a.environment = e.Environment
	s := c.Step(step)
	s.Acts = append(s.Acts, a)
}

// approved adds one act for each reviewer of the quorum.
func (c *Chain) approved(e Entry, d told) {
	a := Act{What: "approved", URL: d.Review, key: d.Approval, approval: d.Approval, Facts: facts("approval", d.Approval, "digest", d.Digest)}
	for _, r := range d.Reviews {
		a.reviews = append(a.reviews, r.ID)
	}
	if len(d.Reviews) < 2 {
		c.add(StepApproved, e, a)
		return
	}
	for _, r := range d.Reviews {
		each := a
		each.By, each.Login, each.URL, each.What = r.Author.Subject, r.Author.Login, r.URL, fmt.Sprintf("approved, one of %d", len(d.Reviews))
		c.add(StepApproved, e, each)
	}
}

// deployed keeps one act for each deployment, which is what the last entry says.
func (c *Chain) deployed(e Entry, d told) {
	if d.Deployment == "" { // a request that was refused made none
		return
	}
	s := c.Step(StepDeployed)
	i := slices.IndexFunc(s.Acts, func(a Act) bool { return a.key == d.Deployment })
	if i < 0 {
		c.add(StepDeployed, e, Act{By: d.RequestedBy, key: d.Deployment, approval: d.Approval,
			Facts: facts("deployment", d.Deployment, "commit", d.Commit, "covers", d.Covers, "approval", d.Approval)})
		i = len(s.Acts) - 1
	}
	a := &s.Acts[i]
	_, event, _ := strings.Cut(string(e.Action), ".")
	a.Entry, a.At, a.environment, a.state, a.commit = e.Seq, e.At.UTC(), e.Environment, d.State, d.Commit
	a.What = d.Environment + "/" + d.Profile + ": " + d.State
	if d.Detail != "" {
		a.What += ": " + d.Detail
	}
	a.Facts = append(a.Facts, Fact{strings.ReplaceAll(event, "_", " "), fmt.Sprintf("entry %d, %s", e.Seq, e.At.UTC().Format(time.RFC3339))})
}

// end marks the acts of an approval that does not stand any more, and what was
// made under it and not pushed.
func (c *Chain) end(approval, why string) {
	for _, name := range []string{StepApproved, StepCommitted} {
		for i := range c.Step(name).Acts {
			a := &c.Step(name).Acts[i]
			if a.approval == approval && approval != "" && a.Ended == "" && !(name == StepCommitted && a.ref == "") {
				a.Ended = why
			}
		}
	}
}

func (c *Chain) differ(format string, args ...any) {
	c.Differences = append(c.Differences, fmt.Sprintf(format, args...))
}

// facts are those of the pairs whose value is not empty.
func facts(pairs ...string) []Fact {
	var list []Fact
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			list = append(list, Fact{pairs[i], pairs[i+1]})
		}
	}
	return list
}
