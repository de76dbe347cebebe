package azuredevops

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
)

// RepositoriesOf are the repositories of a project that can be worked on, by name.
// https://learn.microsoft.com/rest/api/azure/devops/git/repositories/list
func (a *Adapter) RepositoriesOf(ctx context.Context, project string) ([]forge.RepositoryRef, error) {
	doing := "list the repositories of " + project
	if !segment(project) {
		return nil, fmt.Errorf("%s: %q is not the name of a project: %w", doing, project, forge.ErrNotFound)
	}
	found, err := a.git.GetRepositories(ctx, git.GetRepositoriesArgs{Project: &project})
	if err != nil {
		return nil, translate(doing, err)
	}
	var list []forge.RepositoryRef
	for _, r := range is(found) {
		if !is(r.IsDisabled) {
			list = append(list, refOf(&r))
		}
	}
	slices.SortFunc(list, func(a, b forge.RepositoryRef) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}
