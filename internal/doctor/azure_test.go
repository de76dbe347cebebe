package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
)

// organization answers with what it has.
type organization struct {
	account forge.User
	refused error
	rights  []azuredevops.Right
	hooks   []azuredevops.Hook
	guards  azuredevops.Policies
	broken  error // everything but the account
	asked   *[]string
}

func (o organization) Policies(context.Context, forge.RepositoryRef) (azuredevops.Policies, error) {
	return o.guards, o.broken
}

func (o organization) Self(context.Context, string) (forge.User, error) { return o.account, o.refused }

func (o organization) Rights(context.Context, forge.RepositoryRef) ([]azuredevops.Right, error) {
	return o.rights, o.broken
}

func (o organization) Hooks(_ context.Context, projects []string, url string) ([]azuredevops.Hook, error) {
	*o.asked = append(*o.asked, fmt.Sprintf("%q %s", projects, url))
	return o.hooks, o.broken
}

// whole is an organization in which everything is in order.
func whole() organization {
	return organization{
		account: forge.User{Name: "CoderFlow", Login: "coderflow@example.com"}, asked: &[]string{},
		rights: []azuredevops.Right{{Name: "Contribute", Have: true}, {Name: "Bypass policies", Unwanted: true}},
		guards: azuredevops.Policies{Branch: "main", Gate: true},
		hooks:  []azuredevops.Hook{{Project: "Web Shop", EventType: "git.push", State: azuredevops.HookWorks}},
	}
}

var azureNames = []string{"azure-devops", "azure-clock", "azure-account", "azure-rights", "azure-hooks", "azure-policies"}

// atAzure is an installation for the organization alone.
func atAzure(t *testing.T, o organization, status int) Options {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the clock is asked for with a credential")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	options := world(t)
	options.Config.GitHub, options.Config.AzureDevOps = nil, &config.AzureDevOps{OrganizationURL: server.URL + "/acme"}
	options.Config.PublicURL = "https://coderflow.example.com"
	options.Organization, options.Client, options.Now = o, http.DefaultClient, time.Now
	options.Engine = fakeEngine{facts: goodFacts()}
	options.Database = func(context.Context) DatabaseFacts {
		return DatabaseFacts{Found: 1, Known: 1, Repositories: []forge.RepositoryRef{
			{Host: forge.GitHub, ID: "7", Owner: "acme", Name: "elsewhere"}, {Host: forge.AzureDevOps, ID: "x", Owner: "Web Shop", Name: "desk"},
		}}
	}
	return options
}

func TestAWholeOrganizationIsInOrder(t *testing.T) {
	t.Parallel()
	o := whole()
	options := atAzure(t, o, http.StatusUnauthorized)
	got := examine(t, options)
	if want := `["Web Shop"] https://coderflow.example.com/webhooks/azuredevops`; len(*o.asked) != 1 || (*o.asked)[0] != want {
		t.Errorf("hooks were looked for at %q", *o.asked)
	}
	for _, check := range azureNames {
		if got[check].Level != OK {
			t.Errorf("%s: %+v", check, got[check])
		}
	}
	if _, asked := got["app"]; asked {
		t.Error("a server without GitHub is asked for its App")
	}
	options.Config.GitHub = &config.GitHub{APIURL: "http://127.0.0.1:1/"}
	if both := examine(t, options); both["app"].Check == "" || both["azure-account"].Check == "" {
		t.Error("of two forges one is not looked at")
	}
}

func TestWhatAnOrganizationLacksIsNamed(t *testing.T) {
	t.Parallel()
	const next = "coderflow init azure-devops"
	for name, c := range map[string]struct {
		change func(*organization)
		check  string
		level  Level
		said   string
		fix    string
	}{
		"refused":     {func(o *organization) { o.refused = errors.New("401") }, "azure-account", Problem, "does not take our credential: 401", "azureDevOps.tokenFile"},
		"lacks right": {func(o *organization) { o.rights[0].Have = false }, "azure-rights", Problem, `account lacks "Contribute"`, "administrator of the project"},
		"too much":    {func(o *organization) { o.rights[1].Have = true }, "azure-rights", Warning, `has "Bypass policies"`, "administrator of the project"},
		"no gate":     {func(o *organization) { o.guards.Gate = false }, "azure-policies", Warning, "nothing keeps a proposal from being completed", "add coderflow/gate as required"},
		"unreadable":  {func(o *organization) { o.broken = errors.New("gone") }, "azure-rights", Problem, "Web Shop/desk cannot be read (gone)", "_usersSettings/tokens"},
		"no hook":     {func(o *organization) { o.hooks[0].State = azuredevops.HookMissing }, "azure-hooks", Problem, "there is no service hook for git.push", next + ` --project "Web Shop"`},
		"disabled":    {func(o *organization) { o.hooks[0].State = azuredevops.HookDisabled }, "azure-hooks", Problem, "git.push in project Web Shop is", next},
		"elsewhere":   {func(o *organization) { o.hooks[0].State = azuredevops.HookElsewhere }, "azure-hooks", Problem, "none to this server", next},
		"no hooks":    {func(o *organization) { o.broken = errors.New("403") }, "azure-hooks", Warning, "cannot be read: 403", "Service hooks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := whole()
			c.change(&o)
			f := examine(t, atAzure(t, o, http.StatusUnauthorized))[c.check]
			if f.Level != c.level || !strings.Contains(f.Said, c.said) || !strings.Contains(f.Fix, c.fix) || f.Why == "" {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestAnOrganizationThatCannotBeAskedHidesNothing(t *testing.T) {
	t.Parallel()
	refused := whole()
	refused.refused = errors.New("401")
	got := examine(t, atAzure(t, refused, http.StatusUnauthorized))
	for _, check := range azureNames[3:] {
		if f := got[check]; f.Level != Warning || f.Fix != "see the finding azure-account" {
			t.Errorf("%s: %+v", check, f)
		}
	}
	if f := examine(t, atAzure(t, whole(), http.StatusNotFound))["azure-devops"]; f.Level != Problem || !strings.Contains(f.Said, "there is no organization") {
		t.Errorf("%+v", f)
	}
	options := atAzure(t, whole(), http.StatusOK)
	options.Organization, options.OrganizationErr = nil, errors.New("no credential")
	if f := examine(t, options)["azure-account"]; f.Level != Problem || !strings.Contains(f.Said, "no credential") {
		t.Errorf("%+v", f)
	}
	options = atAzure(t, whole(), http.StatusOK)
	options.Config.AzureDevOps.OrganizationURL = "http://127.0.0.1:1/acme"
	if got := examine(t, options); got["azure-devops"].Level != Problem || got["azure-clock"].Level != Warning {
		t.Errorf("%+v", got["azure-devops"])
	}
}

func TestASecretOfEntraIsRenewedElsewhere(t *testing.T) {
	t.Parallel()
	o := whole()
	o.refused = errors.New("expired")
	options := atAzure(t, o, http.StatusOK)
	options.Config.AzureDevOps.Entra = &config.Entra{}
	if f := examine(t, options)["azure-account"]; !strings.Contains(f.Fix, "azureDevOps.entra.clientSecretFile") {
		t.Errorf("%+v", f)
	}
}
