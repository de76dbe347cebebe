package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

var statusStates = []string{"notSet", "pending", "succeeded", "failed", "error", "notApplicable"}

type statusInput struct {
	State       string `json:"state"`
	Description string `json:"description"`
	Target      string `json:"targetUrl"`
	Iteration   int    `json:"iterationId"`
	Properties  obj    `json:"properties"`
	Context     *struct {
		Genre string `json:"genre"`
		Name  string `json:"name"`
	} `json:"context"`
}

func (c *azureCall) readStatus() (statusInput, error) {
	var in statusInput
	if err := c.decode(&in); err != nil {
		return in, err
	}
	if in.State == "" {
		in.State = "notSet"
	}
	at := slices.IndexFunc(statusStates, func(s string) bool { return strings.EqualFold(s, in.State) })
	switch {
	case at < 0:
		return in, badArgument("The state '%s' is not valid.", in.State)
	case len(in.Properties) > 0:
		return in, c.unknown("body field properties")
	case in.Context == nil || in.Context.Name == "":
		return in, badArgument("A status needs a context with a name.")
	}
	in.State = statusStates[at]
	return in, nil
}

// createPullStatus posts a status to a pull request or to one of its iterations. Of one context, the newest counts.
func (c *azureCall) createPullStatus() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	in, err := c.readStatus()
	if err != nil {
		return response{}, err
	}
	if c.vars["iterationId"] != "" {
		in.Iteration = c.num("iterationId")
	}
	if in.Iteration < 0 || in.Iteration > len(p.azure.iterations) {
		return response{}, badArgument("The iteration %d does not exist.", in.Iteration)
	}
	s := &pullStatus{id: len(p.azure.statuses) + 1, iteration: in.Iteration, genre: in.Context.Genre, name: in.Context.Name, state: in.State,
		description: in.Description, target: in.Target, creator: c.who.user, created: c.f.moment()}
	p.azure.statuses = append(p.azure.statuses, s)
	return ok(c.f.pullStatusJSON(p, s))
}

func (f *Forge) pullStatusJSON(p *pull, s *pullStatus) obj {
	o := obj{"id": s.id, "state": s.state, "description": s.description, "context": obj{"name": s.name, "genre": orNull(s.genre)},
		"creationDate": azureDate(s.created), "updatedDate": azureDate(s.created), "createdBy": f.identityRef(s.creator), "targetUrl": orNull(s.target),
		"properties": nil, "_links": obj{"self": href(f.gitPullURL(p) + "/statuses/" + strconv.Itoa(s.id)), "repository": href(f.gitAPI(p.issue.repo))}}
	if s.iteration > 0 {
		o["iterationId"] = s.iteration
	}
	return o
}

func (c *azureCall) listPullStatuses() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, s := range p.azure.statuses {
		if c.vars["iterationId"] == "" || s.iteration == c.num("iterationId") {
			out = append(out, c.f.pullStatusJSON(p, s))
		}
	}
	return listed(out)
}

func (c *azureCall) getPullStatus() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	for _, s := range p.azure.statuses {
		if s.id == c.num("statusId") && (c.vars["iterationId"] == "" || s.iteration == c.num("iterationId")) {
			return ok(c.f.pullStatusJSON(p, s))
		}
	}
	return response{}, azureFailure(http.StatusNotFound, "GitPullRequestStatusNotFoundException", "The status %s was not found.", c.vars["statusId"])
}

// contextOf is how a context is called in one line.
func contextOf(genre, name string) string {
	if genre == "" {
		return name
	}
	return genre + "/" + name
}

// newest is the status of a context that counts, of those who may post it.
func (p *pull) newest(context string, by func(*user) bool) *pullStatus {
	for _, s := range slices.Backward(p.azure.statuses) {
		if contextOf(s.genre, s.name) == context && by(s.creator) {
			return s
		}
	}
	return nil
}

func (c *azureCall) createCommitStatus() (response, error) {
	in, err := c.readStatus()
	if err != nil {
		return response{}, err
	}
	sha := c.vars["commitId"]
	if !shaPattern.MatchString(sha) || c.f.git.resolve(c.repo, sha) == "" {
		return response{}, noCommit(sha)
	}
	if in.Iteration != 0 {
		return response{}, c.unknown("body field iterationId")
	}
	s := &commitStatus{id: c.f.newID(), sha: sha, state: in.State, genre: in.Context.Genre, context: in.Context.Name, target: in.Target,
		description: in.Description, creator: c.who.user, created: c.f.moment()}
	c.repo.statuses = append(c.repo.statuses, s)
	return created(c.f.commitStatusJSON(c.repo, s))
}

func (f *Forge) commitStatusJSON(r *repository, s *commitStatus) obj {
	return obj{"id": s.id, "state": s.state, "description": s.description, "context": obj{"name": s.context, "genre": orNull(s.genre)},
		"creationDate": azureDate(s.created), "updatedDate": azureDate(s.created), "createdBy": f.identityRef(s.creator), "targetUrl": orNull(s.target),
		"_links": obj{"self": href(f.gitAPI(r) + "/commits/" + s.sha + "/statuses"), "commit": href(f.gitAPI(r) + "/commits/" + s.sha)}}
}

// listCommitStatuses is newest first; with latestOnly one of each context.
func (c *azureCall) listCommitStatuses() (response, error) {
	out, seen := []obj{}, map[string]bool{}
	for _, s := range slices.Backward(c.repo.statuses) {
		context := contextOf(s.genre, s.context)
		if s.sha != c.vars["commitId"] || seen[context] && c.param("latestOnly") == "true" {
			continue
		}
		seen[context] = true
		out = append(out, c.f.commitStatusJSON(c.repo, s))
	}
	return listed(c.paging(out, 1000))
}
