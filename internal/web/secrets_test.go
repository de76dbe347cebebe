package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

func (w *apiWorld) StoredSecrets(_ context.Context, environment string) ([]StoredSecret, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.stored), func(s StoredSecret) bool { return s.Environment != environment }), nil
}

func (w *apiWorld) SetSecret(_ context.Context, c SecretChange, _ []byte) (StoredSecret, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := StoredSecret{Slot: c.Slot, Version: 1, SetAt: c.When, SetBy: c.By.String()}
	w.stored = append(w.stored, s)
	return s, nil
}

func (w *apiWorld) RemoveSecret(_ context.Context, c SecretChange) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.stored)
	if w.stored = slices.DeleteFunc(w.stored, func(s StoredSecret) bool { return s.Slot == c.Slot }); len(w.stored) == before {
		return task.ErrNotFound
	}
	return nil
}

// Secrets go in and never out, for whoever manages those of the environment, with
// a token that reaches it.
func TestThreat53SecretsGoInAndNeverOut(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, policy.Binding{Name: "b", Subject: owner, Role: "environment-admin", Resource: "environment/staging"})
	mine := w.token("k", owner, token.Scope{})
	narrow := w.token("n", owner, token.Scope{Permissions: []policy.Permission{policy.TasksView, policy.EnvironmentsView}})
	const value = "correct horse battery staple"
	key := newSecretBody{Context: "deploy", Name: "KEY", Content: []byte(value)}
	for name, c := range map[string]struct {
		path, secret string
		body         any
		want         int
	}{
		"other environment": {"/secrets?environment=production", mine, key, 404},
		"no environment":    {"/secrets", mine, key, 400},
		"a narrowed token":  {"/secrets?environment=staging", narrow, key, 403},
		"a path":            {"/secrets?environment=staging", mine, newSecretBody{Context: "deploy", Name: "../x", Content: []byte(value)}, 400},
		"a context":         {"/secrets?environment=staging", mine, newSecretBody{Context: "all", Name: "KEY", Content: []byte(value)}, 400},
		"short":             {"/secrets?environment=staging", mine, newSecretBody{Context: "deploy", Name: "KEY", Content: []byte("1234567")}, 400},
		"long":              {"/secrets?environment=staging", mine, newSecretBody{Context: "deploy", Name: "KEY", Content: []byte(strings.Repeat("x", 17<<10))}, 400},
		"not base64":        {"/secrets?environment=staging", mine, `{"context":"deploy","name":"KEY","content":"!"}`, 400},
	} {
		if got := w.send(c.path, c.secret, c.body); got.Code != c.want || strings.Contains(got.Body.String(), value) {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	if len(w.stored) != 0 {
		t.Fatalf("stored: %+v", w.stored)
	}
	shown := w.send("/secrets?environment=staging", mine, key).Body.String()
	list := w.ask(http.MethodGet, "/secrets", mine)
	shown += list.Body.String() + w.output.String()
	if len(w.stored) != 1 || list.Code != 200 || !strings.Contains(shown, `"name":"KEY"`) || strings.Contains(shown, value) || strings.Contains(shown, "Y29ycmVjdCBob3Jz") {
		t.Errorf("%s", shown)
	}
	remove := secretBody{Context: "deploy", Name: "KEY"}
	for _, want := range []int{200, 404} {
		if got := w.send("/secrets/remove?environment=staging", mine, remove); got.Code != want {
			t.Errorf("remove: %d %s", got.Code, got.Body)
		}
	}
}
