package emulator

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// azureLocation is one resource of the REST API, as OPTIONS on _apis lists them, with its routes.
// https://learn.microsoft.com/en-us/azure/devops/integrate/concepts/rest-api-versioning
type azureLocation struct {
	id, area, name string
	// pattern is what stands behind _apis/; {x} is one segment, the last one of which may be missing.
	pattern string
	scope   int // noProject, anyProject or inProject
	version int // of the resource
	preview bool
	routes  []azureRoute
}

// Where a project stands in front of _apis.
const (
	noProject = iota
	anyProject
	inProject
	inTeam // a project, and perhaps a team
)

// azureRoute is what may be asked of a resource, with which scope of a token and what access, and who answers.
type azureRoute struct {
	method string
	one    bool   // the last variable of the pattern is given
	scope  string // any of these, separated by "|"; "" is none
	level  int    // least level on the repository, or on the project if the route has no repository
	query  string // the query parameters that are understood; a trailing * is any ending
	patch  bool   // the body is a JSON patch
	serve  func(*azureCall) (response, error)
}

// template is the route as the service publishes it.
func (l *azureLocation) template() string {
	switch l.scope {
	case noProject:
		return "_apis/" + l.pattern
	case inTeam:
		return "{project}/{team}/_apis/" + l.pattern
	}
	return "{project}/_apis/" + l.pattern
}

// match binds the variables behind _apis; one says whether the last of them was given.
func (l *azureLocation) match(path []string) (vars map[string]string, one, found bool) {
	want := strings.Split(l.pattern, "/")
	last := want[len(want)-1]
	optional := strings.HasPrefix(last, "{") || strings.HasPrefix(last, "${")
	if len(path) != len(want) && (!optional || len(path) != len(want)-1) {
		return nil, false, false
	}
	vars = map[string]string{}
	for i, segment := range path {
		value, err := url.PathUnescape(segment)
		if err != nil || value == "" {
			return nil, false, false
		}
		plain, marked := strings.CutPrefix(want[i], "$")
		name, isVar := strings.CutPrefix(strings.TrimSuffix(plain, "}"), "{")
		if marked && !strings.HasPrefix(value, "$") {
			return nil, false, false
		}
		if isVar {
			vars[name] = strings.TrimPrefix(value, map[bool]string{true: "$"}[marked])
		} else if !strings.EqualFold(name, value) {
			return nil, false, false
		}
	}
	return vars, optional && len(path) == len(want), true
}

// serveAzure answers one call of the REST API under the one lock.
func (f *Forge) serveAzure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAPIBody))
	if err != nil {
		http.Error(w, "request body too large", http.StatusRequestEntityTooLarge)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &azureCall{f: f, r: r, query: r.URL.Query(), body: body}
	res, err := c.answer()
	if errors.Is(err, errSignIn) {
		c.signIn(w)
		return
	}
	if err != nil {
		res = c.failed(err)
	}
	c.write(w, res)
}

// answer authenticates first: a stranger does not learn what is there.
func (c *azureCall) answer() (response, error) {
	var err error
	if c.who, err = c.f.authenticateAzure(c.r); err != nil {
		return response{}, err
	}
	return c.perform()
}

// perform finds the route for a caller who is known and lets it serve, once everything that it demands is checked.
func (c *azureCall) perform() (response, error) {
	if err := c.find(); err != nil {
		return response{}, err
	}
	if c.route == nil { // OPTIONS
		return ok(c.f.locationsJSON())
	}
	if err := c.checkScope(); err != nil {
		return response{}, err
	}
	if err := c.checkVersion(); err != nil {
		return response{}, err
	}
	if err := c.resolve(); err != nil {
		return response{}, err
	}
	for name := range c.query {
		if name != "api-version" && !understood(c.route.query, name) {
			return response{}, c.unknown("query " + name)
		}
	}
	return c.route.serve(c)
}

func understood(known, name string) bool {
	return slices.ContainsFunc(strings.Fields(known), func(k string) bool {
		prefix, open := strings.CutSuffix(k, "*")
		return strings.EqualFold(k, name) || open && strings.HasPrefix(strings.ToLower(name), strings.ToLower(prefix))
	})
}

// find takes the path apart: organization, perhaps project and team, _apis and the resource.
func (c *azureCall) find() error {
	path := strings.Split(strings.Trim(c.r.URL.EscapedPath(), "/"), "/")
	if !strings.EqualFold(path[0], c.f.azure.organization) {
		return azureFailure(http.StatusNotFound, "", "The resource cannot be found.")
	}
	at := slices.Index(path, "_apis")
	if at < 1 || at > 3 {
		return azureUnsupported("%s %s", c.r.Method, c.r.URL.Path)
	}
	rest := path[at+1:]
	if c.r.Method == http.MethodOptions && len(rest) == 0 && at == 1 {
		return nil
	}
	for i := range c.f.azureLocations {
		l := &c.f.azureLocations[i]
		vars, one, found := l.match(rest)
		if !found || !fits(l.scope, at-1) {
			continue
		}
		for j := range l.routes {
			if rt := &l.routes[j]; rt.method == c.r.Method && rt.one == one {
				c.location, c.route, c.vars = l, rt, vars
				for k, name := range []string{"project", "team"} {
					if at > k+1 {
						c.vars[name], _ = url.PathUnescape(path[k+1])
					}
				}
				return nil
			}
		}
	}
	return azureUnsupported("%s %s", c.r.Method, c.r.URL.Path)
}

// fits says whether a resource may have that many segments (project, team) before _apis.
func fits(scope, segments int) bool {
	switch scope {
	case noProject:
		return segments == 0
	case inProject:
		return segments == 1
	case inTeam:
		return segments <= 2
	}
	return segments <= 1
}

// failed turns an error into the service's error body.
func (c *azureCall) failed(err error) response {
	var e *azureError
	if !errors.As(err, &e) {
		var api *apiError
		if errors.As(err, &api) { // of the code that both faces share
			e = &azureError{status: api.status, message: api.message, unknown: api.unknown}
		} else {
			c.f.log.Error("emulator failed", "method", c.r.Method, "path", c.r.URL.Path, "error", err)
			e = &azureError{status: http.StatusInternalServerError, message: err.Error()}
		}
	}
	if e.unknown {
		c.f.recordUnknown(e.message)
	}
	return response{status: e.status, body: e.json()}
}

// write sends the response with the service's headers.
func (c *azureCall) write(w http.ResponseWriter, res response) {
	h := w.Header()
	for k, v := range res.header {
		h[k] = v
	}
	c.f.calls++
	h.Set("X-VSS-E2EID", newGUID())
	h.Set("ActivityId", newGUID())
	h.Set("X-TFS-Session", c.r.Header.Get("X-TFS-Session"))
	h.Set("X-TFS-ProcessId", c.f.guid("process", 0))
	h.Set("Cache-Control", "no-cache")
	raw, mime := res.raw, res.mime
	if raw == nil && res.body != nil {
		var err error
		if raw, err = json.Marshal(res.body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		mime = "application/json; charset=utf-8; api-version=" + c.version
		if c.version == "" {
			mime = "application/json; charset=utf-8"
		}
	}
	if raw == nil {
		w.WriteHeader(res.status)
		return
	}
	h.Set("Content-Type", mime)
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(res.status)
	if c.r.Method != http.MethodHead {
		_, _ = w.Write(raw)
	}
}

// locationsJSON is what OPTIONS on _apis answers.
func (f *Forge) locationsJSON() obj {
	out := []obj{}
	for i := range f.azureLocations {
		l := &f.azureLocations[i]
		released := "7.1"
		if l.preview {
			released = "0.0"
		}
		out = append(out, obj{"id": l.id, "area": l.area, "resourceName": l.name, "routeTemplate": l.template(),
			"resourceVersion": l.version, "minVersion": "1.0", "maxVersion": "7.2", "releasedVersion": released})
	}
	return listOf(out)
}

// listOf is the envelope of every list.
func listOf(items []obj) obj {
	if items == nil {
		items = []obj{}
	}
	return obj{"count": len(items), "value": items}
}

func listed(items []obj) (response, error) { return ok(listOf(items)) }

// azureHandler is everything that is served on the address.
func (f *Forge) azureHandler() http.Handler {
	var rest http.Handler = http.HandlerFunc(f.serveAzure)
	if f.opts.Middleware != nil {
		rest = f.opts.Middleware(rest)
	}
	rest = f.withFaults(rest)
	git := f.withFaults(http.HandlerFunc(f.serveAzureGit))
	entra := f.withFaults(http.HandlerFunc(f.serveEntra))
	pages := f.azurePages()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		switch {
		case slices.Contains(path[:min(len(path), 4)], "_apis"):
			rest.ServeHTTP(w, r)
		case isAzureGit(path):
			git.ServeHTTP(w, r)
		case strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
			entra.ServeHTTP(w, r)
		default:
			pages.ServeHTTP(w, r)
		}
	})
}
