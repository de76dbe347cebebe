package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/coderflow/coderflow/internal/client"
)

// pipelineStep is a step of a template that runs a script.
type pipelineStep struct {
	Script string
	Env    map[string]string
}

// pipeline is how a kind of pipeline writes and runs such a step.
type pipeline struct {
	file string
	// expression is what is replaced where a value stands, and must not stand in a script.
	expression *regexp.Regexp
	shell      []string
	// own are variables that every script gets.
	own func(dir string) []string
	// values are the expressions' values.
	values map[string]string
	steps  func(text []byte) ([]pipelineStep, error)
}

func githubActions(server, secret, commit string) pipeline {
	return pipeline{
		file: "github-actions.yml", expression: regexp.MustCompile(`\$\{\{\s*([a-zA-Z_.]+)\s*\}\}`),
		shell: []string{"bash", "--noprofile", "--norc", "-eo", "pipefail"},
		own:   func(dir string) []string { return []string{"RUNNER_TEMP=" + dir} },
		values: map[string]string{
			"vars.CODERFLOW_SERVER": server, "secrets.CODERFLOW_TOKEN": secret, "github.sha": commit, "github.run_id": "4711",
			"github.run_attempt": "1", "github.server_url": "https://forge.example", "github.repository": "acme/receipts",
		},
		steps: githubSteps,
	}
}

// githubSteps reads the scripts of a workflow, and holds it to the default branch, no permissions
// and nothing that others wrote.
func githubSteps(text []byte) ([]pipelineStep, error) {
	var in struct {
		Permissions *map[string]string
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
	if in.Permissions == nil || len(*in.Permissions) != 0 || len(in.On) != 1 || !slices.Equal(in.On["push"].Branches, []string{"main"}) {
		return nil, fmt.Errorf("it has permissions, or runs on more than the default branch: %+v", in)
	}
	var steps []pipelineStep
	for _, job := range in.Jobs {
		for _, step := range job.Steps {
			if step.Uses != "" {
				return nil, fmt.Errorf("it uses %s, which others wrote", step.Uses)
			}
			steps = append(steps, pipelineStep{step.Run, step.Env})
		}
	}
	return steps, nil
}

func azurePipelines(server, secret, commit string) pipeline {
	return pipeline{
		file: "azure-pipelines.yml", expression: regexp.MustCompile(`\$\(([a-zA-Z_.]+)\)`),
		shell: []string{"bash", "--noprofile", "--norc"},
		own:   func(dir string) []string { return []string{"AGENT_TEMPDIRECTORY=" + dir} },
		values: map[string]string{
			"CODERFLOW_SERVER": server, "CODERFLOW_TOKEN": secret, "Build.SourceVersion": commit, "Build.BuildId": "4711",
			"System.JobAttempt": "1", "System.CollectionUri": "https://forge.example/acme/", "System.TeamProjectId": "7",
		},
		steps: azureSteps,
	}
}

// azureSteps reads the scripts of a pipeline, and holds it to no pull requests and to output
// that gives no commands.
func azureSteps(text []byte) ([]pipelineStep, error) {
	var in struct {
		PR   string
		Jobs []struct {
			Strategy struct {
				RunOnce struct {
					Deploy struct {
						Steps []struct {
							Checkout, Bash, Script, Task string
							Target                       struct {
								Commands  string
								Variables string `yaml:"settableVariables"`
							}
							Env map[string]string
						}
					}
				} `yaml:"runOnce"`
			}
		}
	}
	if err := yaml.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	if in.PR != "none" {
		return nil, errors.New("it runs for pull requests")
	}
	var steps []pipelineStep
	for _, job := range in.Jobs {
		for _, step := range job.Strategy.RunOnce.Deploy.Steps {
			switch {
			case step.Checkout == "none":
			case step.Bash == "" || step.Target.Commands != "restricted" || step.Target.Variables != "none":
				return nil, fmt.Errorf("a step of another kind: %+v", step)
			default:
				steps = append(steps, pipelineStep{step.Bash, step.Env})
			}
		}
	}
	return steps, nil
}

// The templates are run as the pipelines would run them: their own scripts and
// variables, with the real program, a service's token and a real server. What was
// merged is deployed; what nobody approved is not, and the job fails.
func TestThePipelinesTemplatesDeployWhatWasMerged(t *testing.T) {
	t.Parallel()
	w := newProductionWorld(t)
	merged := w.merge(w.approved().PullRequest)
	var out strings.Builder
	if code := run(t.Context(), []string{"tokens", "create", "-c", w.in.config, "--for", "service:ci", "--name", "pipeline"}, streams{&out, w.log}); code != 0 {
		t.Fatalf("no token: %d", code)
	}
	server, secret := "http://"+w.address, strings.TrimSpace(out.String())
	for _, kind := range []func(server, secret, commit string) pipeline{githubActions, azurePipelines} {
		p := kind(server, secret, merged)
		said, code := p.run(t)
		if code != 0 || !strings.Contains(said, "begins with "+merged+"\n") || !strings.Contains(said, "succeeded with exit status 0") || strings.Contains(said, secret) {
			t.Errorf("%s: exit status %d\n%s", p.file, code, said)
		}
		p.values["github.run_id"], p.values["Build.BuildId"] = "4712", "4712"
		p.values["github.sha"], p.values["Build.SourceVersion"] = strings.Repeat("ab", 20), strings.Repeat("ab", 20)
		if said, code := p.run(t); code != notFoundStatus || !strings.Contains(said, "no approval covers commit") {
			t.Errorf("%s with another commit: exit status %d\n%s", p.file, code, said)
		}
	}
	runs, err := ask(t.Context(), whereFlags{Config: w.in.config}, streams{&out, w.log},
		func(l local) ([]client.Deployment, error) {
			return l.deployments(t.Context(), client.DeploymentFilter{Environment: "production", Limit: 10})
		}, nil)
	if err != nil || len(runs) != 2 {
		t.Fatalf("%v: %+v", err, runs)
	}
	w.breakProduction()
	for _, kind := range []func(server, secret, commit string) pipeline{githubActions, azurePipelines} {
		p := kind(server, secret, merged)
		p.values["github.run_attempt"], p.values["System.JobAttempt"] = "2", "2"
		if said, code := p.run(t); code != failedStatus || !strings.Contains(said, "failed with exit status 9") {
			t.Errorf("%s of what fails: exit status %d\n%s", p.file, code, said)
		}
	}
	for i, reason := range []string{"https://forge.example/acme/7/_build/results?buildId=4711", "https://forge.example/acme/receipts/actions/runs/4711"} {
		if d := runs[i]; d.State != "succeeded" || d.Commit != merged || d.Covers != "merge" || d.Reason != reason || d.RequestedBy.Subject != "service:ci" {
			t.Errorf("%+v", d)
		}
	}
}

// breakProduction has deployments to production fail from now on.
func (w *world) breakProduction() {
	w.t.Helper()
	file := filepath.Join(w.dir, "manifests", "production.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	w.manifests("production.yaml", strings.Replace(string(text), "default: beta", "default: broken", 1))
	if code := run(w.t.Context(), []string{"apply", "-c", w.in.config, "-f", filepath.Dir(file)}, streams{w.log, w.log}); code != 0 {
		w.t.Fatalf("the change does not apply: %d", code)
	}
}

// merge merges a pull request at the forge, as tom.
func (w *world) merge(number int) (commit string) {
	w.t.Helper()
	return w.mergeBy(tom, number)
}

// run runs every script of the template with nothing around it but what the
// pipeline gives, and says how the last one ended.
func (p pipeline) run(t *testing.T) (said string, code int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../manifests/pipelines", p.file))
	if err != nil {
		t.Fatal(err)
	}
	steps, err := p.steps(text)
	if err != nil || len(steps) == 0 {
		t.Fatalf("%s: %d steps: %v", p.file, len(steps), err)
	}
	dir := t.TempDir()
	for _, step := range steps {
		if strings.Contains(step.Script, "$(") || strings.Contains(step.Script, "${{") {
			t.Fatalf("%s: values are put into a script:\n%s", p.file, step.Script)
		}
		script := filepath.Join(dir, "script.sh")
		if err := os.WriteFile(script, []byte(step.Script), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), p.shell[0], append(p.shell[1:], script)...)
		cmd.Dir = dir
		cmd.Env = append([]string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + dir}, p.own(dir)...)
		for name, value := range step.Env {
			cmd.Env = append(cmd.Env, name+"="+p.resolve(t, value))
		}
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		said, code = said+string(out), cmd.ProcessState.ExitCode()
		if left, _ := filepath.Glob(filepath.Join(dir, "coderflow-*")); len(left) > 0 {
			t.Errorf("%s leaves the token in %s", p.file, left)
		}
	}
	return said, code
}

// resolve puts values in the place of expressions, as the pipeline does.
func (p pipeline) resolve(t *testing.T, text string) string {
	t.Helper()
	return p.expression.ReplaceAllStringFunc(text, func(found string) string {
		name := p.expression.FindStringSubmatch(found)[1]
		value, known := p.values[name]
		if !known {
			t.Errorf("%s: no pipeline knows %s", p.file, found)
		}
		return value
	})
}
