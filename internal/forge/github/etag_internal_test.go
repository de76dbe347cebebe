package github

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
)

type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) { return a(req), nil }

func fetch(t *testing.T, c *etagCache, scope, url string, size int) (sent string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), size)
	res, err := c.send(scope, answering(func(req *http.Request) *http.Response {
		sent = req.Header.Get("If-None-Match")
		return &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"1"`}}, Body: io.NopCloser(bytes.NewReader(body))}
	}), req)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(res.Body); err != nil || len(got) != size {
		t.Fatalf("read %d bytes, %v, want %d", len(got), err, size)
	}
	return sent
}

func TestCacheOfAnswersIsBounded(t *testing.T) {
	t.Parallel()
	c := newETagCache()
	for i := range 3 * maxCachedAnswers {
		fetch(t, c, "1", fmt.Sprintf("http://x/%d", i), 10)
		fetch(t, c, "1", "http://x/often", 10)
	}
	if len(c.answers) > maxCachedAnswers || c.bytes != 10*len(c.answers) {
		t.Errorf("%d answers, %d bytes", len(c.answers), c.bytes)
	}
	if fetch(t, c, "1", "http://x/often", 10) == "" {
		t.Error("what is used all the time was dropped")
	}
	for i := range 2 * maxCachedBytes / maxCachedAnswer {
		fetch(t, c, "1", fmt.Sprintf("http://y/%d", i), maxCachedAnswer)
	}
	if c.bytes > maxCachedBytes {
		t.Errorf("%d bytes kept", c.bytes)
	}
	if fetch(t, c, "1", "http://z/", maxCachedAnswer+1); fetch(t, c, "1", "http://z/", maxCachedAnswer+1) != "" {
		t.Error("an answer over the limit was kept")
	}
}

// Threat 9: an answer kept for one repository is not asked about for another of the same name.
func TestThreat09AnswersAreKeptByRepository(t *testing.T) {
	t.Parallel()
	c := newETagCache()
	fetch(t, c, "1", "http://x/repos/acme/shop", 10)
	if sent := fetch(t, c, "2", "http://x/repos/acme/shop", 10); sent != "" {
		t.Errorf("sent If-None-Match %s", sent)
	}
	if sent := fetch(t, c, "1", "http://x/repos/acme/shop", 10); sent != `"1"` {
		t.Errorf("sent If-None-Match %q", sent)
	}
}
