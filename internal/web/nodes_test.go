package web

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// nodeBook is one worker, "runner-1", and two that are called "twin".
type nodeBook struct{}

func (nodeBook) Nodes(context.Context) ([]NodeStatus, error) {
	return []NodeStatus{{Node: node.Node{ID: "k3j2h1g0f9d8", Name: "runner-1", Slots: 2, Labels: []string{"gpu"}}, Running: 1, Tasks: 3}}, nil
}

func (nodeBook) Line(context.Context, task.ID) (task.InLine, error) {
	return task.InLine{Place: 2, Waiting: 5, Why: "full"}, nil
}

func (b nodeBook) Drain(ctx context.Context, c NodeChange) (NodeStatus, error) {
	all, _ := b.Nodes(ctx)
	n := all[0]
	n.DrainedAt = c.When
	switch c.Node {
	case n.ID, n.Name:
		return n, nil
	case "twin":
		return n, ErrManyNodes
	}
	return n, task.ErrNotFound
}

func (b nodeBook) Resume(ctx context.Context, c NodeChange) (NodeStatus, error) {
	n, err := b.Drain(ctx, c)
	n.DrainedAt = n.StartedAt
	return n, err
}

func (nodeBook) Forget(context.Context, NodeChange) (NodeStatus, error) {
	return NodeStatus{}, ErrNodeLives
}

func TestNodesAreListedAndDrained(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, policy.Binding{Name: "b", Subject: owner, Role: "server-admin", Resource: "*"})
	secret := w.token("k", owner, token.Scope{})
	for _, tt := range []struct {
		method, path string
		status       int
		want         string
	}{
		{http.MethodGet, "/nodes", http.StatusOK, `"name":"runner-1","state":"ready","labels":["gpu"],"serves":false,"slots":2,"running":1,"tasks":3`},
		{http.MethodPost, "/nodes/runner-1/drain", http.StatusOK, `"state":"draining"`},
		{http.MethodPost, "/nodes/k3j2h1g0f9d8/resume", http.StatusOK, `"state":"ready"`},
		{http.MethodPost, "/nodes/nobody/drain", http.StatusNotFound, "there is no such node"},
		{http.MethodPost, "/nodes/twin/drain", http.StatusConflict, "several nodes have that name"},
		{http.MethodDelete, "/nodes/runner-1", http.StatusConflict, "the node is not lost"},
	} {
		answer := w.ask(tt.method, tt.path, secret)
		if answer.Code != tt.status || !strings.Contains(answer.Body.String(), tt.want) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, answer.Code, answer.Body)
		}
	}
}

func TestATaskThatWaitsShowsItsPlaceInLine(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, policy.Binding{Name: "b", Subject: owner, Role: "viewer", Resource: "*"})
	secret := w.token("k", owner, token.Scope{})
	if body := w.ask(http.MethodGet, "/tasks/"+string(here), secret).Body.String(); strings.Contains(body, `"line"`) {
		t.Errorf("one that runs: %s", body)
	}
	w.tasks[0].State = task.Queued
	w.tasks[1].State = task.Queued
	if body := w.ask(http.MethodGet, "/tasks/"+string(here), secret).Body.String(); !strings.Contains(body, `"line":{"place":2,"waiting":5,"why":"full"}`) {
		t.Errorf("one that waits: %s", body)
	}
}
