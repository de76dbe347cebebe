package main

import (
	"errors"
	"log/slog"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/web"
)

var errNoAzureDevOps = errors.New("azureDevOps is configured, and this build has no adapter for it yet")

func newAzureDevOps(config.AzureDevOps, *slog.Logger) (forge.Forge, error) {
	return nil, errNoAzureDevOps
}

// newAzureWebhook verifies and reads the deliveries of service hooks.
func newAzureWebhook(config.AzureWebhook) (web.Webhook, error) { return nil, errNoAzureDevOps }
