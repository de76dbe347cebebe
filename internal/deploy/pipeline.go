package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
)

// Pipeline is what a profile runs instead of a script: a pipeline of another service.
type Pipeline struct {
	Host    string `json:"host"` // forge.AzureDevOps
	Project string `json:"project"`
	Name    string `json:"pipeline"` // or its number
	// Repository is what the pipeline calls the repository of the commit; empty: its own.
	Repository string `json:"repository,omitempty"`
}

// Ref names the pipeline.
func (p Pipeline) Ref() forge.PipelineRef {
	return forge.PipelineRef{Host: p.Host, Project: p.Project, Name: p.Name}
}

// Pipelines run pipelines. An error of Queue that is forge.ErrNotFound,
// forge.ErrForbidden or a *forge.RefusedError says that nothing was started; after any
// other one a run may have been.
type Pipelines interface {
	// Queue asks once for a run; it never repeats a request.
	Queue(ctx context.Context, r forge.PipelineRequest) (forge.PipelineRun, error)
	// Find looks for the run that carries the request's key. It reports false only if no
	// run since then can be it; where that cannot be told, it fails.
	Find(ctx context.Context, r forge.PipelineRequest) (forge.PipelineRun, bool, error)
	// State is the run as it is now, or forge.ErrNotFound.
	State(ctx context.Context, of forge.PipelineRequest, id string) (forge.PipelineRun, error)
	// Cancel has the run end soon; one that has ended is left alone.
	Cancel(ctx context.Context, p forge.PipelineRef, id string) error
	// Output is what the run has written, in whole lines, since a place that an earlier
	// call returned; the first place is empty. It stops once there are most bytes, and
	// returns the same again for the same place, with more behind it.
	Output(ctx context.Context, p forge.PipelineRef, id, place string, most int) (text []byte, next string, err error)
}

// PipelineRecord is what became of asking a pipeline for a run. The zero record is one
// of a deployment that asked none.
type PipelineRecord struct {
	Pipeline
	Ref     string        `json:"ref,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"` // of the profile
	AskedAt time.Time     `json:"askedAt,omitzero"`  // recorded before it was
	ID      string        `json:"id,omitempty"`
	Run     string        `json:"run,omitempty"` // its name
	URL     string        `json:"url,omitempty"`
	Result  string        `json:"result,omitempty"`
	// Place is how far its output is kept, as the service counts; Kept in bytes.
	Place string `json:"place,omitempty"`
	Kept  int64  `json:"kept,omitempty"`
}

// IsZero reports that no pipeline was asked.
func (p PipelineRecord) IsZero() bool { return p == PipelineRecord{} }

// Stop is the order to cancel the pipeline's run of a deployment, and why.
type Stop struct {
	Why string    `json:"why,omitempty"`
	At  time.Time `json:"at,omitzero"`
}

// ErrNoPipelines is a server that has nothing to run pipelines with.
var ErrNoPipelines = errors.New("this server has no Azure DevOps: the section azureDevOps of its coderflow.yaml is missing")

// Runs reports whether the server can run the profile at all.
func (x *Executor) Runs(p Profile) error {
	if p.Pipeline != nil && (x == nil || x.Pipelines == nil) {
		return fmt.Errorf("profile %s runs a pipeline, and %w", p.Name, ErrNoPipelines)
	}
	return nil
}

// Queue asks a pipeline for the run that the grant is for. It is called at most once
// for a deployment, after the intent was recorded.
func (x *Executor) Queue(ctx context.Context, g approval.Grant, run Run, p Profile) (forge.PipelineRun, error) {
	granted, err := grantedTo(g, run)
	if err != nil {
		return forge.PipelineRun{}, err
	}
	if p.Digest() != granted.Version || p.Name != granted.Profile || p.Environment != granted.Environment ||
		p.Pipeline == nil || *p.Pipeline != run.Pipeline.Pipeline {
		return forge.PipelineRun{}, fmt.Errorf("profile %s is not the one that was granted: %w", p.Name, ErrNotGranted)
	}
	return x.Pipelines.Queue(ctx, run.PipelineRequest())
}

// PipelineRequest is what the deployment asks its pipeline for, the same each time.
func (r Run) PipelineRequest() forge.PipelineRequest {
	repository := r.Pipeline.Repository
	if repository == "" {
		repository = forge.OwnRepository
	}
	parameters := maps.Clone(r.Parameters)
	maps.DeleteFunc(parameters, func(_, value string) bool { return value == "" })
	return forge.PipelineRequest{
		Pipeline: r.Pipeline.Pipeline.Ref(), Key: r.ID, Repository: repository, Ref: r.Pipeline.Ref, Commit: r.Commit,
		Parameters: parameters, Since: r.CreatedAt,
	}
}

var (
	// What Azure DevOps takes for names.
	projectName    = regexp.MustCompile(`^[^\\/:*?"<>|;#$*{},+=\[\]\x00-\x1f]{1,64}$`)
	pipelineName   = regexp.MustCompile(`^[^\x00-\x1f"<>|:*?]{1,260}$`)
	repositoryName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,99}$`)
)

// checkPipeline reports what is wrong with a profile that runs a pipeline. Whatever
// only a container has is refused by its name.
func (p Profile) checkPipeline(wrong func(field, format string, args ...any)) {
	const key = "azurePipeline"
	given := map[string]bool{
		"script": p.Script != "", "image": p.Image != "", "secrets": len(p.Secrets) > 0, "network": !p.Network.IsZero(),
	}
	for _, field := range slices.Sorted(maps.Keys(given)) {
		if given[field] {
			wrong(field, "is for a profile with a script, and this one has %s: remove one of the two", key)
		}
	}
	if !projectName.MatchString(p.Pipeline.Project) || strings.TrimSpace(p.Pipeline.Project) != p.Pipeline.Project {
		wrong(key+".project", "%q cannot be the name of a project", p.Pipeline.Project)
	}
	if !pipelineName.MatchString(p.Pipeline.Name) || strings.TrimSpace(p.Pipeline.Name) != p.Pipeline.Name {
		wrong(key+".pipeline", "want the name or the number of a pipeline, not %q", p.Pipeline.Name)
	}
	if p.Pipeline.Repository != "" && !repositoryName.MatchString(p.Pipeline.Repository) {
		wrong(key+".repository", "want what the pipeline calls the repository in its resources, not %q", p.Pipeline.Repository)
	}
	for i, parameter := range p.Parameters {
		at := fmt.Sprintf("parameters[%d]", i)
		if strings.EqualFold(parameter.Name, forge.PipelineKey) {
			wrong(at+".name", "%s is given by CoderFlow itself", forge.PipelineKey)
		}
		for _, value := range append(slices.Clone(parameter.Options), parameter.Default) {
			if problem := expansionProblem(value); problem != "" {
				wrong(at, "%q %s", shown(value), problem)
			}
		}
	}
}

// expansions are what a pipeline replaces, or obeys, wherever a value of a parameter
// ends up in it; there is no way to write them literally.
var expansions = []string{"$(", "$[", "${{", "##vso[", "##["}

// expansionProblem says, as Parameter.problem does, why a pipeline would not take a
// value for what it is, or "".
func expansionProblem(value string) string {
	for _, begin := range expansions {
		if strings.Contains(strings.ToLower(value), begin) {
			return fmt.Sprintf("contains %s, which a pipeline would replace or obey wherever the value ends up", begin)
		}
	}
	return ""
}
