package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// readable is the work item of the address, if the caller may see its project.
func (c *azureCall) readable(id int) (*workItem, error) {
	w := c.f.itemByID(id)
	if w == nil || c.project != nil && w.project != c.project || !c.f.memberOf(c.who.user, w.project, levelRead) {
		return nil, noItem(id)
	}
	return w, nil
}

// writable is the work item of the address, if the caller may change work items of its project.
func (c *azureCall) writable(id int) (*workItem, error) {
	w, err := c.readable(id)
	if err != nil {
		return nil, err
	}
	return w, c.mayWriteItems(w.project)
}

// mayWriteItems refuses those who are not of the project, and see it because it is public.
func (c *azureCall) mayWriteItems(project *user) error {
	member := func(r *repository) bool { return r.owner == project && r.collaborators[c.who.user.id] != "" }
	if c.who.user == project || c.f.inOrganization(c.who.user, project) || slices.ContainsFunc(c.f.repos, member) {
		return nil
	}
	return azureFailure(http.StatusForbidden, "WorkItemUnauthorizedAccessException",
		"TF237111: The current user does not have permissions to save work items under the specified area path.")
}

var expansions = []string{"", "none", "relations", "fields", "links", "all"}

func (c *azureCall) getItem() (response, error) {
	w, err := c.readable(c.num("id"))
	if err != nil {
		return response{}, err
	}
	if !slices.Contains(expansions, strings.ToLower(c.param("$expand"))) {
		return response{}, c.unknown("query $expand=" + c.param("$expand"))
	}
	return ok(c.f.itemJSON(w, splitList(c.param("fields")), c.param("$expand")))
}

func splitList(text string) []string {
	var out []string
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one != "" {
			out = append(out, one)
		}
	}
	return out
}

// maxItems is how many work items can be read at once.
const maxItems = 200

func (c *azureCall) listItems() (response, error) {
	var ids []int
	for _, text := range splitList(c.param("ids")) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return response{}, badArgument("The id %s is not a number.", text)
		}
		ids = append(ids, n)
	}
	return c.itemsOf(ids, splitList(c.param("fields")), c.param("$expand"), c.param("errorPolicy"))
}

func (c *azureCall) batchItems() (response, error) {
	var in struct {
		IDs    []int    `json:"ids"`
		Fields []string `json:"fields"`
		Expand string   `json:"$expand"`
		Errors string   `json:"errorPolicy"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	return c.itemsOf(in.IDs, in.Fields, in.Expand, in.Errors)
}

// itemsOf fails if one is missing, unless the error policy is to leave it out.
func (c *azureCall) itemsOf(ids []int, fields []string, expand, policy string) (response, error) {
	switch {
	case len(ids) == 0:
		return response{}, badArgument("The request needs ids.")
	case len(ids) > maxItems:
		return response{}, azureFailure(http.StatusBadRequest, "VssPropertyValidationException", "VS402337: The number of work items to be read exceeds the limit of %d.", maxItems)
	}
	out := []any{}
	for _, id := range ids {
		w, err := c.readable(id)
		if err != nil && !strings.EqualFold(policy, "omit") {
			return response{}, err
		}
		if err != nil {
			out = append(out, nil)
			continue
		}
		out = append(out, c.f.itemJSON(w, fields, firstOf(expand, "none")))
	}
	return ok(obj{"count": len(out), "value": out})
}
