package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/token"
)

// freezeBook is a desk in memory.
type freezeBook struct {
	set     freeze.Set
	changes []FreezeChange
	broken  error
}

func (b *freezeBook) Freezes(context.Context) (freeze.Set, error) { return b.set, b.broken }

func (b *freezeBook) Freeze(_ context.Context, c FreezeChange) (freeze.Freeze, bool, error) {
	b.changes = append(b.changes, c)
	for _, f := range b.set {
		if f.Resource == c.Resource {
			return f, false, b.broken
		}
	}
	f := freeze.Freeze{ID: fmt.Sprint(len(b.changes)), Resource: c.Resource, Reason: c.Reason, By: c.By.Subject.String(), Login: c.By.Login, At: c.When}
	b.set = append(b.set, f)
	return f, true, b.broken
}

func (b *freezeBook) Thaw(_ context.Context, c FreezeChange) (freeze.Freeze, bool, error) {
	b.changes = append(b.changes, c)
	for i, f := range b.set {
		if f.Resource == c.Resource {
			b.set = append(b.set[:i:i], b.set[i+1:]...)
			return f, true, b.broken
		}
	}
	return freeze.Freeze{}, false, b.broken
}

func quoted(text string) string {
	encoded, _ := json.Marshal(text)
	return string(encoded)
}

func frozenWorld(t *testing.T, bindings ...policy.Binding) (*apiWorld, *freezeBook) {
	t.Helper()
	w := newAPIWorld(t, Limits{}, bindings...)
	book := &freezeBook{}
	w.options.API.Freezes = book
	w.handler = New(w.options)
	return w, book
}

const because = `{"reason":"a key leaked"}`

func TestAFreezeNamesWhoFrozeAndWhy(t *testing.T) {
	t.Parallel()
	w, book := frozenWorld(t, policy.Binding{Name: "b", Subject: owner, Role: "environment-admin", Resource: "environment/staging"})
	secret := w.token("k", owner, token.Scope{})
	answer := w.send("/freezes?environment=staging", secret, because)
	var made freezeView
	if err := json.Unmarshal(answer.Body.Bytes(), &made); err != nil || answer.Code != http.StatusCreated {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if made.Environment != "staging" || made.Reason != "a key leaked" || made.By.Subject != owner.String() || made.Already {
		t.Errorf("%+v", made)
	}
	if c := book.changes[0]; c.Using != "k" || c.Request == "" || c.By.Subject != owner || !c.When.Equal(w.now) || !c.Decision.Allowed || c.Decision.PolicyVersion == "" {
		t.Errorf("for the log: %+v", c)
	}
	if again := w.send("/freezes?environment=staging", secret, because); again.Code != http.StatusOK || !strings.Contains(again.Body.String(), `"already":true`) {
		t.Errorf("again: %d %s", again.Code, again.Body)
	}
	if list := w.ask(http.MethodGet, "/freezes", secret); !strings.Contains(list.Body.String(), "a key leaked") {
		t.Errorf("list: %s", list.Body)
	}
	if thaw := w.ask(http.MethodDelete, "/freezes?environment=staging", secret); thaw.Code != http.StatusOK || len(book.set) != 0 {
		t.Errorf("thaw: %d %s", thaw.Code, thaw.Body)
	}
	if none := w.ask(http.MethodDelete, "/freezes?environment=staging", secret); none.Code != http.StatusNotFound {
		t.Errorf("nothing to thaw: %d", none.Code)
	}
	for _, body := range []string{`{}`, `{"reason":""}`, `{"reason":"two\nlines"}`, `{"reason":"\u001b[31m"}`} {
		if bad := w.send("/freezes?environment=staging", secret, body); bad.Code != http.StatusBadRequest || len(book.set) != 0 {
			t.Errorf("%s: %d", body, bad.Code)
		}
	}
}

// What is frozen takes no change; reading, thawing and revoking a token go on. Where
// nobody can tell what is frozen, nothing is changed either.
func TestWhatIsFrozenTakesNoChange(t *testing.T) {
	t.Parallel()
	server := freeze.Freeze{ID: "1", Resource: freeze.Server, Reason: "a key leaked", By: "github:1"}
	staging, production := server, server
	staging.Resource, production.Resource = freeze.Environment("staging"), freeze.Environment("production")
	secretBody := `{"context":"task","name":"KEY","content":"MTIzNDU2Nzg="}`
	for name, row := range map[string]struct {
		set    freeze.Set
		cancel int // a task of staging
		secret int // of staging
		token  int
		broken error
	}{
		"nothing":          {nil, 202, 200, 201, nil},
		"this environment": {freeze.Set{staging}, 423, 423, 201, nil},
		"another":          {freeze.Set{production}, 202, 200, 201, nil},
		"the whole server": {freeze.Set{server}, 423, 423, 423, nil},
		"nobody can tell":  {nil, 500, 500, 500, errors.New("no database")},
	} {
		w, book := frozenWorld(t, policy.Binding{Name: "b", Subject: owner, Role: "server-admin", Resource: "*"})
		secret := w.token("k", owner, token.Scope{})
		w.token("other", requester, token.Scope{})
		book.set, book.broken = row.set, row.broken
		cancel := w.send("/tasks/"+string(here)+"/cancel", secret, "{}")
		if cancel.Code != row.cancel || cancel.Code == http.StatusLocked && !strings.Contains(cancel.Body.String(), "frozen by github:1") {
			t.Errorf("%s: cancel: %d %s", name, cancel.Code, cancel.Body)
		}
		if set := w.send("/secrets?environment=staging", secret, secretBody); set.Code != row.secret {
			t.Errorf("%s: set a secret: %d %s", name, set.Code, set.Body)
		}
		if made := w.send("/tokens", secret, `{"name":"t","expires":"5m"}`); made.Code != row.token {
			t.Errorf("%s: make a token: %d %s", name, made.Code, made.Body)
		}
		read := w.ask(http.MethodGet, "/tasks/"+string(here), secret)
		if read.Code != http.StatusOK && row.broken == nil || strings.Contains(read.Body.String(), `"frozen":{"id":"1"`) != (row.cancel == http.StatusLocked) {
			t.Errorf("%s: read: %d %s", name, read.Code, read.Body)
		}
		change := `{"mode":"merge","files":{"a.yaml":` + quoted(bindingYAML("new", "github:99", "viewer", "environment/staging")) + `}}`
		if row.broken == nil {
			if put := w.send("/manifests", secret, change); (put.Code == http.StatusLocked) != (row.cancel == http.StatusLocked) || put.Code >= 500 {
				t.Errorf("%s: give a role there: %d %s", name, put.Code, put.Body)
			}
		}
		if revoked := w.send("/tokens/other/revoke", secret, "{}"); revoked.Code != http.StatusOK {
			t.Errorf("%s: revoke a token: %d %s", name, revoked.Code, revoked.Body)
		}
	}
}

// Whoever may freeze one environment thaws neither the server nor another one, and
// whoever lost the role thaws nothing: the freeze outlives its author's rights.
func TestNobodyThawsMoreThanTheyMayFreeze(t *testing.T) {
	t.Parallel()
	w, book := frozenWorld(t, policy.Binding{Name: "b", Subject: owner, Role: "environment-admin", Resource: "environment/staging"})
	secret := w.token("k", owner, token.Scope{})
	narrow := w.token("n", owner, token.Scope{Permissions: []policy.Permission{policy.TasksView}})
	for _, resource := range []string{freeze.Server, freeze.Environment("staging"), freeze.Environment("production"), freeze.Environment("gone")} {
		book.set = append(book.set, freeze.Freeze{ID: resource, Resource: resource, By: owner.String(), Reason: "secret reason of " + resource})
	}
	for _, path := range []string{"/freezes", "/freezes?environment=production", "/freezes?environment=gone", "/freezes?environment=nowhere"} {
		thaw, set := w.ask(http.MethodDelete, path, secret), w.send(path, secret, because)
		if thaw.Code < 400 || set.Code < 400 || strings.Contains(thaw.Body.String(), "secret reason") {
			t.Errorf("%s: thaw %d, freeze %d", path, thaw.Code, set.Code)
		}
	}
	if thaw := w.ask(http.MethodDelete, "/freezes?environment=staging", narrow); thaw.Code != http.StatusNotFound { // it does not reach seeing the environment either
		t.Errorf("with a narrowed token: %d", thaw.Code)
	}
	list := w.ask(http.MethodGet, "/freezes", secret).Body.String()
	if !strings.Contains(list, "reason of server") || !strings.Contains(list, "environment/staging") || strings.Contains(list, "production") || strings.Contains(list, "gone") {
		t.Errorf("list: %s", list)
	}
	w.rule(teamYAML("x"), bindingYAML("b", owner.String(), "viewer", "environment/staging"))
	if thaw := w.ask(http.MethodDelete, "/freezes?environment=staging", secret); thaw.Code != http.StatusForbidden {
		t.Errorf("after the role is gone: %d", thaw.Code)
	}
	if len(book.changes) != 0 || len(book.set) != 4 {
		t.Errorf("done all the same: %+v", book.changes)
	}
	w.rule(teamYAML("x"), bindingYAML("b", owner.String(), "server-admin", "*"))
	for _, path := range []string{"/freezes", "/freezes?environment=production", "/freezes?environment=gone"} {
		if thaw := w.ask(http.MethodDelete, path, secret); thaw.Code != http.StatusOK {
			t.Errorf("a server admin, %s: %d %s", path, thaw.Code, thaw.Body)
		}
	}
}

// A frozen server is ready: it answers, and is thawed over its API. Strangers learn
// neither names nor reasons.
func TestReadinessSaysThatTheServerIsFrozen(t *testing.T) {
	t.Parallel()
	staging := freeze.Freeze{ID: "1", Resource: freeze.Environment("staging"), Reason: "a key leaked", By: "github:1"}
	other, server := staging, staging
	other.Resource, server.Resource = freeze.Environment("production"), freeze.Server
	for want, set := range map[string]freeze.Set{
		`"frozen":"frozen: one environment"`:  {staging},
		`"frozen":"frozen: 2 environments"`:   {staging, other},
		`"frozen":"frozen: the whole server"`: {staging, server},
		`{"parts":[],"status":"ready"}`:       nil,
	} {
		w, book := frozenWorld(t)
		book.set = set
		answer := httptest.NewRecorder()
		w.handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if body := answer.Body.String(); answer.Code != http.StatusOK || !strings.Contains(body, want) || strings.Contains(body, "leaked") || strings.Contains(body, "staging") {
			t.Errorf("%d %s, want %s", answer.Code, body, want)
		}
	}
	w, book := frozenWorld(t)
	book.broken = errors.New("no database")
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if !strings.Contains(answer.Body.String(), "cannot be read what is frozen") {
		t.Errorf("unread: %s", answer.Body)
	}
}

// Every page says that something is frozen: to whoever may see the environment by
// whom and why, with nothing of it for a browser to act on.
func TestEveryPageSaysWhatIsFrozen(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	book := w.api.options.API.Freezes.(*freezeBook)
	book.set = freeze.Set{
		{ID: "1", Resource: freeze.Environment("staging"), Reason: "<b>a key</b> leaked", By: "github:1", Login: "tom"},
		{ID: "2", Resource: freeze.Environment("production"), Reason: "something else", By: "github:1"},
	}
	for _, path := range []string{"/", "/deployments", "/deployments/" + runHere, "/deployments/" + runNone, "/tasks/" + string(here) + "/chain"} {
		answer, page := w.get(c, w.server.URL+path)
		if !strings.Contains(page, "<p>CoderFlow is frozen: 2 environments</p>\n<p>environment staging has been frozen by tom (github:1)") ||
			!strings.Contains(page, "&lt;b&gt;a key&lt;/b&gt; leaked") || strings.Contains(page, "something else") || strings.Contains(page, "<b>") {
			t.Errorf("%s: %d %s", path, answer.StatusCode, page)
		}
	}
	stranger := w.browser(nil)
	if _, page := w.get(stranger, w.server.URL+"/deployments"); !strings.Contains(page, "CoderFlow is frozen: 2 environments</p>") || strings.Contains(page, "leaked") {
		t.Errorf("a stranger: %s", page)
	}
}
