package github

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"sync"
)

// Bounds of the cache of answers.
const (
	maxCachedAnswer  = 1 << 20
	maxCachedAnswers = 1024
	maxCachedBytes   = 32 << 20
)

// etagCache keeps answers for conditional requests. GitHub is asked every time;
// what is saved is the body and the rate limit when it says 304. Keys hold the
// repository's id and the URL and no token: whether the present token may read the
// answer is what the 304 says.
type etagCache struct {
	mu      sync.Mutex
	answers map[string]*cachedAnswer
	uses    uint64 // counts up, for finding the answer that was used longest ago
	bytes   int
}

type cachedAnswer struct {
	used   uint64
	etag   string
	header http.Header
	body   []byte
}

func newETagCache() *etagCache {
	return &etagCache{answers: map[string]*cachedAnswer{}}
}

// send sends req through next, conditionally if scope and URL are known.
func (c *etagCache) send(scope string, next http.RoundTripper, req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet {
		return next.RoundTrip(req)
	}
	key := scope + "\n" + req.Header.Get("Accept") + "\n" + req.URL.String()
	known := c.get(key)
	if known != nil {
		req = req.Clone(req.Context())
		req.Header.Set("If-None-Match", known.etag)
	}
	res, err := next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if known != nil && res.StatusCode == http.StatusNotModified {
		return known.answer(res), nil
	}
	return c.keep(key, res)
}

// answer is the kept body under the kept header, renewed by the 304's own
// (RFC 9110, section 15.4.5).
func (a *cachedAnswer) answer(fresh *http.Response) *http.Response {
	_ = fresh.Body.Close()
	header := a.header.Clone()
	for name, values := range fresh.Header {
		if name != "Content-Length" && name != "Content-Type" && name != "Content-Encoding" {
			header[name] = values
		}
	}
	res := *fresh
	res.StatusCode, res.Status = http.StatusOK, "200 OK"
	res.Header = header
	res.Body = io.NopCloser(bytes.NewReader(a.body))
	res.ContentLength = int64(len(a.body))
	return &res
}

// keep reads a cacheable answer and hands it on.
func (c *etagCache) keep(key string, res *http.Response) (*http.Response, error) {
	etag := res.Header.Get("ETag")
	if res.StatusCode != http.StatusOK || etag == "" {
		return res, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxCachedAnswer+1))
	if err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	if len(body) > maxCachedAnswer {
		res.Body = rewound{Reader: io.MultiReader(bytes.NewReader(body), res.Body), Closer: res.Body}
		return res, nil
	}
	_ = res.Body.Close()
	c.put(key, &cachedAnswer{etag: etag, header: res.Header.Clone(), body: body})
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

func (c *etagCache) get(key string) *cachedAnswer {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.answers[key]
	if found != nil {
		c.uses++
		found.used = c.uses
	}
	return found
}

func (c *etagCache) put(key string, a *cachedAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
	c.uses++
	a.used = c.uses
	c.answers[key] = a
	c.bytes += len(a.body)
	for c.bytes > maxCachedBytes || len(c.answers) > maxCachedAnswers {
		c.remove(c.oldest())
	}
}

// oldest looks through all answers; there are few, and it is needed only when full.
func (c *etagCache) oldest() (key string) {
	least := uint64(math.MaxUint64)
	for k, a := range c.answers {
		if a.used < least {
			key, least = k, a.used
		}
	}
	return key
}

func (c *etagCache) remove(key string) {
	if a, found := c.answers[key]; found {
		c.bytes -= len(a.body)
		delete(c.answers, key)
	}
}
