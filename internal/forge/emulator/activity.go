package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// listActivity lists changes of refs, newest first; its pages are found by cursor, not by number.
func (c *call) listActivity() (response, error) {
	direction, err := c.one("direction", "desc", "asc")
	if err != nil {
		return response{}, err
	}
	if c.query.Has("page") {
		return response{}, unsupported("GET %s: query page", c.route.pattern)
	}
	ref := c.query.Get("ref")
	if ref != "" && !strings.HasPrefix(ref, "refs/") {
		ref = "refs/heads/" + ref
	}
	var found []*Push
	for _, p := range c.repo.pushes {
		if (ref == "" || ref == p.Ref) && matchesQuery(c.query.Get("actor"), p.actor.login) && matchesQuery(c.query.Get("activity_type"), p.Kind) {
			found = append(found, p)
		}
	}
	if direction == "desc" {
		slices.Reverse(found)
	}
	return c.activityPage(found)
}

// activityPage starts behind the change whose id is the cursor "after".
func (c *call) activityPage(found []*Push) (response, error) {
	if after := c.query.Get("after"); after != "" {
		at := slices.IndexFunc(found, func(p *Push) bool { return str(p.ID) == after })
		if at < 0 {
			return response{}, failure(http.StatusUnprocessableEntity, "Invalid cursor")
		}
		found = found[at+1:]
	}
	header := http.Header{}
	if size := min(positive(c.query.Get("per_page"), 30), 100); len(found) > size {
		found = found[:size]
		q := c.r.URL.Query()
		q.Set("after", str(found[size-1].ID))
		header.Set("Link", fmt.Sprintf("<%s%s?%s>; rel=\"next\"", c.f.base, c.r.URL.EscapedPath(), q.Encode()))
	}
	out := []obj{}
	for _, p := range found {
		out = append(out, obj{"id": p.ID, "node_id": nodeID("PSH", p.ID), "before": p.Old, "after": p.New, "ref": p.Ref,
			"timestamp": stamp(p.At), "activity_type": p.Kind, "actor": c.f.userJSON(p.actor)})
	}
	return response{status: http.StatusOK, body: out, header: header}, nil
}
