package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
)

// askedForge is a forge that answers with its own name.
type askedForge struct {
	forge.Forge
	host string
	down error
}

func (f askedForge) Ping(context.Context) error { return f.down }

func (f askedForge) UserByLogin(_ context.Context, host, login string) (forge.User, error) {
	return forge.User{Subject: forge.Subject{Host: f.host}, Login: login + " of " + host}, nil
}

func (f askedForge) TeamBySlug(_ context.Context, host, _, slug string) (forge.TeamRef, error) {
	return forge.TeamRef{Host: f.host, Slug: slug + " of " + host}, nil
}

func (f askedForge) RevokeTokens(context.Context, func(forge.RepositoryRef) bool) error {
	return f.down
}

func TestEachForgeIsAskedAboutItsOwn(t *testing.T) {
	t.Parallel()
	both := forges{forge.Hosts{forge.GitHub: askedForge{host: "one"}, forge.AzureDevOps: askedForge{host: "two"}}}
	user, err := both.UserByLogin(t.Context(), forge.AzureDevOps, "maria@example.com")
	if err != nil || user.Subject.Host != "two" || user.Login != "maria@example.com of azuredevops" {
		t.Errorf("%+v, %v", user, err)
	}
	team, err := both.TeamBySlug(t.Context(), forge.GitHub, "acme", "reviewers")
	if err != nil || team.Host != "one" {
		t.Errorf("%+v, %v", team, err)
	}
	alone := forges{forge.Hosts{forge.GitHub: askedForge{host: "one"}}}
	_, err = alone.UserByLogin(t.Context(), forge.AzureDevOps, "maria@example.com")
	_, missing := alone.TeamBySlug(t.Context(), forge.AzureDevOps, "acme", "reviewers")
	for _, err := range []error{err, missing} { // "not found" would say that somebody is not there
		if err == nil || errors.Is(err, forge.ErrNotFound) || !strings.Contains(err.Error(), "does not serve azuredevops") {
			t.Errorf("%v", err)
		}
	}
}

func TestEachForgeHasAProbeOfItsOwn(t *testing.T) {
	t.Parallel()
	hub, azure := askedForge{}, askedForge{down: errors.New("down")}
	for want, f := range map[string]forge.Hosts{
		"forge=true": {forge.GitHub: hub}, "forge=false": {forge.AzureDevOps: azure},
		"forge-github=true forge-azuredevops=false": {forge.GitHub: hub, forge.AzureDevOps: azure},
	} {
		var got []string
		for _, p := range (forges{f}).probes() {
			works := p.Check(t.Context()) == nil
			got = append(got, p.Name+"="+map[bool]string{true: "true", false: "false"}[works])
			if azureFix := strings.Contains(p.Fix, "azureDevOps."); azureFix == works {
				t.Errorf("%s: %s", p.Name, p.Fix)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("want %s, got %v", want, got)
		}
	}
}

func TestTokensAreEndedWhereverThatCanBe(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	both := forges{forge.Hosts{forge.GitHub: askedForge{down: down}, forge.AzureDevOps: struct{ forge.Forge }{}}}
	if err := both.RevokeTokens(t.Context(), nil); !errors.Is(err, down) {
		t.Errorf("%v", err)
	}
}

func TestAServerNeedsAForge(t *testing.T) {
	t.Parallel()
	_, err := build(t.Context(), config.Config{}, role{serves: true}, slog.New(slog.DiscardHandler), outside{})
	for _, want := range []string{"github and azureDevOps", "`coderflow init github`", "`coderflow init azure-devops`"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestPlainHTTPIsForTheHostsThatAreConfiguredSo(t *testing.T) {
	t.Parallel()
	cfg := config.Config{
		GitHub: &config.GitHub{GitURL: "https://github.com"}, AzureDevOps: &config.AzureDevOps{GitURL: "http://127.0.0.1:9/acme"},
	}
	if got := mirrorOptions(cfg, nil).AllowHTTPHosts; !slices.Equal(got, []string{"127.0.0.1:9"}) {
		t.Errorf("%v", got)
	}
	cfg.GitHub.GitURL, cfg.AzureDevOps = "http://127.0.0.1:8", nil
	if got := mirrorOptions(cfg, nil).AllowHTTPHosts; !slices.Equal(got, []string{"127.0.0.1:8"}) {
		t.Errorf("%v", got)
	}
}
