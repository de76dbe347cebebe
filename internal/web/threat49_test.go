package web

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/token"
)

var countsRemoved = regexp.MustCompile(`[0-9]+ objects`)

func namedKeys(kind, name string) []manifest.Key { return []manifest.Key{{Kind: kind, Name: name}} }

func person(id string) forge.Subject { return forge.Subject{Host: forge.GitHub, ID: id} }

func service(name string) forge.Subject { return forge.Subject{Host: forge.Service, ID: name} }

// theHouse: 1 is server admin, 2 environment-admin of staging, 3 a developer
// there and in the team builders, 4 leads that team, 5 environment-admin of
// production, 6 defines roles; service:ci is a developer in staging, service:ship
// in both.
func theHouse(t *testing.T) *apiWorld {
	return newRuledWorld(t,
		bindingYAML("root", "github:1", "server-admin", "*"), bindingYAML("bob", "github:2", "environment-admin", "environment/staging"),
		bindingYAML("alice", "github:3", "developer", "environment/staging"), bindingYAML("carol", "github:4", "team-admin", "team/builders"),
		bindingYAML("dan", "github:5", "environment-admin", "environment/production"), bindingYAML("erin", "github:6", "definer", "server"),
		bindingYAML("ci", "service:ci", "developer", "environment/staging"), bindingYAML("ship-s", "service:ship", "developer", "environment/staging"),
		bindingYAML("ship-p", "service:ship", "viewer", "environment/production"), bindingYAML("bot", "service:bot", "narrow", "environment/staging"),
		bindingYAML("fay", "github:7", "narrow", "environment/staging"), bindingYAML("builders", "team:builders", "developer", "environment/production"),
		teamYAML("builders", "github:3"), roleYAML("definer", "roles:manage"), roleYAML("narrow", "tasks:view", "environments:view", "bindings:manage"))
}

// Nobody gets more by changing manifests, whole or in part; nothing is in force
// afterwards, the attempt is in the audit log, and the answer names what is missing.
func TestThreat49NobodyGrantsThemselvesMoreThroughTheAPI(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who, give string
		says      []string
	}{
		"oneself a role": {"3", bindingYAML("me", "github:3", "environment-admin", "environment/staging"),
			[]string{`bindings:manage`, `in environment \"staging\"`, `an environment-admin of staging (github:2) or a server-admin (github:1) can grant it`}},
		"server-admin by an environment-admin": {"2", bindingYAML("me", "github:2", "server-admin", "*"), []string{"server-admin (github:1)"}},
		"more than one holds":                  {"7", bindingYAML("me", "github:7", "environment-admin", "environment/staging"), []string{"tasks:approve"}},
		"a wider bound role":                   {"6", roleYAML("narrow", "tasks:view", "bindings:manage", "secrets:manage"), []string{`role \"narrow\"`, "secrets:manage"}},
		"a wider own role":                     {"6", roleYAML("definer", "roles:manage", "server:manage"), []string{`role \"definer\"`}},
		"oneself into a team":                  {"2", teamYAML("builders", "github:3", "github:2"), []string{`team \"builders\"`, "teams:manage"}},
		"a team-admin a member": {"4", teamYAML("builders", "github:3", "github:4"),
			[]string{`team \"builders\"`, "role \\\"developer\\\" on environment/production"}},
		"a repository of another's environment": {"2", strings.Replace(environmentYAML("staging"), "id: 1", "id: 2", 1) + "---\n" + environmentYAML("third"),
			[]string{`environment \"third\"`, "environments:manage"}},
		"a stranger anything": {"99", bindingYAML("me", "github:99", "definer", "server"), []string{"bindings:manage"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := theHouse(t)
			secret, before := w.token("k", person(c.who), token.Scope{}), w.set.Version
			answer := w.merge(secret, c.give)
			if answer.Code != http.StatusForbidden || w.set.Version != before || w.seq != 1 {
				t.Fatalf("%d, version %d: %s", answer.Code, w.seq, answer.Body)
			}
			for _, text := range c.says {
				if !strings.Contains(answer.Body.String(), text) {
					t.Errorf("the refusal does not say %q: %s", text, answer.Body)
				}
			}
			if len(w.refusal) != 1 || w.refusal[0].By != "github:"+c.who || len(w.refusal[0].Refusals) == 0 || w.refusal[0].Token != "k" {
				t.Errorf("audited is %+v", w.refusal)
			}
			dry := w.send("/manifests", secret, changeBody{Mode: modeMerge, DryRun: true, Files: named(c.give)})
			if dry.Code != http.StatusForbidden || len(w.refusal) != 1 {
				t.Errorf("a dry run: %d, %d audited", dry.Code, len(w.refusal))
			}
		})
	}
}

// What each may do, they may: otherwise the tests above would show nothing.
func TestWhoMayChangesManifests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ who, give string }{
		"an environment-admin binds":      {"2", bindingYAML("new", "github:9", "developer", "environment/staging")},
		"an environment-admin configures": {"2", strings.Replace(environmentYAML("staging"), "only for", "still for", 1)},
		"a server admin defines a role":   {"1", roleYAML("mine", "tasks:approve")},
		"a server admin makes another":    {"1", bindingYAML("new", "github:9", "server-admin", "*")},
		"a small manager passes it on":    {"7", bindingYAML("new", "github:9", "narrow", "environment/staging")},
	} {
		w := theHouse(t)
		answer := w.merge(w.token("k", person(c.who), token.Scope{}), c.give)
		done := decoded[changedView](t, answer)
		if answer.Code != http.StatusOK || !done.Applied || len(done.Changes) != 1 || done.Hidden != 0 || w.seq != 2 || done.Version != w.set.Version {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
}

// Of another environment nobody learns anything by trying to change it: what is
// there and what is not get the same answer.
func TestThreat49ChangesOfAnotherEnvironmentAreLikeOnesOfNone(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	mine := strings.Replace(environmentYAML("ENV"), "only for", "somebody's", 1)
	for _, who := range []string{"2", "7", "99"} {
		secret := w.token("k"+who, person(who), token.Scope{})
		for name, body := range map[string]changeBody{
			"a binding":           {Mode: modeMerge, Files: named(bindingYAML("x", "github:9", "viewer", "environment/ENV"))},
			"itself":              {Mode: modeMerge, Files: named(mine)},
			"a profile":           {Mode: modeMerge, Files: named("apiVersion: coderflow.dev/v1\nkind: DeploymentProfile\nmetadata: {name: p, environment: ENV}\nspec: {script: \"true\"}\n")},
			"its team":            {Mode: modeMerge, Files: named(bindingYAML("x", "team:builders", "viewer", "environment/ENV"))},
			"its deletion":        {Mode: modeMerge, Delete: namedKeys("environment", "ENV")},
			"instead of all":      {Files: named(mine)},
			"a binding, of all":   {Files: named(mine, bindingYAML("x", "github:9", "viewer", "environment/ENV"))},
			"its binding, of all": {Files: named(mine, bindingYAML("dan", "github:9", "viewer", "environment/ENV"))},
		} {
			var texts [2]string
			for i, environment := range []string{"production", "elsewhere"} {
				b := body
				b.Files, b.Delete = map[string]string{}, nil
				for file, text := range body.Files {
					b.Files[file] = strings.ReplaceAll(text, "ENV", environment)
				}
				for _, key := range body.Delete {
					key.Name = strings.ReplaceAll(key.Name, "ENV", environment)
					b.Delete = append(b.Delete, key)
				}
				answer := w.send("/manifests", secret, b)
				if answer.Code < 400 {
					t.Fatalf("%s by %s: %d %s", name, who, answer.Code, answer.Body)
				}
				text := strings.ReplaceAll(answer.Body.String(), answer.Header().Get("X-Request-Id"), "ID")
				texts[i] = strings.ReplaceAll(text, environment, "ENV")
				if strings.Contains(text, "github:5") || strings.Contains(text, "only for production") {
					t.Errorf("%s by %s gives away production: %s", name, who, text)
				}
			}
			if counts := countsRemoved.ReplaceAllString(texts[0], "N objects"); counts != countsRemoved.ReplaceAllString(texts[1], "N objects") {
				t.Errorf("%s by %s: of production\n%s\nof none\n%s", name, who, texts[0], texts[1])
			}
		}
	}
	if w.seq != 1 {
		t.Error("something was put in force")
	}
}

// Replacing everything tells nothing of what is removed, and does not remove it.
func TestThreat49ReplacingDoesNotTellWhatWasThere(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	secret := w.token("k", person("2"), token.Scope{})
	answer := w.send("/manifests", secret, changeBody{Files: named(bindingYAML("mine", "github:2", "server-admin", "*"))})
	if answer.Code != http.StatusForbidden || w.seq != 1 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	for _, hidden := range []string{"production", "dan", "ship-p", "builders", "github:5", "erin"} {
		if strings.Contains(answer.Body.String(), `\"`+hidden) || strings.Contains(answer.Body.String(), "github:5") {
			t.Errorf("the refusal names %q: %s", hidden, answer.Body)
		}
	}
	if !strings.Contains(answer.Body.String(), "objects in force that you may not see would be removed") {
		t.Errorf("%s", answer.Body)
	}
}

func TestThreat49TheLastServerAdminStays(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	secret := w.token("k", person("1"), token.Scope{})
	for name, body := range map[string]changeBody{
		"deleted":  {Mode: modeMerge, Delete: namedKeys("binding", "root")},
		"lowered":  {Mode: modeMerge, Files: named(bindingYAML("root", "github:1", "viewer", "environment/staging"))},
		"replaced": {Files: named(environmentYAML("staging"))},
	} {
		answer := w.send("/manifests", secret, body)
		if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), "nobody would be a server admin") || w.seq != 1 {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
	if answer := w.send("/manifests", secret, `{"mode":"replace","files":{}}`); answer.Code != http.StatusBadRequest || w.seq != 1 {
		t.Errorf("nothing in the place of everything: %d %s", answer.Code, answer.Body)
	}
}

func TestThreat49ANarrowedTokenChangesNoManifests(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	for name, scope := range map[string]token.Scope{
		"by permission":  {Permissions: []policy.Permission{policy.BindingsManage}},
		"by environment": {Environments: []string{"staging"}},
	} {
		answer := w.merge(w.token(name, person("1"), scope), bindingYAML("new", "github:9", "viewer", "environment/staging"))
		if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), "narrowed") || w.seq != 1 {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
}

// What is in force is shown to each as far as they see it, and what it shows is
// the same as what YAML and JSON say.
func TestThreat49ManifestsAreShownAsFarAsSomebodySees(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	for who, want := range map[string]struct {
		complete     bool
		shows, hides []string
	}{
		"1":  {true, []string{"only for production", "root", "erin", "definer"}, nil},
		"2":  {false, []string{"only for staging", "name: bob", "name: alice", "name: fay", "definer"}, []string{"production", "name: root", "name: dan", "name: builders", "github:5"}},
		"3":  {false, []string{"only for staging", "name: alice", "name: builders", "only for production"}, []string{"name: bob", "name: dan", "github:5"}},
		"4":  {false, []string{"name: builders", "name: carol"}, []string{"staging", "production", "name: bob"}},
		"99": {false, nil, []string{"name:"}},
	} {
		answer := w.ask(http.MethodGet, "/manifests", w.token("k"+who, person(who), token.Scope{}))
		got := decoded[manifestsView](t, answer)
		if answer.Code != http.StatusOK || got.Complete != want.complete || got.Version != w.set.Version {
			t.Errorf("%s: %d %t %s", who, answer.Code, got.Complete, got.Version)
		}
		for _, text := range want.shows {
			if !strings.Contains(got.YAML, text) {
				t.Errorf("%s does not see %q:\n%s", who, text, got.YAML)
			}
		}
		for _, text := range want.hides {
			if strings.Contains(answer.Body.String(), text) {
				t.Errorf("%s sees %q:\n%s", who, text, got.YAML)
			}
		}
		if n := strings.Count(got.YAML, "apiVersion:"); n != len(got.Items) {
			t.Errorf("%s: %d documents and %d items", who, n, len(got.Items))
		}
	}
	narrowed := w.token("narrowed", person("1"), token.Scope{Environments: []string{"staging"}})
	if answer := w.ask(http.MethodGet, "/manifests", narrowed); strings.Contains(answer.Body.String(), "production") || !strings.Contains(answer.Body.String(), "only for staging") {
		t.Errorf("a token narrowed to staging sees %s", answer.Body)
	}
}
