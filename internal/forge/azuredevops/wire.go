package azuredevops

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// maxAnswer bounds one answer, after decompression: the threads of a pull request, or 200
// comments of 150,000 characters each.
const maxAnswer = 64 << 20

// errAnswerTooLarge ends the reading of an answer over [maxAnswer].
var errAnswerTooLarge = errors.New("the forge's answer is larger than 64 MiB")

// wire is the lowest layer of ours: every request to the organization passes it, with or
// without a credential. It refuses other hosts, bounds answers and logs one line each,
// without headers and query.
type wire struct {
	next    http.RoundTripper
	log     *slog.Logger
	origins []*url.URL
}

func defaultTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = 8
	t.ResponseHeaderTimeout = CallTimeout
	t.MaxResponseHeaderBytes = 256 << 10
	return t
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if !w.knows(req.URL) {
		return nil, fmt.Errorf("refusing to talk to %s: not the configured organization", req.URL.Host)
	}
	start := time.Now()
	res, err := w.next.RoundTrip(req)
	if err != nil {
		w.log.DebugContext(req.Context(), "forge call failed", "method", req.Method, "path", req.URL.Path, "error", err)
		return nil, err
	}
	w.log.DebugContext(req.Context(), "forge call", "method", req.Method, "path", req.URL.Path,
		"status", res.StatusCode, "took", time.Since(start).Round(time.Millisecond))
	res.Body = &boundedBody{ReadCloser: res.Body, left: maxAnswer}
	return res, nil
}

func (w *wire) knows(u *url.URL) bool {
	for _, origin := range w.origins {
		if u.Scheme == origin.Scheme && u.Host == origin.Host {
			return true
		}
	}
	return false
}

// boundedTransport bounds answers, for what is not the organization.
type boundedTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b *boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(req)
	if err == nil {
		res.Body = &boundedBody{ReadCloser: res.Body, left: 1 << 20}
	}
	return res, err
}

// boundedBody fails where an io.LimitReader would end silently.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errAnswerTooLarge
	}
	return n, err
}
