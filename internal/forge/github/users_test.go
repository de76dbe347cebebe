package github_test

import (
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func TestUserIsFoundByLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	for range 2 { // without a token, then with a repository's
		for _, login := range []string{"anna", "ANNA"} {
			got, err := w.adapter.UserByLogin(t.Context(), forge.GitHub, login)
			if err != nil || got.Subject != w.users["anna"].Subject || got.Kind != forge.Person {
				t.Errorf("%s: %+v, %v", login, got, err)
			}
		}
		if _, err := w.adapter.UserByLogin(t.Context(), forge.GitHub, "nobody-here"); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("want ErrNotFound, got %v", err)
		}
		if _, err := w.adapter.Repository(t.Context(), w.ref); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.adapter.UserByLogin(t.Context(), forge.AzureDevOps, "anna"); err == nil {
		t.Error("another host was asked")
	}
	if org, err := w.adapter.UserByLogin(t.Context(), forge.GitHub, "acme"); err != nil || org.Kind == forge.Person {
		t.Errorf("an organization is %+v, %v", org, err)
	}
}
