package emulator

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// team is a team of an organization. Its id stays when it is renamed.
type team struct {
	id      int64
	org     *user
	name    string
	slug    string
	members []*user
	created time.Time
	updated time.Time
}

// CreateTeam makes a team without members in an organization and returns its id.
func (f *Forge) CreateTeam(organization, name string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	org, slug := f.userByLogin(organization), slugOf(name)
	if org == nil || org.kind != typeOrganization || slug == "" || f.teamBySlug(org, slug) != nil {
		return 0, fmt.Errorf("emulator: team %q of %q is not to be had", name, organization)
	}
	t := &team{id: f.newID(), org: org, name: name, slug: slug, created: f.now(), updated: f.now()}
	f.teams = append(f.teams, t)
	return t.id, nil
}

func slugOf(name string) string {
	return strings.Trim(notSlug.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

// AddTeamMember puts a person into a team.
func (f *Forge) AddTeamMember(organization, slug, login string) error {
	return f.changeTeam(organization, slug, login, func(t *team, u *user) {
		if !slices.Contains(t.members, u) {
			t.members = append(t.members, u)
		}
	})
}

// RemoveTeamMember takes a person out of a team.
func (f *Forge) RemoveTeamMember(organization, slug, login string) error {
	return f.changeTeam(organization, slug, login, func(t *team, u *user) {
		t.members = slices.DeleteFunc(t.members, func(m *user) bool { return m == u })
	})
}

func (f *Forge) changeTeam(organization, slug, login string, change func(*team, *user)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, u := f.teamBySlug(f.userByLogin(organization), slug), f.userByLogin(login)
	if t == nil || u == nil || u.kind != typeUser {
		return fmt.Errorf("emulator: no team %q of %q or no person %q", slug, organization, login)
	}
	change(t, u)
	t.updated = f.now()
	return nil
}

// RenameTeam gives a team another name, and with it another slug.
func (f *Forge) RenameTeam(organization, slug, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	org := f.userByLogin(organization)
	t := f.teamBySlug(org, slug)
	if t == nil || slugOf(to) == "" || f.teamBySlug(org, slugOf(to)) != nil {
		return fmt.Errorf("emulator: team %q of %q cannot be called %q", slug, organization, to)
	}
	t.name, t.slug, t.updated = to, slugOf(to), f.now()
	return nil
}

// DeleteTeam removes a team; a new one of the same name gets another id.
func (f *Forge) DeleteTeam(organization, slug string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.teamBySlug(f.userByLogin(organization), slug)
	if t == nil {
		return fmt.Errorf("emulator: no team %q of %q", slug, organization)
	}
	f.teams = slices.DeleteFunc(f.teams, func(other *team) bool { return other == t })
	return nil
}

// teamBySlug needs the lock.
func (f *Forge) teamBySlug(org *user, slug string) *team {
	for _, t := range f.teams {
		if org != nil && t.org == org && strings.EqualFold(t.slug, slug) {
			return t
		}
	}
	return nil
}

func teamRoutes() []route {
	return []route{
		{method: get, pattern: "/orgs/{org}/teams/{slug}", auth: authSomeone, serve: (*call).getTeam},
		{method: get, pattern: "/orgs/{org}/teams/{slug}/members", auth: authSomeone, query: "role", serve: (*call).listTeamMembers},
		{method: get, pattern: "/organizations/{n:org_id}/team/{n:team_id}/members", auth: authSomeone, query: "role", serve: (*call).listTeamMembers},
	}
}

// wantedTeam finds the team by names or ids, for whom GitHub shows it to: an
// installation on the organization with members:read, and members of the organization.
func (c *call) wantedTeam() (*team, error) {
	var found *team
	if c.vars["team_id"] != "" {
		for _, t := range c.f.teams {
			if t.id == c.id("team_id") && t.org.id == c.id("org_id") {
				found = t
			}
		}
	} else {
		found = c.f.teamBySlug(c.f.userByLogin(c.vars["org"]), c.vars["slug"])
	}
	switch t := c.who.token; {
	case found == nil:
		return nil, notFound()
	case t != nil && t.installation.account != found.org:
		return nil, notFound()
	case t != nil && permissionRank(t.permissions["members"]) < permissionRank("read"):
		return nil, failure(http.StatusForbidden, "Resource not accessible by integration")
	case t == nil && !c.f.inOrganization(c.who.user, found.org):
		return nil, notFound()
	}
	return found, nil
}

func (f *Forge) inOrganization(u, org *user) bool {
	return slices.ContainsFunc(f.teams, func(t *team) bool { return t.org == org && slices.Contains(t.members, u) })
}

func (c *call) getTeam() (response, error) {
	t, err := c.wantedTeam()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.teamJSON(t))
}

func (c *call) listTeamMembers() (response, error) {
	t, err := c.wantedTeam()
	if err != nil {
		return response{}, err
	}
	if _, err := c.one("role", "all", "member"); err != nil { // nobody is a maintainer here
		return response{}, err
	}
	return pages(c.f.usersJSON(t.members))
}

// teamJSON is the team in full, as GET on the team answers.
func (f *Forge) teamJSON(t *team) obj {
	self := f.apiURL(fmt.Sprintf("organizations/%d/team/%d", t.org.id, t.id))
	return obj{
		"id": t.id, "node_id": nodeID("T", t.id), "url": self, "name": t.name, "slug": t.slug, "description": "",
		"privacy": "closed", "notification_setting": "notifications_enabled", "permission": "pull", "parent": nil,
		"html_url":    f.base + "/orgs/" + url.PathEscape(t.org.login) + "/teams/" + t.slug,
		"members_url": self + "/members{/member}", "repositories_url": self + "/repos", "type": "organization",
		"created_at": stamp(t.created), "updated_at": stamp(t.updated), "members_count": len(t.members), "repos_count": 0,
		"organization_id": t.org.id, "organization": f.organizationJSON(t.org),
	}
}

// organizationJSON is an organization in full.
func (f *Forge) organizationJSON(o *user) obj {
	self := f.apiURL("orgs/" + url.PathEscape(o.login))
	repos := 0
	for _, r := range f.repos {
		if r.owner == o && !r.private {
			repos++
		}
	}
	return obj{
		"login": o.login, "id": o.id, "node_id": nodeID("O", o.id), "url": self, "repos_url": self + "/repos",
		"events_url": self + "/events", "hooks_url": self + "/hooks", "issues_url": self + "/issues",
		"members_url": self + "/members{/member}", "public_members_url": self + "/public_members{/member}",
		"avatar_url": f.base + "/avatars/u/" + str(o.id), "description": "", "html_url": f.base + "/" + o.login,
		"has_organization_projects": false, "has_repository_projects": false, "public_repos": repos, "public_gists": 0,
		"followers": 0, "following": 0, "type": typeOrganization, "created_at": stamp(o.created), "updated_at": stamp(o.created),
		"archived_at": nil,
	}
}
