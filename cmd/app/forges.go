package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
	"github.com/coderflow/coderflow/internal/forge/github"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/web"
)

// errNoForge is a configuration that nothing can be worked on with.
var errNoForge = errors.New("no forge is configured: the sections github and azureDevOps are missing; " +
	"`coderflow init github` or `coderflow init azure-devops` writes one of them")

// forges are those of an installation, as one.
type forges struct{ forge.Hosts }

// newForges makes the adapters that are configured. It talks to no forge.
func newForges(cfg config.Config, log *slog.Logger) (forges, error) {
	return newObservedForges(cfg, log, nil)
}

func newObservedForges(cfg config.Config, log *slog.Logger, watch *observer) (forges, error) {
	f := forges{forge.Hosts{}}
	if cfg.GitHub != nil {
		hub, err := newGitHub(*cfg.GitHub, log, watch)
		if err != nil {
			return f, err
		}
		f.Hosts[forge.GitHub] = hub
	}
	if cfg.AzureDevOps != nil {
		azure, err := newAzureDevOps(*cfg.AzureDevOps, log, watch)
		if err != nil {
			return f, err
		}
		f.Hosts[forge.AzureDevOps] = azure
	}
	if len(f.Hosts) == 0 {
		return f, errNoForge
	}
	return f, nil
}

// pipelines are those of Azure DevOps; nil where it is not configured.
func (f forges) pipelines() deploy.Pipelines {
	if azure, has := f.Hosts[forge.AzureDevOps].(interface{ Pipelines() *azuredevops.Pipelines }); has {
		return azure.Pipelines()
	}
	return nil
}

func newGitHub(c config.GitHub, log *slog.Logger, watch *observer) (*github.Adapter, error) {
	return github.New(github.Config{
		APIURL: c.APIURL, GraphQLURL: c.GraphQLURL, GitURL: c.GitURL,
		AppID: c.AppID, PrivateKey: []byte(c.PrivateKey.Reveal()), Logger: log, Observe: watch.called(forge.GitHub),
	})
}

// UserByLogin implements manifest.Resolver, at the forge of the host.
func (f forges) UserByLogin(ctx context.Context, host, login string) (forge.User, error) {
	r, can := f.Hosts[host].(manifest.Resolver)
	if !can {
		return forge.User{}, fmt.Errorf("the server does not serve %s", host)
	}
	return r.UserByLogin(ctx, host, login)
}

// TeamBySlug implements manifest.TeamResolver, at the forge of the host.
func (f forges) TeamBySlug(ctx context.Context, host, organization, slug string) (forge.TeamRef, error) {
	if f.Hosts[host] == nil { // not that the team is not there
		return forge.TeamRef{}, fmt.Errorf("the server does not serve %s", host)
	}
	return f.Hosts.TeamBySlug(ctx, host, organization, slug)
}

// RevokeTokens implements engine.TokenRevoker where a forge's tokens can be ended. A
// personal access token is not this server's to end; who minted it does.
func (f forges) RevokeTokens(ctx context.Context, covers func(forge.RepositoryRef) bool) error {
	var errs []error
	for _, of := range f.Hosts {
		if revoker, can := of.(engine.TokenRevoker); can {
			errs = append(errs, revoker.RevokeTokens(ctx, covers))
		}
	}
	return errors.Join(errs...)
}

// probes tell whether each forge answers. The one of a single forge is called forge.
func (f forges) probes() []web.Probe {
	causes := map[string]string{
		forge.GitHub:      "the forge does not answer or refuses the App",
		forge.AzureDevOps: "the forge does not answer or refuses the credential",
	}
	fixes := map[string]string{
		forge.GitHub:      "check github.apiURL, appID and the key; coderflow doctor says more",
		forge.AzureDevOps: "check azureDevOps.organizationURL and the token or service principal; coderflow doctor says more",
	}
	var probes []web.Probe
	for _, host := range []string{forge.GitHub, forge.AzureDevOps} {
		of, served := f.Hosts[host]
		if !served {
			continue
		}
		name := "forge"
		if len(f.Hosts) > 1 {
			name += "-" + host
		}
		probes = append(probes, web.Probe{Name: name, Check: of.Ping, Cause: causes[host], Fix: fixes[host]})
	}
	return probes
}

// plainHosts are where git may be spoken to without TLS. The configuration allows that
// for this machine and for test forges only.
func plainHosts(cfg config.Config) []string {
	var hosts, urls []string
	if cfg.GitHub != nil {
		urls = append(urls, cfg.GitHub.GitURL)
	}
	if cfg.AzureDevOps != nil {
		urls = append(urls, cfg.AzureDevOps.GitURL)
	}
	for _, text := range urls {
		if u, err := url.Parse(text); err == nil && u.Scheme == "http" {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}
