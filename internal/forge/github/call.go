package github

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// call is the transport of one operation on one repository: it waits where asked,
// adds the narrowed token, asks conditionally, and refreshes a token that GitHub
// no longer takes, once.
type call struct {
	adapter *Adapter
	ref     forge.RepositoryRef
	id      int64
	op      operation
	// organization is set for what concerns no repository; ref and id are zero then.
	organization account
}

func (c *call) scope() scope {
	return scope{repository: c.id, organization: c.organization, permissions: permissionsOf[c.op]}
}

// cacheKey keeps the answers for one repository or organization apart.
func (c *call) cacheKey() string {
	if c.organization != (account{}) {
		return c.organization.String()
	}
	return strconv.FormatInt(c.id, 10)
}

// RoundTrip implements http.RoundTripper.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	want := c.scope()
	granted, err := c.adapter.tokens.token(req.Context(), c.ref, want)
	if err != nil {
		return nil, errors.Join(err, closeBody(req))
	}
	res, err := c.send(req, granted)
	if err != nil || res.StatusCode != http.StatusUnauthorized || !replayable(req) {
		return res, err
	}
	c.adapter.log.InfoContext(req.Context(), "the forge refused a token, asking for a fresh one",
		"repository", c.ref.Key(), "operation", string(c.op))
	c.adapter.tokens.drop(want, granted)
	fresh, err := c.adapter.tokens.token(req.Context(), c.ref, want)
	if err != nil {
		return nil, errors.Join(err, res.Body.Close())
	}
	again, err := rewind(req)
	if err != nil {
		return nil, errors.Join(err, res.Body.Close())
	}
	_ = res.Body.Close() // the second answer replaces it
	return c.send(again.WithContext(wire.Repeated(again.Context())), fresh)
}

// send leaves the credential out of the request that the answer (and with it a
// go-github error) points to.
func (c *call) send(req *http.Request, g grant) (*http.Response, error) {
	if err := c.adapter.limits.check(g.installation); err != nil {
		return nil, errors.Join(err, closeBody(req))
	}
	authorized := req.Clone(req.Context())
	authorized.Header.Set("Authorization", "Bearer "+g.token.Value.Reveal())
	res, err := c.adapter.cache.send(c.cacheKey(), c.adapter.wire, authorized)
	if err != nil {
		return nil, err
	}
	res.Request = req
	if err := c.adapter.limits.observe(g.installation, res); err != nil {
		return nil, err
	}
	return res, nil
}

func replayable(req *http.Request) bool { return req.Body == nil || req.GetBody != nil }

func rewind(req *http.Request) (*http.Request, error) {
	again := req.Clone(req.Context())
	if req.GetBody == nil {
		return again, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("repeat the request: %w", err)
	}
	again.Body = body
	return again, nil
}

func closeBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	return req.Body.Close()
}

// nameShape is what GitHub lets owners and repositories be called. Names are put
// into paths, so nothing else gets that far.
var nameShape = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// repositoryID checks that ref can address a repository at GitHub.
func repositoryID(ref forge.RepositoryRef) (int64, error) {
	id, err := strconv.ParseInt(ref.ID, 10, 64)
	switch {
	case ref.Host != forge.GitHub:
		return 0, fmt.Errorf("repository %s: not on GitHub", ref.Key())
	case err != nil || id <= 0:
		return 0, fmt.Errorf("repository %s: %q is not a GitHub repository id", ref.FullName(), ref.ID)
	case !pathSegment(ref.Owner) || !pathSegment(ref.Name):
		return 0, fmt.Errorf("repository %s: %q is not the name of a GitHub repository", ref.Key(), ref.FullName())
	}
	return id, nil
}

func pathSegment(s string) bool { return nameShape.MatchString(s) && s != "." && s != ".." }

// maxAnswer bounds one answer. The largest honest one is a page of 100 comments of 64 Ki
// characters each.
const maxAnswer = 32 << 20
