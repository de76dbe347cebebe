package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/coderflow/coderflow/internal/forge/github"
)

// App is a GitHub App that is looked at.
type App interface {
	Examine(ctx context.Context) (github.AppFacts, error)
}

// forgeChecks look at the forge.
type forgeChecks struct {
	apiURL string // empty: no forge is configured
	clock  *clockCheck
	app    App
	appErr error // why there is none

	once  sync.Once
	facts github.AppFacts
	err   error
}

func (f *forgeChecks) checks() []Check {
	return []Check{
		{Name: "forge", Run: f.reachable}, {Name: "clock", Run: func(ctx context.Context) Finding { return f.clock.finding(ctx, "forge") }}, {Name: "app", Run: f.authenticated}, {Name: "app-permissions", Run: f.permissions}, {Name: "installations", Run: f.installations},
	}
}

func (f *forgeChecks) reachable(ctx context.Context) Finding {
	if f.apiURL == "" {
		return notConfigured()
	}
	read := f.clock.read(ctx)
	switch {
	case read.status == 0:
		return problem(fmt.Sprintf("the forge at %s does not answer: %v", f.apiURL, read.err), "no task begins and nothing is pushed",
			"check github.apiURL, and from this machine: curl -I "+f.apiURL)
	case read.status >= 500:
		return warning(fmt.Sprintf("the forge at %s answers with status %d", f.apiURL, read.status), "tasks wait until it works again", "look at the forge's status page, and again in a while")
	}
	return fine("%s answers", f.apiURL).with("status", read.status)
}

func notConfigured() Finding {
	return problem("no forge is configured", "the server does not start without one", "coderflow init github --public-url https://HOST registers the App and prints the section github; for Azure DevOps: coderflow init azure-devops")
}

func (f *forgeChecks) examine(ctx context.Context) (github.AppFacts, error) {
	f.once.Do(func() {
		if f.err = f.appErr; f.err == nil && f.app == nil {
			f.err = errors.New("no forge is configured")
		}
		if f.err == nil {
			ctx, cancel := context.WithTimeout(ctx, askTime)
			defer cancel()
			f.facts, f.err = f.app.Examine(ctx)
		}
	})
	return f.facts, f.err
}

func (f *forgeChecks) authenticated(ctx context.Context) Finding {
	if f.apiURL == "" {
		return warning("cannot be told: no forge is configured", "no task begins and nothing is pushed", "see the finding forge")
	}
	facts, err := f.examine(ctx)
	if err != nil {
		return problem("the forge does not take our App: "+err.Error(), "no task begins and nothing is pushed",
			"check github.appID, github.privateKeyFile (a key that the App's settings list) and the findings clock and forge")
	}
	return fine("the forge knows us as %s (%s)", facts.Name, facts.Slug).with("slug", facts.Slug)
}

// unexamined is the finding of checks that need the App's facts.
func unexamined(what string) Finding {
	return warning("cannot be told: the App could not be read", what, "see the finding app")
}

func (f *forgeChecks) permissions(ctx context.Context) Finding {
	facts, err := f.examine(ctx)
	if err != nil {
		return unexamined("steps of tasks fail for want of a permission")
	}
	missing := lacking(facts.Permissions, github.AppPermissions())
	var events []string
	for _, event := range github.AppEvents() {
		if !slices.Contains(facts.Events, event) && !always(event) {
			events = append(events, event)
		}
	}
	if len(missing)+len(events) == 0 {
		return fine("the App has every permission and event that is used").with("missing", []string{}).with("missingEvents", []string{})
	}
	var said []string
	if len(missing) > 0 {
		said = append(said, "the permissions "+strings.Join(missing, ", "))
	}
	if len(events) > 0 {
		said = append(said, "the events "+strings.Join(events, ", "))
	}
	return problem("the App lacks "+strings.Join(said, " and "), "steps of tasks fail, and what the App is not told of waits for the reconciler",
		"grant them under \"Permissions & events\" of the App's settings ("+facts.SettingsURL+"), then accept them for each installation").
		with("missing", missing).with("missingEvents", events)
}

// always are events that every App gets without subscribing.
func always(event string) bool {
	return slices.Contains([]string{"ping", "installation", "installation_repositories", "github_app_authorization"}, event)
}

// lacking lists what is needed and not there, "name: level".
func lacking(have, need map[string]string) []string {
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(need)) {
		if have[name] != need[name] && have[name] != "write" && have[name] != "admin" {
			missing = append(missing, name+": "+need[name])
		}
	}
	return missing
}

func (f *forgeChecks) installations(ctx context.Context) Finding {
	facts, err := f.examine(ctx)
	switch {
	case err != nil:
		return unexamined("only repositories with the App installed can be worked on")
	case len(facts.Installations) == 0:
		return problem("the App is installed nowhere", "only repositories with the App installed can be worked on",
			"install it from "+facts.SettingsURL+" on the repositories of your environments")
	}
	var accounts []string
	for _, i := range facts.Installations {
		accounts = append(accounts, i.Account)
		if i.Suspended {
			return warning("the installation of "+i.Account+" is suspended", "its repositories cannot be worked on", "unsuspend it: "+i.URL)
		}
		if missing := lacking(i.Permissions, github.InstallationPermissions(i.Organization)); len(missing) > 0 {
			return problem(fmt.Sprintf("the installation of %s has not accepted %s", i.Account, strings.Join(missing, ", ")),
				"steps of tasks there fail for want of them", "an owner of "+i.Account+" accepts the new permissions: "+i.URL).with("missing", missing)
		}
	}
	return fine("installed for %s", strings.Join(accounts, ", ")).with("accounts", accounts)
}
