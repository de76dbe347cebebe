package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/coderflow/coderflow/internal/gateway/wire"
)

// headerName is what goes on. A name with an underscore would become one with a
// dash behind some servers.
var headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// stays are headers that never go on: those of one connection only, those that
// this package sets itself, and those that servers take for another address,
// method or caller.
var stays = set("Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Connection", "Host", "Content-Length",
	"Content-Type", "Content-Encoding", "Accept-Encoding", "Expect", "Range", "Forwarded", "Via", "Origin", "Referer", "Date", "Max-Forwards",
	"X-Real-Ip", "X-Host", "True-Client-Ip", "Openai-Organization", "Openai-Project", "X-Goog-User-Project", "X-Url-Scheme", "Destination", "Api-Base",
	"Http2-Settings", "X-Model", "Anthropic-Workspace-Id")

var (
	// prefixes begin the names of headers with which proxies and model routers are
	// told where to send a request.
	prefixes = []string{"Proxy-", "X-Forwarded-", "X-Http-Method", "X-Method-", "X-Original-", "X-Rewrite-", "X-Litellm-", "X-Portkey-", "Helicone-", "Cf-", "X-Amz-", "X-Goog-Iam-"}
	// credentials are parts of the names of headers that carry one.
	credentials = []string{"authorization", "api-key", "apikey", "cookie", "credential", "secret", "auth-token", "access-token"}
)

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// passes says that a header of the agent goes on; the name is in canonical form.
func passes(name string) bool {
	if stays[name] || !headerName.MatchString(name) {
		return false
	}
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	folded := strings.ToLower(name)
	for _, c := range credentials {
		if strings.Contains(folded, c) {
			return false
		}
	}
	return true
}

// request makes the request for the provider. From the agent's come the route,
// the inspected body and the headers that pass, without secrets; the address is
// the provider's.
func (x *exchange) request(ctx context.Context, from http.Header) (*http.Request, error) {
	p := x.terms.Provider
	to, err := http.NewRequestWithContext(ctx, x.Method, target(p.URL, x.route), bytes.NewReader(x.body))
	if err != nil {
		return nil, fmt.Errorf("make the request for %s: %w", p.Name, err)
	}
	hop := listed(from)
	for name, values := range from {
		if !passes(name) || hop[name] {
			continue
		}
		for _, v := range values {
			clean, n := x.terms.policy.Redactor.Redact(v)
			x.Redactions += n
			to.Header.Add(name, clean)
		}
	}
	for name, values := range p.Header {
		to.Header[http.CanonicalHeaderKey(name)] = values
	}
	to.Header.Set("Content-Type", "application/json")
	to.Header.Set("Accept-Encoding", "identity") // what comes back is read
	if to.Header.Get("User-Agent") == "" {
		to.Header.Set("User-Agent", "coderflow-gateway")
	}
	p.Protocol.Authorize(to.Header, string(bytes.TrimSpace(p.Key.Reveal())))
	return to, nil
}

// listed are the headers that Connection names: they end here.
func listed(h http.Header) map[string]bool {
	m := map[string]bool{}
	for _, v := range h.Values("Connection") {
		for name := range strings.SplitSeq(v, ",") {
			m[http.CanonicalHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	return m
}

var (
	versionEnd   = regexp.MustCompile(`/v[0-9]+(alpha|beta)?[0-9]*$`)
	versionStart = regexp.MustCompile(`^/v[0-9]+(alpha|beta)?[0-9]*/`)
)

// target is the provider's address of a route.
func target(base *url.URL, route wire.Route) string {
	path := route.Path
	prefix := strings.TrimRight(base.EscapedPath(), "/")
	if versionEnd.MatchString(prefix) {
		path = "/" + versionStart.ReplaceAllString(path, "")
	}
	query := base.RawQuery
	if query != "" && route.Query != "" {
		query += "&"
	}
	query += route.Query
	address := base.Scheme + "://" + base.Host + prefix + path
	if query != "" {
		address += "?" + query
	}
	return address
}
