package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/token"
)

// strict is a server that answers what is in its table and fails the test for
// everything else.
type strict struct {
	t      *testing.T
	answer map[string]string // METHOD PATH?QUERY BODY → JSON
	asked  atomic.Int64
	token  token.Value
}

func newStrict(t *testing.T, answer map[string]string) (*strict, *Client) {
	t.Helper()
	s := &strict{t: t, answer: answer, token: token.New()}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := New(server.URL, s.token)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// ServeHTTP implements http.Handler.
func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	key := strings.TrimSpace(r.Method + " " + strings.TrimPrefix(r.RequestURI, "/api/v1") + " " + string(body))
	answer, known := s.answer[key]
	wantType := map[bool]string{true: "application/json"}[len(body) > 0]
	switch {
	case !known:
		s.t.Errorf("asked for %q", key)
	case r.Header.Get("Authorization") != "Bearer "+s.token.Reveal():
		s.t.Errorf("%s has the credentials %q", key, r.Header.Get("Authorization"))
	case r.Header.Get("Content-Type") != wantType:
		s.t.Errorf("%s has the type %q", key, r.Header.Get("Content-Type"))
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = io.WriteString(w, answer)
}

func TestEveryCallAsksWhatTheAPISays(t *testing.T) {
	t.Parallel()
	_, c := newStrict(t, map[string]string{
		"GET /whoami": `{"subject":"github:1"}`,
		"GET /tasks?environment=staging&limit=200&repository=github%3A7&state=queued":          `{"items":[{"id":"a"}],"cursor":"a"}`,
		"GET /tasks?cursor=a&environment=staging&limit=200&repository=github%3A7&state=queued": `{"items":[{"id":"b"}]}`,
		"GET /tasks/a":                                    `{"id":"a"}`,
		"POST /tasks/a/cancel":                            `{"id":"a","cancelRequested":true}`,
		"GET /tasks/a/models":                             `{"usage":{"requests":3}}`,
		"GET /tasks/a/activity?offset=12":                 `{"items":[],"next":12,"end":true}`,
		"GET /audit?environment=staging&limit=200&task=a": `{"items":[{"number":7}]}`,
		"GET /permissions":                                `{"items":[]}`,
		"GET /roles":                                      `{"items":[{"name":"viewer","predefined":true}]}`,
		"GET /access/explain?permission=tasks%3Aview&resource=%2A":                                                        `{"allowed":true}`,
		"GET /access/explain?permission=tasks%3Aview&resource=server&subject=oidc%3Ax":                                    `{"allowed":false,"reason":{"text":"no"}}`,
		"GET /access/who?permission=tasks%3Aview&resource=environment%2Fa":                                                `{"items":[{"subject":"github:3","role":"viewer"}]}`,
		"GET /manifests?environment=e&kind=profile&name=n":                                                                `{"version":"v","complete":true}`,
		"GET /manifests/history?limit=3":                                                                                  `{"items":[{"version":"v"}]}`,
		`POST /manifests {"files":{},"mode":"merge","delete":[{"kind":"team","name":"x"}],"dryRun":true,"ifVersion":"v"}`: `{"version":"w"}`,
		"GET /tokens":                    `{"items":[]}`,
		"GET /tokens?all=true":           `{"items":[{"id":"x"}]}`,
		"GET /tokens?owner=service%3Aci": `{}`,
		`POST /tokens {"name":"n","expires":"1d","owner":"service:ci"}`: `{"id":"x","token":"t"}`,
		"POST /tokens/x/revoke": `{"id":"x","state":"revoked"}`,
	})
	ctx := t.Context()
	for name, call := range map[string]func() (any, error){
		`"subject":"github:1"`: func() (any, error) { return c.Whoami(ctx) },
		`"id":"b"`: func() (any, error) {
			return c.Tasks(ctx, TaskFilter{State: "queued", Environment: "staging", Repository: "github:7", Limit: 500})
		},
		`"state":""`:             func() (any, error) { return c.Task(ctx, "a") },
		`"cancelRequested":true`: func() (any, error) { return c.Cancel(ctx, "a") },
		`"requests":3`:           func() (any, error) { return c.Models(ctx, "a") },
		`"next":12`:              func() (any, error) { return c.Activity(ctx, "a", 12) },
		`"number":7`:             func() (any, error) { return auditOf(ctx, c) },
		`[]`:                     func() (any, error) { return c.Permissions(ctx) },
		`"predefined":true`:      func() (any, error) { return c.Roles(ctx) },
		`"allowed":true`:         func() (any, error) { return c.Explain(ctx, "", "tasks:view", "*") },
		`"allowed":false`:        func() (any, error) { return c.Explain(ctx, "oidc:x", "tasks:view", "server") },
		`"subject":"github:3"`:   func() (any, error) { return c.Who(ctx, "tasks:view", "environment/a") },
		`"complete":true`:        func() (any, error) { return c.Manifests(ctx, Object{"profile", "n", "e"}) },
		`[{"version":"v"`:        func() (any, error) { return c.ManifestHistory(ctx, 3) },
		`"version":"w"`: func() (any, error) {
			return c.Apply(ctx, Application{Mode: Merge, Delete: []Object{{Kind: "team", Name: "x"}}, DryRun: true, IfVersion: "v"})
		},
		`[] `:      func() (any, error) { return c.Tokens(ctx, "", false) },
		`"id":"x"`: func() (any, error) { return c.Tokens(ctx, "", true) },
		`[]  `:     func() (any, error) { return c.Tokens(ctx, "service:ci", false) },
		`"token":"t"`: func() (any, error) {
			return c.CreateToken(ctx, NewToken{Name: "n", Expires: "1d", Owner: "service:ci"})
		},
		`"state":"revoked"`: func() (any, error) { return c.RevokeToken(ctx, "x") },
	} {
		answer, err := call()
		text, _ := json.Marshal(answer)
		if err != nil || !strings.Contains(string(text), strings.TrimSpace(name)) {
			t.Errorf("want %s: %s, %v", name, text, err)
		}
	}
}

func auditOf(ctx context.Context, c *Client) (list []AuditEntry, err error) {
	_, err = c.Audit(ctx, AuditFilter{Task: "a", Environment: "staging"}, func(e AuditEntry) error {
		list = append(list, e)
		return nil
	})
	return list, err
}

func TestANameIsNoPath(t *testing.T) {
	t.Parallel()
	s, c := newStrict(t, map[string]string{"GET /tasks/..%2Fwhoami": "{}"})
	if _, err := c.Task(t.Context(), "../whoami"); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"", ".", ".."} {
		if _, err := c.Task(t.Context(), id); err == nil {
			t.Errorf("%q is asked for", id)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestARefusalIsInTheServersWords(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error":"no","permission":"tasks:cancel","resource":"environment/a","requestId":"R",
			"reason":{"text":"why","because":[{"text":"tom can grant it"}]},"problems":["a.yaml:3: wrong"]}`)
	}))
	t.Cleanup(server.Close)
	c, err := New(server.URL, token.New())
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Whoami(t.Context())
	want := "no\nmissing: \"tasks:cancel\" on environment/a\n✗ why\n  ✗ tom can grant it\na.yaml:3: wrong\ntry again in 7s\n(status 403, request R)"
	if !IsStatus(err, http.StatusForbidden) || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// A server cannot lead the token elsewhere, fill the memory, keep the caller
// for ever or be taken for one that it is not.
func TestThreat49AHostileServerGetsNowhere(t *testing.T) {
	t.Parallel()
	var stolen atomic.Bool
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		stolen.Store(r.Header.Get("Authorization") != "")
	}))
	t.Cleanup(thief.Close)
	for want, handle := range map[string]http.HandlerFunc{
		"instead of answering": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
		},
		"it is longer than 16 MiB": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for piece := strings.Repeat(" ", 1<<20); ; {
				if _, err := io.WriteString(w, piece); err != nil {
					return
				}
			}
		},
		"and not application/json": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>{}") },
		"it is not what the API says": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "[[[")
		},
		"it is 502 Bad Gateway": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"does not answer": func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; ; i++ {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
				if i == 1000 {
					return
				}
			}
		},
		"it takes too long": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			<-r.Context().Done()
		},
	} {
		server := httptest.NewServer(handle)
		t.Cleanup(server.Close)
		value := token.New()
		c, err := New(server.URL, value)
		if err != nil {
			t.Fatal(err)
		}
		if want == "it takes too long" {
			c.http.Timeout = 100 * time.Millisecond
		}
		if _, err := c.Whoami(t.Context()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), value.Reveal()) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	if stolen.Load() {
		t.Error("the token went to another server")
	}
}

func TestThreat49ACertificateIsVerified(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = nil
	c, err := New(server.URL, token.New())
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Whoami(t.Context())
	if _, again := Temporary(err); err == nil || !strings.Contains(err.Error(), "its certificate is not trusted") || again {
		t.Errorf("%v, tried again: %t", err, again)
	}
}

func TestALogThatDoesNotGoOnIsRefused(t *testing.T) {
	t.Parallel()
	var next, text string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/api/v1/tasks/a/log?follow=true&offset=5" {
			t.Errorf("asked for %s", r.RequestURI)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Log-Next-Offset", next)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	c, err := New(server.URL, token.New())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		next, text string
		good       bool
	}{{"6", "a", true}, {"5", "", true}, {"5", "a", false}, {"4", "a", false}, {"9", "", false}, {"", "a", false}} {
		next, text = row.next, row.text
		if piece, err := c.Log(t.Context(), "a", 5, true); (err == nil) != row.good {
			t.Errorf("%+v: %+v, %v", row, piece, err)
		}
	}
}

func TestWhatMayWorkLaterIsTriedAgain(t *testing.T) {
	t.Parallel()
	network := &NetworkError{Server: "x", cause: io.ErrUnexpectedEOF}
	for _, row := range []struct {
		err  error
		wait time.Duration
		ok   bool
	}{
		{nil, 0, false}, {errors.New("x"), 0, false}, {context.Canceled, 0, false}, {network, 0, true},
		{&NetworkError{Server: "x", cause: context.Canceled}, 0, false},
		{&Error{Status: 429, RetryAfter: 3 * time.Second}, 3 * time.Second, true}, {&Error{Status: 503}, 0, true},
		{&Error{Status: 403}, 0, false}, {&Error{Status: 404}, 0, false}, {&strangeError{status: 502}, 0, true}, {&strangeError{}, 0, false},
	} {
		if wait, ok := Temporary(row.err); wait != row.wait || ok != row.ok {
			t.Errorf("%v: %s, %t", row.err, wait, ok)
		}
	}
}
