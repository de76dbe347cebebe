package emulator

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// PipelineRun is a run as it was asked for, and what became of it.
type PipelineRun struct {
	ID         int
	PipelineID int
	Pipeline   string
	By         string // login
	Ref        string
	Version    string // commit
	// Others are the commits of the other repositories that the pipeline declares, by their aliases.
	Others     map[string]PipelineVersion
	Parameters map[string]string
	Variables  map[string]string
	State      string // inProgress, canceling or completed
	Result     string // succeeded, failed or canceled, once it is completed
	Log        []string
}

// PipelineVersion is what a run takes of a repository.
type PipelineVersion struct {
	Ref    string
	Commit string
}

// PipelineOptions are what the pipeline's YAML declares.
type PipelineOptions struct {
	Parameters   []string          // template parameters
	Repositories map[string]string // other repositories of the organization, as OWNER/NAME, by their aliases
}

// PipelineOutcome is what a run does.
type PipelineOutcome struct {
	Running bool     // until FinishRun
	Result  string   // succeeded (the default) or failed
	Log     []string // written at once
}

type pipeline struct {
	id         int
	name       string
	repo       *repository
	others     map[string]*repository
	parameters []string
}

type pipelineRun struct {
	PipelineRun
	pipeline *pipeline
	by       *user
	created  time.Time
	finished time.Time
}

// AddPipeline makes a pipeline for a repository and returns its id.
func (f *Forge) AddPipeline(fullName, name string, declared PipelineOptions) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repoByName(fullName)
	if f.azure == nil || r == nil {
		return 0, fmt.Errorf("emulator: no repository %q for a pipeline", fullName)
	}
	p := &pipeline{id: len(f.azure.pipelines) + 1, name: name, repo: r, others: map[string]*repository{}, parameters: declared.Parameters}
	for alias, of := range declared.Repositories {
		if p.others[alias] = f.repoByName(of); p.others[alias] == nil || alias == ownAlias {
			return 0, fmt.Errorf("emulator: no repository %q for %q of a pipeline", of, alias)
		}
	}
	f.azure.pipelines = append(f.azure.pipelines, p)
	return p.id, nil
}

// PipelineRuns lists all runs, oldest first.
func (f *Forge) PipelineRuns() []PipelineRun {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []PipelineRun
	for _, run := range f.azure.runs {
		one := run.PipelineRun
		one.Parameters, one.Variables, one.Others, one.Log = maps.Clone(one.Parameters), maps.Clone(one.Variables), maps.Clone(one.Others), slices.Clone(one.Log)
		out = append(out, one)
	}
	return out
}

// WriteRunLog adds lines to the log of a run.
func (f *Forge) WriteRunLog(id int, lines ...string) error {
	return f.withRun(id, func(run *pipelineRun) { run.Log = append(run.Log, lines...) })
}

// FinishRun ends a run that goes on.
func (f *Forge) FinishRun(id int, result string) error {
	return f.withRun(id, func(run *pipelineRun) { f.finish(run, result) })
}

func (f *Forge) withRun(id int, act func(*pipelineRun)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.azure == nil || id < 1 || id > len(f.azure.runs) {
		return errors.New("emulator: no such run")
	}
	act(f.azure.runs[id-1])
	return nil
}

func (f *Forge) finish(run *pipelineRun, result string) {
	if run.State != "completed" {
		run.State, run.Result, run.finished = "completed", result, f.moment()
	}
}

// startRun needs the lock.
func (f *Forge) startRun(p *pipeline, by *user, run PipelineRun) *pipelineRun {
	run.ID, run.PipelineID, run.Pipeline, run.By, run.State = len(f.azure.runs)+1, p.id, p.name, by.login, "inProgress"
	started := &pipelineRun{PipelineRun: run, pipeline: p, by: by, created: f.moment()}
	f.azure.runs = append(f.azure.runs, started)
	outcome := PipelineOutcome{Log: []string{"Run " + strconv.Itoa(run.ID)}}
	if decide := f.opts.Azure.Pipeline; decide != nil {
		outcome = decide(run)
	}
	started.Log = outcome.Log
	if !outcome.Running {
		f.finish(started, firstOf(outcome.Result, "succeeded"))
	}
	return started
}

// queueBuilds starts the builds that policies want of a pull request.
func (f *Forge) queueBuilds(p *pull) {
	for _, po := range f.policiesOf(p.issue.repo, p.baseRef) {
		if b := po.settings.Build; b != nil {
			if pl := f.pipelineByID(b.PipelineID); pl != nil {
				f.startRun(pl, p.issue.author, PipelineRun{Ref: mergeRef(p), Version: p.headSHA})
			}
		}
	}
}

func mergeRef(p *pull) string { return "refs/pull/" + strconv.Itoa(p.issue.number) + "/merge" }

// evaluateBuild looks at the newest run on the merge of the present source.
func (f *Forge) evaluateBuild(b *BuildPolicy, p *pull) (state, missing string) {
	name := firstOf(b.Name, "Build")
	for _, run := range slices.Backward(f.azure.runs) {
		if run.PipelineID != b.PipelineID || run.Ref != mergeRef(p) || run.Version != p.headSHA {
			continue
		}
		switch {
		case run.State != "completed":
			return "running", name + " is running"
		case run.Result == "succeeded":
			return "approved", ""
		}
		return "rejected", name + " has failed"
	}
	return "queued", name + " has not run"
}

func (f *Forge) pipelineByID(id int) *pipeline {
	if id < 1 || id > len(f.azure.pipelines) {
		return nil
	}
	return f.azure.pipelines[id-1]
}

func (f *Forge) pipelineURL(p *pipeline) string {
	return f.orgURL() + "/" + f.projectGUID(p.repo.owner) + "/_apis/pipelines/" + strconv.Itoa(p.id)
}

func (f *Forge) pipelineRef(p *pipeline) obj {
	return obj{"id": p.id, "name": p.name, "folder": "\\", "revision": 1, "url": f.pipelineURL(p) + "?revision=1"}
}

func (c *azureCall) listPipelines() (response, error) {
	out := []obj{}
	for _, p := range c.f.azure.pipelines {
		if p.repo.owner == c.project && p.repo.level(c.who.user) >= levelRead {
			out = append(out, c.f.pipelineRef(p))
		}
	}
	return c.pageOf(out, 1000)
}

func (c *azureCall) wantedPipeline() (*pipeline, error) {
	p := c.f.pipelineByID(c.num("pipelineId"))
	if p == nil || p.repo.owner != c.project || p.repo.level(c.who.user) < levelRead {
		return nil, azureFailure(http.StatusNotFound, "PipelineNotFoundException", "Pipeline with ID %s does not exist.", c.vars["pipelineId"])
	}
	return p, nil
}

func (c *azureCall) getPipeline() (response, error) {
	p, err := c.wantedPipeline()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.pipelineRef(p).with(obj{"configuration": obj{"type": "yaml", "path": "azure-pipelines.yml",
		"repository": obj{"id": c.f.repoGUID(p.repo), "type": "azureReposGit"}}, "_links": obj{"self": href(c.f.pipelineURL(p))}}))
}
