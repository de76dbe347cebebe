package github_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func TestACredentialIsHeldToWhatTheForgeLetsItDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	gone := w.ref
	gone.ID = "1"
	for name, row := range map[string]struct {
		credential string
		push       bool
		ref        forge.RepositoryRef
		want       error
	}{
		"a writer fetches":                   {w.forge.ClientFor("anna"), false, w.ref, nil},
		"a writer pushes":                    {w.forge.ClientFor("anna"), true, w.ref, nil},
		"a reader fetches":                   {w.forge.ClientFor("tess"), false, w.ref, nil},
		"a reader pushes":                    {w.forge.ClientFor("tess"), true, w.ref, forge.ErrForbidden},
		"a stranger fetches what is private": {w.forge.ClientFor("otto"), false, w.ref, forge.ErrNotFound},
		"a token that is none":               {"ghp_wrong", false, w.ref, forge.ErrForbidden},
		"another repository of the name":     {w.forge.ClientFor("anna"), true, gone, forge.ErrNotFound},
	} {
		err := w.adapter.CheckCredential(t.Context(), row.ref, forge.Secret(row.credential), row.push)
		if !errors.Is(err, row.want) || (row.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
		if err != nil && strings.Contains(err.Error(), row.credential) {
			t.Errorf("%s: the error tells the credential", name)
		}
	}
	w.failOnce(http.MethodGet, "/shop", &emulator.Fault{Status: http.StatusBadGateway})
	err := w.adapter.CheckCredential(t.Context(), w.ref, forge.Secret(w.forge.ClientFor("anna")), true)
	if err == nil || errors.Is(err, forge.ErrForbidden) || errors.Is(err, forge.ErrNotFound) {
		t.Errorf("an outage is a refusal: %v", err)
	}
}
