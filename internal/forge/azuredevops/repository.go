package azuredevops

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
)

// repositoryID checks that ref can address a repository here: by its GUID.
func repositoryID(ref forge.RepositoryRef) (string, error) {
	switch {
	case ref.Host != forge.AzureDevOps:
		return "", fmt.Errorf("repository %s: not on Azure DevOps", ref.Key())
	case !guidShape.MatchString(ref.ID):
		return "", fmt.Errorf("repository %s: %q is not the GUID of a repository: %w", ref.FullName(), ref.ID, forge.ErrNotFound)
	}
	return ref.ID, nil
}

// project is how the project of ref is asked for.
func project(ref forge.RepositoryRef) (string, error) {
	if ref.Host != forge.AzureDevOps || !segment(ref.Owner) {
		return "", fmt.Errorf("repository %s: %q is not the name of a project: %w", ref.Key(), ref.Owner, forge.ErrNotFound)
	}
	return ref.Owner, nil
}

// segment reports whether a name can be put into a path. Projects and repositories may
// have spaces and letters of any script, and none of what ends or climbs a path.
// https://learn.microsoft.com/azure/devops/organizations/settings/naming-restrictions
func segment(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 256 && !strings.ContainsAny(s, `\/:*?"<>;#$*{},+=[]|`) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// fetchRepository reads a repository by its GUID.
func (a *Adapter) fetchRepository(ctx context.Context, ref forge.RepositoryRef) (*git.GitRepository, error) {
	id, err := repositoryID(ref)
	if err != nil {
		return nil, err
	}
	found, err := a.git.GetRepository(ctx, git.GetRepositoryArgs{RepositoryId: &id})
	if err != nil {
		return nil, translate("read repository "+ref.FullName(), err)
	}
	if found.Id == nil || found.Id.String() != id {
		return nil, fmt.Errorf("read repository %s: Azure DevOps answered about another one: %w", ref.FullName(), forge.ErrNotFound)
	}
	return found, nil
}

// Repository implements [forge.Repositories]. It is read by its GUID, so a rename is seen
// in the answer and a re-created one is not found.
func (a *Adapter) Repository(ctx context.Context, ref forge.RepositoryRef) (forge.Repository, error) {
	found, err := a.fetchRepository(ctx, ref)
	if err != nil {
		return forge.Repository{}, err
	}
	return repositoryOf(found), nil
}

func repositoryOf(r *git.GitRepository) forge.Repository {
	private := true
	if r.Project != nil && r.Project.Visibility != nil {
		private = !strings.EqualFold(string(*r.Project.Visibility), "public")
	}
	return forge.Repository{
		RepositoryRef: refOf(r), DefaultBranch: branchOf(is(r.DefaultBranch)), URL: is(r.WebUrl),
		Private: private, Archived: is(r.IsDisabled) || is(r.IsInMaintenance), Fork: is(r.IsFork) || r.ParentRepository != nil,
	}
}

func refOf(r *git.GitRepository) forge.RepositoryRef {
	ref := forge.RepositoryRef{Host: forge.AzureDevOps, Name: is(r.Name)}
	if r.Id != nil {
		ref.ID = r.Id.String()
	}
	if r.Project != nil {
		ref.Owner = is(r.Project.Name)
	}
	return ref
}

const heads = "refs/heads/"

func branchOf(ref string) string { return strings.TrimPrefix(ref, heads) }

// BranchHead implements [forge.Repositories].
func (a *Adapter) BranchHead(ctx context.Context, ref forge.RepositoryRef, branch string) (string, error) {
	id, err := repositoryID(ref)
	if err != nil {
		return "", err
	}
	doing := fmt.Sprintf("read branch %q of %s", branch, ref.FullName())
	if branch == "" {
		return "", fmt.Errorf("%s: it has no name: %w", doing, forge.ErrNotFound)
	}
	filter, most, token := "heads/"+branch, 100, (*string)(nil)
	for range maxPages { // the filter is a prefix, and the wanted one the shortest
		found, err := a.git.GetRefs(ctx, git.GetRefsArgs{RepositoryId: &id, Filter: &filter, Top: &most, ContinuationToken: token})
		if err != nil {
			return "", translate(doing, err)
		}
		for _, r := range found.Value {
			if is(r.Name) == heads+branch && commitShape.MatchString(is(r.ObjectId)) {
				return *r.ObjectId, nil
			}
		}
		if found.ContinuationToken == "" {
			break
		}
		token = &found.ContinuationToken
	}
	return "", fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
}

// head is the commit of a branch, or "" where there is none.
func (a *Adapter) head(ctx context.Context, ref forge.RepositoryRef, branch string) (string, error) {
	commit, err := a.BranchHead(ctx, ref, branch)
	if errors.Is(err, forge.ErrNotFound) {
		return "", nil
	}
	return commit, err
}

// projectID is the GUID of the project of a repository, which tokens of permissions name.
func projectID(r *git.GitRepository) (string, error) {
	if r.Project == nil || r.Project.Id == nil {
		return "", fmt.Errorf("repository %s: Azure DevOps does not say of which project it is", is(r.Name))
	}
	return r.Project.Id.String(), nil
}

// guid parses what was checked to be one.
func guid(text string) *uuid.UUID {
	id, err := uuid.Parse(text)
	if err != nil {
		return nil
	}
	return &id
}

// page is the address of a page for people, below the organization.
func (a *Adapter) page(segments ...string) string {
	address := a.organization
	for _, s := range segments {
		address += "/" + url.PathEscape(s)
	}
	return address
}
