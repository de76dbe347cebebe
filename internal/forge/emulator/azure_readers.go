package emulator

import (
	"slices"
	"strings"
)

// The readers of readers.go read Azure DevOps here: work items are issues, votes reviews, statuses of the newest
// iteration check runs, and statuses of commits with the genre coderflow-deploy deployments.

// PullRequestComments lists what people and CoderFlow wrote on a pull request, oldest first, without what the service
// notes of events. It is Comments where the number is a work item's as well.
func (f *Forge) PullRequestComments(fullName string, number int) []Comment {
	return read(f, fullName, func(r *repository) []Comment {
		if i := r.issue(number); i != nil && i.pull != nil && i.pull.azure != nil {
			return i.pull.said()
		}
		return nil
	})
}

func (f *Forge) votesOf(p *pull) []Review {
	states := map[int]string{10: "APPROVED", 5: "COMMENTED", -5: "CHANGES_REQUESTED", -10: "CHANGES_REQUESTED"}
	var out []Review
	for _, rv := range p.azure.reviewers {
		if rv.user != nil && rv.vote != 0 {
			out = append(out, Review{ID: rv.user.id, Author: rv.user.login, State: states[rv.vote], Commit: p.headSHA})
		}
	}
	return out
}

// itemOf is a work item of the repository's project.
func (f *Forge) itemOf(r *repository, number int) *workItem {
	if f.azure == nil {
		return nil
	}
	if w := f.itemByID(number); w != nil && w.project == r.owner {
		return w
	}
	return nil
}

func (f *Forge) itemsAsIssues(r *repository) []Issue {
	var out []Issue
	for _, w := range f.azure.items {
		if w.project == r.owner {
			author, _ := w.fields["System.CreatedBy"].(*user)
			out = append(out, Issue{Number: w.id, ID: int64(w.id), Title: w.text("System.Title"), Body: w.text("System.Description"),
				Author: author.login, State: state(w.open()), Labels: w.tags()})
		}
	}
	return out
}

func (f *Forge) azureComments(r *repository, number int) []Comment {
	w := f.itemOf(r, number)
	if w == nil {
		if i := r.issue(number); i != nil {
			return i.pull.said()
		}
		return nil
	}
	var out []Comment
	for _, c := range w.comments {
		if !c.deleted {
			out = append(out, Comment{ID: c.id, Author: c.author.login, Body: c.text, Text: htmlText(c.text), Created: c.created, Updated: c.modified, Reactions: loginsByReaction(c.reactions)})
		}
	}
	return out
}

// said are the comments of people; likes are reactions.
func (p *pull) said() []Comment {
	var out []Comment
	for _, t := range p.azure.threads {
		for _, c := range t.comments {
			if c.kind == "system" || c.deleted {
				continue
			}
			one := Comment{ID: t.id, Author: c.author.login, Body: c.content, Text: c.content, Created: c.published, Updated: c.edited, Reactions: map[string][]string{}}
			for _, u := range c.likes {
				one.Reactions["like"] = append(one.Reactions["like"], u.login)
			}
			out = append(out, one)
		}
	}
	slices.SortStableFunc(out, func(a, b Comment) int { return a.Created.Compare(b.Created) })
	return out
}

// runStates are status and conclusion of a check run by the state of a status.
var runStates = map[string][2]string{"notSet": {"queued", ""}, "pending": {"in_progress", ""}, "succeeded": {"completed", "success"},
	"failed": {"completed", "failure"}, "error": {"completed", "cancelled"}, "notApplicable": {"completed", "neutral"}}

// statusesAsRuns are the statuses on a commit, of each context the newest: those of iterations with that source,
// and those of the pull request as a whole while it is its newest.
func statusesAsRuns(r *repository, sha string) []CheckRun {
	var out []CheckRun
	for _, p := range r.pulls() {
		for n, s := range p.azure.statuses {
			source := p.headSHA
			if s.iteration > 0 {
				source = p.azure.iterations[s.iteration-1].source
			}
			if source != sha {
				continue
			}
			context := contextOf(s.genre, s.name)
			out = slices.DeleteFunc(out, func(c CheckRun) bool { return c.Name == context })
			out = append(out, CheckRun{ID: int64(p.issue.number)*1000 + int64(n) + 1, Name: context, Head: sha, App: s.creator.login,
				Status: runStates[s.state][0], Conclusion: runStates[s.state][1], Title: s.description})
		}
	}
	return out
}

// deployGenre is the genre of the statuses by which CoderFlow shows deployments, and deployStates are theirs.
const deployGenre = "coderflow-deploy"

var deployStates = map[string]string{"pending": "in_progress", "succeeded": "success", "failed": "failure", "error": "error"}

func statusesAsDeployments(r *repository) []Deployment {
	var out []Deployment
	for _, s := range r.statuses {
		environment, run, found := strings.Cut(s.context, "/")
		if s.genre != deployGenre || !found {
			continue
		}
		at := slices.IndexFunc(out, func(d Deployment) bool { return d.SHA == s.sha && d.Environment == environment && d.Task == run })
		if at < 0 {
			at = len(out)
			out = append(out, Deployment{ID: s.id, SHA: s.sha, Ref: s.sha, Task: run, Environment: environment, Creator: s.creator.login})
		}
		if s.state != "notSet" { // it was made, and has no state yet
			out[at].States = append(out[at].States, firstOf(deployStates[s.state], s.state))
		}
	}
	return out
}
