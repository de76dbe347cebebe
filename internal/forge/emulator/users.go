package emulator

import (
	"net/http"
	"time"
)

func (c *call) getSelf() (response, error) {
	if c.who.token != nil {
		return response{}, forbiddenToApp()
	}
	return ok(c.f.accountJSON(c.who.user, true))
}

func (c *call) getUser() (response, error) {
	if u := c.f.userByLogin(c.vars["login"]); u != nil {
		return ok(c.f.accountJSON(u, false))
	}
	return response{}, notFound()
}

func (c *call) getUserByID() (response, error) {
	for _, u := range c.f.users {
		if u.id == c.id("id") {
			return ok(c.f.accountJSON(u, false))
		}
	}
	return response{}, notFound()
}

// getPermission is the access of any account to the repository; GitHub's older permission names fold
// triage into read and maintain into write.
func (c *call) getPermission() (response, error) {
	u := c.f.userByLogin(c.vars["login"])
	if u == nil {
		return response{}, failure(http.StatusNotFound, "%s is not a user", c.vars["login"])
	}
	level := c.repo.level(u)
	if u.kind == typeBot {
		level = levelNone
	}
	folded := map[int]string{levelTriage: "read", levelMaintain: "write"}[level]
	if folded == "" {
		folded = levelNames[level]
	}
	return ok(obj{"permission": folded, "role_name": levelNames[level],
		"user": c.f.userJSON(u).with(obj{"permissions": levelJSON(level), "role_name": levelNames[level]})})
}

func (c *call) listCollaborators() (response, error) {
	out := []obj{}
	for _, u := range c.f.users {
		if u == c.repo.owner && u.kind == typeUser || c.repo.collaborators[u.id] != "" {
			level := c.repo.level(u)
			out = append(out, c.f.userJSON(u).with(obj{"permissions": levelJSON(level), "role_name": levelNames[level]}))
		}
	}
	return pages(out)
}

func (c *call) getRateLimit() (response, error) {
	used := c.f.calls % (rateLimit - 100)
	core := obj{"limit": rateLimit, "used": used, "remaining": rateLimit - used,
		"reset": c.f.now().Truncate(time.Hour).Add(time.Hour).Unix()}
	return ok(obj{"resources": obj{"core": core, "search": core, "graphql": core}, "rate": core})
}
