package emulator

import (
	"net/http"
	"slices"
	"strings"
)

var stateColors = map[string]string{"Proposed": "b2b2b2", "InProgress": "007acc", "Resolved": "ff9d00", "Completed": "339933", "Removed": "ffffff"}

func statesJSON(kind string) []obj {
	out := []obj{}
	for _, s := range itemStates[kind] {
		out = append(out, obj{"name": s[0], "color": stateColors[s[1]], "category": s[1]})
	}
	return out
}

func (c *azureCall) wantedType() (string, error) {
	for name := range itemStates {
		if strings.EqualFold(name, c.vars["type"]) {
			return name, nil
		}
	}
	return "", azureFailure(http.StatusNotFound, "WorkItemTypeNotFoundException",
		"VS402323: Work item type %s does not exist in project %s or you do not have permission to access it.", c.vars["type"], c.project.login)
}

func (c *azureCall) typeStates() (response, error) {
	kind, err := c.wantedType()
	if err != nil {
		return response{}, err
	}
	return listed(statesJSON(kind))
}

func (c *azureCall) typeJSON(kind string) obj {
	return obj{"name": kind, "referenceName": "Microsoft.VSTS.WorkItemTypes." + strings.ReplaceAll(kind, " ", ""), "description": "", "color": "009ccc",
		"isDisabled": false, "states": statesJSON(kind), "fields": []obj{}, "transitions": obj{},
		"url": c.f.orgURL() + "/" + c.f.projectGUID(c.project) + "/_apis/wit/workItemTypes/" + pathEscape(kind)}
}

func (c *azureCall) listTypes() (response, error) {
	out := []obj{}
	for _, kind := range sortedKeys(itemStates) {
		out = append(out, c.typeJSON(kind))
	}
	return listed(out)
}

func (c *azureCall) getType() (response, error) {
	kind, err := c.wantedType()
	if err != nil {
		return response{}, err
	}
	return ok(c.typeJSON(kind))
}

// listTags are the tags that work items of the project have.
func (c *azureCall) listTags() (response, error) {
	var names []string
	for _, w := range c.f.azure.items {
		if w.project == c.project {
			names = append(names, w.tags()...)
		}
	}
	out := []obj{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		id := c.f.guid("tag "+name, 0)
		out = append(out, obj{"id": id, "name": name, "url": c.f.orgURL() + "/" + c.f.projectGUID(c.project) + "/_apis/wit/tags/" + id})
	}
	return listed(out)
}
