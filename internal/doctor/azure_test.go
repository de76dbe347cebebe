package doctor

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
)

// organization answers with what it has.
type organization struct {
	account  AccountFacts
	refused  error
	rights   []RightFacts
	hooks    []HookFacts
	policies PolicyFacts
	broken   error // everything but the account
}

func (o organization) Account(context.Context) (AccountFacts, error) { return o.account, o.refused }

func (o organization) Rights(context.Context, forge.RepositoryRef) ([]RightFacts, error) {
	return o.rights, o.broken
}

func (o organization) Hooks(context.Context, string) ([]HookFacts, error) { return o.hooks, o.broken }

func (o organization) Policies(context.Context, forge.RepositoryRef) (PolicyFacts, error) {
	return o.policies, o.broken
}

// whole is an organization in which everything is in order.
func whole() organization {
	return organization{
		account: AccountFacts{Name: "CoderFlow", Login: "coderflow@example.com"}, rights: []RightFacts{{Name: "Contribute", Have: true}, {Name: "Bypass policies when pushing", Unwanted: true}},
		hooks: []HookFacts{{Event: "git.push"}}, policies: PolicyFacts{Branch: "main", Gate: true, Resets: true},
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
	options := atAzure(t, whole(), http.StatusUnauthorized)
	got := examine(t, options)
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
	soon := time.Now().Add(3 * 24 * time.Hour)
	for name, c := range map[string]struct {
		change func(*organization)
		check  string
		level  Level
		said   string
		fix    string
	}{
		"refused":     {func(o *organization) { o.refused = errors.New("401") }, "azure-account", Problem, "does not take our credential: 401", "azureDevOps.tokenFile"},
		"ends soon":   {func(o *organization) { o.account.Expires = soon }, "azure-account", Warning, "ends on " + soon.UTC().Format(time.DateOnly), "_usersSettings/tokens"},
		"ended":       {func(o *organization) { o.account.Expires = time.Now().Add(-time.Hour) }, "azure-account", Problem, "ended on", "_usersSettings/tokens"},
		"lacks right": {func(o *organization) { o.rights[0].Have = false }, "azure-rights", Problem, `lacks "Contribute" in Web Shop/desk`, "Security"},
		"has bypass":  {func(o *organization) { o.rights[1].Have = true }, "azure-rights", Warning, `"Bypass policies when pushing" in Web Shop/desk`, "Security"},
		"unreadable":  {func(o *organization) { o.broken = errors.New("gone") }, "azure-rights", Problem, "Web Shop/desk cannot be read (gone)", "Security"},
		"no hook":     {func(o *organization) { o.hooks[0].Wrong = "is missing" }, "azure-hooks", Problem, "git.push of Web Shop is missing", `coderflow init azure-devops --project "Web Shop"`},
		"no hooks":    {func(o *organization) { o.broken = errors.New("403") }, "azure-hooks", Warning, "cannot be read: 403", "Web%20Shop/_settings/serviceHooks"},
		"no gate":     {func(o *organization) { o.policies.Gate = false }, "azure-policies", Warning, "main of Web Shop/desk has no blocking policy on the status coderflow/gate", "Policies"},
		"no reset":    {func(o *organization) { o.policies.Resets = false }, "azure-policies", Warning, "does not reset votes", "reset all votes"},
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
	o.account.Expires = time.Now().Add(time.Hour) // of the token, which is renewed by itself
	options := atAzure(t, o, http.StatusOK)
	options.Config.AzureDevOps.Entra = &config.Entra{}
	if f := examine(t, options)["azure-account"]; f.Level != OK {
		t.Errorf("%+v", f)
	}
	o.refused = errors.New("expired")
	options.Organization = o
	if f := examine(t, options)["azure-account"]; !strings.Contains(f.Fix, "azureDevOps.entra.clientSecretFile") {
		t.Errorf("%+v", f)
	}
}
