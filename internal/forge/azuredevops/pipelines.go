package azuredevops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	ado "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/build"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/pipelines"

	"github.com/coderflow/coderflow/internal/forge"
)

// Pipelines queues and follows runs of Azure Pipelines. It is safe for concurrent use.
//
// A run is known by two areas of the service under one id: "pipelines", which takes
// template parameters and the commits of repositories, and "build", which has the
// result, the log and the way to cancel it.
// https://learn.microsoft.com/rest/api/azure/devops/pipelines/runs
type Pipelines struct {
	a      *Adapter
	runs   pipelines.Client
	builds build.Client
}

// Pipelines are those of the organization.
func (a *Adapter) Pipelines() *Pipelines {
	return &Pipelines{a: a, runs: &pipelines.ClientImpl{Client: *a.own}, builds: &build.ClientImpl{Client: *a.own}}
}

const (
	// manyPipelines is more than a project has; the library does not tell where a list was cut.
	manyPipelines = 10_000
	// clockSkew is how far our clock may be from the service's.
	clockSkew = time.Hour
	// perRuns and maxRunPages bound the search for a run.
	perRuns     = 200
	maxRunPages = 10
)

// Queue asks once for a run. An answer of 408 may come after the run was made, so that it
// is no refusal.
func (p *Pipelines) Queue(ctx context.Context, r forge.PipelineRequest) (forge.PipelineRun, error) {
	id, err := p.number(ctx, r.Pipeline)
	if err != nil {
		return forge.PipelineRun{}, err
	}
	parameters := map[string]string{forge.PipelineKey: r.Key}
	for name, value := range r.Parameters {
		if strings.EqualFold(name, forge.PipelineKey) {
			return forge.PipelineRun{}, &forge.RefusedError{Operation: "run pipeline " + r.Pipeline.String(), Words: name + " is CoderFlow's own parameter"}
		}
		parameters[name] = value
	}
	doing := "run pipeline " + r.Pipeline.String()
	run, err := p.runs.RunPipeline(ctx, pipelines.RunPipelineArgs{
		Project: &r.Pipeline.Project, PipelineId: &id,
		RunParameters: &pipelines.RunPipelineParameters{
			TemplateParameters: &parameters,
			Resources: &pipelines.RunResourcesParameters{Repositories: &map[string]pipelines.RepositoryResourceParameters{
				r.Repository: {RefName: &r.Ref, Version: &r.Commit},
			}},
		},
	})
	if status(err) == http.StatusRequestTimeout {
		return forge.PipelineRun{}, fmt.Errorf("%s: %w", doing, errors.New("the service took too long to answer"))
	}
	if err != nil {
		return forge.PipelineRun{}, translate(doing, err)
	}
	if is(run.Id) <= 0 {
		return forge.PipelineRun{}, fmt.Errorf("%s: the answer does not name the run", doing)
	}
	now := p.of(r.Pipeline, is(run.Id), is(run.Name))
	now.Commit, now.CreatedAt = commitTaken(run, r.Repository), at(run.CreatedDate)
	return now, nil
}

// number finds the pipeline. A name that several have, in different folders, is refused.
func (p *Pipelines) number(ctx context.Context, of forge.PipelineRef) (int, error) {
	doing := "find pipeline " + of.String()
	if !segment(of.Project) {
		return 0, fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
	}
	if id, err := strconv.ParseInt(of.Name, 10, 32); err == nil && id > 0 {
		return int(id), nil
	}
	most := manyPipelines
	list, err := p.runs.ListPipelines(ctx, pipelines.ListPipelinesArgs{Project: &of.Project, Top: &most})
	if err != nil {
		return 0, translate(doing, err)
	}
	wanted := strings.Trim(strings.ReplaceAll(of.Name, "/", `\`), `\`)
	var found []int
	for _, one := range is(list) {
		full := strings.Trim(is(one.Folder)+`\`+is(one.Name), `\`)
		if strings.EqualFold(full, wanted) || strings.EqualFold(is(one.Name), wanted) {
			found = append(found, is(one.Id))
		}
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("%s: %w", doing, forge.ErrNotFound)
	case 1:
		return found[0], nil
	}
	return 0, &forge.RefusedError{Operation: doing, Words: fmt.Sprintf("%d pipelines have that name: name its folder too, or its number", len(found))}
}

// of is the run of that number, with where people look at it.
func (p *Pipelines) of(pipeline forge.PipelineRef, id int, name string) forge.PipelineRun {
	return forge.PipelineRun{
		Pipeline: pipeline, ID: strconv.Itoa(id), Name: clip(name),
		URL: p.a.organization + "/" + url.PathEscape(pipeline.Project) + "/_build/results?buildId=" + strconv.Itoa(id),
	}
}

func commitTaken(run *pipelines.Run, repository string) string {
	if run == nil {
		return ""
	}
	return strings.ToLower(is(is(is(run.Resources).Repositories)[repository].Version))
}

// State is the run as it is now.
func (p *Pipelines) State(ctx context.Context, of forge.PipelineRequest, id string) (forge.PipelineRun, error) {
	number, err := runNumber(id)
	if err != nil {
		return forge.PipelineRun{}, err
	}
	b, err := p.builds.GetBuild(ctx, build.GetBuildArgs{Project: &of.Pipeline.Project, BuildId: &number})
	if err != nil {
		return forge.PipelineRun{}, translate("read run "+id+" of pipeline "+of.Pipeline.String(), err)
	}
	return p.seen(ctx, of, b)
}

func runNumber(id string) (int, error) {
	number, err := strconv.ParseInt(id, 10, 32)
	if err != nil || number <= 0 {
		return 0, fmt.Errorf("run %q of a pipeline: %w", id, forge.ErrNotFound)
	}
	return int(number), nil
}

// seen is a build as the run of a request. What the run takes of a repository other than
// the pipeline's own is told by the other area alone.
func (p *Pipelines) seen(ctx context.Context, of forge.PipelineRequest, b *build.Build) (forge.PipelineRun, error) {
	now := p.of(of.Pipeline, is(b.Id), is(b.BuildNumber))
	now.CreatedAt, now.FinishedAt, now.Commit = at(b.QueueTime), at(b.FinishTime), strings.ToLower(is(b.SourceVersion))
	switch is(b.Status) {
	case build.BuildStatusValues.Completed:
		now.Result = resultOf(is(b.Result))
	case build.BuildStatusValues.Cancelling:
		now.Cancelling = true
	}
	if of.Repository == forge.OwnRepository {
		return now, nil
	}
	run, err := p.run(ctx, of.Pipeline, b)
	if err != nil {
		return forge.PipelineRun{}, err
	}
	now.Commit = commitTaken(run, of.Repository)
	return now, nil
}

// run is the build in the words of the other area.
func (p *Pipelines) run(ctx context.Context, of forge.PipelineRef, b *build.Build) (*pipelines.Run, error) {
	run, err := p.runs.GetRun(ctx, pipelines.GetRunArgs{Project: &of.Project, PipelineId: is(b.Definition).Id, RunId: b.Id})
	if err != nil {
		return nil, translate(fmt.Sprintf("read run %d of pipeline %s", is(b.Id), of), err)
	}
	return run, nil
}

func resultOf(r build.BuildResult) forge.PipelineResult {
	switch r {
	case build.BuildResultValues.Succeeded:
		return forge.PipelineSucceeded
	case build.BuildResultValues.PartiallySucceeded:
		return forge.PipelinePartly
	case build.BuildResultValues.Failed:
		return forge.PipelineFailed
	case build.BuildResultValues.Canceled:
		return forge.PipelineCancelled
	}
	return forge.PipelineUnclear
}

// Find looks through the runs since the request was made, the newest first.
func (p *Pipelines) Find(ctx context.Context, r forge.PipelineRequest) (forge.PipelineRun, bool, error) {
	id, err := p.number(ctx, r.Pipeline)
	if err != nil {
		return forge.PipelineRun{}, false, err
	}
	doing := "look for the run of pipeline " + r.Pipeline.String()
	order, most := build.BuildQueryOrderValues.QueueTimeDescending, perRuns
	args := build.GetBuildsArgs{
		Project: &r.Pipeline.Project, Definitions: &[]int{id}, QueryOrder: &order, Top: &most, MinTime: &ado.Time{Time: r.Since.Add(-clockSkew).UTC()},
	}
	for range maxRunPages {
		page, err := p.builds.GetBuilds(ctx, args)
		if err != nil {
			return forge.PipelineRun{}, false, translate(doing, err)
		}
		i, err := p.carrier(ctx, r, page.Value)
		if err != nil {
			return forge.PipelineRun{}, false, err
		}
		if i >= 0 {
			now, err := p.seen(ctx, r, &page.Value[i])
			return now, err == nil, err
		}
		if page.ContinuationToken == "" || len(page.Value) == 0 {
			return forge.PipelineRun{}, false, nil
		}
		args.ContinuationToken = &page.ContinuationToken
	}
	return forge.PipelineRun{}, false, fmt.Errorf("%s: there are more than %d since %s", doing, maxRunPages*perRuns, r.Since.Format(time.RFC3339))
}

// carrier is the place of the run that carries the key, by its parameter or by a name
// that the pipeline makes of it; -1 if none of them does.
func (p *Pipelines) carrier(ctx context.Context, r forge.PipelineRequest, list []build.Build) (int, error) {
	for i := range list {
		b := &list[i]
		if r.Key != "" && slices.Contains(strings.FieldsFunc(is(b.BuildNumber), notOfKey), r.Key) {
			return i, nil
		}
		key, told := keyOf(b.TemplateParameters)
		if !told { // lists leave it out at times
			run, err := p.run(ctx, r.Pipeline, b)
			if errors.Is(err, forge.ErrNotFound) { // deleted just now
				return -1, fmt.Errorf("run %d of pipeline %s cannot be looked at", is(b.Id), r.Pipeline)
			}
			if err != nil {
				return -1, err
			}
			key, told = anyKeyOf(run.TemplateParameters)
		}
		switch {
		case told && key == r.Key:
			return i, nil
		case !told && r.Repository == forge.OwnRepository && strings.EqualFold(is(b.SourceVersion), r.Commit):
			return -1, fmt.Errorf("the service does not tell the parameters of run %d of pipeline %s, so it may be the one", is(b.Id), r.Pipeline)
		}
	}
	return -1, nil
}

// notOfKey separates the parts of a run's name; keys are hexadecimal.
func notOfKey(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// keyOf is the key among the parameters, and whether they were told.
func keyOf(parameters *map[string]string) (key string, told bool) {
	for name, value := range is(parameters) {
		if strings.EqualFold(name, forge.PipelineKey) {
			return value, true
		}
	}
	return "", len(is(parameters)) > 0
}

func anyKeyOf(parameters *map[string]any) (key string, told bool) {
	texts := make(map[string]string, len(is(parameters)))
	for name, value := range is(parameters) {
		texts[name] = fmt.Sprint(value)
	}
	return keyOf(&texts)
}

// Cancel has the run end soon.
func (p *Pipelines) Cancel(ctx context.Context, of forge.PipelineRef, id string) error {
	number, err := runNumber(id)
	if err != nil {
		return err
	}
	cancelling := build.BuildStatusValues.Cancelling
	_, err = p.builds.UpdateBuild(ctx, build.UpdateBuildArgs{Project: &of.Project, BuildId: &number, Build: &build.Build{Status: &cancelling}})
	if err == nil {
		return nil
	}
	// One that has ended cannot be cancelled, which is fine.
	b, look := p.builds.GetBuild(ctx, build.GetBuildArgs{Project: &of.Project, BuildId: &number})
	if look == nil && is(b.Status) == build.BuildStatusValues.Completed {
		return nil
	}
	return translate("cancel run "+id+" of pipeline "+of.String(), err)
}
