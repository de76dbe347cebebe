package manifest

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
)

const deploying = `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{name: acme/shop, id: 1}]
  agent: {preset: exec, command: [/bin/true]}
  deployments:
    onApproval:
      - {profile: publish, parameters: {channel: stable, retries: 3}}
    onMerge:
      - {profile: announce}
    keep: 7
---
apiVersion: coderflow.dev/v1
kind: DeploymentProfile
metadata: {name: publish, environment: staging}
spec:
  concurrency: profile
  parameters:
    - {name: channel, type: select, options: [beta, stable], required: true}
    - {name: retries, type: number, default: 1}
  script: "true"
---
apiVersion: coderflow.dev/v1
kind: DeploymentProfile
metadata: {name: announce, environment: staging}
spec: {script: "true"}
`

func TestWhatAnEnvironmentDeploysByItselfIsCompleteWhenItIsApplied(t *testing.T) {
	t.Parallel()
	set, err := Parse(map[string][]byte{"a.yaml": []byte(deploying)})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseCanonical(set.Canonical()); err != nil || again.Version != set.Version || again.Environments["staging"].Deployments.Keep != 7 {
		t.Errorf("as it is stored: %v", err)
	}
	if p, _ := set.Profile("staging", "publish"); p.Concurrency != deploy.PerProfile {
		t.Errorf("concurrency %q", p.Concurrency)
	}
	list, err := set.Standing(t.Context(), "staging")
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if a := list[0]; a.Trigger != approval.OnApproval || a.Parameters["channel"] != "stable" || a.Parameters["retries"] != "3" || a.Version == "" || a.Why != "" {
		t.Errorf("on approval: %+v", a)
	}
	if a := list[1]; a.Trigger != approval.OnMerge || a.Profile != "announce" || a.Environment != "staging" {
		t.Errorf("on merge: %+v", a)
	}
	if _, err := set.Standing(t.Context(), "gone"); err == nil {
		t.Error("an environment that is not there deploys")
	}
	for name, row := range map[string]struct{ old, new, want string }{
		"no value for what is required": {"channel: stable, ", "", `parameter "channel" is required`},
		"a value that is not an option": {"channel: stable", "channel: nightly", "must be one of beta, stable"},
		"no such parameter":             {"retries: 3", "tries: 3", "is not a parameter"},
		"no such profile":               {"{profile: announce}", "{profile: anounce}", `no deployment profile "anounce"`},
		"no profile":                    {"{profile: announce}", "{}", "profile"},
		"twice the same":                {"- {profile: announce}", "- {profile: announce}\n      - {profile: announce}", "listed twice"},
		"none is kept":                  {"keep: 7", "keep: 0", "want between 1 and 100000"},
		"no such concurrency":           {"concurrency: profile", "concurrency: many", "want environment, profile or unlimited"},
		"another key":                   {"keep: 7", "keep: 7\n    onPush: []", "onPush"},
	} {
		_, err := Parse(map[string][]byte{"a.yaml": []byte(strings.Replace(deploying, row.old, row.new, 1))})
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A profile without the key has the digest that approvals of earlier versions pinned.
func TestAProfileThatSaysNothingAboutConcurrencyKeepsItsDigest(t *testing.T) {
	t.Parallel()
	set, err := Parse(map[string][]byte{"a.yaml": []byte(deploying)})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := set.Profile("staging", "announce")
	if p.Concurrency != "" || strings.Contains(string(set.Canonical()), `"concurrency":""`) {
		t.Errorf("concurrency %q", p.Concurrency)
	}
}

const piping = `apiVersion: coderflow.dev/v1
kind: DeploymentProfile
metadata: {name: release, environment: staging}
spec:
  azurePipeline: {project: Acme Shop, pipeline: release, repository: shop}
  timeout: 45m
  concurrency: profile
  parameters:
    - {name: channel, type: select, options: [beta, stable], default: beta}
`

func TestAProfileRunsAPipelineInsteadOfAScript(t *testing.T) {
	t.Parallel()
	files := func(text string) map[string][]byte {
		return map[string][]byte{"a.yaml": []byte(deploying), "b.yaml": []byte(text)}
	}
	set, err := Parse(files(piping))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := set.Profile("staging", "release")
	want := deploy.Pipeline{Host: "azuredevops", Project: "Acme Shop", Name: "release", Repository: "shop"}
	if p.Pipeline == nil || *p.Pipeline != want || p.Script != "" || p.Timeout.Minutes() != 45 {
		t.Errorf("%+v, %+v", p, p.Pipeline)
	}
	again, err := ParseCanonical(set.Canonical())
	if err != nil || again.Version != set.Version {
		t.Fatalf("as it is stored: %v", err)
	}
	if q, _ := again.Profile("staging", "release"); q.Digest() != p.Digest() {
		t.Error("as it is stored it is another profile")
	}
	objects, err := set.Objects()
	if err != nil {
		t.Fatal(err)
	}
	written, err := Parse(map[string][]byte{"all.yaml": YAML(objects)})
	if err != nil || written.Version != set.Version {
		t.Errorf("as it is written: %v\n%s", err, YAML(objects))
	}
	if numbered, err := Parse(files(strings.Replace(piping, "pipeline: release,", "pipeline: 42,", 1))); err != nil {
		t.Error(err)
	} else if q, _ := numbered.Profile("staging", "release"); q.Pipeline.Name != "42" || q.Digest() == p.Digest() {
		t.Errorf("by its number: %+v", q.Pipeline)
	}
	for name, row := range map[string]struct{ old, new, want string }{
		"a script too":                  {"  timeout: 45m", "  script: reboot", "spec.script: is for a profile with a script, and this one has azurePipeline"},
		"an image":                      {"  timeout: 45m", "  image: alpine", "spec.image: is for"},
		"secrets":                       {"  timeout: 45m", "  secrets: [TOKEN]", "spec.secrets: is for"},
		"a network":                     {"  timeout: 45m", "  network: {hosts: [api.example.com]}", "spec.network: is for"},
		"neither":                       {"  azurePipeline: {project: Acme Shop, pipeline: release, repository: shop}\n", "", "spec.script: is empty; a profile has a script or an azurePipeline"},
		"no project":                    {"project: Acme Shop, ", "", "spec.azurePipeline.project"},
		"no pipeline":                   {"pipeline: release, ", "", "spec.azurePipeline.pipeline"},
		"a project's name with a slash": {"Acme Shop", "acme/shop", `"acme/shop" cannot be the name of a project`},
		"an expression as a repository": {"repository: shop", `repository: "a.b"`, "spec.azurePipeline.repository"},
		"CoderFlow's own parameter":     {"name: channel", "name: CoderFlowDeployment", "is given by CoderFlow itself"},
		"a default with an expression":  {"options: [beta, stable], default: beta", `options: ["$(Build.Token)"]`, "contains $(, which a pipeline would replace"},
		"another key":                   {"repository: shop", "stagesToSkip: x", "stagesToSkip"},
		"no time":                       {"timeout: 45m", "timeout: 0", "spec.timeout"},
	} {
		if _, err := Parse(files(strings.Replace(piping, row.old, row.new, 1))); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	schemas := compiled(t)
	if err := validate(t, schemas, piping); err != nil {
		t.Error(err)
	}
	for _, text := range []string{strings.Replace(piping, "  timeout: 45m", "  script: reboot", 1), strings.Replace(piping, ", repository: shop", ", branch: main", 1)} {
		if err := validate(t, schemas, text); err == nil {
			t.Errorf("the schema takes\n%s", text)
		}
	}
}
