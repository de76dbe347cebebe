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
	if err != nil || len(hooks) != len(azuredevops.EventTypes()) || hooks[0].State != azuredevops.HookMissing || hooks[0].Wrong() != "is missing" || !strings.Contains(hooks[0].Says(), "coderflow init azure-devops") {
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
	wrong := func() (names []string) {
		rights, err := w.adapter.Rights(t.Context(), w.ref)
		w.must(err)
		if len(rights) != 6 {
			t.Errorf("%d rights", len(rights))
		}
		for _, r := range rights {
			if !strings.Contains(r.Says(), r.Name) || !strings.Contains(r.Says(), repoName) {
				t.Errorf("%s says %q", r.Name, r.Says())
			}
			if !r.OK() {
				names = append(names, r.Name)
			}
		}
		return names
	}
	same(t, wrong())
	w.must(w.forge.AllowBypass(repoName, w.info.Azure.Account))
	same(t, wrong(), "Bypass policies when pushing", "Bypass policies when completing pull requests")
	reader, err := azuredevops.New(azuredevops.Config{OrganizationURL: w.info.Azure.OrganizationURL, AllowHTTP: true, Credential: azuredevops.Credential{Token: forge.Secret(w.forge.ClientFor("mallory"))}})
	w.must(err)
	w.adapter = reader
	same(t, wrong(), "Contribute", "Create branch")
}

func TestPoliciesSayWhetherTheGateBlocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gate := &emulator.StatusPolicy{Genre: "coderflow", Name: "gate"}
	for _, c := range []struct {
		add       *emulator.BranchPolicy
		gate      bool
		resets    bool
		reviewers int
		says      string
	}{
		{nil, false, false, 0, "nothing keeps a proposal from being completed"},
		{&emulator.BranchPolicy{Optional: true, Status: gate}, false, false, 0, "is optional"},
		{&emulator.BranchPolicy{Status: gate}, true, false, 0, "requires the status"},
		{&emulator.BranchPolicy{Reviewers: &emulator.ReviewersPolicy{Minimum: 2, ResetOnSourcePush: true}}, true, true, 2, "2 reviewers, whose votes are reset"},
	} {
		if c.add != nil {
			_, err := w.forge.AddPolicy(repoName, "main", *c.add)
			w.must(err)
		}
		p, err := w.adapter.Policies(t.Context(), w.ref)
		if err != nil || p.Branch != "main" || p.Gate != c.gate || p.Resets != c.resets || p.Reviewers != c.reviewers || !strings.Contains(strings.Join(p.Says(), "; "), c.says) {
			t.Errorf("%q: %+v, %q, %v", c.says, p, p.Says(), err)
		}
	}
}
