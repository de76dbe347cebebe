package contract

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func newValidator(t testing.TB) *Validator {
	t.Helper()
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// found tells whether there is a finding of the side whose pointer and message contain the texts.
func found(v *Validator, side Side, pointer, message string) bool {
	for _, f := range v.Findings() {
		if f.Side == side && strings.Contains(f.Pointer, pointer) && strings.Contains(f.Message, message) {
			return true
		}
	}
	return false
}

// answer is a canned answer of a server that is not under test here.
type answer struct {
	status int
	kind   string
	body   string
}

const asJSON = "application/json; charset=utf-8"

// exchangeOne sends one request through the middleware to a server that gives one answer.
func exchangeOne(t *testing.T, v *Validator, method, path, body string, give answer, header ...string) string {
	t.Helper()
	var received string
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		received = string(text)
		if give.kind != "" {
			w.Header().Set("Content-Type", give.kind)
		}
		w.WriteHeader(give.status)
		_, _ = io.WriteString(w, give.body)
	})
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("User-Agent", "test")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	v.Middleware(next, "/api/v3").ServeHTTP(w, r)
	if received != body {
		t.Errorf("the handler received %q instead of %q", received, body)
	}
	if got := w.Body.String(); got != give.body || w.Code != give.status {
		t.Errorf("the answer was changed to %d %q", w.Code, got)
	}
	return received
}

const label = `{"id":1,"node_id":"L","url":"https://api.github.com/repos/o/r/labels/x","name":"x","description":null,"color":"ff0000","default":false}`

func TestExchangeThatFitsHasNoFindings(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	exchangeOne(t, v, "POST", "/api/v3/repos/o/r/labels", `{"name":"x","color":"ff0000"}`, answer{201, asJSON, label},
		"Authorization", "token ghs_abc")
	exchangeOne(t, v, "GET", "/api/v3/repos/o/r/issues/7/labels?per_page=100&page=1", "", answer{200, asJSON, "[" + label + "]"})
	exchangeOne(t, v, "GET", "/api/v3/repos/o/r/commits/feature/x", "", answer{200, "text/plain", "diff --git a/f b/f\n"},
		"Accept", "application/vnd.github.v3.diff")
	exchangeOne(t, v, "GET", "/api/v3/repos/o/r/labels", "", answer{304, "", ""}, "If-None-Match", `"etag"`)
	exchangeOne(t, v, "GET", "/api/v3/repos/o/r/labels", "", answer{401, asJSON, `{"message":"Bad credentials"}`})
	exchangeOne(t, v, "GET", "/api/v3/repos/o/r/labels", "", answer{502, "text/html", "<html>"})
	exchangeOne(t, v, "DELETE", "/api/v3/repos/o/r/labels/x", "", answer{204, "", ""})
	exchangeOne(t, v, "GET", "/api/v3/repositories/7/labels", "", answer{200, asJSON, "[" + label + "]"})
	exchangeOne(t, v, "POST", "/login/oauth", "anything", answer{200, "text/html", "outside the prefix"})
	for _, f := range v.Findings() {
		t.Error(f)
	}
	if got := fmt.Sprint(v.Operations()); got != "[POST /repos/{owner}/{repo}/labels]" {
		t.Errorf("operations called by the App: %s", got)
	}
}

func TestExchangeThatDoesNotFitIsFound(t *testing.T) {
	t.Parallel()
	const labels = "/api/v3/repos/o/r/labels"
	created := answer{201, asJSON, label}
	tests := map[string]struct {
		method, path, body string
		give               answer
		side               Side
		pointer, message   string
	}{
		"unknown route":         {"GET", "/api/v3/repos/o/r/teapots", "", answer{404, asJSON, `{"message":"Not Found"}`}, Request, "", "unknown operation"},
		"unknown route served":  {"GET", "/api/v3/repos/o/r/teapots", "", answer{200, asJSON, "{}"}, Response, "", "was answered"},
		"not implemented":       {"GET", labels, "", answer{501, asJSON, `{"message":"GET /x"}`}, Response, "", "no such status"},
		"body field's type":     {"POST", labels, `{"name":7}`, created, Request, "/name", "want string"},
		"body field missing":    {"POST", labels, `{"color":"ff0000"}`, created, Request, "/name", "missing"},
		"body field misspelt":   {"POST", labels, `{"name":"x","colour":"ff0000"}`, created, Request, "/colour", "does not know"},
		"body missing":          {"POST", labels, "", created, Request, "", "body is missing"},
		"body no JSON":          {"POST", labels, "name=x", created, Request, "", "not JSON"},
		"body not taken":        {"DELETE", labels + "/x", "{}", answer{204, "", ""}, Request, "", "takes no body"},
		"query unknown":         {"GET", labels + "?perpage=3", "", answer{200, asJSON, "[]"}, Request, "", "perpage is unknown"},
		"query type":            {"GET", labels + "?per_page=all", "", answer{200, asJSON, "[]"}, Request, "", "want integer"},
		"query not listed":      {"GET", "/api/v3/repos/o/r/issues?state=done", "", answer{200, asJSON, "[]"}, Request, "", "query parameter state"},
		"path type":             {"GET", "/api/v3/repos/o/r/issues/seven", "", answer{404, asJSON, `{"message":"Not Found"}`}, Request, "", "issue_number"},
		"status":                {"POST", labels, `{"name":"x"}`, answer{200, asJSON, label}, Response, "", "no such status"},
		"answer field missing":  {"POST", labels, `{"name":"x"}`, answer{201, asJSON, strings.Replace(label, `"id":1,`, "", 1)}, Response, "/id", "missing"},
		"answer field's type":   {"GET", labels, "", answer{200, asJSON, "[" + strings.Replace(label, `"id":1`, `"id":"1"`, 1) + "]"}, Response, "/0/id", "want integer"},
		"answer null":           {"GET", labels, "", answer{200, asJSON, "[" + strings.Replace(label, `"x"`, `null`, 1) + "]"}, Response, "/0/name", "want string"},
		"answer no URI":         {"GET", labels, "", answer{200, asJSON, "[" + strings.Replace(label, "https://", "", 1) + "]"}, Response, "/0/url", "uri"},
		"answer no JSON":        {"GET", labels, "", answer{200, asJSON, "<html>"}, Response, "", "not JSON"},
		"answer's content type": {"GET", labels, "", answer{200, "text/html", "[]"}, Response, "", "Content-Type"},
		"error without message": {"GET", labels, "", answer{403, asJSON, `{"message":7}`}, Response, "/message", "want string"},
		"body with 204":         {"DELETE", labels + "/x", "", answer{204, "", "x"}, Response, "", "no body"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newValidator(t)
			exchangeOne(t, v, test.method, test.path, test.body, test.give)
			if !found(v, test.side, test.pointer, test.message) {
				t.Errorf("not found; findings: %v", v.Findings())
			}
		})
	}
}

func TestHeadersThatDoNotFitAreFound(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", asJSON)
		w.Header().Set("Link", `https://h/?page=2; rel=next`)
		w.Header().Set("X-RateLimit-Reset", "tomorrow")
		_, _ = io.WriteString(w, "[]")
	})
	r := httptest.NewRequest("GET", "/repos/o/r/labels", nil)
	v.Middleware(next, "").ServeHTTP(httptest.NewRecorder(), r)
	for _, want := range []string{"Link header", "X-RateLimit-Reset"} {
		if !found(v, Response, "", want) {
			t.Errorf("%s not found in %v", want, v.Findings())
		}
	}
	if !found(v, Request, "", "User-Agent") {
		t.Errorf("the missing User-Agent was not found in %v", v.Findings())
	}
}

func TestDeliveryThatDoesNotFitIsFound(t *testing.T) {
	t.Parallel()
	var review string
	for event, body := range Examples() {
		if event == "pull_request_review" && strings.Contains(string(body), `"action":"submitted"`) {
			review = string(body)
		}
	}
	tests := map[string]struct{ event, body, pointer, message string }{
		"state of no type": {"pull_request_review", strings.ReplaceAll(review, `"state":"commented"`, `"state":17`), "/review/state", "want"},
		"unknown event":    {"teapot", "{}", "", "unknown event"},
		"unknown action":   {"issues", `{"action":"brewed"}`, "", "unknown event"},
		"no JSON":          {"push", "payload=", "", "no JSON"},
		"empty":            {"push", "{}", "/head_commit", "missing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newValidator(t)
			v.Delivery(test.event, []byte(test.body))
			if !found(v, Delivery, test.pointer, test.message) {
				t.Errorf("not found; findings: %v", v.Findings())
			}
		})
	}
}

const ready = `mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { id isDraft } } }`

func TestGraphQLRequestThatDoesNotFitIsFound(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query     string
		variables map[string]any
		message   string
	}{
		"fits":             {ready, map[string]any{"id": "PR_1"}, ""},
		"variable missing": {ready, nil, "must be defined"},
		"unknown mutation": {`mutation { deletePullRequest(input: {}) { id } }`, nil, "Cannot query field"},
		"unknown field":    {strings.Replace(ready, "isDraft", "isDrafty", 1), map[string]any{"id": "x"}, "isDrafty"},
		"syntax":           {"mutation {", nil, "Expected"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newValidator(t)
			v.GraphQL(test.query, test.variables)
			if got := len(v.Findings()) > 0; got != (test.message != "") || got && !found(v, Request, "", test.message) {
				t.Errorf("findings: %v", v.Findings())
			}
		})
	}
}

func TestGraphQLAnswerThatDoesNotFitIsFound(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		give             answer
		pointer, message string
	}{
		"fits":   {answer{200, asJSON, `{"data":{"markPullRequestReadyForReview":{"pullRequest":{"id":"PR_1","isDraft":false}}}}`}, "", ""},
		"errors": {answer{200, asJSON, `{"data":null,"errors":[{"message":"Could not resolve"}]}`}, "", ""},
		"field missing": {
			answer{200, asJSON, `{"data":{"markPullRequestReadyForReview":{"pullRequest":{"id":"PR_1"}}}}`},
			"/data/markPullRequestReadyForReview/pullRequest/isDraft", "missing",
		},
		"field null": {
			answer{200, asJSON, `{"data":{"markPullRequestReadyForReview":{"pullRequest":{"id":null,"isDraft":true}}}}`},
			"/data/markPullRequestReadyForReview/pullRequest/id", "null",
		},
		"status":          {answer{422, asJSON, `{}`}, "", "answers 200"},
		"not implemented": {answer{501, asJSON, `{}`}, "", "not implemented"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newValidator(t)
			body := fmt.Sprintf(`{"query":%q,"variables":{"id":"PR_1"}}`, ready)
			exchangeOne(t, v, "POST", "/api/graphql", body, test.give, "Authorization", "Bearer ghs_x")
			if got := len(v.Findings()) > 0; got != (test.message != "") || got && !found(v, Response, test.pointer, test.message) {
				t.Errorf("findings: %v", v.Findings())
			}
			if got := fmt.Sprint(v.Operations()); got != "[GRAPHQL markPullRequestReadyForReview]" {
				t.Errorf("operations: %s", got)
			}
		})
	}
}
