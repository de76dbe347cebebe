package emulator

import (
	"net/http"
	"strconv"
	"strings"
)

func (c *call) getRepo() (response, error) {
	return ok(c.f.fullRepoJSON(c.repo, c.ownLevel()))
}

// ownLevel is the caller's access; an installation's follows its contents permission.
func (c *call) ownLevel() int {
	if c.who.token == nil {
		return c.repo.level(c.who.user)
	}
	if c.who.token.allows(c.repo, "contents", "write") {
		return levelWrite
	}
	return levelRead
}

// listBranches reads the real refs.
func (c *call) listBranches() (response, error) {
	refs, err := c.f.refs(c.repo, "refs/heads")
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, ref := range refs {
		name := strings.TrimPrefix(ref.name, "refs/heads/")
		protected := c.repo.protections[name] != nil
		if want := c.query.Get("protected"); want != "" && want != strconv.FormatBool(protected) {
			continue
		}
		out = append(out, obj{"name": name, "commit": obj{"sha": ref.sha, "url": c.f.repoURL(c.repo, "/commits/"+ref.sha)}, "protected": protected})
	}
	return pages(out)
}

func (c *call) getBranch() (response, error) {
	name := c.vars["branch"]
	sha := c.f.git.branch(c.repo, name)
	if sha == "" {
		return response{}, failure(http.StatusNotFound, "Branch not found")
	}
	commits, err := c.f.commitsJSON(c.repo, []string{sha})
	if err != nil {
		return response{}, err
	}
	self := c.f.repoURL(c.repo, "/branches/"+pathEscape(name))
	p := c.repo.protections[name]
	checks := obj{"enforcement_level": "off", "contexts": []string{}, "checks": []obj{}}
	if p != nil {
		checks = obj{"enforcement_level": "non_admins", "contexts": contexts(p), "checks": checksJSON(p)}
	}
	return ok(obj{"name": name, "commit": commits[0], "protected": p != nil, "protection_url": self + "/protection",
		"_links":     obj{"self": self, "html": c.f.base + "/" + c.repo.fullName() + "/tree/" + escapePath(name)},
		"protection": obj{"enabled": p != nil, "required_status_checks": checks}})
}
