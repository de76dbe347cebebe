package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

func reportUser(u forge.User) client.User {
	return client.User{Subject: u.Subject.String(), Login: u.Login}
}

// reportDeployment is a run as the API gives it.
func reportDeployment(r deploy.Run, a approval.Record, t task.Task) client.Deployment {
	d := client.Deployment{
		ID: r.ID, Environment: r.Environment, Profile: r.Profile, ProfileVersion: r.ProfileVersion, Parameters: map[string]string{},
		Repository: client.Repository{Key: r.Repository.Key(), Name: r.Repository.FullName()}, Commit: r.Commit, Covers: r.Covers,
		Trigger: string(r.Trigger), RequestedBy: reportUser(r.RequestedBy), Reason: r.Reason, Task: string(r.Task), Approval: r.ApprovalID,
		Approvers: reportApprovers(r, a), ArmedBy: reportUser(r.ArmedBy), PullRequest: t.PullRequest, PullRequestURL: t.PullRequestURL,
		State: string(r.State), Ended: r.State.Ended(), Detail: r.Detail,
		CreatedAt: r.CreatedAt.UTC(), StartedAt: moment(r.StartedAt), FinishedAt: moment(r.FinishedAt),
	}
	if len(r.Reach.Hosts) > 0 {
		d.Network = &client.Reach{Hosts: r.Reach.Hosts, Used: []client.HostUse{}, Refused: []client.Refusal{}}
		for _, h := range r.Reach.Used {
			d.Network.Used = append(d.Network.Used, client.HostUse(h))
		}
		for _, refused := range r.Reach.Refused {
			d.Network.Refused = append(d.Network.Refused, client.Refusal(refused))
		}
	}
	maps.Copy(d.Parameters, r.Parameters)
	if p := r.Pipeline; !p.IsZero() {
		d.Pipeline = &client.PipelineRun{Host: p.Host, Project: p.Project, Pipeline: p.Name, Ref: p.Ref, Run: p.ID, Name: p.Run, URL: p.URL, Result: p.Result}
	}
	if r.HasExitCode() {
		d.ExitCode = &r.ExitCode
	}
	return d
}

func reportApprovers(r deploy.Run, a approval.Record) []client.Approver {
	if a.ID == "" {
		return []client.Approver{{User: reportUser(r.ArmedBy)}}
	}
	list := []client.Approver{{User: reportUser(a.Approver), ReviewURL: a.ReviewURL}}
	for _, review := range a.Reviews {
		if review.ID != a.ReviewID {
			list = append(list, client.Approver{User: reportUser(review.Author), ReviewURL: review.URL})
		}
	}
	return list
}

func (l local) deployment(ctx context.Context, id string) (client.Deployment, error) {
	r, err := l.Deployment(ctx, id)
	if err != nil {
		return client.Deployment{}, err
	}
	return l.reportRun(ctx, r)
}

// reportRun adds which reviews and which pull request the run comes from.
func (l local) reportRun(ctx context.Context, r deploy.Run) (client.Deployment, error) {
	record, err := l.Approval(ctx, r.ApprovalID)
	if err != nil && !errors.Is(err, task.ErrNotFound) {
		return client.Deployment{}, err
	}
	t, err := l.Task(ctx, r.Task)
	if err != nil && !errors.Is(err, task.ErrNotFound) {
		return client.Deployment{}, err
	}
	return reportDeployment(r, record, t), nil
}

func (l local) deployments(ctx context.Context, f client.DeploymentFilter) ([]client.Deployment, error) {
	filter := deploy.Filter{
		Environment: f.Environment, Profile: f.Profile, Commit: f.Commit, State: f.State, Before: f.Before, Limit: f.Limit,
	}
	if f.Task != "" {
		t, err := findTask(ctx, l.Store, f.Task)
		if err != nil {
			return nil, err
		}
		filter.Task = t.ID
	}
	runs, _, err := l.Deployments(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := []client.Deployment{}
	for _, r := range runs {
		d, err := l.reportRun(ctx, r)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

func (l local) deploymentLog(ctx context.Context, id string, from int64) (client.LogPiece, error) {
	r, err := l.Deployment(ctx, id) // before the log: what is written after it is seen the next time
	if err != nil {
		return client.LogPiece{}, err
	}
	text, err := l.ReadLog(ctx, "deploy/"+id, from, logPiece)
	end := r.State.Ended() && len(text) < logPiece
	if !end {
		text = whole(text)
	}
	return client.LogPiece{Text: string(text), Next: from + int64(len(text)), End: end}, err
}

func (l local) profiles(ctx context.Context, environment string) ([]client.Profile, error) {
	now, err := readInForce(ctx, l.Store)
	if err != nil {
		return nil, err
	}
	list := []client.Profile{}
	if now.set == nil {
		return list, nil
	}
	if _, known := now.set.Environments[environment]; environment != "" && !known {
		return nil, notFound("there is no environment %q", environment)
	}
	for _, name := range slices.Sorted(maps.Keys(now.set.Profiles)) {
		if environment != "" && name != environment {
			continue
		}
		for _, profile := range slices.Sorted(maps.Keys(now.set.Profiles[name])) {
			list = append(list, reportProfile(now.set.Profiles[name][profile]))
		}
	}
	return list, nil
}

func reportProfile(p deploy.Profile) client.Profile {
	r := client.Profile{
		Name: p.Name, Environment: p.Environment, Description: p.Description, Timeout: p.Timeout.String(), Parameters: []client.Parameter{},
	}
	for _, parameter := range p.Parameters {
		r.Parameters = append(r.Parameters, client.Parameter{
			Name: parameter.Name, Type: string(parameter.Type), Description: parameter.Description, Pattern: parameter.Pattern,
			Options: parameter.Options, Required: parameter.Required, Default: parameter.Default,
		})
	}
	return r
}
