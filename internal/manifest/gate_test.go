package manifest

import (
	"reflect"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/policy"
)

const securityTeam = `apiVersion: coderflow.dev/v1
kind: Team
metadata: {name: security}
spec: {members: ["github:7"]}
`

// gated is the minimal environment with a gate.
func gated(gate string) string { return minimalEnvironment + "  gate:\n" + gate }

func TestAGateIsReadAsDecisionsTakeIt(t *testing.T) {
	t.Parallel()
	set := parse(t, gated(`    approvals: 2
    from: [{role: environment-admin}, {team: security, count: 2}]
    requesterMayApprove: true
    commitMessage: written
    rules:
      - {name: workflows, paths: [".github/workflows/**"], risks: [workflow], files: 200, lines: 5000, approvals: 3, from: [{role: viewer}]}
`), securityTeam)
	want := policy.Gate{
		CommitMessage: policy.MessageWritten, Approvals: 2, RequesterMayApprove: true,
		From: []policy.Ask{{Role: "environment-admin", Count: 1}, {Team: "security", Count: 2}},
		Rules: []policy.GateRule{{
			Name: "workflows", Paths: []string{".github/workflows/**"}, Risks: []string{"workflow"}, Files: 200, Lines: 5000,
			Approvals: 3, From: []policy.Ask{{Role: "viewer", Count: 1}},
		}},
	}
	stored, err := ParseCanonical(set.Canonical())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Set{"applied": set, "stored": stored} {
		if got := s.Policy().Environments["staging"].Gate; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := parse(t, minimalEnvironment).Policy().Environments["staging"].Gate; !reflect.DeepEqual(got, policy.Gate{CommitMessage: policy.MessageProposed, Approvals: 1}) {
		t.Errorf("without a gate: %+v", got)
	}
}

// What was stored before gates had more than one key keeps its version, and asks
// for one approval.
func TestGatesThatWereStoredBeforeAskForOne(t *testing.T) {
	t.Parallel()
	old := strings.Replace(string(parse(t, minimalEnvironment).Canonical()), `,"approvals":1`, "", 1)
	set, err := ParseCanonical([]byte(old))
	if err != nil || string(set.Canonical()) != old || set.Policy().Environments["staging"].Gate.Approvals != 1 {
		t.Errorf("%v: %+v", err, set)
	}
}

func TestGatesWithMistakesAreRefused(t *testing.T) {
	t.Parallel()
	for gate, says := range map[string]string{
		"    approvals: 0\n":                                                                  "want between 1 and 10",
		"    approvals: 11\n":                                                                 "want between 1 and 10",
		"    from: [{}]\n":                                                                    "either a role or a team",
		"    from: [{role: viewer, team: security}]\n":                                        "either a role or a team",
		"    from: [{role: nobody}]\n":                                                        `there is no role "nobody"`,
		"    from: [{role: team-admin}]\n":                                                    "never bound on an environment",
		"    from: [{team: securty}]\n":                                                       `there is no team "securty"`,
		"    from: [{team: security, count: 99}]\n":                                           "want between 1 and 10",
		"    rules: [{name: r, approvals: 2}]\n":                                              "matches nothing in particular",
		"    rules: [{name: r, files: 1}]\n":                                                  "asks for nothing",
		"    rules: [{files: 1, approvals: 2}]\n":                                             "name",
		"    rules: [{name: r, files: -1, approvals: 2}]\n":                                   "want between 1",
		"    rules: [{name: r, paths: [/a], approvals: 2}]\n":                                 "begin without a slash",
		"    rules: [{name: r, risks: [workflw], approvals: 2}]\n":                            `unknown risk "workflw"`,
		"    rules: [{name: r, files: 1, from: [{team: x}]}]\n":                               `there is no team "x"`,
		"    rules: [{name: r, files: 1, approvals: 2}, {name: r, lines: 1, approvals: 2}]\n": "two rules",
		"    rules: [{name: r, files: 1, aprovals: 2}]\n":                                     "aprovals",
	} {
		_, err := Parse(map[string][]byte{"x.yaml": []byte(gated(gate) + "---\n" + securityTeam)})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", strings.TrimSpace(gate), err)
		}
	}
}

// An exception is read strictly: no case is folded, and none is for everything.
func TestPathsThatMayHoldSecretPatterns(t *testing.T) {
	t.Parallel()
	s := SecretPatterns{Allow: []string{"testdata/**/*.pem", "keys/test.key", "**/fixtures/**"}}
	for path, want := range map[string]bool{
		"testdata/a.pem": true, "testdata/x/y/a.pem": true, "keys/test.key": true, "a/b/fixtures/c/d": true, "fixtures/d": true,
		"a.pem": false, "Testdata/a.pem": false, "x/testdata/a.pem": false, "testdata/a.pem/b": false, "keys/test.key.go": false, "": false,
	} {
		if got := s.Allows(path); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
	if (SecretPatterns{}).Allows("a") {
		t.Error("without exceptions something is allowed")
	}
}
