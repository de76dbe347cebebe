package azuredevops

import (
	"context"
	"fmt"
	"strings"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/core"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/webapi"

	"github.com/coderflow/coderflow/internal/forge"
)

// TeamMembers implements [forge.Teams]. A team's organization is its project here, by its
// GUID. Groups inside a team are not followed: who is in them is not a member, as far as
// CoderFlow is concerned.
func (a *Adapter) TeamMembers(ctx context.Context, team forge.TeamRef) ([]forge.User, error) {
	doing := "read the members of team " + team.Organization + "/" + team.Slug
	if team.Host != forge.AzureDevOps || !guidShape.MatchString(team.OrganizationID) || !guidShape.MatchString(team.ID) {
		return nil, fmt.Errorf("%s: %s is not a team of Azure DevOps: %w", doing, team.Key(), forge.ErrNotFound)
	}
	found, err := pages(doing, func(top, skip int) ([]webapi.TeamMember, error) {
		page, err := a.core.GetTeamMembersWithExtendedProperties(ctx, core.GetTeamMembersWithExtendedPropertiesArgs{
			ProjectId: &team.OrganizationID, TeamId: &team.ID, Top: &top, Skip: &skip,
		})
		return is(page), err
	})
	if err != nil {
		return nil, err
	}
	members := make([]forge.User, 0, len(found))
	for _, m := range found {
		p := personOf(m.Identity)
		if p.group {
			continue
		}
		user, err := a.user(ctx, p)
		if err != nil {
			return nil, err
		}
		if !user.Subject.IsZero() && user.Kind == forge.Person {
			members = append(members, user)
		}
	}
	return members, nil
}

// TeamBySlug implements [forge.Teams]: a team's name in a project.
func (a *Adapter) TeamBySlug(ctx context.Context, host, organization, slug string) (forge.TeamRef, error) {
	doing := "find team " + organization + "/" + slug
	if host != forge.AzureDevOps || !segment(organization) || !segment(slug) {
		return forge.TeamRef{}, fmt.Errorf("%s: want PROJECT/TEAM of Azure DevOps: %w", doing, forge.ErrNotFound)
	}
	found, err := a.core.GetTeam(ctx, core.GetTeamArgs{ProjectId: &organization, TeamId: &slug})
	if err != nil {
		return forge.TeamRef{}, translate(doing, err)
	}
	if found.Id == nil || found.ProjectId == nil || !strings.EqualFold(is(found.Name), slug) {
		return forge.TeamRef{}, fmt.Errorf("%s: Azure DevOps answered about %q: %w", doing, is(found.Name), forge.ErrNotFound)
	}
	return forge.TeamRef{
		Host: host, OrganizationID: found.ProjectId.String(), ID: found.Id.String(), Organization: is(found.ProjectName), Slug: is(found.Name),
	}, nil
}
