package emulator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Who may call a route.
const (
	authAnyone  = iota // reading what is public needs no token; writing needs one
	authSomeone        // a person's or an installation token
	authApp            // an App JWT
	authNone           // nobody is asked
	authClient         // an App's client id and secret
)

// route is one row of the route table: what may be asked, by whom, and who answers.
type route struct {
	method  string
	pattern string // below /api/v3; {x} is one segment, {n:x} a number, {x...} the rest
	access  string // installation permission: "name:level" or "name|other:level"; "" is metadata:read
	level   int    // least level of a person
	auth    int
	query   string // the query parameters that are understood, beside per_page and page
	serve   func(*call) (response, error)
}

// match binds the variables of the pattern, or says that the path is another's.
func (rt *route) match(path string) (map[string]string, bool) {
	want, have := strings.Split(rt.pattern, "/"), strings.Split(path, "/")
	vars := map[string]string{}
	for i, segment := range want {
		if i >= len(have) {
			return nil, false
		}
		name, isVar := strings.CutPrefix(strings.TrimSuffix(segment, "}"), "{")
		if rest, found := strings.CutSuffix(name, "..."); found && isVar {
			value, err := url.PathUnescape(strings.Join(have[i:], "/"))
			vars[rest] = value
			return vars, err == nil
		}
		if !isVar {
			if segment != have[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(have[i])
		if err != nil || value == "" {
			return nil, false
		}
		if number, found := strings.CutPrefix(name, "n:"); found {
			if _, err := strconv.ParseInt(value, 10, 64); err != nil {
				return nil, false
			}
			name = number
		}
		vars[name] = value
	}
	return vars, len(want) == len(have)
}

func (f *Forge) findRoute(method, path string) (*route, map[string]string) {
	for i := range f.routes {
		if f.routes[i].method != method {
			continue
		}
		if vars, found := f.routes[i].match(path); found {
			return &f.routes[i], vars
		}
	}
	return nil, nil
}

const (
	apiPrefix   = "/api/v3"
	maxAPIBody  = 10 << 20
	rateLimit   = 5000
	docsAddress = "https://docs.github.com/rest"
)

// serveREST answers one REST call. All of it, git commands included, happens under the one lock.
func (f *Forge) serveREST(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAPIBody))
	if err != nil {
		http.Error(w, "request body too large", http.StatusRequestEntityTooLarge)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &call{f: f, r: r, query: r.URL.Query(), body: body}
	res, err := c.answer()
	if err != nil {
		res = c.failed(err)
	}
	c.write(w, res)
}

// answer finds the route and lets it serve, once everything it demands has been checked.
func (c *call) answer() (response, error) {
	path := strings.TrimPrefix(c.r.URL.EscapedPath(), apiPrefix)
	c.route, c.vars = c.f.findRoute(c.r.Method, strings.TrimSuffix(path, "/"))
	if c.route == nil {
		return response{}, unsupported("%s %s", c.r.Method, path)
	}
	var err error
	authenticate := c.f.authenticate
	if c.route.auth == authClient {
		authenticate = c.f.authenticateClient
	}
	if c.who, err = authenticate(c.r); err != nil {
		return response{}, err
	}
	if err := c.findRepo(); err != nil {
		return response{}, err
	}
	if err := c.authorize(); err != nil {
		return response{}, err
	}
	for name := range c.query {
		if name != "per_page" && name != "page" && !slices.Contains(strings.Fields(c.route.query), name) {
			return response{}, unsupported("%s %s: query %s", c.r.Method, c.route.pattern, name)
		}
	}
	return c.route.serve(c)
}

func (c *call) findRepo() error {
	switch {
	case c.vars["owner"] != "" && c.vars["repo"] != "":
		c.repo = c.f.repoByName(c.vars["owner"] + "/" + c.vars["repo"])
	case c.vars["repository_id"] != "":
		c.repo = c.f.repoByID(c.id("repository_id"))
	default:
		return nil
	}
	if c.repo == nil || !c.who.sees(c.repo) {
		return notFound()
	}
	if c.repo.archived && c.r.Method != http.MethodGet {
		return failure(http.StatusForbidden, "Repository was archived so is read-only.")
	}
	return nil
}

// failed turns an error into GitHub's error body.
func (c *call) failed(err error) response {
	var api *apiError
	if !errors.As(err, &api) {
		c.f.log.Error("emulator failed", "method", c.r.Method, "path", c.r.URL.Path, "error", err)
		api = &apiError{status: http.StatusInternalServerError, message: err.Error()}
	}
	if api.unknown {
		c.f.recordUnknown(api.message)
		api.message = "The local forge does not know: " + api.message
	}
	body := obj{"message": api.message, "documentation_url": docsAddress, "status": strconv.Itoa(api.status)}
	if api.errors != nil {
		body["errors"] = api.errors
	}
	header := api.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if api.status == http.StatusForbidden && c.route != nil && c.route.access != "" {
		header.Set("X-Accepted-GitHub-Permissions", acceptedPermissions(c.route.access))
	}
	return response{status: api.status, body: body, header: header}
}

// acceptedPermissions is GitHub's header form: "issues=write; pull_requests=write".
func acceptedPermissions(access string) string {
	names, level, _ := strings.Cut(access, ":")
	var out []string
	for name := range strings.SplitSeq(names, "|") {
		out = append(out, name+"="+level)
	}
	return strings.Join(out, "; ")
}

// write sends the response with GitHub's headers, as 304 where the client has it already.
func (c *call) write(w http.ResponseWriter, res response) {
	h := w.Header()
	for k, v := range res.header {
		h[k] = v
	}
	c.f.rateHeaders(h)
	h.Set("X-GitHub-Media-Type", "github.v3; format=json")
	if res.paged {
		page, link := c.page(res.items)
		if link != "" {
			h.Set("Link", link)
		}
		res.body = page
		if res.wrap != nil {
			res.body = res.wrap(page, len(res.items))
		}
	}
	raw, mime := res.raw, res.mime
	if raw == nil && res.body != nil {
		var err error
		if raw, err = json.Marshal(res.body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		mime = "application/json; charset=utf-8"
	}
	if raw == nil {
		w.WriteHeader(res.status)
		return
	}
	h.Set("Content-Type", mime)
	if c.r.Method == http.MethodGet && res.status == http.StatusOK && notModified(h, c.r, raw) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(res.status)
	_, _ = w.Write(raw)
}

// notModified sets the ETag of raw and compares it with If-None-Match.
func notModified(h http.Header, r *http.Request, raw []byte) bool {
	sum := sha256.Sum256(append([]byte(r.Header.Get("Accept")+"\n"), raw...))
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	h.Set("ETag", "W/"+tag)
	h.Set("Cache-Control", "private, max-age=60, s-maxage=60")
	h.Set("Vary", "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With")
	for have := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(have), "W/") == tag {
			return true
		}
	}
	return false
}

// rateHeaders shows a budget that is counted for all callers together and never runs out; tests that want
// a limit inject it with Fail.
func (f *Forge) rateHeaders(h http.Header) {
	f.calls++
	used := f.calls % (rateLimit - 100)
	reset := f.now().Truncate(time.Hour).Add(time.Hour).Unix()
	h.Set("X-RateLimit-Limit", strconv.Itoa(rateLimit))
	h.Set("X-RateLimit-Remaining", strconv.FormatInt(rateLimit-used, 10))
	h.Set("X-RateLimit-Used", strconv.FormatInt(used, 10))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(reset, 10))
	h.Set("X-RateLimit-Resource", "core")
	h.Set("X-GitHub-Request-Id", fmt.Sprintf("EMUL:%06X", f.calls))
	h.Set("X-GitHub-Api-Version-Selected", "2022-11-28")
}

// handler is everything that is served on the address.
func (f *Forge) handler() http.Handler {
	if f.azure != nil {
		return f.azureHandler()
	}
	var rest, graphQL http.Handler = http.HandlerFunc(f.serveREST), http.HandlerFunc(f.serveGraphQL)
	if f.opts.Middleware != nil {
		rest, graphQL = f.opts.Middleware(rest), f.opts.Middleware(graphQL)
	}
	faulty := f.withFaults
	mux := http.NewServeMux()
	mux.Handle(apiPrefix+"/", faulty(rest))
	mux.Handle("POST /api/graphql", faulty(graphQL))
	mux.Handle("POST /login/device/code", faulty(f.serveOAuth((*Forge).startDevice)))
	mux.Handle("POST /login/oauth/access_token", faulty(f.serveOAuth((*Forge).accessToken)))
	git := faulty(http.HandlerFunc(f.serveGit))
	pages := f.htmlHandler()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, ".git/") {
			git.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
	return mux
}
