package main

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// releases is a profile that has a pipeline do it.
const releases = `apiVersion: coderflow.dev/v1
kind: DeploymentProfile
metadata: {name: release, environment: staging}
spec:
  description: Has a pipeline release the commit
  timeout: 2m
  azurePipeline: {project: acme, pipeline: release}
  parameters:
    - {name: channel, type: select, options: [beta, stable], default: beta}
`

// What was approved is given to a pipeline of Azure DevOps, once: the landed commit, the
// parameters, and the deployment's id; its end and its output are the deployment's.
func TestAnApprovalHasAPipelineDeploy(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, onAzure, withExtra(looksOften), func(o *emulator.Options, _ *settings) {
		o.Azure.Pipeline = func(emulator.PipelineRun) emulator.PipelineOutcome {
			return emulator.PipelineOutcome{Log: []string{"released"}}
		}
	})
	if _, err := w.hub.AddPipeline(sampleRepo, "release", emulator.PipelineOptions{Parameters: []string{forge.PipelineKey, "channel"}}); err != nil {
		t.Fatal(err)
	}
	w.manifests("release.yaml", releases)
	w.start()
	proposed := w.taskOf(w.run(maria).Number, task.Proposed)
	if n := len(w.hub.PipelineRuns()); n != 0 {
		t.Fatalf("%d runs before anybody approved", n)
	}
	w.approve(tom, proposed.PullRequest, "/coderflow deploy release channel=stable")
	done := w.taskOf(proposed.Issue, task.Done)
	run := w.deployed(w.runOf(done.ID, "release", deploy.ByReview).ID, deploy.Succeeded)
	runs := w.hub.PipelineRuns()
	if len(runs) != 1 || runs[0].Version != done.LandedCommit || runs[0].Parameters["channel"] != "stable" || runs[0].Parameters["coderflowDeployment"] != run.ID {
		t.Errorf("the pipeline was given %+v, want commit %s and deployment %s", runs, done.LandedCommit, run.ID)
	}
	if out := w.output("deploy/" + run.ID); !strings.Contains(out, "released") {
		t.Errorf("its output is %q", out)
	}
	w.auditHas(done.ID, map[audit.Action]int{audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1})
}
