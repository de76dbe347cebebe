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
