package github_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// What was minted before is worth nothing at the forge afterwards, and nobody here
// gets it again; other repositories are left alone.
func TestRevokedTokensAreWorthNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	old, err := w.adapter.PushToken(t.Context(), w.ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.adapter.CheckCredential(t.Context(), w.ref, old.Value, false); err != nil {
		t.Fatalf("before: %v", err)
	}
	if err := w.adapter.RevokeTokens(t.Context(), func(ref forge.RepositoryRef) bool { return ref.Key() != w.ref.Key() }); err != nil {
		t.Fatal(err)
	}
	if same, err := w.adapter.PushToken(t.Context(), w.ref); err != nil || same.Value != old.Value {
		t.Errorf("a repository that is not covered got another token: %v", err)
	}
	if err := w.adapter.RevokeTokens(t.Context(), func(ref forge.RepositoryRef) bool { return ref.Key() == w.ref.Key() }); err != nil {
		t.Fatal(err)
	}
	if err := w.adapter.CheckCredential(t.Context(), w.ref, old.Value, false); err == nil {
		t.Error("the forge still takes the token")
	}
	if fresh, err := w.adapter.PushToken(t.Context(), w.ref); err != nil || fresh.Value == old.Value {
		t.Errorf("asked again: %v", err)
	}
	if _, err := w.adapter.Repository(t.Context(), w.ref); err != nil {
		t.Errorf("calls go on: %v", err)
	}
}

// A forge that does not answer is asked again, by whatever call comes next.
func TestATokenThatCouldNotBeRevokedIsNotForgotten(t *testing.T) {
	t.Parallel()
	const route = "DELETE /installation/token"
	s := newStub(t, map[string]http.HandlerFunc{route: reply(500, `{}`)})
	a := s.adapter(t)
	if _, err := a.ReadToken(t.Context(), stubRepo); err != nil {
		t.Fatal(err)
	}
	everything := func(forge.RepositoryRef) bool { return true }
	err := a.RevokeTokens(t.Context(), everything)
	if err == nil || strings.Contains(err.Error(), "ghs_") {
		t.Errorf("got %v", err)
	}
	s.set(route, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if err := a.RevokeTokens(t.Context(), func(forge.RepositoryRef) bool { return false }); err != nil {
		t.Error(err)
	}
	if err := a.RevokeTokens(t.Context(), everything); err != nil {
		t.Error(err)
	}
	asked := s.to(route)
	if len(asked) != 2 || asked[0].auth != asked[1].auth || asked[1].auth != "Bearer ghs_topsecret1" {
		t.Errorf("revoked %+v", asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.ReadToken(t.Context(), stubRepo); err != nil {
		t.Fatal(err)
	}
	if err := a.RevokeTokens(ctx, everything); err == nil {
		t.Error("nobody was asked, and no error")
	}
}
