package manifest

import (
	"strings"
	"testing"
	"time"

	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

const twoAgents = `
apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{id: 1, name: acme/shop}]
  limits: {memory: 4GiB}
  agent: {preset: claude}
  model: {provider: anthropic, names: [claude-sonnet-4-5], budget: {taskTokens: 7, dayTokens: 9}}
  agents:
    codex: {preset: codex, model: {provider: openai, names: [gpt-5]}}
    careful: {preset: claude, env: {A: b}}
    own: {preset: exec, command: [/bin/true], image: "acme/agent:1"}
  proposal: {expiresAfter: 48h}
`

func environmentOf(t *testing.T, text string) Environment {
	t.Helper()
	set, err := Parse(map[string][]byte{"a.yaml": []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return set.WithImage("coderflow/sandbox:dev").Environments["staging"]
}

func TestATaskHasTheAgentThatWasAskedForWithItsModel(t *testing.T) {
	t.Parallel()
	e := environmentOf(t, twoAgents)
	if got := strings.Join(e.AgentNames(), " "); got != "claude careful codex own" {
		t.Errorf("agents %q", got)
	}
	for name, want := range map[string][3]string{
		"": {"claude", "claude-sonnet-4-5", "coderflow/agent-claude"}, "claude": {"claude", "claude-sonnet-4-5", "coderflow/agent-claude"},
		"codex": {"codex", "gpt-5", "coderflow/agent-codex"}, "careful": {"claude", "claude-sonnet-4-5", "coderflow/agent-claude"},
		"own": {"exec", "claude-sonnet-4-5", "acme/agent:1"},
	} {
		as, known := e.WithAgent(name)
		if !known || as.Agent.Preset != want[0] || as.Model.Names[0] != want[1] || !strings.HasPrefix(as.Agent.Image, want[2]) {
			t.Errorf("%q: %v %+v %+v", name, known, as.Agent, as.Model)
		}
		if as.Model.Budget.TaskTokens != 7 {
			t.Errorf("%q may spend %+v, not what the environment permits", name, as.Model.Budget)
		}
	}
	if _, known := e.WithAgent("gemini"); known {
		t.Error("an agent that is not named is known")
	}
	if e.Proposal.ExpiresAfter != sy.Duration(48*time.Hour) || !e.StateLabels {
		t.Errorf("%+v", e)
	}
}

func TestAgentsAreCheckedAsTheEnvironmentsOwn(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		"    own: {preset: exec}":                                                "spec.agents.own.command",
		"    own: {preset: clod}":                                                "unknown preset",
		"    own: {preset: exec, command: [/x], env: {PATH: /}}":                 "spec.agents.own.env.PATH",
		"    claude: {preset: exec, command: [/x]}":                              "own agent",
		"    Own: {preset: exec, command: [/x]}":                                 "lower-case",
		"    own: {preset: gemini, model: {provider: g, names: ['x*']}}":         "spec.agents.own.model.names[0]",
		"    own: {preset: exec, command: [/x], image: 'No Image'}":              "spec.agents.own.image",
		"    own: {preset: exec, command: [/x], secrets: [a]}":                   "secrets",
		"    own: {preset: exec, command: [/x]}\n  proposal: {expiresAfter: 1s}": "expiresAfter",
	} {
		text := twoAgents[:strings.Index(twoAgents, "    own:")] + change + "\n"
		if _, err := Parse(map[string][]byte{"a.yaml": []byte(text)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", change, err)
		}
	}
}
