package github_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/github"
)

// readsOf are all calls that only read, by name, for what has to hold of each.
func readsOf(t *testing.T, a *github.Adapter) map[string]func() error {
	t.Helper()
	ctx, someone := t.Context(), forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "5"}, Login: "ann"}
	call := func(_ any, err error) error { return err }
	return map[string]func() error{
		"Repository":        func() error { return call(a.Repository(ctx, stubRepo)) },
		"BranchHead":        func() error { return call(a.BranchHead(ctx, stubRepo, "main")) },
		"AccessOf":          func() error { return call(a.AccessOf(ctx, stubRepo, someone)) },
		"Issue":             func() error { return call(a.Issue(ctx, stubRepo, forge.IssueTopic(1))) },
		"Comments":          func() error { return call(a.Comments(ctx, stubRepo, 1)) },
		"CommentsSince":     func() error { return call(a.CommentsSince(ctx, stubRepo, time.Unix(0, 0))) },
		"LabelEvents":       func() error { return call(a.LabelEvents(ctx, stubRepo, 1)) },
		"LabeledIssues":     func() error { return call(a.LabeledIssues(ctx, stubRepo, "l")) },
		"PullRequest":       func() error { return call(a.PullRequest(ctx, stubRepo, 1)) },
		"PullRequestByHead": func() error { return call(a.PullRequestByHead(ctx, stubRepo, "b")) },
		"Review":            func() error { return call(a.Review(ctx, stubRepo, 1, "1")) },
		"Reviews":           func() error { return call(a.Reviews(ctx, stubRepo, 1)) },
		"HeadChanges":       func() error { return call(a.HeadChanges(ctx, stubRepo, 1)) },
		"ReadToken":         func() error { return call(a.ReadToken(ctx, stubRepo)) },
		"PushToken":         func() error { return call(a.PushToken(ctx, stubRepo)) },
	}
}

// Fault 24: what GitHub says about waiting is passed on, and until then GitHub is left alone.
func TestFault24LimitsAreErrorsThatSayHowLongToWait(t *testing.T) {
	t.Parallel()
	at := time.Now().Truncate(time.Second)
	cases := map[string]struct {
		status int
		header map[string]string
		body   string
		want   time.Duration
	}{
		"seconds":           {403, map[string]string{"Retry-After": "17"}, `{"message":"wait"}`, 17 * time.Second},
		"429":               {429, map[string]string{"Retry-After": "3"}, `slow down`, 3 * time.Second},
		"429 without":       {429, nil, ``, time.Minute},
		"date":              {403, map[string]string{"Retry-After": at.Add(90 * time.Second).UTC().Format(http.TimeFormat)}, `{}`, 90 * time.Second},
		"primary":           {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": strconv.FormatInt(at.Add(5*time.Minute).Unix(), 10)}, `{"message":"API rate limit exceeded"}`, 5 * time.Minute},
		"primary in future": {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}, `{}`, time.Hour},
		"primary over":      {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, `{}`, time.Second},
		"secondary": {403, nil,
			`{"message":"You have exceeded a secondary rate limit.","documentation_url":"https://docs.github.com/x"}`, time.Minute},
		"secondary by link": {403, nil,
			`{"message":"No.","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`, time.Minute},
	}
	for name, c := range cases {
		s := newStub(t, nil)
		s.set("GET /repos/acme/shop", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", at.UTC().Format(http.TimeFormat))
			for key, value := range c.header {
				w.Header().Set(key, value)
			}
			reply(c.status, c.body)(w, r)
		})
		a := s.adapter(t)
		var limited *forge.RateLimitError
		if _, err := a.Repository(t.Context(), stubRepo); !errors.As(err, &limited) || limited.RetryAfter != c.want {
			t.Errorf("%s: %v, want to wait %s", name, err, c.want)
			continue
		}
		before := s.total()
		if _, err := a.Issue(t.Context(), stubRepo, forge.IssueTopic(1)); !errors.As(err, &limited) {
			t.Errorf("%s: meanwhile %v", name, err)
		}
		if calls := s.total() - before; calls > 1 { // asking for another token is not limited
			t.Errorf("%s: %d calls while asked to wait", name, calls)
		}
		s.advance(c.want + time.Second)
		s.set("GET /repos/acme/shop", reply(200, `{"id":42}`))
		if _, err := a.Repository(t.Context(), stubRepo); err != nil {
			t.Errorf("%s: afterwards %v", name, err)
		}
	}
}

func TestFault24LimitOfTheTokenEndpointIsALimit(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]http.HandlerFunc{mintRoute: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "30")
		reply(403, `{"message":"secondary"}`)(w, r)
	}})
	var limited *forge.RateLimitError
	if _, err := s.adapter(t).Repository(t.Context(), stubRepo); !errors.As(err, &limited) || limited.RetryAfter != 30*time.Second {
		t.Errorf("got %v", err)
	}
}

func TestPlainRefusalIsNoLimit(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]http.HandlerFunc{"GET /repos/acme/shop": reply(403, `{"message":"Resource not accessible by integration"}`)})
	a := s.adapter(t)
	for range 2 {
		if _, err := a.Repository(t.Context(), stubRepo); !errors.Is(err, forge.ErrForbidden) ||
			!strings.Contains(err.Error(), "Resource not accessible by integration") {
			t.Errorf("got %v", err)
		}
	}
	if n := len(s.to("GET /repos/acme/shop")); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

// Fault 23: a broken forge is an untyped error with the start of what it said.
func TestFault23ServerErrorIsQuotedInPart(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]http.HandlerFunc{
		"GET /repos/acme/shop": reply(502, "<html>\x1b[31mUnicorn!\n"+strings.Repeat("x", 100_000))})
	_, err := s.adapter(t).Repository(t.Context(), stubRepo)
	if err == nil || !strings.Contains(err.Error(), "502") || !strings.Contains(err.Error(), "Unicorn!") ||
		len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("got %q", err)
	}
	if errors.Is(err, forge.ErrNotFound) || errors.Is(err, forge.ErrForbidden) || errors.As(err, new(*forge.RefusedError)) {
		t.Errorf("a passing failure has a lasting type: %v", err)
	}
}

func TestTokenDoesNotFollowARedirectToAnotherHost(t *testing.T) {
	t.Parallel()
	var reached bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(other.Close)
	s := newStub(t, map[string]http.HandlerFunc{"GET /repos/acme/shop": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/repos/acme/shop", http.StatusMovedPermanently)
	}})
	if _, err := s.adapter(t).Repository(t.Context(), stubRepo); err == nil || reached {
		t.Errorf("error %v, other host reached: %v", err, reached)
	}
}

func TestRenamedRepositoryIsFollowedByItsID(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]http.HandlerFunc{
		"GET /repos/acme/shop": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/some/base/repositories/42", http.StatusMovedPermanently)
		},
		"GET /repositories/42": reply(200, `{"id":42,"name":"store","owner":{"login":"acme-inc"}}`),
	})
	found, err := s.adapter(t).Repository(t.Context(), stubRepo)
	if err != nil || found.FullName() != "acme-inc/store" || found.ID != "42" {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestConditionalRequestServesWhatGitHubConfirms(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	answer := func(etag, title string) {
		s.set("GET /repos/acme/shop/issues/1", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", etag)
			if r.Header.Get("If-None-Match") == etag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			reply(200, `{"number":1,"title":"`+title+`"}`)(w, r)
		})
	}
	a := s.adapter(t)
	for i, step := range []struct{ etag, sent, title, want string }{
		{`W/"1"`, "", "first", "first"}, {`W/"1"`, `W/"1"`, "never sent", "first"},
		{`W/"2"`, `W/"1"`, "second", "second"}, {`W/"2"`, `W/"2"`, "never sent", "second"},
	} {
		answer(step.etag, step.title)
		issue, err := a.Issue(t.Context(), stubRepo, forge.IssueTopic(1))
		if err != nil || issue.Title != step.want {
			t.Fatalf("step %d: got %q, %v, want %q", i, issue.Title, err, step.want)
		}
		if calls := s.to("GET /repos/acme/shop/issues/1"); len(calls) != i+1 || calls[i].ifNoneMatch != step.sent {
			t.Errorf("step %d: sent If-None-Match %q, want %q", i, calls[len(calls)-1].ifNoneMatch, step.sent)
		}
	}
	s.set("GET /repos/acme/shop/issues/1", reply(404, `{"message":"Not Found"}`))
	if _, err := a.Issue(t.Context(), stubRepo, forge.IssueTopic(1)); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a cached answer hid that the issue is gone: %v", err)
	}
}

// A full page whose body did not change may have got a successor without its
// Link header, which a 304 repeats from then.
func TestListGrowsBehindAnUnchangedFullPage(t *testing.T) {
	t.Parallel()
	total := 100
	s := newStub(t, map[string]http.HandlerFunc{"GET /repos/acme/shop/pulls/1/reviews": func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		var items []string
		for i := (page-1)*100 + 1; i <= min(page*100, total); i++ {
			items = append(items, fmt.Sprintf(`{"id":%d,"state":"APPROVED"}`, i))
		}
		etag := fmt.Sprintf(`"%d-%d"`, page, len(items))
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		reply(200, "["+strings.Join(items, ",")+"]")(w, r)
	}})
	a := s.adapter(t)
	for _, total = range []int{100, 101, 250} {
		reviews, err := a.Reviews(t.Context(), stubRepo, 1)
		if err != nil || len(reviews) != total {
			t.Errorf("got %d reviews, %v, want %d", len(reviews), err, total)
		}
	}
}

func TestListWithoutEndIsAnError(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	s.set("GET /repos/acme/shop/pulls/1/reviews", func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		w.Header().Set("Link", fmt.Sprintf(`<%s/x?page=%d>; rel="next"`, s.URL, page+1))
		reply(200, `[{"id":1}]`)(w, r)
	})
	if _, err := s.adapter(t).Reviews(t.Context(), stubRepo, 1); err == nil || !strings.Contains(err.Error(), "more than 100 pages") {
		t.Errorf("got %v", err)
	}
}

func TestNameThatLeadsElsewhereIsNotSent(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	a := s.adapter(t)
	for _, ref := range []forge.RepositoryRef{
		{Host: forge.GitHub, ID: "42", Owner: "..", Name: "shop"}, {Host: forge.GitHub, ID: "42", Owner: "acme", Name: "shop/../x"},
		{Host: forge.GitHub, ID: "42", Owner: "acme", Name: "shop?x"}, {Host: forge.GitHub, ID: "0", Owner: "acme", Name: "shop"},
		{Host: forge.AzureDevOps, ID: "42", Owner: "acme", Name: "shop"}, {},
	} {
		if _, err := a.Repository(t.Context(), ref); err == nil {
			t.Errorf("%+v was accepted", ref)
		}
	}
	for _, branch := range []string{"", "../../x", "a/../b", ".", "a//b", "/a", "a?b", "a b", "a\nb", "a\\b"} {
		if _, err := a.BranchHead(t.Context(), stubRepo, branch); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("branch %q: %v, want ErrNotFound", branch, err)
		}
	}
	if s.total() != 0 {
		t.Errorf("%d requests were sent", s.total())
	}
}

func TestConfigurationThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	good := github.Config{APIURL: "https://api.github.com/", GraphQLURL: "https://api.github.com/graphql",
		GitURL: "https://github.com", AppID: 7, PrivateKey: testKey()}
	for name, change := range map[string]func(*github.Config){
		"no API":          func(c *github.Config) { c.APIURL = "" },
		"relative":        func(c *github.Config) { c.GraphQLURL = "/graphql" },
		"other scheme":    func(c *github.Config) { c.GitURL = "ssh://git@github.com" },
		"password":        func(c *github.Config) { c.APIURL = "https://u:pw@api.github.com/" },
		"no App":          func(c *github.Config) { c.AppID = 0 },
		"no key":          func(c *github.Config) { c.PrivateKey = nil },
		"key is not one":  func(c *github.Config) { c.PrivateKey = []byte("pw") },
		"query in a base": func(c *github.Config) { c.APIURL += "?x=1" },
	} {
		c := good
		change(&c)
		if a, err := github.New(c); err == nil || a != nil || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: New returned %v, %v", name, a, err)
		}
	}
	if a, err := github.New(good); err != nil || a.GitURL(stubRepo) != "https://github.com/acme/shop.git" {
		t.Errorf("New returned %v", err)
	}
}
