package main

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// secretsOf are stored before the first task.
func (w *world) setSecret(slot, context, value string) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "value")
	if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if out, said, code := w.command("", "secrets", "set", slot, "--for", context, "-f", file); code != 0 {
		w.t.Fatalf("set %s: %s%s", slot, out, said)
	}
}

const (
	taskSecret       = "registry-token-of-tasks"
	deploySecret     = "correct horse battery staple"
	productionSecret = "production's own password"
)

// withSecrets has the profile ask for one secret, and runs scripts of an agent
// and of a deployment.
func withSecrets(agent, deployment string) worldOption {
	return func(_ *emulator.Options, s *settings) {
		s.Agent, s.Script, s.Secrets = agent, deployment, "DB_PASSWORD"
	}
}

// A task has its own secrets and not one byte of a deployment's; a deployment
// has those that its profile names, of its own environment; and what either
// prints, in whatever spelling, is taken out of everything that people can read.
func TestThreat25And35And53SecretsReachTheirContainerAndNothingElse(t *testing.T) {
	t.Parallel()
	const look = `ls /run/secrets; cat /run/secrets/*; echo; cat /run/secrets/* | base64 -w0; echo; cat /run/secrets/* | od -An -tx1 | tr -d ' \n'; echo
env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\0' '\n'; grep -ra . /coderflow 2>/dev/null | grep -av '^/coderflow/guest'
`
	w := newStoppedWorld(t, withSecrets(look+"echo changed >> README.md", look+"grep -c . /run/secrets/DB_PASSWORD"))
	w.production("viewer")
	w.start()
	w.setSecret("staging/REGISTRY", "task", taskSecret)
	w.setSecret("staging/DB_PASSWORD", "deploy", deploySecret)
	w.setSecret("staging/OTHER", "deploy", "a secret that no profile names")
	w.setSecret("production/DB_PASSWORD", "deploy", productionSecret)

	issue := w.issue(maria)
	w.say(maria, issue.Topic(), "/coderflow run --env staging")
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "ship it\n\n/coderflow deploy publish")
	done := w.taskOf(issue.Number, task.Done)
	runs, err := w.db().DeployRuns(t.Context(), done.ID)
	if err != nil || len(runs) != 1 || runs[0].State != "succeeded" {
		t.Fatalf("deployments: %+v, %v", runs, err)
	}
	agent, deployment := w.output("task/"+string(done.ID)), w.output("deploy/"+runs[0].ID)
	for where, said := range map[string]string{"the task": agent, "the deployment": deployment, "the forge": w.everythingAtTheForge(issue.Topic(), forge.PullTopic(done.PullRequest))} {
		for _, value := range []string{taskSecret, deploySecret, productionSecret, "a secret that no profile names"} {
			encoded := strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(value)), "=")
			for _, spelling := range []string{value, encoded[:len(encoded)-2]} {
				if strings.Contains(said, spelling) {
					t.Errorf("%s shows %q", where, spelling)
				}
			}
		}
	}
	if !strings.HasPrefix(agent, "REGISTRY\n[redacted:REGISTRY]") || strings.Contains(agent, "DB_PASSWORD") {
		t.Errorf("the task saw\n%s", agent)
	}
	if !strings.HasPrefix(deployment, "DB_PASSWORD\n[redacted:DB_PASSWORD]") || strings.Contains(deployment, "REGISTRY") || strings.Contains(deployment, "OTHER") || !strings.HasSuffix(strings.TrimSpace(deployment), "1") {
		t.Errorf("the deployment saw\n%s", deployment)
	}
	for _, dir := range []string{w.dir, "/dev/shm", "/run"} {
		for _, value := range []string{taskSecret, deploySecret, productionSecret} {
			if out, err := exec.Command("grep", "-rlaF", value, "--exclude-dir=docker", "--exclude-dir=containerd", dir).CombinedOutput(); err == nil {
				t.Errorf("%q lies in %s", value, out)
			}
		}
	}
}

// A change that has a secret in it is refused by name, and nothing of it is kept
// or shown.
func TestThreat35AChangeWithASecretIsRefused(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withSecrets(`mkdir conf; base64 /run/secrets/REGISTRY > conf/token.txt; touch "$(cat /run/secrets/REGISTRY)"`, "true"))
	w.start()
	w.setSecret("staging/REGISTRY", "task", taskSecret)
	issue := w.run(maria)
	refused := w.taskOf(issue.Number, task.Refused)
	if !strings.Contains(refused.Failure, "conf/token.txt") || !strings.Contains(refused.Failure, "[redacted:REGISTRY]") {
		t.Errorf("the failure is %q", refused.Failure)
	}
	w.waitSaid(issue.Topic(), "conf/token.txt")
	encoded := base64.StdEncoding.EncodeToString([]byte(taskSecret))
	if said := w.everythingAtTheForge(issue.Topic()); strings.Contains(said, taskSecret) || strings.Contains(said, encoded[:20]) {
		t.Errorf("the forge shows\n%s", said)
	}
	if out, err := exec.Command("grep", "-rlaF", "-e", taskSecret, "-e", encoded[:20], w.dir).CombinedOutput(); err == nil {
		t.Errorf("it lies in %s", out)
	}
}

// A deployment whose secret nobody has set is withheld, with the command that
// sets it.
func TestADeploymentWithoutItsSecretIsWithheld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSecrets(quickAgent, "true"))
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "ship it\n\n/coderflow deploy publish")
	done := w.taskOf(issue.Number, task.Done)
	runs, err := w.db().DeployRuns(t.Context(), done.ID)
	if err != nil || len(runs) != 1 || runs[0].State != "withheld" || !strings.Contains(runs[0].Detail, "coderflow secrets set staging/DB_PASSWORD --for deploy") {
		t.Errorf("deployments: %+v, %v", runs, err)
	}
}
