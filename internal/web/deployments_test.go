package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/token"
)

func newDeployWorld(t *testing.T) (*apiWorld, string) {
	t.Helper()
	w := newAPIWorld(t, Limits{FollowPoll: time.Millisecond, Follow: 5 * time.Second},
		policy.Binding{Name: "b", Subject: owner, Role: "environment-admin", Resource: "environment/staging"})
	return w, w.token("k", owner, token.Scope{})
}

func request(environment, more string) string {
	return fmt.Sprintf(`{"environment":%q,"profile":"publish","commit":%q%s}`, environment, someCommit, more)
}

func TestADeploymentIsAskedForInTheNameOfTheTokensOwner(t *testing.T) {
	t.Parallel()
	w, secret := newDeployWorld(t)
	answer := w.send("/deployments", secret, request("staging", `,"parameters":{"channel":"$(id); `+"`id`"+`"},"reason":"why not","key":"key-of-mine"`))
	if answer.Code != http.StatusAccepted {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	asked := w.requests[0]
	if asked.By.Subject != owner || asked.By.Kind != owner.Kind() || asked.Reason != "why not" ||
		asked.Key != "key-of-mine" || asked.Parameters["channel"] != "$(id); `id`" || asked.Commit != someCommit {
		t.Errorf("%+v", asked)
	}
	run := decoded[deploymentView](t, answer)
	if run.RequestedBy.Subject != owner.String() || run.State != deploy.Pending || len(run.Approvers) != 2 || run.Approvers[1].Login != "zoe" {
		t.Errorf("%+v", run)
	}
	again := w.send("/deployments", secret, request("staging", `,"key":"key-of-mine"`))
	if again.Code != http.StatusOK || decoded[deploymentView](t, again).ID != run.ID {
		t.Errorf("the same key: %d %s", again.Code, again.Body)
	}
	other := w.send("/deployments", secret, request("staging", ""))
	if other.Code != http.StatusAccepted || decoded[deploymentView](t, other).ID == run.ID || !deploy.ValidKey(w.requests[2].Key) {
		t.Errorf("without a key: %d %s %q", other.Code, other.Body, w.requests[2].Key)
	}
}

func TestThreat52ATokenThatReachesLessDeploysNothing(t *testing.T) {
	t.Parallel()
	w, _ := newDeployWorld(t)
	for id, scope := range map[string]token.Scope{
		"looks":     {Permissions: []policy.Permission{policy.DeploymentsView}},
		"elsewhere": {Environments: []string{"production"}},
	} {
		answer := w.send("/deployments", w.token(id, owner, scope), request("staging", ""))
		if answer.Code != http.StatusForbidden && answer.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", id, answer.Code, answer.Body)
		}
	}
	narrowed := w.token("narrow", owner, token.Scope{Permissions: []policy.Permission{policy.DeploymentsExecute, policy.DeploymentsView}, Environments: []string{"staging"}})
	if answer := w.send("/deployments", narrowed, request("staging", "")); answer.Code != http.StatusAccepted {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if len(w.requests) != 3 { // the refused ones too: they are audited there
		t.Errorf("%d requests", len(w.requests))
	}
}

func TestWhatIsNoRequestForADeploymentIsRefused(t *testing.T) {
	t.Parallel()
	w, secret := newDeployWorld(t)
	for body, status := range map[string]int{
		request("staging", `,"by":"github:8"`):                http.StatusBadRequest,
		request("staging", `,"environment":"production"`):     http.StatusBadRequest,
		request("staging", `,"parameters":{"a":"1","a":"2"}`): http.StatusBadRequest,
		request("staging", `,"parameters":{"a":1}`):           http.StatusBadRequest,
		request("staging", `,"parameters":["a"]`):             http.StatusBadRequest,
		"": http.StatusBadRequest,
		request("staging", `,"reason":"`+strings.Repeat("x", maxDeployment)+`"`): http.StatusRequestEntityTooLarge,
	} {
		if answer := w.send("/deployments", secret, body); answer.Code != status {
			t.Errorf("%.80s: %d %s", body, answer.Code, answer.Body)
		}
	}
	if len(w.requests) != 0 {
		t.Errorf("%d requests were handed over", len(w.requests))
	}
	for kind, status := range map[deploy.RequestKind]int{
		deploy.NotFound: http.StatusNotFound, deploy.Forbidden: http.StatusForbidden, deploy.Invalid: http.StatusUnprocessableEntity, deploy.Conflict: http.StatusConflict,
	} {
		w.unwilling = &deploy.RequestError{Kind: kind, Problem: "because of that; do this"}
		if answer := w.send("/deployments", secret, request("staging", "")); answer.Code != status || !strings.Contains(answer.Body.String(), "because of that; do this") {
			t.Errorf("%s: %d %s", kind, answer.Code, answer.Body)
		}
		if answer := w.send("/deployments", secret, request("production", "")); answer.Code != http.StatusNotFound || strings.Contains(answer.Body.String(), "because") {
			t.Errorf("of another environment: %d %s", answer.Code, answer.Body)
		}
	}
}

func TestWhoeverAskedForADeploymentFollowsIt(t *testing.T) {
	t.Parallel()
	w, admin := newDeployWorld(t)
	w.rule(roleYAML("deployer", "deployments:execute"), bindingYAML("b", ci.String(), "deployer", "environment/staging"),
		bindingYAML("c", owner.String(), "environment-admin", "environment/staging"))
	secret := w.token("ci", ci, token.Scope{})
	run := decoded[deploymentView](t, w.send("/deployments", secret, request("staging", "")))
	for path, status := range map[string]int{
		"/deployments/" + run.ID: http.StatusOK, "/deployments/" + run.ID + "/log": http.StatusOK,
		"/deployments/" + runHere: http.StatusNotFound, "/deployments": http.StatusForbidden,
	} {
		if answer := w.ask(http.MethodGet, path, secret); answer.Code != status {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
	if answer := w.ask(http.MethodGet, "/deployments/"+run.ID, admin); answer.Code != http.StatusOK {
		t.Errorf("%d", answer.Code)
	}
	w.rule(bindingYAML("c", owner.String(), "environment-admin", "environment/staging"))
	if answer := w.ask(http.MethodGet, "/deployments/"+run.ID, secret); answer.Code != http.StatusNotFound {
		t.Errorf("who may ask no more still sees it: %d", answer.Code)
	}
}

func TestTheLogOfADeploymentEndsWithTheRun(t *testing.T) {
	t.Parallel()
	w, secret := newDeployWorld(t)
	run := decoded[deploymentView](t, w.send("/deployments", secret, request("staging", "")))
	path := "/deployments/" + run.ID + "/log?follow=true&offset="
	piece := w.ask(http.MethodGet, path+"0", secret)
	if piece.Body.String() != "first\nsecond\n" || piece.Header().Get("X-Log-End") != "false" || w.stream != "deploy/"+run.ID {
		t.Fatalf("%v %s", piece.Header(), piece.Body)
	}
	ended := make(chan *httptest.ResponseRecorder)
	go func() { ended <- w.ask(http.MethodGet, path+piece.Header().Get("X-Log-Next-Offset"), secret) }()
	w.mu.Lock()
	w.runs[0].State = deploy.Succeeded
	w.mu.Unlock()
	if last := <-ended; last.Code != http.StatusOK || last.Body.Len() != 0 || last.Header().Get("X-Log-End") != "true" {
		t.Errorf("%d %v", last.Code, last.Header())
	}
}

func TestDeploymentsAreFilteredAndPaged(t *testing.T) {
	t.Parallel()
	w, secret := newDeployWorld(t)
	for range 3 {
		w.send("/deployments", secret, request("staging", ""))
	}
	for query, want := range map[string]int{
		"": 4, "?state=failed": 1, "?state=pending": 3, "?profile=other": 0, "?commit=" + someCommit: 4, "?task=" + string(there): 0, "?environment=staging": 4,
	} {
		list := decoded[page[deploymentView]](t, w.ask(http.MethodGet, "/deployments"+query, secret))
		if len(list.Items) != want || list.Cursor != "" {
			t.Errorf("%q: %d, cursor %q", query, len(list.Items), list.Cursor)
		}
	}
	first := decoded[page[deploymentView]](t, w.ask(http.MethodGet, "/deployments?limit=3", secret))
	rest := decoded[page[deploymentView]](t, w.ask(http.MethodGet, "/deployments?limit=3&before="+first.Cursor, secret))
	if len(first.Items) != 3 || len(rest.Items) != 1 || rest.Items[0].ID != runHere {
		t.Errorf("%+v %+v", first, rest)
	}
	for _, query := range []string{"state=done", "commit=abc", "profile=a/b", "task=x", "before=../x", "limit=0", "limit=51", "other=1"} {
		if answer := w.ask(http.MethodGet, "/deployments?"+query, secret); answer.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, answer.Code)
		}
	}
}

// A reviewer may have armed deployments in several environments: of a task one
// sees those where one may see deployments.
func TestThreat49ATasksDeploymentsElsewhereAreNotShown(t *testing.T) {
	t.Parallel()
	w, secret := newDeployWorld(t)
	for i := range w.runs {
		w.runs[i].Task = here
	}
	list := decoded[page[deploymentView]](t, w.ask(http.MethodGet, "/tasks/"+string(here)+"/deployments", secret))
	if len(list.Items) != 1 || list.Items[0].Environment != "staging" {
		t.Errorf("%+v", list)
	}
}

func TestProfilesAreShownWithoutTheirScripts(t *testing.T) {
	t.Parallel()
	w, secret := newDeployWorld(t)
	w.rule(bindingYAML("b", owner.String(), "viewer", "environment/staging"), profileYAML("staging"), profileYAML("production"))
	answer := w.ask(http.MethodGet, "/profiles", secret)
	list := decoded[page[profileView]](t, answer)
	if len(list.Items) != 1 || list.Items[0].Environment != "staging" || len(list.Items[0].Parameters) != 1 || strings.Contains(answer.Body.String(), "echo") {
		t.Errorf("%s", answer.Body)
	}
}

func profileYAML(environment string) string {
	return "apiVersion: coderflow.dev/v1\nkind: DeploymentProfile\nmetadata: {name: publish, environment: " + environment + "}\n" +
		"spec:\n  script: echo hush\n  parameters: [{name: channel, type: select, options: [beta, stable]}]\n"
}
