package emulator

import (
	"fmt"
	"strings"
	"time"
)

// PullRequest is a pull request as tests and the demo look at it.
type PullRequest struct {
	Number   int
	ID       int64
	Title    string
	Body     string
	Author   string
	State    string // open or closed
	Draft    bool
	Merged   bool
	HeadRepo string
	HeadRef  string
	HeadSHA  string
	BaseRef  string
	BaseSHA  string
	MergeSHA string
	Labels   []string
	Reviews  []Review
}

// Review is a review; State is upper-case as in REST.
type Review struct {
	ID     int64
	Author string
	State  string
	Body   string
	Commit string
}

// Issue is an issue proper.
type Issue struct {
	Number int
	ID     int64
	Title  string
	Body   string
	Author string
	State  string
	Labels []string
}

// Comment is a comment on an issue or pull request.
type Comment struct {
	ID        int64
	Author    string
	Body      string
	Text      string // Body without HTML, where that is what it is: in work items of Azure DevOps
	Created   time.Time
	Updated   time.Time
	Reactions map[string][]string // logins by content
}

// CheckRun is a check run.
type CheckRun struct {
	ID         int64
	Name       string
	Head       string
	App        string
	Status     string
	Conclusion string
	Title      string
	Summary    string
}

// Deployment is a deployment with the states it went through, oldest first.
type Deployment struct {
	ID          int64
	SHA         string
	Ref         string
	Task        string
	Environment string
	Creator     string
	States      []string
}

// Refs maps every full ref name, but those of pull requests, to its object id.
func (f *Forge) Refs(fullName string) (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repoByName(fullName)
	if r == nil {
		return nil, fmt.Errorf("emulator: no repository %q", fullName)
	}
	refs, err := f.refs(r, "refs/")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, ref := range refs {
		out[ref.name] = ref.sha
	}
	return out, nil
}

// RepositoryDir is the bare repository on disk, for reading with git; "" if there is no such repository.
func (f *Forge) RepositoryDir(fullName string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.repoByName(fullName); r != nil {
		return r.dir
	}
	return ""
}

// PullRequests lists a repository's pull requests by number.
func (f *Forge) PullRequests(fullName string) []PullRequest {
	return read(f, fullName, func(r *repository) []PullRequest {
		var out []PullRequest
		for _, p := range r.pulls() {
			i := p.issue
			pr := PullRequest{Number: i.number, ID: p.id, Title: i.title, Body: i.body, Author: i.author.login,
				State: state(i.open), Draft: p.draft, Merged: !p.merged.IsZero(), HeadRepo: p.headRepo.fullName(),
				HeadRef: p.headRef, HeadSHA: p.headSHA, BaseRef: p.baseRef, BaseSHA: p.baseSHA, MergeSHA: p.mergeSHA, Labels: i.labelNames()}
			if f.azure != nil {
				pr.Reviews = f.votesOf(p)
			}
			for _, rv := range p.reviews {
				pr.Reviews = append(pr.Reviews, Review{ID: rv.id, Author: rv.author.login, State: rv.state, Body: rv.body, Commit: rv.commit})
			}
			out = append(out, pr)
		}
		return out
	})
}

// Issues lists a repository's issues proper by number; at Azure DevOps, its project's work items.
func (f *Forge) Issues(fullName string) []Issue {
	return read(f, fullName, func(r *repository) []Issue {
		if f.azure != nil {
			return f.itemsAsIssues(r)
		}
		var out []Issue
		for _, i := range r.issues {
			if i.pull == nil {
				out = append(out, Issue{Number: i.number, ID: i.id, Title: i.title, Body: i.body, Author: i.author.login, State: state(i.open), Labels: i.labelNames()})
			}
		}
		return out
	})
}

func (i *issue) labelNames() []string {
	var names []string
	for _, l := range i.labels {
		names = append(names, l.name)
	}
	return names
}

// Comments lists the comments of an issue or pull request, oldest first. At Azure DevOps, a number that is both
// means the work item; see PullRequestComments. The text of a work item's comments is HTML there.
func (f *Forge) Comments(fullName string, number int) []Comment {
	return read(f, fullName, func(r *repository) []Comment {
		if f.azure != nil {
			return f.azureComments(r, number)
		}
		i := r.issue(number)
		if i == nil {
			return nil
		}
		var out []Comment
		for _, c := range i.comments {
			out = append(out, Comment{ID: c.id, Author: c.author.login, Body: c.body, Text: c.body, Created: c.created, Updated: c.updated, Reactions: loginsByReaction(c.reactions)})
		}
		return out
	})
}

func loginsByReaction(list []*reaction) map[string][]string {
	out := map[string][]string{}
	for _, r := range list {
		out[r.content] = append(out[r.content], r.author.login)
	}
	return out
}

// Pushes lists the accepted changes of a repository's refs, by whatever way, oldest first.
func (f *Forge) Pushes(fullName string) []Push {
	return read(f, fullName, func(r *repository) []Push {
		var out []Push
		for _, p := range r.pushes {
			out = append(out, *p)
		}
		return out
	})
}

// CheckRuns lists the check runs on a commit, oldest first.
func (f *Forge) CheckRuns(fullName, sha string) []CheckRun {
	return read(f, fullName, func(r *repository) []CheckRun {
		if f.azure != nil {
			return statusesAsRuns(r, sha)
		}
		var out []CheckRun
		for _, c := range r.checks {
			if c.head == sha {
				out = append(out, CheckRun{ID: c.id, Name: c.name, Head: c.head, App: c.app.slug, Status: c.status, Conclusion: c.conclusion, Title: c.title, Summary: c.summary})
			}
		}
		return out
	})
}

// Deployments lists a repository's deployments, oldest first.
func (f *Forge) Deployments(fullName string) []Deployment {
	return read(f, fullName, func(r *repository) []Deployment {
		if f.azure != nil {
			return statusesAsDeployments(r)
		}
		var out []Deployment
		for _, d := range r.deployments {
			one := Deployment{ID: d.id, SHA: d.sha, Ref: d.ref, Task: d.task, Environment: d.environment, Creator: d.creator.login}
			for _, s := range d.statuses {
				one.States = append(one.States, s.state)
			}
			out = append(out, one)
		}
		return out
	})
}

// IssueEvents lists the names of the events of an issue or pull request, oldest first; label events as
// "labeled:NAME".
func (f *Forge) IssueEvents(fullName string, number int) []string {
	return read(f, fullName, func(r *repository) []string {
		var out []string
		if w := f.itemOf(r, number); w != nil {
			return w.events
		}
		for _, e := range r.events {
			if e.issue.number != number {
				continue
			}
			name := []string{e.event}
			if e.label != nil {
				name = append(name, e.label.name)
			}
			out = append(out, strings.Join(name, ":"))
		}
		return out
	})
}

// read gives view the repository under the lock; it returns nil if there is none.
func read[T any](f *Forge, fullName string, view func(*repository) []T) []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.repoByName(fullName); r != nil {
		return view(r)
	}
	return nil
}
