package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/agent/agenttest"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/task"
)

// These tests run the real agents' programs, driven by a scripted model, through
// the whole of CoderFlow. CODERFLOW_TEST_AGENTS says which.

// withPreset gives the world a real agent and its model.
func withPreset(t *testing.T, name string, model *modeltest.Server, more string) worldOption {
	t.Helper()
	preset, err := agent.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(shortDir(t), "key")
	if err := os.WriteFile(key, []byte(modeltest.Key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(_ *emulator.Options, s *settings) {
		s.Preset, s.Memory = name, "1536MiB"
		s.Extra = fmt.Sprintf("reconcile: {interval: 30s}\nmodels:\n  test: {protocol: %s, url: %q, keyFile: %s}\n", preset.Protocol, model.URL(), key)
		s.Spec = "model:\n  provider: test\n  names: [test-model]\n" + more
	}
}

// eachAgent runs a test for each of the agents, one after the other: each of
// them wants a whole machine to start.
func eachAgent(t *testing.T, test func(t *testing.T, name string)) {
	for _, name := range agenttest.Selected(t) {
		agenttest.Image(t, name)
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

func TestARealAgentsEditArrivesOnTheDraftPullRequest(t *testing.T) {
	t.Parallel()
	eachAgent(t, func(t *testing.T, name string) {
		model := startModel(t, modeltest.Script{
			Turns: modeltest.Shell(`sed -i 's/total += \$3/total += $2 * $3/' receipt.awk && ls test`),
			Final: "I multiplied the price by the quantity.",
		})
		w := newWorld(t, withPreset(t, name, model, ""))
		issue := w.run(maria)
		found := w.taskOf(issue.Number, task.Proposed)
		p, err := w.db().Proposal(t.Context(), found.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Manifest) != 1 || p.Manifest[0].Path != "receipt.awk" || !strings.Contains(string(p.Diff), "total += $2 * $3") {
			t.Errorf("the proposal changes %+v:\n%s\n%s", p.Manifest, p.Diff, w.output("task/"+string(found.ID)))
		}
		pr, err := w.pullRequest(t.Context(), found.PullRequest)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"I multiplied the price by the quantity.", "`" + name + " ", "model request"} {
			if !strings.Contains(pr.Body, want) {
				t.Errorf("the pull request does not say %q:\n%s", want, pr.Body)
			}
		}
		if problems := model.Problems(); len(problems) > 0 {
			t.Errorf("the model did not understand: %q", problems)
		}
		refused, err := w.db().ModelRefusals(t.Context(), found.ID)
		if err != nil || len(refused) > 0 {
			t.Errorf("the agent tried what the gateway refuses: %+v, %v", refused, err)
		}
	})
}
