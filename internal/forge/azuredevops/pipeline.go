package azuredevops

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/build"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/pipelines"

	"github.com/coderflow/coderflow/internal/forge"
)

// RunState is how far a run of a pipeline is.
type RunState string

// States of a run.
const (
	RunGoing     RunState = "going"
	RunCanceling RunState = "canceling"
	RunEnded     RunState = "ended"
	RunUnknown   RunState = "unknown"
)

// RunResult is how a run ended; empty before.
type RunResult string

// Results of a run.
const (
	RunSucceeded RunResult = "succeeded"
	RunFailed    RunResult = "failed"
	RunCanceled  RunResult = "canceled"
	RunOther     RunResult = "unknown"
)

// PipelineRun is one run of a pipeline.
type PipelineRun struct {
	Project  string
	Pipeline int
	ID       int
	State    RunState
	Result   RunResult
	URL      string // for people
	Started  time.Time
	Ended    time.Time
}

// QueueRun starts a pipeline, named or numbered, at a commit of a ref, "refs/heads/main".
// Parameters are those that the pipeline declares. It is never repeated: after an error that
// is not a refusal it is not known whether the pipeline runs.
// https://learn.microsoft.com/rest/api/azure/devops/pipelines/runs/run-pipeline
func (a *Adapter) QueueRun(ctx context.Context, project, pipeline, ref, version string, parameters map[string]string) (PipelineRun, error) {
	doing := fmt.Sprintf("run pipeline %s of %s", pipeline, project)
	if !segment(project) || !strings.HasPrefix(ref, "refs/") || !commitShape.MatchString(version) {
		return PipelineRun{}, fmt.Errorf("%s: a project, a full ref and a commit are needed", doing)
	}
	id, err := a.pipelineID(ctx, project, pipeline)
	if err != nil {
		return PipelineRun{}, err
	}
	run, err := a.pipelines.RunPipeline(ctx, pipelines.RunPipelineArgs{Project: &project, PipelineId: &id, RunParameters: &pipelines.RunPipelineParameters{
		Resources: &pipelines.RunResourcesParameters{
			Repositories: &map[string]pipelines.RepositoryResourceParameters{"self": {RefName: &ref, Version: &version}},
		},
		TemplateParameters: &parameters,
	}})
	if err != nil {
		return PipelineRun{}, translate(doing, err)
	}
	if is(run.Id) == 0 {
		return PipelineRun{}, fmt.Errorf("%s: Azure DevOps did not say which run it is", doing)
	}
	return a.runOf(project, id, run), nil
}

// pipelineID finds a pipeline by its number, its name, or FOLDER\NAME.
func (a *Adapter) pipelineID(ctx context.Context, project, pipeline string) (int, error) {
	if id, err := strconv.Atoi(pipeline); err == nil && id > 0 {
		return id, nil
	}
	doing := fmt.Sprintf("find pipeline %s of %s", pipeline, project)
	most := 10_000
	found, err := a.pipelines.ListPipelines(ctx, pipelines.ListPipelinesArgs{Project: &project, Top: &most})
	if err != nil {
		return 0, translate(doing, err)
	}
	want := strings.Trim(pipeline, `\`)
	var ids []int
	for _, p := range is(found) {
		path := strings.Trim(is(p.Folder), `\`) + `\` + is(p.Name)
		if strings.EqualFold(is(p.Name), want) || strings.EqualFold(strings.Trim(path, `\`), want) {
			ids = append(ids, is(p.Id))
		}
	}
	switch len(ids) {
	case 0:
		return 0, fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
	case 1:
		return ids[0], nil
	}
	return 0, fmt.Errorf(`%s: %d pipelines are called so; write FOLDER\NAME or the number`, doing, len(ids))
}

// ReadRun reads a run as it is now.
func (a *Adapter) ReadRun(ctx context.Context, run PipelineRun) (PipelineRun, error) {
	doing := fmt.Sprintf("read run %d of pipeline %d of %s", run.ID, run.Pipeline, run.Project)
	if !segment(run.Project) {
		return PipelineRun{}, fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
	}
	found, err := a.pipelines.GetRun(ctx, pipelines.GetRunArgs{Project: &run.Project, PipelineId: &run.Pipeline, RunId: &run.ID})
	if err != nil {
		return PipelineRun{}, translate(doing, err)
	}
	if is(found.Id) != run.ID {
		return PipelineRun{}, fmt.Errorf("%s: Azure DevOps answered about another: %w", doing, forge.ErrNotFound)
	}
	return a.runOf(run.Project, run.Pipeline, found), nil
}

// CancelRun asks to end a run; one that ended is left alone. Runs are canceled as what they
// are in the older interface, builds of the same number.
func (a *Adapter) CancelRun(ctx context.Context, run PipelineRun) error {
	now, err := a.ReadRun(ctx, run)
	if err != nil || now.State == RunEnded || now.State == RunCanceling {
		return err
	}
	canceling := build.BuildStatusValues.Cancelling
	_, err = a.builds.UpdateBuild(ctx, build.UpdateBuildArgs{Project: &run.Project, BuildId: &run.ID, Build: &build.Build{Status: &canceling}})
	return translate(fmt.Sprintf("cancel run %d of %s", run.ID, run.Project), err)
}

func (a *Adapter) runOf(project string, pipeline int, r *pipelines.Run) PipelineRun {
	run := PipelineRun{
		Project: project, Pipeline: pipeline, ID: is(r.Id), State: RunUnknown, Started: at(r.CreatedDate), Ended: at(r.FinishedDate),
		URL: a.page(project, "_build", "results") + "?buildId=" + strconv.Itoa(is(r.Id)),
	}
	switch is(r.State) {
	case pipelines.RunStateValues.InProgress:
		run.State = RunGoing
	case pipelines.RunStateValues.Canceling:
		run.State = RunCanceling
	case pipelines.RunStateValues.Completed:
		run.State, run.Result = RunEnded, RunOther
		switch is(r.Result) {
		case pipelines.RunResultValues.Succeeded:
			run.Result = RunSucceeded
		case pipelines.RunResultValues.Failed:
			run.Result = RunFailed
		case pipelines.RunResultValues.Canceled:
			run.Result = RunCanceled
		}
	}
	return run
}
