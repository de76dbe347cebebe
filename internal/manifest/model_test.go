package manifest

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// An earlier version stored no retention, model or network. Its manifests stay
// in force after an upgrade, under the version that decisions already recorded.
func TestStoredManifestsOfAnEarlierVersionAreRead(t *testing.T) {
	t.Parallel()
	set, err := Load("../../manifests")
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := bytes.Cut(set.Canonical(), []byte(`,"retention":{`))
	_, after, closed := bytes.Cut(after, []byte("}"))
	if !found || !closed {
		t.Fatalf("the canonical form has no retention: %s", set.Canonical())
	}
	old := append(bytes.Clone(before), after...)
	earlier, err := ParseCanonical(old)
	if err != nil {
		t.Fatal(err)
	}
	if kept := time.Duration(earlier.Environments["staging"].Retention.Workspace); kept != 7*24*time.Hour {
		t.Errorf("workspaces are kept for %s", kept)
	}
	if !bytes.Equal(earlier.Canonical(), old) || earlier.Version == set.Version {
		t.Error("the stored bytes are not what the version is made of")
	}
}

const withModel = `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{name: acme/shop, id: 1}]
  agent: {preset: exec, command: [/bin/true]}
`

func TestModelsNetworksAndRetentionAreRead(t *testing.T) {
	t.Parallel()
	set, err := Parse(map[string][]byte{"a.yaml": []byte(withModel + `  model:
    provider: anthropic
    names: [claude-sonnet-4-5, claude-haiku*]
    budget: {taskUSD: 2.5}
  network: {hosts: [registry.example.com, "*.mirror.example.com:8443"]}
  retention: {workspace: 1h}
`)})
	if err != nil {
		t.Fatal(err)
	}
	e := set.Environments["staging"]
	want := Budget{TaskTokens: DefaultTaskTokens, DayTokens: DefaultDayTokens, TaskUSD: 2.5}
	if e.Model == nil || e.Model.Budget != want || len(e.Network.Hosts) != 2 || time.Duration(e.Retention.Output) != 90*24*time.Hour {
		t.Errorf("%+v", e)
	}
	if again, err := ParseCanonical(set.Canonical()); err != nil || again.Version != set.Version {
		t.Errorf("read again: %v", err)
	}
}

func TestMistakesInModelsNetworksAndRetentionAreNamed(t *testing.T) {
	t.Parallel()
	_, err := Parse(map[string][]byte{"a.yaml": []byte(withModel + `  model:
    provider: https://api.example.com
    names: ["*", "a b"]
    budget: {taskUSD: -1, dayTokens: -5}
  network: {hosts: [127.0.0.1, "10.0.0.1:443", localhost, "Registry.example.com", "0x7f.1", "a.example.com/x"]}
  retention: {workspace: -1h}
`)})
	for _, want := range []string{
		"spec.model.provider:", "spec.model.names[0]:", "spec.model.names[1]:", "spec.model.budget.taskUSD:", "spec.model.budget.dayTokens:",
		"spec.network.hosts[0]: an address", "spec.network.hosts[1]: an address", "spec.network.hosts[2]:", "spec.network.hosts[3]:",
		"spec.network.hosts[4]:", "spec.network.hosts[5]:", "spec.retention.workspace:",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestAnAgentNeedsAModelThatItCanSpeakTo(t *testing.T) {
	t.Parallel()
	claude := strings.Replace(withModel, "{preset: exec, command: [/bin/true]}", "{preset: claude}", 1)
	_, err := Parse(map[string][]byte{"a.yaml": []byte(claude + "  limits: {memory: 64MiB}\n")})
	for _, want := range []string{"spec.model: the preset \"claude\" needs a model", "spec.limits.memory: the preset"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s in %v", want, err)
		}
	}
	set, err := Parse(map[string][]byte{"a.yaml": []byte(claude + "  model: {provider: anthropic, names: [m]}\n")})
	if err != nil {
		t.Fatal(err)
	}
	if image := set.WithImage("coderflow/sandbox:dev").Environments["staging"].Agent.Image; !strings.HasPrefix(image, "coderflow/agent-claude:") {
		t.Errorf("the image is %s", image)
	}
}
