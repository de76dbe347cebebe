package github_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

func TestAccessIsTheRoleThatFitsTheBasePermission(t *testing.T) {
	t.Parallel()
	ann := forge.User{Subject: subject(5), Login: "old-name"}
	for answer, want := range map[string]forge.Access{
		`"permission":"none","role_name":"none"`:             forge.AccessNone,
		`"permission":"read","role_name":"read"`:             forge.AccessRead,
		`"permission":"read","role_name":"triage"`:           forge.AccessTriage,
		`"permission":"write","role_name":"write"`:           forge.AccessWrite,
		`"permission":"write","role_name":"maintain"`:        forge.AccessMaintain,
		`"permission":"admin","role_name":"admin"`:           forge.AccessAdmin,
		`"permission":"write","role_name":"security-people"`: forge.AccessWrite, // a custom role
		`"permission":"read","role_name":"maintain"`:         forge.AccessRead,  // does not fit
		`"permission":"read","role_name":"admin"`:            forge.AccessRead,
		`"permission":"write"`:                               forge.AccessWrite, // older servers
		`"permission":"owner","role_name":"owner"`:           forge.AccessNone,
		`"role_name":"admin"`:                                forge.AccessNone,
	} {
		s := newStub(t, map[string]http.HandlerFunc{
			"GET /user/5": reply(200, `{"id":5,"login":"ann"}`),
			"GET /repos/acme/shop/collaborators/ann/permission": reply(200, `{`+answer+`,"user":{"id":5,"login":"ann"}}`),
		})
		if got, err := s.adapter(t).AccessOf(t.Context(), stubRepo, ann); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", answer, got, err, want)
		}
	}
}

// Threat 47: an answer about somebody else is no answer.
func TestThreat47AccessOfAnotherIDIsRefused(t *testing.T) {
	t.Parallel()
	ann := forge.User{Subject: subject(5), Login: "ann"}
	for name, answers := range map[string]map[string]http.HandlerFunc{
		"gone":              {"GET /user/5": reply(404, `{"message":"Not Found"}`)},
		"another by id":     {"GET /user/5": reply(200, `{"id":6,"login":"ann"}`)},
		"login taken since": {"GET /user/5": reply(200, `{"id":5,"login":"ann"}`), "GET /repos/acme/shop/collaborators/ann/permission": reply(200, `{"permission":"admin","user":{"id":6}}`)},
	} {
		got, err := newStub(t, answers).adapter(t).AccessOf(t.Context(), stubRepo, ann)
		if !errors.Is(err, forge.ErrNotFound) || got != forge.AccessNone {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	s := newStub(t, nil)
	for _, user := range []forge.User{{}, {Subject: forge.Subject{Host: forge.AzureDevOps, ID: "5"}}, {Subject: subject(-5)}} {
		if got, err := s.adapter(t).AccessOf(t.Context(), stubRepo, user); !errors.Is(err, forge.ErrNotFound) || got != forge.AccessNone {
			t.Errorf("%+v: %s, %v", user, got, err)
		}
	}
}

func TestReadyThatGitHubDoesNotConfirmIsAnError(t *testing.T) {
	t.Parallel()
	var limited *forge.RateLimitError
	var refused *forge.RefusedError
	for name, c := range map[string]struct {
		status int
		answer string
		check  func(error) bool
	}{
		"still a draft": {200, `{"data":{"markPullRequestReadyForReview":{"pullRequest":{"id":"PR_1","isDraft":true}}}}`, nil},
		"another":       {200, `{"data":{"markPullRequestReadyForReview":{"pullRequest":{"id":"PR_2","isDraft":false}}}}`, nil},
		"nothing":       {200, `{"data":{"markPullRequestReadyForReview":null}}`, nil},
		"empty":         {200, `{}`, nil},
		"no JSON":       {200, `<html>`, nil},
		"forbidden": {200, `{"data":null,"errors":[{"type":"FORBIDDEN","message":"Resource not accessible by integration"}]}`,
			func(err error) bool { return errors.Is(err, forge.ErrForbidden) }},
		"not found": {200, `{"errors":[{"type":"NOT_FOUND","message":"Could not resolve to a node"}]}`,
			func(err error) bool { return errors.Is(err, forge.ErrNotFound) }},
		"limited": {200, `{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}`,
			func(err error) bool { return errors.As(err, &limited) && limited.RetryAfter == time.Minute }},
		"refused": {200, `{"errors":[{"type":"UNPROCESSABLE","message":"Locked"}]}`,
			func(err error) bool { return errors.As(err, &refused) && refused.Words == "Locked" }},
		"confirmed but with an error": {200, `{"data":{"markPullRequestReadyForReview":{"pullRequest":{"id":"PR_1","isDraft":false}}},"errors":[{"message":"x"}]}`, nil},
		"down":                        {502, `<html>Unicorn`, func(err error) bool { return strings.Contains(err.Error(), "502: <html>Unicorn") }},
		"401":                         {401, `{"message":"Bad credentials"}`, func(err error) bool { return errors.Is(err, forge.ErrForbidden) }},
	} {
		s := newStub(t, map[string]http.HandlerFunc{
			"GET /repos/acme/shop/pulls/1": reply(200, `{"number":1,"node_id":"PR_1","draft":true,"base":{"repo":{"id":42}}}`),
			"POST /graphql":                reply(c.status, c.answer),
		})
		err := s.adapter(t).MarkReady(t.Context(), stubRepo, forge.PullRequest{Number: 1, NodeID: "PR_1"})
		if err == nil || c.check != nil && !c.check(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGateThatGitHubDoesNotConfirmIsAnError(t *testing.T) {
	t.Parallel()
	commit := strings.Repeat("a", 40)
	gate := forge.GateCheck{Commit: commit, ExternalID: "t1", Status: forge.CheckActionRequired, Title: "T", Summary: strings.Repeat("ü", 50_000)}
	list := "GET /repos/acme/shop/commits/" + commit + "/check-runs"
	for name, answer := range map[string]string{
		"success":        `{"id":1,"head_sha":"` + commit + `","status":"completed","conclusion":"success"}`,
		"other commit":   `{"id":1,"head_sha":"` + strings.Repeat("b", 40) + `","status":"completed","conclusion":"action_required"}`,
		"still running":  `{"id":1,"head_sha":"` + commit + `","status":"in_progress"}`,
		"says nothing":   `{}`,
		"is no check":    `[]`,
		"cut in the way": `{"id":1,`,
	} {
		s := newStub(t, map[string]http.HandlerFunc{
			list: reply(200, `{"total_count":0,"check_runs":[]}`), "POST /repos/acme/shop/check-runs": reply(201, answer)})
		if err := s.adapter(t).SetGate(t.Context(), stubRepo, gate); err == nil {
			t.Errorf("%s: no error", name)
		}
		if sent := s.to("POST /repos/acme/shop/check-runs"); len(sent) != 1 || len(sent[0].body) > 70_000 {
			t.Errorf("%s: sent %d", name, len(sent))
		}
	}
	for name, change := range map[string]func(*forge.GateCheck){
		"no commit": func(g *forge.GateCheck) { g.Commit = "" }, "branch": func(g *forge.GateCheck) { g.Commit = "main" },
		"path": func(g *forge.GateCheck) { g.Commit = "../../../x" }, "no task": func(g *forge.GateCheck) { g.ExternalID = "" },
		"state": func(g *forge.GateCheck) { g.Status = "neutral" },
	} {
		s, g := newStub(t, nil), gate
		if change(&g); s.adapter(t).SetGate(t.Context(), stubRepo, g) == nil || s.total() != 0 {
			t.Errorf("%s was sent", name)
		}
	}
}

// Another App's check run, or a person's, of the same name is not ours to change.
func TestGateOfAnotherAppIsLeftAlone(t *testing.T) {
	t.Parallel()
	commit := strings.Repeat("a", 40)
	s := newStub(t, map[string]http.HandlerFunc{
		"GET /repos/acme/shop/commits/" + commit + "/check-runs": reply(200, `{"check_runs":[
			{"id":1,"name":"coderflow/gate","external_id":"t1","head_sha":"`+commit+`","app":{"id":8}},
			{"id":2,"name":"coderflow/other","external_id":"t1","head_sha":"`+commit+`","app":{"id":7}},
			{"id":3,"name":"coderflow/gate","external_id":"t2","head_sha":"`+commit+`","app":{"id":7}}]}`),
		"POST /repos/acme/shop/check-runs": reply(201, `{"id":4,"head_sha":"`+commit+`","status":"completed","conclusion":"success"}`),
	})
	err := s.adapter(t).SetGate(t.Context(), stubRepo, forge.GateCheck{Commit: commit, ExternalID: "t1", Status: forge.CheckSuccess, Title: "T", Summary: "S"})
	if err != nil || len(s.to("POST /repos/acme/shop/check-runs")) != 1 {
		t.Errorf("%v after %d calls", err, s.total())
	}
}

func TestDeploymentPayloadMayBeAnObjectOrAString(t *testing.T) {
	t.Parallel()
	commit := strings.Repeat("a", 40)
	s := newStub(t, map[string]http.HandlerFunc{"GET /repos/acme/shop/deployments": reply(200, `[
		{"id":1,"sha":"`+commit+`","environment":"prod","payload":""},
		{"id":2,"sha":"`+commit+`","environment":"prod","payload":{"task":["r1"]}},
		{"id":3,"sha":"`+commit+`","environment":"prod","payload":null},
		{"id":4,"sha":"`+commit+`","environment":"prod","payload":"{\"task\":\"r1\"}"},
		{"id":5,"sha":"`+commit+`","environment":"prod","payload":{"task":"r2"}},
		{"id":6,"sha":"`+commit+`","environment":"stage","payload":{"task":"r3"}}]`)})
	a := s.adapter(t)
	for task, want := range map[string]string{"r1": "4", "r2": "5"} {
		got, err := a.EnsureDeployment(t.Context(), stubRepo, forge.Deployment{Commit: commit, Environment: "prod", Task: task})
		if err != nil || got.ID != want {
			t.Errorf("%s: %+v, %v, want %s", task, got, err, want)
		}
	}
	if _, err := a.EnsureDeployment(t.Context(), stubRepo, forge.Deployment{Commit: commit, Environment: "prod", Task: "r3"}); err == nil {
		t.Error("another environment's deployment was taken")
	}
}

func TestSelfIsOurAppsBot(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	a := s.adapter(t)
	want := forge.User{Subject: subject(70), Login: "coderflow[bot]", Kind: forge.Bot}
	for range 2 {
		if got, err := a.Self(t.Context(), forge.GitHub); err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if calls := s.to("GET /users/coderflow%5Bbot%5D"); len(calls) != 1 || calls[0].auth != "" {
		t.Errorf("asked %+v", calls)
	}
	for name, answers := range map[string]map[string]http.HandlerFunc{
		"another App":    {"GET /app": reply(200, `{"id":8,"slug":"evil"}`)},
		"another person": {"GET /users/coderflow%5Bbot%5D": reply(200, `{"id":71,"login":"mallory","type":"User"}`)},
	} {
		if got, err := newStub(t, answers).adapter(t).Self(t.Context(), forge.GitHub); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestSelfIsFoundWhereStrangersSeeNothing(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	s.set("GET /users/coderflow%5Bbot%5D", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			reply(401, `{"message":"Requires authentication"}`)(w, r)
			return
		}
		reply(200, `{"id":70,"login":"coderflow[bot]","type":"Bot"}`)(w, r)
	})
	a := s.adapter(t)
	if _, err := a.Self(t.Context(), forge.GitHub); !errors.Is(err, forge.ErrForbidden) {
		t.Errorf("before any repository: %v", err)
	}
	if _, err := a.Repository(t.Context(), stubRepo); err != nil {
		t.Fatal(err)
	}
	if self, err := a.Self(t.Context(), forge.GitHub); err != nil || self.Subject != subject(70) {
		t.Errorf("afterwards: %+v, %v", self, err)
	}
}

func TestRefusalIsInTheForgesOwnWords(t *testing.T) {
	t.Parallel()
	open := forge.NewPullRequest{Title: "T", Head: "h", Base: "main", Draft: true}
	for answer, want := range map[string]string{
		`{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":"No commits between main and h"}]}`: "Validation Failed; No commits between main and h",
		`{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"base","code":"invalid"}]}`:                           "Validation Failed; PullRequest base invalid",
		`plain text`: "plain text",
	} {
		s := newStub(t, map[string]http.HandlerFunc{"POST /repos/acme/shop/pulls": reply(422, answer)})
		_, err := s.adapter(t).OpenPullRequest(t.Context(), stubRepo, open)
		var refused *forge.RefusedError
		if !errors.As(err, &refused) || refused.Words != want {
			t.Errorf("%s: %v, want %s", answer, err, want)
		}
	}
	s := newStub(t, map[string]http.HandlerFunc{"POST /repos/acme/shop/pulls": reply(422,
		`{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":"Draft pull requests are not supported in this repository."}]}`)})
	if _, err := s.adapter(t).OpenPullRequest(t.Context(), stubRepo, open); !errors.Is(err, forge.ErrDraftsUnsupported) {
		t.Errorf("drafts: %v", err)
	}
}
