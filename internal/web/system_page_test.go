package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// sickbay is a server's own state, for the system page.
type sickbay struct {
	now    time.Time
	broken error
}

func (b *sickbay) Diagnose(context.Context) (Diagnosis, error) {
	return Diagnosis{At: b.now, Findings: []Symptom{{Check: "database", Level: "ok", Said: "it is there"}, {"disk", "problem", "<b>full</b>", "tasks fail", "make room"}}}, b.broken
}

func (b *sickbay) Jobs(context.Context) ([]queue.Count, error) {
	return []queue.Count{{Queue: "node_a", State: "available", Jobs: 3}}, b.broken
}

func (b *sickbay) Held(context.Context) (Holdings, error) {
	return Holdings{Node: "a", Free: 5 << 30, Size: 10 << 30, Things: []Holding{{Kind: "container", Name: "coderflow-a-x", State: "running", Task: string(here)}}}, b.broken
}

func (b *sickbay) TasksByState(context.Context, []string) (map[task.State]int, error) {
	return map[task.State]int{task.Running: 2, task.Done: 9998}, b.broken
}

func (b *sickbay) UsageByDay(_ context.Context, environment string, since time.Time) ([]task.DayUsage, error) {
	if environment == "staging" {
		return nil, b.broken
	}
	return []task.DayUsage{
		{Day: since.Format(time.DateOnly), Tasks: 1, Requests: 2, Tokens: 1_500_000, Cost: 2_345_678},
		{Day: b.now.Format(time.DateOnly), Tasks: 7, Requests: 20, Tokens: 12_000_000, Cost: 61_000_000},
	}, b.broken
}

func TestTheSystemIsShownToWhoeverLooksAfterIt(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	desk := &sickbay{now: time.Now().UTC()}
	w.parts.System = desk
	for _, path := range []string{"/system", "/system/diagnosis"} {
		if answer, page := w.get(c, w.server.URL+path); answer.StatusCode != http.StatusForbidden || strings.Contains(page, "node_a") || strings.Contains(page, "full") {
			t.Errorf("%s for a viewer: %d %s", path, answer.StatusCode, page)
		}
	}
	w.api.rule(bindingYAML("b", "oidc:own/alice", "server-admin", "*"))
	w.api.options.API.Freezes.(*freezeBook).set = freeze.Set{{ID: "1", Resource: freeze.Environment("staging"), Reason: "a <b>key</b>", By: "github:1", Login: "tom"}}
	answer, page := w.get(c, w.server.URL+"/system")
	for _, want := range []string{
		"$63.35", "13\u202f500\u202f000 tokens", "8 new tasks", "node_a", "5.0 GiB of 10.0 GiB free", "9\u202f998", "coderflow-a-x", "a &lt;b&gt;key&lt;/b&gt;",
		desk.now.Format(time.DateOnly) + ": $61.00", "20 M",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if answer.StatusCode != http.StatusOK || scripted(page) || strings.Contains(page, "style=") || strings.Count(page, "<rect") != 1+3*daysOnPage {
		t.Errorf("%d, %d bars", answer.StatusCode, strings.Count(page, "<rect"))
	}
	if _, page := w.get(c, w.server.URL+"/system/diagnosis"); !strings.Contains(page, "&lt;b&gt;full&lt;/b&gt;") || !strings.Contains(page, "What to do: make room") {
		t.Errorf("%s", page)
	}
	if _, page := w.get(c, w.server.URL+"/system?environment=staging"); !strings.Contains(page, "Nothing was asked for on these days") {
		t.Errorf("%s", page)
	}
	desk.broken = errors.New("hush")
	answer, page = w.get(c, w.server.URL+"/system")
	if answer.StatusCode != http.StatusOK || !strings.Contains(page, "Could not be read: spending, queues, tasks, containers") || strings.Contains(page, "hush") {
		t.Errorf("%d %s", answer.StatusCode, page)
	}
}
