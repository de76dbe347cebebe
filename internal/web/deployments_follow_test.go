package web

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
)

// followed reads the events of a page until one has the text, or they end.
func (w *signInWorld) followed(c *http.Client, path string, then map[string]func()) (all string) {
	w.t.Helper()
	answer, err := c.Get(w.server.URL + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream" {
		return kind
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		all += lines.Text() + "\n"
		for text, act := range then {
			if strings.Contains(lines.Text(), text) {
				act()
			}
		}
	}
	return all
}

func TestADeploymentIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.mu.Lock()
	run := &w.api.runs[0]
	run.State, run.FinishedAt = deploy.Running, time.Time{}
	w.api.log = []byte("first\n\x1b[31m<b>half")
	w.api.mu.Unlock()
	all := w.followed(c, "/deployments/"+runHere+"/live?show=log&from=0", map[string]func(){"<div>first</div>": func() {
		w.api.mu.Lock()
		defer w.api.mu.Unlock()
		w.api.log = append(w.api.log, " a line</b>\n"...)
		w.api.runs[0].State = deploy.Succeeded
	}})
	for _, want := range []string{"id: 6\n", "&lt;b&gt;half a line&lt;/b&gt;", "event: changed", "event: end"} {
		if !strings.Contains(all, want) {
			t.Errorf("the events lack %q: %s", want, all)
		}
	}
	if strings.Contains(all, "\x1b") || strings.Contains(all, "<b>") {
		t.Errorf("output acts on the page: %q", all)
	}
}

func TestThreat49WhoMaySeeADeploymentNoMoreFollowsItNoMore(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.mu.Lock()
	run := &w.api.runs[0]
	run.State, run.FinishedAt = deploy.Running, time.Time{}
	w.api.mu.Unlock()
	all := w.followed(c, "/deployments/"+runHere+"/live?show=log&from=0", map[string]func(){"<div>second</div>": func() {
		w.api.rule(bindingYAML("b", "github:99", "viewer", "environment/staging"))
		w.api.mu.Lock()
		defer w.api.mu.Unlock()
		w.api.log = append(w.api.log, "confidential\n"...)
	}})
	if strings.Contains(all, "confidential") || !strings.Contains(all, "second") {
		t.Errorf("followed %s", all)
	}
	for _, id := range []string{runThere, runNone} {
		if kind := w.followed(c, "/deployments/"+id+"/live?show=log", nil); strings.Contains(kind, "event-stream") {
			t.Errorf("%s can be followed", id)
		}
	}
}
