package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/token"
)

// same reports whether two answers differ in the request's id alone.
func same(a, b *httptest.ResponseRecorder) bool {
	text := func(r *httptest.ResponseRecorder) string {
		return strings.ReplaceAll(r.Body.String(), r.Header().Get("X-Request-Id"), "ID")
	}
	return a.Code == b.Code && text(a) == text(b)
}

func TestTheChangeIsShownBeforeItIsMade(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	secret := w.token("k", person("2"), token.Scope{})
	body := changeBody{
		Mode: modeMerge, DryRun: true, Delete: namedKeys("binding", "alice"),
		Files: named(bindingYAML("new", "github:9", "viewer", "environment/staging"), strings.Replace(environmentYAML("staging"), "only for", "just for", 1)),
	}
	for i, dry := range []bool{true, true, false, false} {
		body.DryRun = dry
		answer := w.send("/manifests", secret, body)
		if i == 3 { // the binding is gone
			if answer.Code != http.StatusUnprocessableEntity {
				t.Errorf("again: %d %s", answer.Code, answer.Body)
			}
			break
		}
		got := decoded[changedView](t, answer)
		if answer.Code != http.StatusOK || got.Applied == dry || len(got.Changes) != 3 || !got.Decision.Allowed {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		for _, c := range got.Changes {
			if c.Kind == "Environment" && (c.Action != "change" || c.Diff[0] != "spec.description: only for staging → just for staging") {
				t.Errorf("%+v", c)
			}
		}
	}
	history := decoded[page[applicationView]](t, w.ask(http.MethodGet, "/manifests/history?limit=1", secret))
	if len(history.Items) != 1 || history.Items[0].AppliedBy != "github:2" || history.Cursor != "2" {
		t.Errorf("%+v", history)
	}
	if last := decoded[page[applicationView]](t, w.ask(http.MethodGet, "/manifests/history?cursor=2", secret)); len(last.Items) != 1 || last.Cursor != "" {
		t.Errorf("%+v", last)
	}
}

// Of two changes that were decided on at once one is made; the other is told, and
// nothing of the first is lost.
func TestOfTwoChangesAtOnceOneWins(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	var meet sync.WaitGroup
	meet.Add(2)
	w.ruleBook.before = func() {
		meet.Done()
		meet.Wait()
	}
	var answers [2]*httptest.ResponseRecorder
	secrets := []string{w.token("b", person("2"), token.Scope{}), w.token("d", person("5"), token.Scope{})}
	give := []string{bindingYAML("s", "github:8", "viewer", "environment/staging"), bindingYAML("p", "github:8", "viewer", "environment/production")}
	var both sync.WaitGroup
	for i := range answers {
		both.Go(func() { answers[i] = w.merge(secrets[i], give[i]) })
	}
	both.Wait()
	won := 0
	for i, answer := range answers {
		if answer.Code == http.StatusOK {
			won++
			continue
		}
		if answer.Code != http.StatusConflict {
			t.Errorf("the other: %d %s", answer.Code, answer.Body)
		}
		w.ruleBook.before = nil
		if again := w.merge(secrets[i], give[i]); again.Code != http.StatusOK || len(w.set.Bindings) != 14 {
			t.Errorf("again: %d %s", again.Code, again.Body)
		}
	}
	if won != 1 || w.seq != 3 {
		t.Errorf("%d won, %d applications", won, w.seq)
	}
}

func TestAnotherVersionThanExpectedIsAConflict(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	secret := w.token("k", person("1"), token.Scope{})
	body := changeBody{Mode: modeMerge, Files: named(bindingYAML("new", "github:9", "viewer", "environment/staging"))}
	for _, version := range []string{"none", "sha256:0", ""} {
		body.IfVersion = version
		want := map[bool]int{true: http.StatusOK, false: http.StatusConflict}[version == ""]
		if answer := w.send("/manifests", secret, body); answer.Code != want {
			t.Errorf("%q: %d %s", version, answer.Code, answer.Body)
		}
	}
	body.IfVersion, body.Delete, body.Files = w.set.Version, namedKeys("binding", "new"), nil
	if answer := w.send("/manifests", secret, body); answer.Code != http.StatusOK || w.seq != 3 {
		t.Errorf("the expected one: %d %s", answer.Code, answer.Body)
	}
}

// Hostile manifests cost little and come back as text that nothing acts on.
func TestThreat5HostileManifestsAreRefused(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	secret := w.token("k", person("1"), token.Scope{})
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := byte('b'); i < 'k'; i++ {
		bomb += string(i) + ": &" + string(i) + " [" + strings.Repeat("*"+string(i-1)+",", 9) + "*" + string(i-1) + "]\n"
	}
	started := time.Now()
	for name, c := range map[string]struct {
		body any
		want int
	}{
		"over a mebibyte":     {changeBody{Files: named(strings.Repeat("x", maxManifests))}, 413},
		"aliases":             {changeBody{Files: named(bomb)}, 422},
		"depth":               {changeBody{Files: named(strings.Repeat("[", 10_000))}, 422},
		"a large file":        {changeBody{Files: named(strings.Repeat("a: b\n", 60_000))}, 422},
		"not text":            {changeBody{Files: named("a: \x00")}, 422},
		"an unknown key":      {`{"files":{"a":"b"},"force":true}`, 400},
		"a key twice":         {`{"dryRun":true,"files":{"a":"b"},"dryRun":false}`, 400},
		"a file twice":        {`{"files":{"a":"b","a":"c"}}`, 400},
		"a deep body":         {`{"files":` + strings.Repeat("[", 100_000), 400},
		"a key in capitals":   {`{"DRYRUN":true,"files":{"a":"b"}}`, 400},
		"another type":        {`{"files":["b"]}`, 400},
		"a mode":              {`{"files":{"a":"b"},"mode":"force"}`, 400},
		"delete and replace":  {`{"files":{"a":"b"},"delete":[{"kind":"team","name":"x"}]}`, 400},
		"no body":             {"", 400},
		"null":                {"null", 400},
		"two bodies":          {`{"files":{"a":"b"}}{}`, 400},
		"a file's name":       {changeBody{Files: map[string]string{"a\u202eb": "x"}}, 400},
		"a name like ours":    {changeBody{Files: map[string]string{"in force: Team x": "x"}}, 400},
		"what is not serving": {changeBody{Mode: modeMerge, Files: named(strings.Replace(environmentYAML("staging"), "only for", "unserved", 1))}, 422},
	} {
		if answer := w.send("/manifests", secret, c.body); answer.Code != c.want {
			t.Errorf("%s: %d, want %d: %.300s", name, answer.Code, c.want, answer.Body)
		}
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if w.seq != 1 {
		t.Error("something was put in force")
	}
}

func TestThreat39ControlCharactersInManifestsAreEscaped(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	secret := w.token("k", person("1"), token.Scope{})
	evil := `\e[31m\u202egnp\u200b`
	mistaken := w.merge(secret, "apiVersion: coderflow.dev/v1\nkind: Role\nmetadata: {name: \""+evil+"\"}\nspec: {permissions: [\""+evil+"\"]}\n",
		"apiVersion: coderflow.dev/v1\nkind: \"x\u202ey\"\n")
	changed := w.merge(secret, strings.Replace(environmentYAML("staging"), `command: ["true"]`, `command: ["true", "`+evil+`"]`, 1))
	if mistaken.Code != http.StatusUnprocessableEntity || changed.Code != http.StatusOK && changed.Code != http.StatusUnprocessableEntity {
		t.Errorf("%d %s, %d %s", mistaken.Code, mistaken.Body, changed.Code, changed.Body)
	}
	for _, answer := range []*httptest.ResponseRecorder{mistaken, changed} {
		if strings.ContainsAny(answer.Body.String(), "\x1b\u202e\u200b") || strings.Contains(answer.Body.String(), `\u001b[`) {
			t.Errorf("%s", answer.Body)
		}
	}
}

// The forge is asked about logins for those who could use the answer, within
// bounds, and what is wrong with it is not told.
func TestLoginsAreLookedUpWithinBounds(t *testing.T) {
	t.Parallel()
	w := theHouse(t)
	w.logins = map[string]forge.User{"octocat": {Subject: person("583231"), Login: "octocat", Kind: forge.Person}}
	at := func(login string) string {
		return bindingYAML("new-"+login, "github:@"+login, "viewer", "environment/staging")
	}
	bob, alice := w.token("b", person("2"), token.Scope{}), w.token("a", person("3"), token.Scope{})
	if answer := w.merge(bob, at("octocat")); answer.Code != http.StatusOK || !strings.Contains(string(w.set.Canonical()), "github:583231 (octocat)") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if answer := w.merge(bob, at("nobody")); answer.Code != 422 || !strings.Contains(answer.Body.String(), "there is no account @nobody") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if answer := w.merge(bob, at("down")); answer.Code != 422 || strings.Contains(answer.Body.String(), "hunter2") || strings.Contains(answer.Body.String(), "10.0.0.1") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if answer := w.merge(alice, at("octocat")); answer.Code != 422 || !strings.Contains(answer.Body.String(), "looked up only for those who manage") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	var many []string
	for i := range maxLookups + 1 {
		many = append(many, at("u"+strings.Repeat("x", i%40)+string(rune('a'+i/40))))
	}
	if answer := w.merge(bob, many...); answer.Code != 422 || !strings.Contains(answer.Body.String(), "at most 50 names") {
		t.Errorf("%d %.300s", answer.Code, answer.Body)
	}
}
