package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/secret"
)

// richEnvironment has something of everything that the page says.
const richEnvironment = `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: rich}
spec:
  description: "<b>all</b> of it"
  repositories: [{host: github, id: 1, name: acme/x}]
  agent: {preset: exec, command: ["true"]}
  gate:
    approvals: 2
    from: [{role: environment-admin}]
    rules:
      - {name: pipelines, paths: [".github/**"], risks: [workflow], lines: 2000, approvals: 3}
  landing: {targets: ["release/*"]}
  network: {hosts: [proxy.example.com]}
  checks: [{name: unit, script: "make <test>", required: true}]
`

func TestAnEnvironmentIsExplainedInWords(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.stored = []StoredSecret{{Slot: secret.Slot{Environment: "rich", Context: "deploy", Name: "REGISTRY_TOKEN"}, Version: 3, SetBy: "github:1"}}
	w.api.rule(richEnvironment, bindingYAML("b", "oidc:own/alice", "environment-admin", "environment/rich"))
	answer, list := w.get(c, w.server.URL+"/environments")
	if answer.StatusCode != http.StatusOK || !strings.Contains(list, `href="/environments/rich"`) || strings.Contains(list, "staging") || strings.Contains(list, "<b>all") {
		t.Errorf("%d %s", answer.StatusCode, list)
	}
	answer, page := w.get(c, w.server.URL+"/environments/rich")
	for _, want := range []string{
		"2 approvals, one of them by an environment-admin", "it touches .github/**, or it has the risk workflow, or it changes more than 2000 lines",
		"3 approvals", "release/*", "proxy.example.com", "make &lt;test&gt;", "needs it to pass", "REGISTRY_TOKEN", "oidc:own/alice", "tasks:approve", "kind: Environment",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if answer.StatusCode != http.StatusOK || scripted(page) || strings.Contains(page, "<b>all") || strings.Contains(page, "style=") {
		t.Errorf("%d %s", answer.StatusCode, page)
	}
}

// Who may see the environment sees what is asked of them, and neither whom roles are
// bound to nor the names of secrets; of others there is nothing.
func TestThreat49AnEnvironmentIsForThoseWhoMaySeeIt(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.stored = []StoredSecret{{Slot: secret.Slot{Environment: "staging", Context: "deploy", Name: "REGISTRY_TOKEN"}}}
	w.api.rule(bindingYAML("b", "oidc:own/alice", "viewer", "environment/staging"), bindingYAML("c", "github:4242", "environment-admin", "environment/staging"))
	answer, page := w.get(c, w.server.URL+"/environments/staging")
	if answer.StatusCode != http.StatusOK || strings.Contains(page, "4242") || strings.Contains(page, "REGISTRY_TOKEN") || strings.Contains(page, "production") {
		t.Errorf("%d %s", answer.StatusCode, page)
	}
	hidden, a := w.get(c, w.server.URL+"/environments/production")
	absent, b := w.get(c, w.server.URL+"/environments/nowhere")
	if hidden.StatusCode != http.StatusNotFound || absent.StatusCode != http.StatusNotFound || a != b {
		t.Errorf("%d %s\n%d %s", hidden.StatusCode, a, absent.StatusCode, b)
	}
	w.api.rule(bindingYAML("b", "github:4242", "viewer", "environment/staging"))
	if answer, page := w.get(c, w.server.URL+"/environments"); answer.StatusCode != http.StatusOK || strings.Contains(page, "staging") {
		t.Errorf("without a role: %d %s", answer.StatusCode, page)
	}
}

func TestAccessIsExplainedToThoseWhoMayKnow(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.rule(
		bindingYAML("b", "oidc:own/alice", "environment-admin", "environment/staging"), bindingYAML("tom", "github:7", "developer", "environment/staging"),
		bindingYAML("zoe", "github:8", "developer", "environment/production"),
	)
	ask := func(subject, permission, resource string) string {
		t.Helper()
		answer, page := w.get(c, w.server.URL+"/access?"+url.Values{"subject": {subject}, "permission": {permission}, "resource": {resource}}.Encode())
		if answer.StatusCode != http.StatusOK || scripted(page) || strings.Contains(page, "production") {
			t.Errorf("%d %s", answer.StatusCode, page)
		}
		return page
	}
	for _, q := range []struct{ subject, permission, resource, want, not string }{
		{"github:7", "tasks:create", "environment/staging", "github:7 may.", "may not."},
		{"github:7", "tasks:approve", "environment/staging", "github:7 may not.", "may.</b>"},
		{"oidc:own/alice", "server:manage", "server", "oidc:own/alice may not.", "may.</b>"},
		{"", "tasks:create", "environment/staging", "binding tom", "github:8"},
		{"github:8", "tasks:create", "server", "this takes the permission", "github:8 may"},
		{"github:8", "tasks:create", "environment/nowhere", "there is no such resource", "github:8 may"},
		{"<img src=x>", "tasks:create", "environment/staging", "want HOST:ID", "<img"},
		{"", "no:such", "server", "permission: want one of", "Everybody"},
	} {
		if page := ask(q.subject, q.permission, q.resource); !strings.Contains(page, q.want) || strings.Contains(page, q.not) {
			t.Errorf("%+v: %s", q, page)
		}
	}
	// What is there and not the viewer's is like what is not there.
	answer, page := w.get(c, w.server.URL+"/access?subject=github:8&permission=tasks:create&resource=environment/production")
	if answer.StatusCode != http.StatusOK || !strings.Contains(page, "there is no such resource, or you may not see it") || strings.Contains(page, "binding zoe") {
		t.Errorf("%d %s", answer.StatusCode, page)
	}
}
