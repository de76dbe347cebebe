package github

import (
	"context"
	"fmt"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// RecentDeployments implements [forge.DeploymentHistory].
func (a *Adapter) RecentDeployments(ctx context.Context, ref forge.RepositoryRef, most int) ([]forge.Deployment, bool, error) {
	doing := fmt.Sprintf("list the deployments of %s", ref.FullName())
	client, err := a.reader(ctx, ref, opReadDeployments)
	if err != nil {
		return nil, false, err
	}
	var list []forge.Deployment
	for page := 1; page <= maxPages; page++ {
		found, res, err := client.Repositories.ListDeployments(ctx, ref.Owner, ref.Name, &gh.DeploymentsListOptions{
			ListOptions: gh.ListOptions{Page: page, PerPage: perPage},
		})
		if err != nil {
			return nil, false, translate(doing, err)
		}
		for _, d := range found {
			if len(list) == most {
				return list, false, nil
			}
			list = append(list, a.shownDeployment(ref, d))
		}
		if res.NextPage == 0 && len(found) < perPage { // see pages
			return list, true, nil
		}
	}
	return list, false, nil
}

// Deployment implements [forge.DeploymentHistory].
func (a *Adapter) Deployment(ctx context.Context, ref forge.RepositoryRef, id string) (forge.Deployment, error) {
	number, err := objectID("deployment", id)
	if err != nil {
		return forge.Deployment{}, err
	}
	client, err := a.reader(ctx, ref, opReadDeployments)
	if err != nil {
		return forge.Deployment{}, err
	}
	doing := fmt.Sprintf("read deployment %s of %s", id, ref.FullName())
	found, _, err := client.Repositories.GetDeployment(ctx, ref.Owner, ref.Name, number)
	if err != nil {
		return forge.Deployment{}, translate(doing, err)
	}
	if found.GetID() != number {
		return forge.Deployment{}, fmt.Errorf("%s: GitHub answered about deployment %d: %w", doing, found.GetID(), forge.ErrNotFound)
	}
	return a.shownDeployment(ref, found), nil
}

func (a *Adapter) shownDeployment(ref forge.RepositoryRef, d *gh.Deployment) forge.Deployment {
	shown := deploymentOf(d)
	shown.Creator, shown.CreatedAt = userOf(d.GetCreator()), d.GetCreatedAt().Time
	shown.URL = a.git + "/" + ref.FullName() + "/deployments"
	return shown
}
