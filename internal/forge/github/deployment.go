package github

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// maxDescription is GitHub's limit for a deployment's or status' description, in characters.
const maxDescription = 140

// deploymentPayload is how a deployment is found again.
type deploymentPayload struct {
	Task string `json:"task"`
}

// EnsureDeployment implements [forge.Deployments]. GitHub neither merges nor waits
// for checks here: whether to deploy was decided by the approval.
func (a *Adapter) EnsureDeployment(ctx context.Context, ref forge.RepositoryRef, d forge.Deployment) (forge.Deployment, error) {
	doing := fmt.Sprintf("record the deployment of %s to %s of %s", d.Commit, d.Environment, ref.FullName())
	if !commitShape.MatchString(d.Commit) || d.Environment == "" || d.Task == "" {
		return forge.Deployment{}, fmt.Errorf("%s: commit, environment and task are needed to find it again", doing)
	}
	client, err := a.reader(ctx, ref, opDeployments)
	if err != nil {
		return forge.Deployment{}, err
	}
	known, err := pages(doing, func(page gh.ListOptions) ([]*gh.Deployment, *gh.Response, error) {
		return client.Repositories.ListDeployments(ctx, ref.Owner, ref.Name, &gh.DeploymentsListOptions{
			SHA: d.Commit, Environment: d.Environment, ListOptions: page,
		})
	})
	if err != nil {
		return forge.Deployment{}, err
	}
	for _, candidate := range known {
		found := deploymentOf(candidate)
		if found.Commit == d.Commit && found.Environment == d.Environment && found.Task == d.Task {
			return found, nil
		}
	}
	created, _, err := client.Repositories.CreateDeployment(ctx, ref.Owner, ref.Name, &gh.DeploymentRequest{
		Ref: &d.Commit, Environment: &d.Environment, Payload: deploymentPayload{Task: d.Task},
		Description: set(cut(d.Description, maxDescription)), AutoMerge: gh.Bool(false), RequiredContexts: &[]string{},
	})
	if err != nil {
		return forge.Deployment{}, translate(doing, err)
	}
	return deploymentOf(created), nil
}

func deploymentOf(d *gh.Deployment) forge.Deployment {
	return forge.Deployment{
		ID: strconv.FormatInt(d.GetID(), 10), Commit: d.GetSHA(), Environment: d.GetEnvironment(),
		Task: taskOf(d.Payload), Description: d.GetDescription(),
	}
}

// taskOf reads the payload, which GitHub returns as an object or as a string that
// holds one. Other people's payloads name no task.
func taskOf(payload json.RawMessage) string {
	var text string
	if json.Unmarshal(payload, &text) == nil {
		payload = json.RawMessage(text)
	}
	var ours deploymentPayload
	if json.Unmarshal(payload, &ours) != nil {
		return ""
	}
	return ours.Task
}

// SetDeploymentState implements [forge.Deployments]. A repetition of the latest
// status adds none.
func (a *Adapter) SetDeploymentState(ctx context.Context, ref forge.RepositoryRef, id string,
	state forge.DeploymentState, description, url string) error {
	number, err := objectID("deployment", id)
	if err != nil {
		return err
	}
	doing := fmt.Sprintf("set deployment %s of %s to %s", id, ref.FullName(), state)
	client, err := a.rest(ref, opDeployments)
	if err != nil {
		return err
	}
	description = cut(description, maxDescription)
	latest, _, err := client.Repositories.ListDeploymentStatuses(ctx, ref.Owner, ref.Name, number, &gh.ListOptions{PerPage: 1})
	if err != nil {
		return translate(doing, err)
	}
	if len(latest) > 0 && latest[0].GetState() == string(state) && latest[0].GetDescription() == description &&
		latest[0].GetLogURL() == url {
		return nil
	}
	_, _, err = client.Repositories.CreateDeploymentStatus(ctx, ref.Owner, ref.Name, number, &gh.DeploymentStatusRequest{
		State: gh.String(string(state)), Description: &description, LogURL: set(url),
	})
	return translate(doing, err)
}

// cut shortens to n characters.
func cut(s string, n int) string {
	runes := []rune(strings.ToValidUTF8(s, ""))
	if len(runes) <= n {
		return string(runes)
	}
	return string(runes[:n-1]) + "…"
}
