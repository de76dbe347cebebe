package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/token"
)

// A token is shown once, is its maker's, and does what they may.
func TestATokenIsMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	secret := w.token("k", person("2"), token.Scope{})
	answer := w.send("/tokens", secret, tokenBody{Name: "ci", Expires: "30m", Environments: []string{"staging"}, Permissions: []policy.Permission{policy.TasksView}})
	made := decoded[issuedView](t, answer)
	if answer.Code != http.StatusCreated || made.Owner != "github:2" || made.State != "active" || made.CreatedBy != "github:2" {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if value, err := token.Parse(made.Token); err != nil || w.tokens[value.Hash()].ID != made.ID {
		t.Errorf("the token that is shown is not the one that is kept: %v", err)
	}
	if len(w.made) != 1 || w.made[0].Using != "k" || w.made[0].Request != answer.Header().Get("X-Request-Id") {
		t.Errorf("audited is %+v", w.made)
	}
	if got := w.ask(http.MethodGet, "/tasks/"+string(here), made.Token); got.Code != http.StatusOK {
		t.Errorf("it does not work: %d", got.Code)
	}
	listed := w.ask(http.MethodGet, "/tokens", secret)
	if strings.Contains(listed.Body.String(), made.Token) || !strings.Contains(listed.Body.String(), made.ID) {
		t.Errorf("the list: %s", listed.Body)
	}
	for range 2 {
		if got := w.send("/tokens/"+made.ID+"/revoke", secret, ""); got.Code != http.StatusOK || decoded[issuedView](t, got).State != "revoked" {
			t.Errorf("revoke: %d %s", got.Code, got.Body)
		}
	}
	if len(w.ended) != 1 {
		t.Errorf("%d revocations audited", len(w.ended))
	}
	if got := w.ask(http.MethodGet, "/whoami", made.Token); got.Code != http.StatusUnauthorized {
		t.Errorf("after its end: %d", got.Code)
	}
	if strings.Contains(w.output.String(), made.Token) {
		t.Error("the token is in the log")
	}
}

// No token makes one that is more than itself, its owner, or what its maker can
// give; and none for another person.
func TestThreat49NoTokenMakesMoreThanItIs(t *testing.T) {
	t.Parallel()
	view, manage := policy.TasksView, policy.BindingsManage
	narrow := token.Scope{Permissions: []policy.Permission{view, manage}, Environments: []string{"staging"}}
	for name, c := range map[string]struct {
		who   string
		using token.Scope
		body  tokenBody
		want  int
	}{
		"own, as it is":                       {"3", token.Scope{}, tokenBody{}, 201},
		"own, narrowed":                       {"3", token.Scope{}, tokenBody{Permissions: []policy.Permission{view}}, 201},
		"more than one holds":                 {"3", token.Scope{}, tokenBody{Permissions: []policy.Permission{view, policy.TasksCancel}}, 403},
		"approval":                            {"2", token.Scope{}, tokenBody{Permissions: []policy.Permission{policy.TasksApprove}}, 400},
		"an environment that is not seen":     {"2", token.Scope{}, tokenBody{Environments: []string{"production"}}, 400},
		"an environment that is not there":    {"2", token.Scope{}, tokenBody{Environments: []string{"nowhere"}}, 400},
		"narrowed to nothing":                 {"2", token.Scope{}, tokenBody{Environments: []string{}}, 400},
		"wider than the narrowed one":         {"2", narrow, tokenBody{}, 403},
		"wider in environments":               {"1", narrow, tokenBody{Permissions: narrow.Permissions}, 403},
		"wider in permissions":                {"1", narrow, tokenBody{Permissions: []policy.Permission{view, policy.AuditView}, Environments: narrow.Environments}, 403},
		"as narrow":                           {"2", narrow, tokenBody{Permissions: narrow.Permissions, Environments: narrow.Environments}, 201},
		"one that outlives it":                {"2", token.Scope{}, tokenBody{Expires: "2h"}, 403},
		"one that never ends":                 {"2", token.Scope{}, tokenBody{Expires: "366d"}, 400},
		"for another person":                  {"1", token.Scope{}, tokenBody{Owner: "github:2"}, 403},
		"for another person, by a stranger":   {"99", token.Scope{}, tokenBody{Owner: "oidc:entra/x"}, 403},
		"for nobody":                          {"1", token.Scope{}, tokenBody{Owner: "x"}, 400},
		"a service's, by a server admin":      {"1", token.Scope{}, tokenBody{Owner: "service:any"}, 201},
		"a service's, by who could give it":   {"2", token.Scope{}, tokenBody{Owner: "service:ci"}, 201},
		"a service's, here and not there":     {"2", token.Scope{}, tokenBody{Owner: "service:ship"}, 201}, // narrowed to here, see below
		"a service's, there":                  {"2", token.Scope{}, tokenBody{Owner: "service:ship", Environments: []string{"production"}}, 403},
		"a service's, here and there":         {"2", token.Scope{}, tokenBody{Owner: "service:ship", Environments: []string{"staging", "production"}}, 403},
		"a service's, by a developer":         {"3", token.Scope{}, tokenBody{Owner: "service:ci"}, 403},
		"a service's, more than the maker is": {"7", token.Scope{}, tokenBody{Owner: "service:ci"}, 403},
		"a service's, as much as the maker":   {"7", token.Scope{}, tokenBody{Owner: "service:ci", Permissions: []policy.Permission{view}}, 201},
		"a service's, what it may get":        {"7", token.Scope{}, tokenBody{Owner: "service:bot", Permissions: []policy.Permission{view, policy.SecretsManage}}, 403},
		"a service's that holds nothing":      {"2", token.Scope{}, tokenBody{Owner: "service:later"}, 403},
		"a service's, for what it may get":    {"2", token.Scope{}, tokenBody{Owner: "service:later", Permissions: []policy.Permission{view}, Environments: []string{"staging"}}, 403},
		"a service's, with a narrowed token":  {"2", narrow, tokenBody{Owner: "service:ci"}, 403},
		"a service's, as narrow as the token": {"2", narrow, tokenBody{Owner: "service:ci", Permissions: []policy.Permission{view}}, 201},
		"a service's that outlives it":        {"1", token.Scope{}, tokenBody{Owner: "service:ci", Expires: "2h"}, 403},
	} {
		w := theHouse(t)
		c.body.Name = "t"
		if c.body.Expires == "" {
			c.body.Expires = "30m"
		}
		answer := w.send("/tokens", w.token("k", person(c.who), c.using), c.body)
		if answer.Code != c.want || len(w.made) != map[bool]int{true: 1}[c.want == 201] {
			t.Errorf("%s: %d, want %d: %s", name, answer.Code, c.want, answer.Body)
		}
	}
}

// What a service gets later is not in a token that somebody made who could not
// have given it.
func TestThreat49ATokenOfAServiceDoesNotGrow(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	made := decoded[issuedView](t, w.send("/tokens", w.token("k", person("2"), token.Scope{}), tokenBody{Name: "t", Expires: "30m", Owner: "service:ship"}))
	if fmt.Sprint(made.Environments) != "[staging]" || len(made.Permissions) == 0 {
		t.Fatalf("%+v", made)
	}
	if got := w.ask(http.MethodGet, "/tasks/"+string(there), made.Token); got.Code != http.StatusNotFound {
		t.Errorf("production: %d", got.Code)
	}
	w.merge(w.token("root", person("1"), token.Scope{}), bindingYAML("more", "service:ship", "definer", "server"),
		roleYAML("tasks", "tasks:cancel"), bindingYAML("more2", "service:ship", "tasks", "environment/staging"))
	if w.seq != 2 {
		t.Fatal("the service did not get more")
	}
	who := w.ask(http.MethodGet, "/whoami", made.Token)
	if text := who.Body.String(); who.Code != http.StatusOK || strings.Contains(text, "tasks:cancel") || strings.Contains(text, "server") {
		t.Errorf("%d %s", who.Code, text)
	}
}

// A token that a sign-in made may make a longer one; the person was there.
func TestASignInsTokenMakesALongerOne(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	secret := w.token("k", person("2"), token.Scope{})
	w.change("k", func(k *token.Token) { k.SignIn = true })
	if answer := w.send("/tokens", secret, tokenBody{Name: "t", Expires: "30d"}); answer.Code != http.StatusCreated {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func TestThreat49OthersTokensAreNotSeenAndNotRevoked(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	narrow := token.Scope{Permissions: []policy.Permission{policy.TasksView}}
	for id, of := range map[string]forge.Subject{"alices": person("3"), "bobs": person("2"), "cis": service("ci"), "ships": service("ship")} {
		w.token(id, of, token.Scope{})
	}
	staging := token.Scope{Environments: []string{"staging"}, Permissions: []policy.Permission{policy.TasksView}}
	w.token("ci-s", service("ci"), staging)
	w.token("bobs-n", person("2"), narrow)
	for name, c := range map[string]struct {
		secret string
		may    string // ids that it may revoke
	}{
		"alice":          {w.token("a", person("3"), token.Scope{}), "alices"},
		"bob":            {w.token("b", person("2"), token.Scope{}), "bobs bobs-n ci-s"},
		"bob, narrowed":  {w.token("bn", person("2"), narrow), "bobs-n"},
		"a stranger":     {w.token("s", person("99"), token.Scope{}), ""},
		"a server admin": {w.token("r", person("1"), token.Scope{}), "alices bobs bobs-n cis ci-s ships"},
	} {
		absent := w.send("/tokens/none/revoke", c.secret, "")
		for _, id := range strings.Fields("alices bobs bobs-n cis ci-s ships") {
			w.change(id, func(k *token.Token) { k.RevokedAt = time.Time{} })
			answer := w.send("/tokens/"+id+"/revoke", c.secret, "")
			if want := contains(c.may, id); (answer.Code == http.StatusOK) != want {
				t.Errorf("%s revokes %s: %d", name, id, answer.Code)
			} else if !want && !same(answer, absent) {
				t.Errorf("%s: %s is not like none: %s, %s", name, id, answer.Body, absent.Body)
			}
		}
	}
	for path, want := range map[string]string{"/tokens?owner=service:ci": "ci-s", "/tokens?owner=service:ship": "", "/tokens?owner=service:none": "", "/tokens": "b bobs bobs-n bn"} {
		var ids []string
		for _, k := range decoded[page[issuedView]](t, w.ask(http.MethodGet, path, w.secrets["b"].Reveal())).Items {
			ids = append(ids, k.ID)
		}
		for _, id := range ids {
			if !contains(want, id) {
				t.Errorf("%s lists %s", path, id)
			}
		}
		if len(ids) != len(strings.Fields(want)) {
			t.Errorf("%s lists %v, want %s", path, ids, want)
		}
	}
}

func TestTokensOfAnOwnerAreBounded(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	secret := w.token("k", person("2"), token.Scope{})
	for i := 1; i <= maxTokens; i++ {
		want := map[bool]int{true: http.StatusCreated, false: http.StatusConflict}[i < maxTokens]
		if answer := w.send("/tokens", secret, tokenBody{Name: "t", Expires: "10m"}); answer.Code != want {
			t.Fatalf("token %d: %d %s", i, answer.Code, answer.Body)
		}
	}
}

func contains(list, word string) bool {
	for _, w := range strings.Fields(list) {
		if w == word {
			return true
		}
	}
	return false
}
