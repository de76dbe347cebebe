package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
)

// Options are what is looked at. Nothing in them has been opened by the caller more than needed: that something
// cannot be opened is a finding.
type Options struct {
	Config    config.Config // as far as it could be read
	ConfigErr error         // every problem of it
	From      string        // the file that it comes from; empty for none

	Engine Engine
	// Elsewhere says that the engine does not see this machine's files.
	Elsewhere  bool
	Sandbox    Sandbox
	SandboxErr error // why there is no Sandbox
	Guest      string
	App        App
	AppErr     error // why there is no App
	// Organization is nil where Azure DevOps is not configured, or not well enough to ask.
	Organization    Organization
	OrganizationErr error // why there is none
	Client          *http.Client
	Database        func(ctx context.Context) DatabaseFacts
	Git             func(ctx context.Context) (string, error) // git --version
	Packages        Packages
	Now             func() time.Time
}

// DatabaseFacts is what was seen of the database. It is looked at and not migrated.
type DatabaseFacts struct {
	Where        string // SQLite's file, or PostgreSQL without its password
	Missing      bool   // SQLite's file is not there yet
	Err          error  // it cannot be opened or read
	Found, Known int    // schema versions; Found 0 is an empty database
	WriteErr     error
	Environments []Environment
	// Repositories are those that environments list.
	Repositories []forge.RepositoryRef
	ManifestErr  error
}

// Checks are all checks, in the order in which their findings are read.
func Checks(o Options) []Check {
	database := &databaseCheck{look: o.Database}
	engine := &engineChecks{host: o.Config.Docker.Host, elsewhere: o.Elsewhere, engine: o.Engine, packages: o.Packages, now: o.Now}
	box := &sandboxChecks{
		engine: engine, sandbox: o.Sandbox, sandboxErr: o.SandboxErr, guest: o.Guest, image: o.Config.Sandbox.Image,
		environments: database.environments,
	}
	hub := &forgeChecks{clock: &clockCheck{client: o.Client, now: o.Now}, app: o.App, appErr: o.AppErr}
	if o.Config.GitHub != nil {
		hub.apiURL, hub.clock.url = o.Config.GitHub.APIURL, o.Config.GitHub.APIURL+"rate_limit"
	}
	return slices.Concat(
		[]Check{{Name: "configuration", Run: func(context.Context) Finding { return configuration(o) }},
			{Name: "models", Run: func(context.Context) Finding { return models(o) }}},
		engine.checks(), box.checks(),
		[]Check{
			{Name: "data-directory", Run: func(context.Context) Finding { return dataDirectory(o.Config.DataDir) }},
			{Name: "disk", Run: func(context.Context) Finding { return room("the data directory", o.Config.DataDir) }},
			{Name: "engine-disk", Run: engineRoom(engine, box), Limit: containerTime},
			{Name: "database", Run: database.finding},
			{Name: "git", Run: func(ctx context.Context) Finding { return gitVersion(ctx, o.Git, o.Packages) }},
		},
		forgesOf(o, hub, database))
}

// forgesOf are the checks of what is configured. Of nothing, the first says so.
func forgesOf(o Options, hub *forgeChecks, database *databaseCheck) []Check {
	if o.Config.AzureDevOps == nil {
		return hub.checks()
	}
	c := o.Config.AzureDevOps
	azure := &azureChecks{
		url: c.OrganizationURL, hook: o.Config.PublicURL + "/webhooks/azuredevops", entra: c.Entra != nil,
		org: o.Organization, err: o.OrganizationErr, repositories: database.repositories,
		clock: &clockCheck{url: c.OrganizationURL + "/_apis/connectionData", client: o.Client, now: o.Now},
	}
	if o.Config.GitHub == nil {
		return azure.checks()
	}
	return slices.Concat(hub.checks(), azure.checks())
}

// configuration repeats every problem; the rest is checked with what could be read.
func configuration(o Options) Finding {
	from := o.From
	if from == "" {
		from = "variables alone"
	}
	if o.ConfigErr != nil {
		lines := strings.Split(strings.TrimSpace(o.ConfigErr.Error()), "\n")
		return problem(fmt.Sprintf("%s: %s", count(len(lines), "mistake"), strings.Join(lines, "; ")),
			"the server does not start", "correct what is named; docs/configuration.md lists the keys").with("mistakes", lines)
	}
	return fine("in order, from %s", from).with("from", from)
}

// models checks what the gateway needs. Keys are files that were read with the configuration; no request is sent.
func models(o Options) Finding {
	if len(o.Config.Models) == 0 {
		return fine("no provider of models is configured; agents of the preset exec need none").with("providers", []string{})
	}
	var names, without []string
	for name, model := range o.Config.Models {
		names = append(names, name)
		if model.Key.Reveal() == "" {
			without = append(without, name)
		}
	}
	slices.Sort(names)
	slices.Sort(without)
	if len(without) > 0 {
		return warning("there is no key for "+strings.Join(without, ", "), "requests to these providers are sent without one", "set models.NAME.keyFile, unless the provider needs none").
			with("providers", names)
	}
	return fine("%s, each with its key", strings.Join(names, ", ")).with("providers", names)
}
