package wire

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Call is a request to a forge as figures and traces have it. Nothing of it was written by
// a stranger: addresses become words of a fixed list.
type Call struct {
	Method    string
	Operation string // see [Operation]
	Status    int    // 0: no answer came
	Started   time.Time
	Took      time.Duration // until the answer began
	// Repeated: the same request was sent before.
	Repeated bool
	Limit    Limit
}

// Limit is what the forge says of its limit of requests.
type Limit struct {
	Known     bool
	Resource  string // of [Resources], else "other"
	Remaining int64
	Reset     time.Time // zero: not said
	// Hit: the forge asks to stay away for a while.
	Hit bool
}

// Resources are the kinds of requests that GitHub limits apart, as far as they are used.
func Resources() []string {
	return []string{"core", "graphql", "search", "integration_manifest", "other"}
}

// limitOf reads the headers of both forges:
// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#checking-the-status-of-your-rate-limit,
// https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits#api-client-experience.
func limitOf(res *http.Response) Limit {
	h := res.Header
	l := Limit{Resource: "other"}
	if said := h.Get("X-RateLimit-Resource"); slices.Contains(Resources(), said) {
		l.Resource = said
	}
	if n, err := strconv.ParseInt(h.Get("X-RateLimit-Remaining"), 10, 64); err == nil && n >= 0 {
		l.Known, l.Remaining = true, n
	}
	if at, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil && at > 0 {
		l.Reset = time.Unix(at, 0)
	}
	refused := res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable
	l.Hit = res.StatusCode == http.StatusTooManyRequests || refused && (h.Get("Retry-After") != "" || l.Known && l.Remaining == 0)
	return l
}

type repeatedKey struct{}

// Repeated marks the requests of a context as sent before.
func Repeated(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatedKey{}, true)
}

func (w *Wire) observe(req *http.Request, res *http.Response, started time.Time) {
	if w.Observe == nil {
		return
	}
	repeated, _ := req.Context().Value(repeatedKey{}).(bool)
	c := Call{Method: req.Method, Operation: Operation(req.URL.Path), Started: started, Took: time.Since(started), Repeated: repeated}
	if res != nil {
		c.Status, c.Limit = res.StatusCode, limitOf(res)
	}
	w.Observe(req.Context(), c)
}

// words of addresses that name what is asked for, at either forge.
var words = []string{
	"app", "installations", "access_tokens", "installation", "graphql", "user", "users", "orgs", "teams", "memberships", "collaborators", "permission",
	"issues", "comments", "reactions", "labels", "timeline", "events", "pulls", "reviews", "requested_reviewers", "check-runs", "check-suites",
	"deployments", "statuses", "git", "ref", "refs", "matching-refs", "commits", "contents", "compare", "branches", "merges", "hooks", "deliveries", "token", "meta",
	"wit", "workitems", "workitemsbatch", "wiql", "pullrequests", "pullrequestquery", "threads", "iterations", "reviewers", "repositories", "items", "pushes",
	"identities", "connectiondata", "projects", "properties", "subscriptions", "publishers", "accesscontrolentries", "accesscontrollists",
	"permissions", "pipelines", "runs", "builds", "logs", "timelines", "oauth2", "graph", "descriptors", "policy", "evaluations",
}

// Operation is what an address asks for: the first of its words that are known, two at
// GitHub and three at Azure DevOps, apart from names of owners, repositories and projects;
// "other" without any. What comes after a name that somebody gave, a branch or a file, does
// not count.
func Operation(path string) string {
	segments, most := strings.Split(strings.Trim(path, "/"), "/"), 2
	if i := slices.Index(segments, "_apis"); i >= 0 {
		segments, most = segments[i+1:], 3
	} else if i := slices.Index(segments, "repos"); i >= 0 {
		if len(segments) <= i+3 {
			return "repository"
		}
		segments = segments[i+3:]
	}
	var found []string
	for _, segment := range segments {
		segment = strings.ToLower(segment)
		if !slices.Contains(words, segment) {
			continue
		}
		found = append(found, segment)
		if len(found) == most || slices.Contains(free, segment) {
			break
		}
	}
	if len(found) == 0 {
		return "other"
	}
	return strings.Join(found, "/")
}

// free are followed by names that somebody gave.
var free = []string{"ref", "refs", "matching-refs", "contents", "compare", "branches", "commits", "labels", "items", "orgs", "users", "teams"}
