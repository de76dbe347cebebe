package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// call is one REST request under the state's lock.
type call struct {
	f     *Forge
	r     *http.Request
	route *route
	vars  map[string]string
	query url.Values
	who   caller
	repo  *repository // set where the route has {owner}/{repo} or {repository_id}
	body  []byte
}

// response is what a handler answers: body as JSON, one page of items, or raw bytes.
type response struct {
	status int
	body   any
	header http.Header
	raw    []byte
	mime   string // of raw

	paged bool
	items []obj
	wrap  func(page []obj, total int) any // optional envelope of a page
}

func ok(body any) (response, error) { return response{status: http.StatusOK, body: body}, nil }
func created(body any) (response, error) {
	return response{status: http.StatusCreated, body: body}, nil
}
func noContent() (response, error) { return response{status: http.StatusNoContent}, nil }

func pages(items []obj) (response, error) {
	return response{status: http.StatusOK, paged: true, items: items}, nil
}

// wrapped is a page inside GitHub's {total_count, key: [...]} envelope.
func wrapped(key string, items []obj) (response, error) {
	return response{status: http.StatusOK, paged: true, items: items, wrap: func(page []obj, total int) any {
		return obj{"total_count": total, key: page}
	}}, nil
}

// apiError is an answer that is not 2xx; its message is GitHub's wording.
type apiError struct {
	status  int
	message string
	errors  []any // GitHub's "errors" list: objects or strings
	header  http.Header
	// unknown marks what the emulator does not know: it is answered 501 and recorded.
	unknown bool
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s", e.status, e.message) }

func failure(status int, format string, args ...any) error {
	return &apiError{status: status, message: fmt.Sprintf(format, args...)}
}

func notFound() error { return failure(http.StatusNotFound, "Not Found") }

func forbiddenToApp() error {
	return failure(http.StatusForbidden, "Resource not accessible by integration")
}

// invalid is GitHub's 422 with one entry in errors; code is one of its validation codes.
func invalid(resource, field, code, message string) error {
	entry := obj{"resource": resource, "code": code, "field": field}
	if message != "" {
		entry["message"] = message
	}
	return &apiError{status: http.StatusUnprocessableEntity, message: "Validation Failed", errors: []any{entry}}
}

// unprocessable is the 422 of those routes that list plain sentences.
func unprocessable(sentence string) error {
	return &apiError{status: http.StatusUnprocessableEntity, message: "Unprocessable Entity", errors: []any{sentence}}
}

// unsupported is something GitHub knows and the emulator does not.
func unsupported(format string, args ...any) error {
	return &apiError{status: http.StatusNotImplemented, message: fmt.Sprintf(format, args...), unknown: true}
}

// decode reads the JSON body into into; a field that into lacks is unsupported.
func (c *call) decode(into any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		return nil
	}
	if name, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
		return unsupported("%s %s: body field %s", c.r.Method, c.route.pattern, name)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return failure(http.StatusUnprocessableEntity, "Invalid request.\n\nFor '%s', %s is not the right type.", wrong.Field, wrong.Value)
	}
	return failure(http.StatusBadRequest, "Problems parsing JSON")
}

func (c *call) num(name string) int {
	n, _ := strconv.Atoi(c.vars[name])
	return n
}

func (c *call) id(name string) int64 {
	n, _ := strconv.ParseInt(c.vars[name], 10, 64)
	return n
}

// one is the value of a query parameter that must be one of allowed; the first is the default.
func (c *call) one(name string, allowed ...string) (string, error) {
	value := c.query.Get(name)
	if value == "" {
		return allowed[0], nil
	}
	for _, a := range allowed {
		if value == a {
			return value, nil
		}
	}
	return "", unsupported("%s %s: query %s=%s", c.r.Method, c.route.pattern, name, value)
}

// since is the query parameter of that name, or the zero time.
func (c *call) since() (time.Time, error) {
	value := c.query.Get("since")
	if value == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return t, failure(http.StatusUnprocessableEntity, "since is not a date")
	}
	return t, nil
}

// page cuts one page out of items and makes the Link header; GitHub's default is 30, its most 100 a page.
func (c *call) page(items []obj) ([]obj, string) {
	size := positive(c.query.Get("per_page"), 30)
	size = min(size, 100)
	page := positive(c.query.Get("page"), 1)
	last := max(1, (len(items)+size-1)/size)
	var links []string
	link := func(n int, rel string) {
		q := url.Values{}
		for k, v := range c.query {
			q[k] = v
		}
		q.Set("page", strconv.Itoa(n))
		links = append(links, fmt.Sprintf("<%s%s?%s>; rel=%q", c.f.base, c.r.URL.EscapedPath(), q.Encode(), rel))
	}
	if page > 1 {
		link(min(page-1, last), "prev")
	}
	if page < last {
		link(page+1, "next")
		link(last, "last")
	}
	if page > 1 {
		link(1, "first")
	}
	from := min((page-1)*size, len(items))
	cut := items[from:min(from+size, len(items))]
	if cut == nil {
		cut = []obj{}
	}
	return cut, strings.Join(links, ", ")
}

func positive(s string, otherwise int) int {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return min(n, 1<<20)
	}
	return otherwise
}

// pathEscape escapes a name for use as one path segment.
func pathEscape(s string) string { return url.PathEscape(s) }
