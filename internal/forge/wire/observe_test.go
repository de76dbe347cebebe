package wire_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/forge/wire"
)

func TestOperationsHaveWordsOfAFixedList(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/repos/acme/shop":                                             "repository",
		"/repos/acme/shop/pulls/7":                                     "pulls",
		"/repos/issues/pulls/issues/3/comments":                        "issues/comments",
		"/api/v3/repos/acme/shop/pulls/7/reviews":                      "pulls/reviews",
		"/repos/acme/shop/commits/main/check-runs":                     "commits",
		"/repos/acme/shop/contents/pulls/reviews":                      "contents",
		"/repos/acme/shop/git/ref/heads/issues":                        "git/ref",
		"/repos/acme/shop/git/refs/heads/issues":                       "git/refs",
		"/app/installations/5/access_tokens":                           "app/installations",
		"/graphql":                                                     "graphql",
		"/orgs/acme/teams/users":                                       "orgs",
		"/acme/Shop/_apis/git/repositories/1-2/pullRequests/7/threads": "git/repositories/pullrequests",
		"/acme/Shop/_apis/wit/workItems/7":                             "wit/workitems",
		"/secret-name/of/nobody":                                       "other",
		"/":                                                            "other",
	} {
		if got := wire.Operation(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[A-Za-z0-9._-]{1,20}`).Draw(t, "name")
		for _, path := range []string{"/repos/" + name + "/" + name + "/git/refs/heads/" + name, "/repos/" + name + "/" + name + "/contents/" + name} {
			if got := wire.Operation(path); got != "git/refs" && got != "contents" {
				t.Errorf("%s is %s", path, got)
			}
		}
	})
}

func TestCallsAreToldWithWhatTheForgeSaysOfItsLimit(t *testing.T) {
	t.Parallel()
	reset := time.Now().Add(time.Hour).Truncate(time.Second)
	for name, c := range map[string]struct {
		status int
		header http.Header
		want   wire.Limit
	}{
		"GitHub":    {200, http.Header{"X-Ratelimit-Remaining": {"4999"}, "X-Ratelimit-Resource": {"core"}, "X-Ratelimit-Reset": {strconv.FormatInt(reset.Unix(), 10)}}, wire.Limit{Known: true, Resource: "core", Remaining: 4999, Reset: reset}},
		"exhausted": {403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Resource": {"graphql"}}, wire.Limit{Known: true, Resource: "graphql", Hit: true}},
		"secondary": {429, http.Header{"Retry-After": {"60"}}, wire.Limit{Resource: "other", Hit: true}},
		"forbidden": {403, http.Header{"X-Ratelimit-Remaining": {"12"}, "X-Ratelimit-Resource": {"of a stranger"}}, wire.Limit{Known: true, Resource: "other", Remaining: 12}},
		"nonsense":  {200, http.Header{"X-Ratelimit-Remaining": {"-1"}, "X-Ratelimit-Reset": {"soon"}}, wire.Limit{Resource: "other"}},
	} {
		var told []wire.Call
		w := observed(t, &told, func(*http.Request) *http.Response {
			return &http.Response{StatusCode: c.status, Header: c.header, Body: io.NopCloser(strings.NewReader("{}"))}
		})
		res, err := w.RoundTrip(request(t, wire.Repeated(t.Context())))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if len(told) != 1 || told[0].Limit != c.want || told[0].Status != c.status || told[0].Operation != "pulls" || !told[0].Repeated || told[0].Method != http.MethodGet {
			t.Errorf("%s: %+v, want %+v", name, told, c.want)
		}
	}
}

type failing struct{}

// RoundTrip implements http.RoundTripper.
func (failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }

func TestACallWithoutAnAnswerIsToldToo(t *testing.T) {
	t.Parallel()
	var told []wire.Call
	w := observed(t, &told, nil)
	w.Next = failing{}
	if _, err := w.RoundTrip(request(t, t.Context())); err == nil {
		t.Error("an answer came")
	}
	if len(told) != 1 || told[0].Status != 0 || told[0].Repeated {
		t.Errorf("%+v", told)
	}
}

func observed(t *testing.T, told *[]wire.Call, answer answering) *wire.Wire {
	t.Helper()
	return &wire.Wire{
		Next: answer, Log: slog.New(slog.DiscardHandler), Origins: []*url.URL{{Scheme: "https", Host: "forge.example"}}, MaxAnswer: maxAnswer,
		Observe: func(_ context.Context, c wire.Call) { *told = append(*told, c) },
	}
}

func request(t *testing.T, ctx context.Context) *http.Request { //nolint:revive // t comes first in what a test calls
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://forge.example/repos/a/b/pulls/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}
