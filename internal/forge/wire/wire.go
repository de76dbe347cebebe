// Package wire is the lowest layer of the adapters: what every request to a forge passes,
// with or without a credential, and what is made of the forge's words.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// UserAgent is how CoderFlow calls itself.
const UserAgent = "coderflow (+https://github.com/coderflow/coderflow)"

// ErrTooLarge ends the reading of an answer that is larger than it may be.
var ErrTooLarge = errors.New("more than is read of one answer")

// Wire refuses hosts that are not of the forge, bounds answers and logs one line for each
// request, without headers and query.
type Wire struct {
	Next http.RoundTripper
	Log  *slog.Logger
	// Origins are the schemes and hosts that are talked to.
	Origins []*url.URL
	// MaxAnswer bounds one answer, in bytes after decompression.
	MaxAnswer int64
	// Observe, if set, is told of every request that was sent.
	Observe func(ctx context.Context, c Call)
}

// Transport is what carries requests where nothing else is given. An answer has to begin
// within the timeout.
func Transport(timeout time.Duration) http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = 8
	t.ResponseHeaderTimeout = timeout
	t.MaxResponseHeaderBytes = 256 << 10
	return t
}

// RoundTrip implements http.RoundTripper.
func (w *Wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if !w.knows(req.URL) {
		return nil, fmt.Errorf("refusing to talk to %s: not the configured forge", req.URL.Host)
	}
	if req.Header.Get("User-Agent") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", UserAgent)
	}
	start := time.Now()
	res, err := w.Next.RoundTrip(req)
	w.observe(req, res, start)
	if err != nil {
		w.Log.DebugContext(req.Context(), "forge call failed", "method", req.Method, "path", req.URL.Path, "error", err)
		return nil, err
	}
	w.Log.DebugContext(req.Context(), "forge call", "method", req.Method, "path", req.URL.Path,
		"status", res.StatusCode, "took", time.Since(start).Round(time.Millisecond))
	res.Body = Bounded(res.Body, w.MaxAnswer)
	return res, nil
}

func (w *Wire) knows(u *url.URL) bool {
	for _, origin := range w.Origins {
		if u.Scheme == origin.Scheme && u.Host == origin.Host {
			return true
		}
	}
	return false
}

// Bounded is a body that fails with [ErrTooLarge] beyond so many bytes, where an
// io.LimitReader would end silently.
func Bounded(body io.ReadCloser, most int64) io.ReadCloser {
	return &bounded{ReadCloser: body, most: most, left: most}
}

type bounded struct {
	io.ReadCloser
	most, left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("the forge's answer is larger than %d MiB: %w", b.most>>20, ErrTooLarge)
	}
	return n, err
}

// Clip makes words of the network fit for one line of a log or a comment: at most so many
// bytes, without what cannot be printed.
func Clip(words string, most int) string {
	words = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(words, ""))
	words = strings.Join(strings.Fields(words), " ")
	if len(words) > most {
		words = strings.ToValidUTF8(words[:most], "") + "…"
	}
	return words
}
