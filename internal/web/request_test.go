package web

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

func admin(t *testing.T, limits Limits) (*apiWorld, string) {
	t.Helper()
	w := newAPIWorld(t, limits, policy.Binding{Name: "b", Subject: owner, Role: "server-admin", Resource: "*"})
	return w, w.token("k", owner, token.Scope{})
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{})
	one := "/tasks/" + string(here)
	for path, want := range map[string]int{
		"/tasks?limit=1": 200, "/tasks?limit=0": 400, "/tasks?limit=201": 400, "/tasks?limit=x": 400, "/tasks?limit=1&limit=2": 400,
		"/tasks?offset=1": 400, "/tasks?state=running,queued": 200, "/tasks?state=gone": 400, "/tasks?state=": 400,
		"/tasks?repository=github:1": 200, "/tasks?repository=acme/x": 400, "/tasks?cursor=aaaaaaaaaaaa": 200, "/tasks?cursor=1": 400,
		"/tasks?%zz": 400, "/tasks?a;b": 400, "/whoami?verbose=1": 400, "/environments?limit=1": 400,
		one + "?x=1": 400, one + "/log?offset=-1": 400, one + "/log?follow=yes": 400, one + "/log?limit=1": 400,
		one + "/log?limit=1048577": 400, one + "/diff?x": 400, "/audit?cursor=1&limit=1": 200, "/audit?cursor=-1": 400, "/audit?task=x": 400,
		"/tasks/AAAAAAAAAAAA": 404, "/tasks/..%2f..%2fwhoami": 404, "/tasks/" + strings.Repeat("a", 5000): 404, "/nothing": 404,
	} {
		if answer := w.ask(http.MethodGet, path, secret); answer.Code != want {
			t.Errorf("%.60s: %d, want %d: %s", path, answer.Code, want, answer.Body)
		}
	}
	if answer := w.ask(http.MethodDelete, one, secret); answer.Code != http.StatusMethodNotAllowed {
		t.Errorf("another method: %d", answer.Code)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{})
	cancel := "/tasks/" + string(here) + "/cancel"
	for name, c := range map[string]struct {
		method, path, media, encoding, body string
		want                                int
	}{
		"none":            {"POST", cancel, "", "", "", 202},
		"empty object":    {"POST", cancel, "application/json; charset=utf-8", "", "{}", 202},
		"unknown key":     {"POST", cancel, "application/json", "", `{"force":true}`, 400},
		"not an object":   {"POST", cancel, "application/json", "", `null`, 400},
		"two documents":   {"POST", cancel, "application/json", "", `{}{}`, 400},
		"deep":            {"POST", cancel, "application/json", "", strings.Repeat("[", 60000), 400},
		"form":            {"POST", cancel, "application/x-www-form-urlencoded", "", "a=b", 415},
		"compressed":      {"POST", cancel, "application/json", "gzip", "{}", 415},
		"larger than max": {"POST", cancel, "application/json", "", strings.Repeat(" ", maxBody+1), 413},
		"with GET":        {"GET", "/whoami", "application/json", "", "{}", 400},
		"large with GET":  {"GET", "/whoami", "", "", strings.Repeat(" ", maxBody+1), 413},
	} {
		answer := w.ask(c.method, c.path, secret, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(c.body)), -1
			r.Header.Set("Content-Type", c.media)
			if c.encoding != "" {
				r.Header.Set("Content-Encoding", c.encoding)
			}
		})
		if answer.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", name, answer.Code, c.want, answer.Body)
		}
	}
	read := &countingReader{}
	answer := w.ask(http.MethodPost, cancel, "", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(read), -1 })
	if answer.Code != http.StatusUnauthorized || read.n > 0 {
		t.Errorf("a stranger's body: %d, %d bytes read", answer.Code, read.n)
	}
}

type countingReader struct{ n int }

func (r *countingReader) Read(p []byte) (int, error) {
	r.n += len(p)
	return len(p), nil
}

func TestEveryAnswerIsGuardedAndNamed(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{})
	seen := map[string]bool{}
	for _, path := range []string{"/whoami", "/tasks/" + string(here) + "/diff", "/nothing", "/whoami?x=1", "/openapi.yaml"} {
		h := w.ask(http.MethodGet, path, secret, func(r *http.Request) { r.Header.Set("X-Request-Id", "mine") }).Header()
		id := h.Get("X-Request-Id")
		if len(id) != 26 || seen[id] || !strings.Contains(w.output.String(), id) {
			t.Errorf("%s: request id %q is not its own, or not in the log", path, id)
		}
		seen[id] = true
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Access-Control-Allow-Origin": "", "Set-Cookie": "",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
}

func TestEveryRefusalNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, (&apiWorld{}).bound("viewer", "environment/staging"))
	secret := w.token("k", owner, token.Scope{})
	for path, words := range map[string][]string{
		"/audit":                     {`"permission":"audit:view"`, `"resource":"server"`, "can grant it"},
		"/audit?environment=staging": {`"permission":"audit:view"`, `"resource":"environment/staging"`, "environment-admin of staging"},
	} {
		answer := w.ask(http.MethodGet, path, secret)
		for _, word := range words {
			if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), word) {
				t.Errorf("%s: %d %s lacks %s", path, answer.Code, answer.Body, word)
			}
		}
		if strings.Contains(answer.Body.String(), "production") {
			t.Errorf("%s: it names another environment: %s", path, answer.Body)
		}
	}
}

// What a container wrote is shown; nothing in it acts.
func TestThreat39TheLogHasNoControlCharacters(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{})
	w.log = []byte("a\x1b[31m\r\x00\u202eb\u200b\xff<script>\n")
	answer := w.ask(http.MethodGet, "/tasks/"+string(here)+"/log", secret)
	if want := `a\u001b[31m\u000d\u0000\u202eb\u200b�<script>` + "\n"; answer.Body.String() != want {
		t.Errorf("%q, want %q", answer.Body, want)
	}
	if got := answer.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("type %q", got)
	}
}

func TestALogIsReadInWholeCharacters(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{})
	w.log = []byte("aaaé€𝄞z")
	w.tasks[0].State = task.Done
	var text strings.Builder
	for offset, pieces := "0", 0; pieces < 20; pieces++ {
		answer := w.ask(http.MethodGet, "/tasks/"+string(here)+"/log?limit=4&offset="+offset, secret)
		text.Write(answer.Body.Bytes())
		offset = answer.Header().Get("X-Log-Next-Offset")
		if answer.Header().Get("X-Log-End") == "true" {
			break
		}
	}
	if text.String() != string(w.log) {
		t.Errorf("%q", text.String())
	}
}

func TestFollowingALogWaitsForMore(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{Follow: 2 * time.Minute, FollowPoll: time.Millisecond})
	path := "/tasks/" + string(here) + "/log?follow=true&offset=13"
	go func() {
		time.Sleep(20 * time.Millisecond)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log = append(w.log, "third\n"...)
	}()
	answer := w.ask(http.MethodGet, path, secret)
	if answer.Body.String() != "third\n" || answer.Header().Get("X-Log-End") != "false" {
		t.Errorf("%d %q", answer.Code, answer.Body)
	}
}

// Somebody whose token ends while they wait gets nothing of what came meanwhile.
func TestThreat48FollowingEndsWithTheToken(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{Follow: 2 * time.Minute, FollowPoll: 5 * time.Millisecond})
	go func() {
		time.Sleep(20 * time.Millisecond)
		w.change("k", func(k *token.Token) { k.RevokedAt = w.now })
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log = append(w.log, "third\n"...)
	}()
	answer := w.ask(http.MethodGet, "/tasks/"+string(here)+"/log?follow=true&offset=13", secret)
	if answer.Code != http.StatusUnauthorized || strings.Contains(answer.Body.String(), "third") {
		t.Errorf("%d %q", answer.Code, answer.Body)
	}
}

func TestFewFollowAtATime(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{Follow: 200 * time.Millisecond, FollowPoll: time.Millisecond, Followers: 1})
	path := "/tasks/" + string(here) + "/log?follow=true&offset=13"
	codes := make(chan int, 2)
	for range 2 {
		go func() { codes <- w.ask(http.MethodGet, path, secret).Code }()
	}
	if a, b := <-codes, <-codes; a+b != 200+429 {
		t.Errorf("%d and %d", a, b)
	}
	if answer := w.ask(http.MethodGet, path, secret); answer.Code != http.StatusOK {
		t.Errorf("after them: %d", answer.Code)
	}
}

// A server that stops does not wait for those who wait.
func TestStoppingEndsFollowing(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{Follow: time.Minute, FollowPoll: 10 * time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, w.handler, 10*time.Second, nil) }()
	time.AfterFunc(100*time.Millisecond, stop)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/api/v1/tasks/"+string(here)+"/log?follow=true&offset=13", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	started := time.Now()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if err := <-served; err != nil || response.StatusCode != http.StatusOK || time.Since(started) > 8*time.Second {
		t.Errorf("status %d after %s, %v", response.StatusCode, time.Since(started), err)
	}
}

func TestListsHaveOnlyWhatTheCallerMaySee(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, (&apiWorld{}).bound("viewer", "environment/staging"))
	secret := w.token("k", owner, token.Scope{})
	for path, want := range map[string]string{"/tasks": `"items":[{"id":"aaaaaaaaaaaa"`, "/environments": `{"items":[{"name":"staging"}]}`} {
		body := w.ask(http.MethodGet, path, secret).Body.String()
		if !strings.Contains(body, want) || strings.Contains(body, string(there)) || strings.Contains(body, "production") {
			t.Errorf("%s: %s", path, body)
		}
	}
	w, secret = admin(t, Limits{})
	first := w.ask(http.MethodGet, "/tasks?limit=1", secret).Body.String()
	next := w.ask(http.MethodGet, "/tasks?limit=1&cursor="+string(here), secret).Body.String()
	if !strings.Contains(first, `"cursor":"aaaaaaaaaaaa"`) || !strings.Contains(next, string(there)) || strings.Contains(next, `"id":"aaaaaaaaaaaa"`) {
		t.Errorf("pages: %s, then %s", first, next)
	}
}

func TestTheDiffIsAFile(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{})
	answer := w.ask(http.MethodGet, "/tasks/"+string(here)+"/diff", secret)
	p, err := w.Proposal(t.Context(), here)
	if err != nil || answer.Body.String() != string(p.Diff) || answer.Header().Get("X-Proposal-Digest") != p.Digest {
		t.Errorf("%q %v, %v", answer.Body, answer.Header(), err)
	}
	if got := answer.Header().Get("Content-Disposition"); got != `attachment; filename="aaaaaaaaaaaa.diff"` {
		t.Errorf("%q", got)
	}
}

func TestWhatIsBeingCarriedOutIsNotCancelled(t *testing.T) {
	t.Parallel()
	for state, want := range map[task.State]int{
		task.Queued: 202, task.Proposed: 202, task.Landing: 409, task.Landed: 409, task.Deploying: 409,
		task.Done: 409, task.Failed: 409, task.Cancelled: 200,
	} {
		w, secret := admin(t, Limits{})
		w.tasks[0].State = state
		answer := w.ask(http.MethodPost, "/tasks/"+string(here)+"/cancel", secret)
		if answer.Code != want || (len(w.cancels) > 0) != (want == 202) {
			t.Errorf("%s: %d with %d cancelled, want %d", state, answer.Code, len(w.cancels), want)
		}
	}
}
