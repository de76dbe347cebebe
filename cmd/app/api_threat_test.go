package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
)

// post sends JSON to the server's API.
func (w *world) post(path, secret string, body any) reply {
	w.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+w.address+"/api/v1"+path, strings.NewReader(string(encoded)))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(text)}
}

func mergeOf(texts ...string) map[string]any {
	files := map[string]string{}
	for i, text := range texts {
		files[string(rune('a'+i))+".yaml"] = text
	}
	return map[string]any{"mode": "merge", "files": files}
}

// Through the real server: who may changes manifests at once, who may not gets a
// refusal that is in the audit log, and a token is no more than its maker.
func TestThreat49ManifestsAndTokensThroughTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	developer, _ := w.token(maria)
	admin, adminID := w.token(tom)
	stranger, _ := w.token(eve)

	grab := mergeOf(binding("mine", w.subject(maria), "environment-admin", "environment/staging"))
	refused := w.post("/manifests", developer, grab)
	if refused.status != http.StatusForbidden || !strings.Contains(refused.body, `bindings:manage`) || !strings.Contains(refused.body, "can grant it") {
		t.Errorf("a developer makes herself environment-admin: %d %s", refused.status, refused.body)
	}
	if got := w.call(http.MethodGet, "/manifests/history", stranger); got.status != http.StatusForbidden {
		t.Errorf("the history to a stranger: %d %s", got.status, got.body)
	}

	// The login is looked up at the forge, and what is given counts at once.
	given := w.post("/manifests", admin, mergeOf(binding("eve-views", "github:@"+eve, "viewer", "environment/staging")))
	if given.status != http.StatusOK || !strings.Contains(given.body, `"applied":true`) {
		t.Fatalf("the environment-admin binds a viewer: %d %s", given.status, given.body)
	}
	if got := w.call(http.MethodGet, "/manifests", stranger); got.status != http.StatusOK || !strings.Contains(got.body, w.subject(eve)+" (eve)") || strings.Contains(got.body, `"subject":"`+w.subject(tom)) {
		t.Errorf("what a viewer sees: %d %s", got.status, got.body)
	}
	if got := w.call(http.MethodGet, "/access/explain?permission=tasks:view&resource=environment/staging", stranger); !strings.Contains(got.body, `"allowed":true`) {
		t.Errorf("explained to the viewer: %d %s", got.status, got.body)
	}

	long := map[string]any{"name": "ci", "expires": "60d"}
	if got := w.post("/tokens", admin, long); got.status != http.StatusForbidden {
		t.Errorf("a token that outlives its maker: %d %s", got.status, got.body)
	}
	made := w.post("/tokens", admin, map[string]any{"name": "ci", "expires": "1h", "permissions": []string{"tasks:view"}})
	var token struct{ ID, Token string }
	if err := json.Unmarshal([]byte(made.body), &token); err != nil || made.status != http.StatusCreated {
		t.Fatalf("%d %s", made.status, made.body)
	}
	if got := w.post("/manifests", token.Token, grab); got.status != http.StatusForbidden {
		t.Errorf("a narrowed token changes manifests: %d %s", got.status, got.body)
	}
	if got := w.post("/tokens/"+adminID+"/revoke", developer, map[string]any{}); got.status != http.StatusNotFound {
		t.Errorf("somebody else's token: %d %s", got.status, got.body)
	}
	if got := w.post("/tokens/"+token.ID+"/revoke", admin, map[string]any{}); got.status != http.StatusOK {
		t.Errorf("the own one: %d %s", got.status, got.body)
	}
	if got := w.call(http.MethodGet, "/whoami", token.Token); got.status != http.StatusUnauthorized {
		t.Errorf("after that: %d", got.status)
	}
	w.neverLogs(developer, admin, stranger, token.Token)

	entries, err := w.db().AuditEntries(t.Context(), store.AuditFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, e := range entries {
		if strings.Contains(string(e.Detail), `"by":"API"`) {
			seen[string(e.Action)+" "+e.Actor]++
		}
	}
	for _, want := range []string{
		string(audit.ManifestsRefused) + " " + w.subject(maria), string(audit.ManifestsApplied) + " " + w.subject(tom),
		"token.created " + w.subject(tom), "token.revoked " + w.subject(tom),
	} {
		if seen[want] != 1 {
			t.Errorf("%q is %d times in the audit log: %v", want, seen[want], seen)
		}
	}
}
