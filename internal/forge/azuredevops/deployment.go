package azuredevops

import (
	"context"
	"fmt"
	"strings"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// Azure DevOps keeps deployments within its pipelines. What CoderFlow deployed is shown as
// a status of the commit: genre "coderflow-deploy", name ENVIRONMENT/RUN.
const deployGenre = "coderflow-deploy"

// deploymentID is COMMIT/ENVIRONMENT/RUN.
func deploymentID(commit, name string) string { return commit + "/" + name }

func parseDeploymentID(id string) (commit, name string, err error) {
	commit, name, found := strings.Cut(id, "/")
	if !found || !commitShape.MatchString(commit) || !strings.Contains(name, "/") {
		return "", "", fmt.Errorf("deployment %q: not an id of Azure DevOps: %w", id, forge.ErrNotFound)
	}
	return commit, name, nil
}

// EnsureDeployment implements [forge.Deployments].
func (a *Adapter) EnsureDeployment(ctx context.Context, ref forge.RepositoryRef, d forge.Deployment) (forge.Deployment, error) {
	doing := fmt.Sprintf("show the deployment of %s in %s", d.Commit, ref.FullName())
	id, err := repositoryID(ref)
	if err != nil {
		return forge.Deployment{}, err
	}
	name := d.Environment + "/" + d.Task
	if _, _, err := parseDeploymentID(deploymentID(d.Commit, name)); err != nil || d.Task == "" || d.Environment == "" {
		return forge.Deployment{}, fmt.Errorf("%s: a commit, an environment and a run are needed to find it again", doing)
	}
	d.ID = deploymentID(d.Commit, name)
	statuses, err := a.commitStatuses(ctx, ref, doing, d.Commit)
	if err != nil {
		return forge.Deployment{}, err
	}
	genre := deployGenre
	of := &git.GitStatusContext{Genre: &genre, Name: &name}
	if _, found := newestStatus(statuses, of); found {
		return d, nil
	}
	made, line := git.GitStatusStateValues.NotSet, wire.Clip(d.Description, maxStatus)
	_, err = a.git.CreateCommitStatus(ctx, git.CreateCommitStatusArgs{
		RepositoryId: &id, CommitId: &d.Commit, GitCommitStatusToCreate: &git.GitStatus{State: &made, Description: &line, Context: of},
	})
	return d, translate(doing, err)
}

// SetDeploymentState implements [forge.Deployments].
func (a *Adapter) SetDeploymentState(ctx context.Context, ref forge.RepositoryRef, id string, state forge.DeploymentState, description, url string) error {
	commit, name, err := parseDeploymentID(id)
	if err != nil {
		return err
	}
	to, known := map[forge.DeploymentState]git.GitStatusState{
		forge.DeploymentInProgress: git.GitStatusStateValues.Pending,
		forge.DeploymentSuccess:    git.GitStatusStateValues.Succeeded,
		forge.DeploymentFailure:    git.GitStatusStateValues.Failed,
		forge.DeploymentError:      git.GitStatusStateValues.Error,
	}[state]
	if !known {
		return fmt.Errorf("deployment %s: %q is not a state of a deployment", id, state)
	}
	genre, line := deployGenre, wire.Clip(description, maxStatus)
	status := git.GitStatus{State: &to, Description: &line, Context: &git.GitStatusContext{Genre: &genre, Name: &name}}
	if url != "" {
		status.TargetUrl = &url
	}
	return a.setCommitStatus(ctx, ref, fmt.Sprintf("set deployment %s in %s", id, ref.FullName()), commit, status)
}

// RecentDeployments implements [forge.DeploymentHistory]: statuses are found by their
// commit only.
func (a *Adapter) RecentDeployments(context.Context, forge.RepositoryRef, int) ([]forge.Deployment, bool, error) {
	return nil, false, fmt.Errorf("list deployments: Azure DevOps shows them by their commit only: %w", forge.ErrUnsupported)
}

// Deployment implements [forge.DeploymentHistory].
func (a *Adapter) Deployment(ctx context.Context, ref forge.RepositoryRef, id string) (forge.Deployment, error) {
	commit, name, err := parseDeploymentID(id)
	if err != nil {
		return forge.Deployment{}, err
	}
	if _, err := repositoryID(ref); err != nil {
		return forge.Deployment{}, err
	}
	doing := fmt.Sprintf("read deployment %s in %s", id, ref.FullName())
	statuses, err := a.commitStatuses(ctx, ref, doing, commit)
	if err != nil {
		return forge.Deployment{}, err
	}
	genre := deployGenre
	of := &git.GitStatusContext{Genre: &genre, Name: &name}
	newest, found := newestStatus(statuses, of)
	if !found {
		return forge.Deployment{}, fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
	}
	oldest := newest
	for _, s := range statuses {
		if sameContext(s.Context, of) && is(s.Id) < is(oldest.Id) {
			oldest = s
		}
	}
	creator, err := a.userOf(ctx, newest.CreatedBy)
	if err != nil {
		return forge.Deployment{}, err
	}
	environment, run := name[:strings.LastIndexByte(name, '/')], name[strings.LastIndexByte(name, '/')+1:]
	return forge.Deployment{
		ID: id, Commit: commit, Environment: environment, Task: run, Description: is(newest.Description), Creator: creator,
		CreatedAt: at(oldest.CreationDate), URL: a.page(ref.Owner, "_git", ref.Name, "commit", commit),
	}, nil
}
