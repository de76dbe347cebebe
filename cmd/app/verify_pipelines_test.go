package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
)

// githubVerify is the template of the required check, for a push from base to head.
func githubVerify(server, secret, key, site, forgeToken, base, head string) pipeline {
	return pipeline{
		file: "github-actions-verify.yml", expression: regexp.MustCompile(`\$\{\{\s*([a-zA-Z_.]+)\s*\}\}`),
		shell: []string{"bash", "--noprofile", "--norc", "-eo", "pipefail"},
		own:   func(dir string) []string { return []string{"RUNNER_TEMP=" + dir} },
		values: map[string]string{
			"vars.CODERFLOW_SERVER": server, "vars.CODERFLOW_AUDIT_KEY": key, "secrets.CODERFLOW_TOKEN": secret, "github.token": forgeToken,
			"github.server_url": site, "github.repository": sampleRepo, "github.sha": head, "github.event.before": base,
			"github.event.pull_request.head.sha": "", "github.event.pull_request.base.sha": "",
		},
		steps: githubVerifySteps,
	}
}

// githubVerifySteps reads the scripts, and holds the workflow to reading, to nothing
// that others wrote, and to no checkout, from which something could be run.
func githubVerifySteps(text []byte) ([]pipelineStep, error) {
	var in struct {
		Permissions map[string]string
		On          map[string]struct{ Branches []string }
		Jobs        map[string]struct {
			Steps []struct {
				Uses, Run string
				Env       map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	if !maps.Equal(in.Permissions, map[string]string{"contents": "read"}) || len(in.On) != 2 {
		return nil, fmt.Errorf("it has other permissions or events: %+v", in)
	}
	var steps []pipelineStep
	for _, job := range in.Jobs {
		for _, step := range job.Steps {
			if step.Uses != "" || strings.Contains(step.Run, "checkout") {
				return nil, fmt.Errorf("it uses %q or checks something out", step.Uses)
			}
			steps = append(steps, pipelineStep{step.Run, step.Env})
		}
	}
	return steps, nil
}

// azureVerify is the template of the build validation, of a merge in the directory.
func azureVerify(server, secret, key, dir, merge string) pipeline {
	return pipeline{
		file: "azure-pipelines-verify.yml", expression: regexp.MustCompile(`\$\(([a-zA-Z_.]+)\)`),
		shell: []string{"bash", "--noprofile", "--norc"},
		own:   func(temporary string) []string { return []string{"AGENT_TEMPDIRECTORY=" + temporary} },
		values: map[string]string{
			"CODERFLOW_SERVER": server, "CODERFLOW_TOKEN": secret, "CODERFLOW_AUDIT_KEY": key, "Build.SourceVersion": merge,
			"Build.SourcesDirectory": dir,
		},
		steps: azureVerifySteps,
	}
}

func azureVerifySteps(text []byte) ([]pipelineStep, error) {
	var in struct {
		Trigger, PR string
		Jobs        []struct {
			Steps []struct {
				Checkout, Bash string
				Persist        bool `yaml:"persistCredentials"`
				Target         struct {
					Commands  string
					Variables string `yaml:"settableVariables"`
				}
				Env map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	if in.PR != "none" || in.Trigger != "none" {
		return nil, errors.New("it is started by more than the policy")
	}
	var steps []pipelineStep
	for _, job := range in.Jobs {
		for _, step := range job.Steps {
			switch {
			case step.Checkout == "self" && !step.Persist:
			case step.Bash == "" || step.Target.Commands != "restricted" || step.Target.Variables != "none":
				return nil, fmt.Errorf("a step of another kind: %+v", step)
			default:
				steps = append(steps, pipelineStep{step.Bash, step.Env})
			}
		}
	}
	return steps, nil
}
