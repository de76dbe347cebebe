package main

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/coderflow/coderflow/internal/command"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
	"github.com/coderflow/coderflow/internal/web"
)

// newAzureDevOps makes the adapter. It talks to no organization.
func newAzureDevOps(c config.AzureDevOps, log *slog.Logger, watch *observer) (azureForge, error) {
	options := azuredevops.Config{
		OrganizationURL: c.OrganizationURL, Credential: azuredevops.Credential{Token: c.Token}, GitCredential: c.TokenForGit,
		// The configuration allows plain http for this machine, and elsewhere only where somebody said so.
		AllowHTTP: c.AllowHTTP || strings.HasPrefix(c.OrganizationURL, "http:"), IsDirective: command.HasDirective, Logger: log,
		Observe: watch.called(forge.AzureDevOps),
	}
	if e := c.Entra; e != nil {
		options.Credential.Entra = &azuredevops.ServicePrincipal{
			Tenant: e.TenantID, ClientID: e.ClientID, Secret: e.ClientSecret, Endpoint: e.AuthorityURL,
		}
	}
	for _, r := range c.WorkItems {
		options.WorkItems = append(options.WorkItems, azuredevops.WorkItemRule(r))
	}
	adapter, err := azuredevops.New(options)
	return azureForge{adapter, c.OrganizationURL, c.GitURL}, err
}

// azureForge is the adapter where git may have another address than everything else.
type azureForge struct {
	*azuredevops.Adapter
	organization, git string
}

// GitURL implements forge.TokenSource.
func (f azureForge) GitURL(ref forge.RepositoryRef) string {
	return f.git + strings.TrimPrefix(f.Adapter.GitURL(ref), f.organization)
}

// azureHook is the webhook of service hooks in the server's words.
type azureHook struct{ *azuredevops.Webhook }

// newAzureWebhook verifies and reads the deliveries of service hooks.
func newAzureWebhook(c config.AzureWebhook) (web.Webhook, error) {
	var passwords []string
	for _, password := range c.Passwords {
		passwords = append(passwords, password.Reveal())
	}
	hook, err := azuredevops.NewWebhook(c.Username, passwords...)
	return azureHook{hook}, err
}

// Verify implements web.Webhook: nothing of the body is signed.
func (h azureHook) Verify(header http.Header, _ []byte) error { return h.Webhook.Verify(header) }

// Delivery implements web.Webhook.
func (h azureHook) Delivery(header http.Header, body []byte) (forge.Delivery, error) {
	d, err := azuredevops.DeliveryOf(header, body)
	if err != nil {
		return forge.Delivery{}, err
	}
	events, err := h.Decode(body)
	if err != nil {
		return forge.Delivery{}, err
	}
	return forge.Delivery{ID: d.ID, Host: forge.AzureDevOps, Event: d.Event, Headers: d.Header, Events: events}, nil
}
