package azuredevops_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// noThreads answers that a pull request has no threads, as where the service has yet to note
// what was just done.
type noThreads struct{}

// RoundTrip implements http.RoundTripper.
func (noThreads) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/threads") {
		_ = res.Body.Close()
		body := `{"count":0,"value":[]}`
		res.Body, res.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		res.Header.Del("Content-Length")
	}
	return res, err
}

// A present vote against it stands though no thread tells of it. One for it takes the act:
// without it, it is of no iteration.
func TestAPresentVoteAgainstItNeedsNoThread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *emulator.Options, c *azuredevops.Config) { c.Transport = noThreads{} })
	pr, commit := w.proposal(w.item("alice", "Do it", ""))
	w.vote("alice", pr.Number, 10)
	w.vote("bob", pr.Number, -10)
	reviews := w.reviews(pr.Number)
	same(t, states(reviews), "Bob Brown changes_requested")
	if r := reviews[0]; r.Commit != commit || r.Author.Subject != w.user("bob").Subject || r.Author.Kind != forge.Person || r.URL == "" {
		t.Errorf("%+v", r)
	}
	if lines, err := w.adapter.ReviewComments(t.Context(), w.ref, pr.Number, reviews[0].ID); err != nil || len(lines) != 0 {
		t.Errorf("%+v, %v", lines, err)
	}
	w.vote("bob", pr.Number, 0)
	same(t, states(w.reviews(pr.Number)))
}
