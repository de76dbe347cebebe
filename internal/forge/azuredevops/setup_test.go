package azuredevops_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func TestSubscriptionsAreMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *emulator.Options, _ *azuredevops.Config) { o.Azure.NoSubscriptions = true })
	const address = "https://coderflow.example.com/webhooks/azuredevops"
	hooks, err := w.adapter.Hooks(t.Context(), []string{"shop"}, address)
	if err != nil || len(hooks) != len(azuredevops.EventTypes()) || hooks[0].State != azuredevops.HookMissing || !strings.Contains(hooks[0].Says(), "coderflow init azure-devops") {
		t.Fatalf("at first: %+v, %v", hooks, err)
	}
	asked := 0
	password := func(string, string) (forge.Secret, error) { asked++; return "secret", nil }
	if _, err := w.adapter.EnsureSubscriptions(t.Context(), []string{"shop"}, address, "coderflow", password); !errors.Is(err, forge.ErrForbidden) {
		t.Errorf("without the right: %v", err)
	}
	w.must(w.forge.AddCollaborator(repoName, "alice", "admin"))
	admin, err := azuredevops.New(azuredevops.Config{OrganizationURL: w.info.Azure.OrganizationURL, AllowHTTP: true, Credential: azuredevops.Credential{Token: forge.Secret(w.forge.ClientFor("alice"))}})
	w.must(err)
	asked = 0
	for _, want := range []int{len(azuredevops.EventTypes()), len(azuredevops.EventTypes())} {
		hooks, err = admin.EnsureSubscriptions(t.Context(), []string{"shop"}, address, "coderflow", password)
		w.must(err)
		for _, h := range hooks {
			if h.State != azuredevops.HookWorks || h.ID == "" || h.URL != address {
				t.Errorf("made is %+v", h)
			}
		}
		if asked != want {
			t.Errorf("%d passwords were asked for, want %d", asked, want)
		}
	}
	other, err := w.adapter.Hooks(t.Context(), []string{"shop"}, "https://other.example.com/webhooks/azuredevops")
	if err != nil || other[0].State != azuredevops.HookElsewhere || !strings.Contains(other[0].Says(), address) {
		t.Errorf("to another address: %+v, %v", other[0], err)
	}
	if _, err := w.adapter.Hooks(t.Context(), []string{"none"}, address); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a project that is not there: %v", err)
	}
}

func TestRightsSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := func() map[string]azuredevops.Right {
		rights, err := w.adapter.Rights(t.Context(), w.ref)
		w.must(err)
		all := map[string]azuredevops.Right{}
		for _, r := range rights {
			if all[r.Name] = r; r.Says == "" {
				t.Errorf("%s says nothing", r.Name)
			}
		}
		return all
	}
	rights := named()
	for name, want := range map[string]bool{"Read": true, "Contribute": true, "Create branch": true, "Contribute to pull requests": true, "Bypass policies when pushing": true,
		"Bypass policies when completing pull requests": true, "Status policy coderflow/gate": false, "Minimum number of reviewers": false} {
		if r, found := rights[name]; !found || r.OK != want {
			t.Errorf("%s: %+v", name, r)
		}
	}
	w.must(w.forge.AllowBypass(repoName, w.info.Azure.Account))
	_, err := w.forge.AddPolicy(repoName, "main", emulator.BranchPolicy{Optional: true, Status: &emulator.StatusPolicy{Genre: "coderflow", Name: "gate"}})
	w.must(err)
	if rights = named(); rights["Status policy coderflow/gate"].OK || rights["Bypass policies when pushing"].OK || !strings.Contains(rights["Status policy coderflow/gate"].Says, "optional") {
		t.Errorf("an optional policy, and a bypass: %+v", rights)
	}
	for _, p := range []emulator.BranchPolicy{{Status: &emulator.StatusPolicy{Genre: "coderflow", Name: "gate"}}, {Reviewers: &emulator.ReviewersPolicy{Minimum: 2, ResetOnSourcePush: true}}} {
		_, err := w.forge.AddPolicy(repoName, "main", p)
		w.must(err)
	}
	if rights = named(); !rights["Status policy coderflow/gate"].OK || !rights["Minimum number of reviewers"].OK || !strings.Contains(rights["Minimum number of reviewers"].Says, "2 reviewers, whose votes are reset") {
		t.Errorf("required policies: %+v", rights)
	}
}
