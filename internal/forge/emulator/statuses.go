package emulator

import (
	"cmp"
	"net/http"
	"slices"
)

func (c *call) createStatus() (response, error) {
	var in struct {
		State       string  `json:"state"`
		TargetURL   *string `json:"target_url"`
		Description *string `json:"description"`
		Context     string  `json:"context"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if !slices.Contains([]string{"error", "failure", "pending", "success"}, in.State) {
		return response{}, invalid("Status", "state", "invalid", "")
	}
	sha := c.vars["sha"]
	if !shaPattern.MatchString(sha) || c.f.git.resolve(c.repo, sha) == "" {
		return response{}, failure(http.StatusUnprocessableEntity, "No commit found for SHA: %s", sha)
	}
	s := &commitStatus{id: c.f.newID(), sha: sha, state: in.State, context: cmp.Or(in.Context, "default"), creator: c.who.user, created: c.f.now()}
	set(&s.target, in.TargetURL)
	set(&s.description, in.Description)
	if err := tooLong("Status", "description", s.description, maxDescription); err != nil {
		return response{}, err
	}
	c.repo.statuses = append(c.repo.statuses, s)
	return created(c.f.statusJSON(c.repo, s))
}

func (f *Forge) statusJSON(r *repository, s *commitStatus) obj {
	return obj{"url": f.repoURL(r, "/statuses/"+s.sha), "avatar_url": f.base + "/avatars/u/" + str(s.creator.id), "id": s.id,
		"node_id": nodeID("SC", s.id), "state": s.state, "description": orNull(s.description), "target_url": orNull(s.target),
		"context": s.context, "created_at": stamp(s.created), "updated_at": stamp(s.created), "creator": f.userJSON(s.creator)}
}

// statusesOf are a commit's statuses, newest first.
func (c *call) statusesOf(sha string) []*commitStatus {
	var out []*commitStatus
	for _, s := range slices.Backward(c.repo.statuses) {
		if s.sha == sha {
			out = append(out, s)
		}
	}
	return out
}

func (c *call) listStatuses() (response, error) {
	out := []obj{}
	for _, s := range c.statusesOf(c.f.git.resolve(c.repo, c.vars["ref"])) {
		out = append(out, c.f.statusJSON(c.repo, s))
	}
	return pages(out)
}

// combinedStatus is the newest status of each context, and what they amount to.
func (c *call) combinedStatus() (response, error) {
	sha := c.f.git.resolve(c.repo, c.vars["ref"])
	if sha == "" {
		return response{}, notFound()
	}
	seen := map[string]bool{}
	states := map[string]bool{}
	list := []obj{}
	for _, s := range c.statusesOf(sha) {
		if seen[s.context] {
			continue
		}
		seen[s.context], states[s.state] = true, true
		o := c.f.statusJSON(c.repo, s)
		delete(o, "creator")
		list = append(list, o)
	}
	state := "success"
	switch {
	case states["failure"] || states["error"]:
		state = "failure"
	case states["pending"] || len(list) == 0:
		state = "pending"
	}
	self := c.f.repoURL(c.repo, "/commits/"+sha)
	return ok(obj{"state": state, "sha": sha, "total_count": len(list), "statuses": list,
		"repository": c.f.minimalRepoJSON(c.repo), "commit_url": self, "url": self + "/status"})
}
