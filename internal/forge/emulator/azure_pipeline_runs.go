package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// ownAlias is what a pipeline calls the repository that its YAML is in.
const ownAlias = "self"

func (f *Forge) runJSON(run *pipelineRun) obj {
	self := f.pipelineURL(run.pipeline) + "/runs/" + strconv.Itoa(run.ID)
	variables := obj{}
	for name, value := range run.Variables {
		variables[name] = obj{"value": value}
	}
	o := obj{"id": run.ID, "name": run.created.Format("20060102") + "." + strconv.Itoa(run.ID), "state": run.State, "createdDate": azureDate(run.created),
		"pipeline": f.pipelineRef(run.pipeline), "url": self, "templateParameters": run.Parameters, "variables": variables,
		"_links":    obj{"self": href(self), "web": href(f.orgURL() + "/" + pathEscape(run.pipeline.repo.owner.login) + "/_build/results?buildId=" + strconv.Itoa(run.ID))},
		"resources": obj{"repositories": f.sourcesJSON(run)}}
	if run.State == "completed" {
		o["result"], o["finishedDate"] = run.Result, azureDate(run.finished)
	}
	return o
}

// sourcesJSON are the repositories of a run, with what it takes of each.
func (f *Forge) sourcesJSON(run *pipelineRun) obj {
	source := func(r *repository, of PipelineVersion) obj {
		return obj{"repository": obj{"id": f.repoGUID(r), "type": "azureReposGit"}, "refName": of.Ref, "version": of.Commit}
	}
	out := obj{ownAlias: source(run.pipeline.repo, PipelineVersion{run.Ref, run.Version})}
	for alias, of := range run.Others {
		out[alias] = source(run.pipeline.others[alias], of)
	}
	return out
}

type versionInput struct {
	Ref     string `json:"refName"`
	Version string `json:"version"`
}

type runInput struct {
	Templates map[string]string `json:"templateParameters"`
	Variables map[string]struct {
		Value    string `json:"value"`
		IsSecret bool   `json:"isSecret"`
	} `json:"variables"`
	Resources struct {
		Repositories map[string]versionInput `json:"repositories"`
	} `json:"resources"`
}

// runPipeline needs the right to contribute to the pipeline's repository.
func (c *azureCall) runPipeline() (response, error) {
	p, err := c.wantedPipeline()
	if err != nil {
		return response{}, err
	}
	if p.repo.level(c.who.user) < levelWrite {
		return response{}, c.lacks(levelWrite)
	}
	var in runInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	run, err := c.runOf(p, in)
	if err != nil {
		return response{}, err
	}
	return ok(c.f.runJSON(c.f.startRun(p, c.who.user, run)))
}

// runOf takes no more than what the pipeline declares.
func (c *azureCall) runOf(p *pipeline, in runInput) (PipelineRun, error) {
	for name := range in.Templates {
		if !slices.ContainsFunc(p.parameters, func(known string) bool { return strings.EqualFold(known, name) }) {
			return PipelineRun{}, notValid("/azure-pipelines.yml: Unexpected parameter '%s'", name)
		}
	}
	for alias := range in.Resources.Repositories {
		if alias != ownAlias && p.others[alias] == nil {
			return PipelineRun{}, notValid("The repository resource %s is not one of the pipeline's.", alias)
		}
	}
	run := PipelineRun{Parameters: in.Templates, Variables: map[string]string{}, Others: map[string]PipelineVersion{}}
	own, err := c.versionOf(p.repo, in.Resources.Repositories[ownAlias])
	if err != nil {
		return PipelineRun{}, err
	}
	run.Ref, run.Version = own.Ref, own.Commit
	for alias, r := range p.others {
		if run.Others[alias], err = c.versionOf(r, in.Resources.Repositories[alias]); err != nil {
			return PipelineRun{}, err
		}
	}
	for name, v := range in.Variables {
		run.Variables[name] = v.Value
	}
	return run, nil
}

// versionOf is a commit of a ref: its tip, or another one that is on it.
func (c *azureCall) versionOf(r *repository, in versionInput) (PipelineVersion, error) {
	of := PipelineVersion{Ref: firstOf(in.Ref, "refs/heads/"+r.defaultBranch)}
	tip := c.f.git.resolve(r, of.Ref)
	if of.Commit = firstOf(in.Version, tip); tip == "" || c.f.git.resolve(r, of.Commit) == "" {
		return of, notValid("The ref %s or the version %s could not be found in the repository.", of.Ref, in.Version)
	}
	if !c.f.contains(r, of.Commit, tip, nil) {
		return of, notValid("The version %s is not on the ref %s.", in.Version, of.Ref)
	}
	return of, nil
}

func notValid(format string, args ...any) error {
	return azureFailure(http.StatusBadRequest, "PipelineValidationException", format, args...)
}

func (c *azureCall) wantedRun() (*pipelineRun, error) {
	id := c.num("runId") + c.num("buildId") // one of them
	if id < 1 || id > len(c.f.azure.runs) || c.f.azure.runs[id-1].pipeline.repo.owner != c.project ||
		c.f.azure.runs[id-1].pipeline.repo.level(c.who.user) < levelRead ||
		c.vars["pipelineId"] != "" && c.f.azure.runs[id-1].PipelineID != c.num("pipelineId") {
		return nil, azureFailure(http.StatusNotFound, "BuildNotFoundException", "The requested build %d could not be found.", id)
	}
	return c.f.azure.runs[id-1], nil
}

func (c *azureCall) getRun() (response, error) {
	run, err := c.wantedRun()
	if err != nil {
		return response{}, err
	}
	defer c.f.endCancelled(run)
	return ok(c.f.runJSON(run))
}

// listRuns is newest first.
func (c *azureCall) listRuns() (response, error) {
	p, err := c.wantedPipeline()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, run := range slices.Backward(c.f.azure.runs) {
		if run.pipeline == p {
			out = append(out, c.f.runJSON(run))
		}
	}
	return listed(out)
}
