package github

import (
	"context"
	"encoding/json"
	"fmt"

	gh "github.com/google/go-github/v62/github"
)

// AppFacts is what GitHub says about our App.
type AppFacts struct {
	Name, Slug    string
	SettingsURL   string // where its owner changes permissions and events
	Permissions   map[string]string
	Events        []string
	Installations []InstallationFacts
}

// InstallationFacts is one installation. Its permissions lag behind the App's until its account accepts new ones.
type InstallationFacts struct {
	Account string
	// Organization tells that the account is one; only there are there teams.
	Organization bool
	URL          string
	Suspended    bool
	Permissions  map[string]string
}

// Examine reads what GitHub says about our App and the first hundred of its installations.
func (a *Adapter) Examine(ctx context.Context) (AppFacts, error) {
	app, err := a.app(ctx)
	if err != nil {
		return AppFacts{}, err
	}
	facts := AppFacts{Name: app.GetName(), Slug: app.GetSlug(), SettingsURL: app.GetHTMLURL(), Events: app.Events}
	if facts.Permissions, err = levels(app.Permissions); err != nil {
		return AppFacts{}, err
	}
	found, _, err := a.asApp().Apps.ListInstallations(ctx, &gh.ListOptions{PerPage: 100})
	if err != nil {
		return AppFacts{}, translate("list our App's installations", err)
	}
	for _, i := range found {
		permissions, err := levels(i.Permissions)
		if err != nil {
			return AppFacts{}, err
		}
		facts.Installations = append(facts.Installations, InstallationFacts{
			Account: i.GetAccount().GetLogin(), Organization: i.GetAccount().GetType() == "Organization", URL: i.GetHTMLURL(), Suspended: i.SuspendedAt != nil, Permissions: permissions,
		})
	}
	return facts, nil
}

// levels are permissions by their name, which are fields in go-github.
func levels(permissions *gh.InstallationPermissions) (map[string]string, error) {
	list := map[string]string{}
	text, err := json.Marshal(permissions)
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read permissions: %w", err)
	}
	return list, nil
}
