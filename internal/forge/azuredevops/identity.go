package azuredevops

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/identity"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/location"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/webapi"

	"github.com/coderflow/coderflow/internal/forge"
)

// guidShape is an id of an identity, a repository, a project or a team, in lower case.
var guidShape = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// theService is the account under which the service itself writes into pull requests.
const theService = "00000002-0000-8888-8000-000000000000"

// kindOf tells people from machines by what the subject descriptor begins with. What is
// not known is not a person.
// https://learn.microsoft.com/azure/devops/organizations/security/about-security-identity
func kindOf(descriptor string) forge.UserKind {
	prefix, _, found := strings.Cut(strings.ToLower(descriptor), ".")
	if !found {
		return forge.Other
	}
	switch prefix {
	case "aad", "msa", "win", "imp":
		return forge.Person
	case "svc", "aadsp", "s2s", "bnd":
		return forge.Bot
	}
	return forge.Other // vssgp, aadgp: groups
}

// person is what the service's types of an identity have in common.
type person struct {
	id, descriptor, unique, display string
	group                           bool
}

func personOf(i *webapi.IdentityRef) person {
	if i == nil {
		return person{}
	}
	return person{
		id: strings.ToLower(is(i.Id)), descriptor: is(i.Descriptor), unique: is(i.UniqueName), display: is(i.DisplayName), group: is(i.IsContainer),
	}
}

// user makes a user of an identity. Where the answer does not tell what the account is,
// it is asked for; what CoderFlow itself wrote is a bot's.
func (a *Adapter) user(ctx context.Context, p person) (forge.User, error) {
	u := forge.User{Login: p.unique, Name: p.display, Kind: forge.Other}
	if !guidShape.MatchString(p.id) {
		return u, nil
	}
	u.Subject = forge.Subject{Host: forge.AzureDevOps, ID: p.id}
	self, err := a.Self(ctx, forge.AzureDevOps)
	switch {
	case err != nil:
		return u, err
	case self.Subject == u.Subject:
		u.Kind = forge.Bot
	case p.group:
	case p.descriptor != "":
		u.Kind = kindOf(p.descriptor)
	case p.id == theService:
		u.Kind = forge.Bot
	default:
		u.Kind, err = a.kind(ctx, p.id)
	}
	return u, err
}

func (a *Adapter) userOf(ctx context.Context, i *webapi.IdentityRef) (forge.User, error) {
	return a.user(ctx, personOf(i))
}

// kind asks what an account is, once: it does not change.
func (a *Adapter) kind(ctx context.Context, id string) (forge.UserKind, error) {
	a.mu.Lock()
	known, found := a.kinds[id]
	a.mu.Unlock()
	if found {
		return known, nil
	}
	found1, err := a.identityByID(ctx, id)
	kind := forge.Other
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return forge.Other, nil
	case err != nil:
		return forge.Other, err
	case !is(found1.IsContainer):
		kind = kindOf(is(found1.SubjectDescriptor))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kinds[id] = kind
	return kind, nil
}

// identityByID reads an identity as the service has it for permissions.
func (a *Adapter) identityByID(ctx context.Context, id string) (identity.Identity, error) {
	doing := "read the account " + id
	found, err := a.identities.ReadIdentities(ctx, identity.ReadIdentitiesArgs{IdentityIds: &id})
	if err != nil {
		return identity.Identity{}, translate(doing, err)
	}
	for _, i := range is(found) {
		if i.Id != nil && strings.EqualFold(i.Id.String(), id) {
			return i, nil
		}
	}
	return identity.Identity{}, fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
}

// property reads one of the service's properties, which are {"$type": …, "$value": …}, or
// plain.
func property(properties any, name string) string {
	all, _ := properties.(map[string]any)
	value := all[name]
	if typed, ok := value.(map[string]any); ok {
		value = typed["$value"]
	}
	switch v := value.(type) {
	case string:
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	case bool:
		return fmt.Sprint(v)
	}
	return ""
}

func userOfIdentity(i identity.Identity) forge.User {
	u := forge.User{Login: property(i.Properties, "Account"), Name: is(i.ProviderDisplayName), Kind: forge.Other}
	if mail := property(i.Properties, "Mail"); u.Login == "" {
		u.Login = mail
	}
	if custom := is(i.CustomDisplayName); custom != "" {
		u.Name = custom
	}
	if i.Id != nil {
		u.Subject = forge.Subject{Host: forge.AzureDevOps, ID: strings.ToLower(i.Id.String())}
	}
	if !is(i.IsContainer) {
		u.Kind = kindOf(is(i.SubjectDescriptor))
	}
	return u
}

// Self implements [forge.Forge]: the account of the credential. It never changes for one,
// so it is asked for once.
func (a *Adapter) Self(ctx context.Context, _ string) (forge.User, error) {
	a.mu.Lock()
	known := a.self
	a.mu.Unlock()
	if !known.Subject.IsZero() {
		return known, nil
	}
	found, err := connectionOf(ctx, a.location)
	if err != nil {
		return forge.User{}, err
	}
	self := userOfIdentity(found)
	if !guidShape.MatchString(self.Subject.ID) {
		return forge.User{}, errors.New("read our own account: Azure DevOps did not say who we are")
	}
	self.Kind = forge.Bot // what CoderFlow writes commands nothing, whatever account it has
	a.mu.Lock()
	defer a.mu.Unlock()
	a.self = self
	return self, nil
}

func connectionOf(ctx context.Context, client location.Client) (identity.Identity, error) {
	found, err := client.GetConnectionData(ctx, location.GetConnectionDataArgs{})
	if err != nil {
		return identity.Identity{}, translate("read our own account", err)
	}
	if found.AuthenticatedUser == nil || found.AuthenticatedUser.Id == nil {
		return identity.Identity{}, fmt.Errorf("read our own account: %w (Azure DevOps takes us for anonymous: %s)", forge.ErrForbidden, signIn)
	}
	if found.AuthenticatedUser.Id.String() == anonymous {
		return identity.Identity{}, fmt.Errorf("read our own account: %w (%s)", forge.ErrForbidden, signIn)
	}
	return *found.AuthenticatedUser, nil
}

// anonymous is whom the service takes a caller without a credential for, in organizations
// with public projects.
const anonymous = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"

// Ping implements [forge.Forge]: the service answers and takes our token.
func (a *Adapter) Ping(ctx context.Context) error {
	_, err := connectionOf(ctx, a.location)
	return err
}

// Traits implements [forge.Forge].
// https://learn.microsoft.com/azure/devops/repos/git/pull-requests
func (a *Adapter) Traits(string) forge.Traits {
	return forge.Traits{ReviewsWaitForReady: true, DirectivesInComments: true, MaxDescription: 4_000}
}

// UserByLogin returns who has the mail address, or the display name if exactly one account
// has it, or an error that is [forge.ErrNotFound].
// https://learn.microsoft.com/rest/api/azure/devops/ims/identities/read-identities
func (a *Adapter) UserByLogin(ctx context.Context, host, login string) (forge.User, error) {
	doing := "read the account " + login
	if host != forge.AzureDevOps || strings.TrimSpace(login) == "" {
		return forge.User{}, fmt.Errorf("%s: %s is not Azure DevOps", doing, host)
	}
	filter := "General"
	found, err := a.identities.ReadIdentities(ctx, identity.ReadIdentitiesArgs{SearchFilter: &filter, FilterValue: &login})
	if err != nil {
		return forge.User{}, translate(doing, err)
	}
	var byName, byDisplay []forge.User
	for _, i := range is(found) {
		u := userOfIdentity(i)
		switch {
		case is(i.IsContainer) || !guidShape.MatchString(u.Subject.ID):
		case strings.EqualFold(u.Login, login):
			byName = append(byName, u)
		case strings.EqualFold(u.Name, login):
			byDisplay = append(byDisplay, u)
		}
	}
	for _, list := range [][]forge.User{byName, byDisplay} {
		if len(list) == 1 {
			return list[0], nil
		}
		if len(list) > 1 {
			return forge.User{}, fmt.Errorf("%s: %d accounts are called so; use azuredevops:GUID instead (%s, %s)",
				doing, len(list), list[0].Subject, list[1].Subject)
		}
	}
	return forge.User{}, fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
}
