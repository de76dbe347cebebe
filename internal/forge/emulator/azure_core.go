package emulator

import (
	"net/http"
	"slices"
	"strings"
)

func (c *azureCall) listProjects() (response, error) {
	out := []obj{}
	for _, p := range c.f.projects() {
		if c.f.memberOf(c.who.user, p, levelRead) {
			out = append(out, c.f.projectRef(p))
		}
	}
	return c.pageOf(out, 1000)
}

// wantedProject is the project in the address of the core area, by name or GUID.
func (c *azureCall) wantedProject() (*user, error) {
	p := c.f.projectByName(c.vars["projectId"])
	if p == nil || !c.f.memberOf(c.who.user, p, levelRead) {
		return nil, noProjectNamed(c.vars["projectId"])
	}
	return p, nil
}

func (c *azureCall) getProject() (response, error) {
	p, err := c.wantedProject()
	if err != nil {
		return response{}, err
	}
	o := c.f.projectRef(p)
	for _, t := range c.f.teams {
		if t.org == p {
			o["defaultTeam"] = obj{"id": c.f.teamGUID(t), "name": t.name, "url": c.f.azureTeamURL(t)}
			break
		}
	}
	if c.param("includeCapabilities") == "true" {
		o["capabilities"] = obj{"versioncontrol": obj{"sourceControlType": "Git", "gitEnabled": "True", "tfvcEnabled": "False"},
			"processTemplate": obj{"templateName": "Agile", "templateTypeId": "adcc42ab-9882-485e-a3ed-7678f01f66bc"}}
	}
	return ok(o)
}

func (f *Forge) azureTeamURL(t *team) string {
	return f.orgURL() + "/_apis/projects/" + f.projectGUID(t.org) + "/teams/" + f.teamGUID(t)
}

func (f *Forge) azureTeamJSON(t *team) obj {
	return obj{"id": f.teamGUID(t), "name": t.name, "url": f.azureTeamURL(t), "description": "", "identityUrl": f.orgURL() + "/_apis/Identities/" + f.teamGUID(t),
		"projectName": t.org.login, "projectId": f.projectGUID(t.org)}
}

// listProjectTeams is one project's, or all that the caller may see.
func (c *azureCall) listProjectTeams() (response, error) {
	var only *user
	if c.vars["projectId"] != "" {
		var err error
		if only, err = c.wantedProject(); err != nil {
			return response{}, err
		}
	}
	out := []obj{}
	for _, t := range c.f.teams {
		mine := slices.Contains(t.members, c.who.user)
		if (only == nil || t.org == only) && c.f.memberOf(c.who.user, t.org, levelRead) && (mine || c.param("$mine") != "true") {
			out = append(out, c.f.azureTeamJSON(t))
		}
	}
	return listed(c.paging(out, 1000))
}

func (c *azureCall) wantedProjectTeam() (*team, error) {
	p, err := c.wantedProject()
	if err != nil {
		return nil, err
	}
	for _, t := range c.f.teams {
		if t.org == p && (strings.EqualFold(c.f.teamGUID(t), c.vars["teamId"]) || strings.EqualFold(t.name, c.vars["teamId"])) {
			return t, nil
		}
	}
	return nil, azureFailure(http.StatusNotFound, "TeamNotFoundException",
		"The team with id '%s' does not exist, or you do not have permission to access it.", c.vars["teamId"])
}

func (c *azureCall) getProjectTeam() (response, error) {
	t, err := c.wantedProjectTeam()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.azureTeamJSON(t))
}

func (c *azureCall) listMembers() (response, error) {
	t, err := c.wantedProjectTeam()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, u := range t.members {
		out = append(out, obj{"identity": c.f.identityRef(u)})
	}
	return listed(c.paging(out, 500))
}
