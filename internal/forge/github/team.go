package github

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// maxTeam bounds a team; a larger one is an error, not a part of it.
const maxTeam = 5000

// TeamMembers implements [forge.Teams]. Members of child teams are in the parent
// team, as GitHub counts them.
//
// https://docs.github.com/rest/teams/members#list-team-members
func (a *Adapter) TeamMembers(ctx context.Context, of forge.TeamRef) ([]forge.User, error) {
	doing := fmt.Sprintf("read the members of team %s of organization %s", of.ID, of.OrganizationID)
	organization, err1 := strconv.ParseInt(of.OrganizationID, 10, 64)
	team, err2 := strconv.ParseInt(of.ID, 10, 64)
	if err := errors.Join(err1, err2); err != nil || organization <= 0 || team <= 0 {
		return nil, fmt.Errorf("%s: these are no ids of GitHub: %w", doing, forge.ErrNotFound)
	}
	client := a.organization(organization, "", opReadTeam)
	found, err := pages(doing, func(page gh.ListOptions) ([]*gh.User, *gh.Response, error) {
		return client.Teams.ListTeamMembersByID(ctx, organization, team, &gh.TeamListTeamMembersOptions{ListOptions: page})
	})
	if err != nil {
		return nil, err
	}
	if len(found) > maxTeam {
		return nil, fmt.Errorf("%s: more than %d", doing, maxTeam)
	}
	users := make([]forge.User, 0, len(found))
	for _, u := range found {
		users = append(users, userOf(u))
	}
	return users, nil
}

// TeamBySlug implements [forge.Teams].
//
// https://docs.github.com/rest/teams/teams#get-a-team-by-name
func (a *Adapter) TeamBySlug(ctx context.Context, host, organization, slug string) (forge.TeamRef, error) {
	doing := fmt.Sprintf("read team %s/%s", organization, slug)
	if host != forge.GitHub || !pathSegment(organization) || !pathSegment(slug) {
		return forge.TeamRef{}, fmt.Errorf("%s: GitHub has no such names: %w", doing, forge.ErrNotFound)
	}
	found, _, err := a.organization(0, organization, opReadTeam).Teams.GetTeamBySlug(ctx, organization, slug)
	if err != nil {
		return forge.TeamRef{}, translate(doing, err)
	}
	owner := found.GetOrganization()
	if !strings.EqualFold(owner.GetLogin(), organization) || !strings.EqualFold(found.GetSlug(), slug) || owner.GetID() <= 0 || found.GetID() <= 0 {
		return forge.TeamRef{}, fmt.Errorf("%s: GitHub answered about %s/%s", doing, owner.GetLogin(), found.GetSlug())
	}
	return forge.TeamRef{
		Host: forge.GitHub, OrganizationID: strconv.FormatInt(owner.GetID(), 10), ID: strconv.FormatInt(found.GetID(), 10),
		Organization: owner.GetLogin(), Slug: found.GetSlug(),
	}, nil
}

// organization returns a client with a token of the App's installation on an
// organization, by id or, if that is 0, by its present name.
func (a *Adapter) organization(id int64, login string, op operation) *gh.Client {
	return a.client(&call{adapter: a, organization: account{id, strings.ToLower(login)}, op: op})
}

// account is the owner of an installation. Only one of the two is given.
type account struct {
	id    int64
	login string // in lower case
}

func (o account) String() string {
	if o.id != 0 {
		return "organization " + strconv.FormatInt(o.id, 10)
	}
	return "organization " + o.login
}

// mintForOrganization is [minter.mint] without a repository. The list of
// installations tells the account's id, so that a rename does not matter.
func (m *minter) mintForOrganization(ctx context.Context, want scope) (grant, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	found, err := pages("list our App's installations", func(page gh.ListOptions) ([]*gh.Installation, *gh.Response, error) {
		return m.adapter.asApp().Apps.ListInstallations(ctx, &page)
	})
	if err != nil {
		return grant{}, err
	}
	for _, i := range found {
		of := i.GetAccount()
		if of.GetType() != "Organization" || want.organization.id != of.GetID() && want.organization.login != strings.ToLower(of.GetLogin()) {
			continue
		}
		token, err := m.ask(ctx, i.GetID(), want)
		if err != nil {
			return grant{}, fmt.Errorf("token for %s (%s): %w", want.organization, want.permissions, err)
		}
		m.adapter.log.InfoContext(ctx, "minted an installation token", "organization", of.GetID(),
			"installation", i.GetID(), "permissions", want.permissions.String(), "expires", token.Expires)
		return grant{token: token, installation: i.GetID()}, nil
	}
	return grant{}, fmt.Errorf("the App is not installed on %s: %w", want.organization, forge.ErrNotFound)
}
