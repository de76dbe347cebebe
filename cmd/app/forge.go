package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

type forgeCmd struct {
	Kind    string `default:"github" enum:"github,azuredevops" help:"What it is: github or azuredevops (one organization)."`
	Listen  string `default:"127.0.0.1:0" help:"Address to listen on."`
	Webhook string `help:"Where deliveries are sent, for example http://127.0.0.1:8080/webhooks/github, or …/webhooks/azuredevops."`
	Console string `help:"Address of CoderFlow's console, for the pages to lead there: http://127.0.0.1:8080."`
	Dir     string `help:"Where repositories and keys are kept. Default: a new temporary directory." type:"path"`
	JSON    bool   `help:"Print addresses, CoderFlow's account (App and key file, or token), webhook secret and sample users' tokens as JSON."`
}

// Run serves the local forge with its sample users and project until the context ends.
func (c forgeCmd) Run(ctx context.Context, s streams) (err error) {
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "coderflow-forge-"); err != nil {
			return fmt.Errorf("make a directory for the forge: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	hub, err := startForge(ctx, emulator.Options{Kind: c.Kind, Dir: dir, Listen: c.Listen, Logger: slog.New(slog.NewTextHandler(s.err, nil))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	if c.Webhook != "" {
		hub.SetWebhookURL(c.Webhook)
	}
	hub.SetConsoleURL(c.Console)
	if err := printForge(s, hub.Info(), c.JSON); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func printForge(s streams, info emulator.Info, asJSON bool) error {
	if asJSON {
		return printJSON(s, info)
	}
	if info.Azure != nil {
		return printOrganization(s, info)
	}
	fmt.Fprintf(s.out, "local forge    %s\nREST           %s\nGraphQL        %s\ngit            %s\n", info.HTMLURL, info.APIURL, info.GraphQLURL, info.GitURL)
	fmt.Fprintf(s.out, "App            %s, id %d, installation %d\nkey file       %s\nwebhook secret %s\n",
		info.AppSlug, info.AppID, info.InstallationID, info.PrivateKeyFile, info.WebhookSecretFile)
	for _, u := range info.Users {
		fmt.Fprintf(s.out, "user           %-8s github:%d  token %s\n", u.Login, u.ID, u.Token)
	}
	for _, r := range info.Repositories {
		fmt.Fprintf(s.out, "repository     %s  id %d\n", r.FullName, r.ID)
	}
	_, err := fmt.Fprintln(s.out, "\nStop with Ctrl-C.")
	return err
}

func printOrganization(s streams, info emulator.Info) error {
	a := info.Azure
	fmt.Fprintf(s.out, "organization   %s\naccount        %s  azuredevops:%s\ntoken file     %s\n", a.OrganizationURL, a.Account, a.AccountGUID, a.TokenFile)
	fmt.Fprintf(s.out, "webhook        user %s, password file %s\n", a.WebhookUser, a.WebhookPasswordFile)
	for _, u := range info.Users {
		fmt.Fprintf(s.out, "user           %-8s azuredevops:%s  %s  token %s\n", u.Login, u.GUID, u.Mail, u.Token)
	}
	for _, r := range info.Repositories {
		fmt.Fprintf(s.out, "repository     %s  id %s\n", r.FullName, r.GUID)
	}
	_, err := fmt.Fprintln(s.out, "\nStop with Ctrl-C.")
	return err
}
