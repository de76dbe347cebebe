package manifest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

const minimalEnvironment = `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{name: acme/shop, id: 1001}]
  agent: {preset: exec, command: [/bin/true]}
`

const minimalProfile = `apiVersion: coderflow.dev/v1
kind: DeploymentProfile
metadata: {name: publish, environment: staging}
spec:
  script: ./publish.sh
  parameters:
    - {name: replicas, type: number, default: 3}
`

func parse(t *testing.T, texts ...string) *Set {
	t.Helper()
	set, err := Parse(map[string][]byte{"test.yaml": []byte(strings.Join(texts, "---\n"))})
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return set
}

func TestExamplesApply(t *testing.T) {
	t.Parallel()
	set, err := Load("../../manifests", "../../manifests/models")
	if err != nil {
		t.Fatalf("the examples in manifests/ do not apply: %v", err)
	}
	rules := set.Policy()
	bob := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1003"}, Login: "bob", Kind: forge.Person}
	if d := rules.Decide(bob, policy.TasksApprove, "staging"); !d.Allowed {
		t.Errorf("the example's approver may not approve:\n%s", d.Reason)
	}
	alice := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1002"}, Login: "alice", Kind: forge.Person}
	if d := rules.Decide(alice, policy.TasksApprove, "staging"); d.Allowed {
		t.Errorf("the example's developer may approve:\n%s", d.Reason)
	}
	reviewed := rules.Environments["reviewed"]
	if len(reviewed.Checks) != 1 || reviewed.Checks[0].Name != "tests" || len(reviewed.Judges) != 1 || len(reviewed.Gate.Rules) != 1 || reviewed.Gate.Rules[0].Judges == nil {
		t.Errorf("the example with checks and judges has %+v", reviewed)
	}
}

func TestVersionDependsOnContentAlone(t *testing.T) {
	t.Parallel()
	one := parse(t, minimalEnvironment, minimalProfile)
	other, err := Parse(map[string][]byte{"b.yaml": []byte(minimalEnvironment), "a.yaml": []byte("# a comment\n" + minimalProfile)})
	if err != nil {
		t.Fatal(err)
	}
	if one.Version != other.Version {
		t.Errorf("the same content has versions %s and %s", one.Version, other.Version)
	}
	spelled := parse(t, minimalEnvironment+"  label: coderflow\n  limits: {memory: 2048MiB}\n", minimalProfile)
	if one.Version != spelled.Version {
		t.Errorf("writing a default out changes the version")
	}
	changed := parse(t, strings.Replace(minimalEnvironment, "/bin/true", "/bin/false", 1), minimalProfile)
	if one.Version == changed.Version {
		t.Errorf("another command has the same version")
	}
	if p, _ := one.Profile("staging", "publish"); p.Version != one.Version {
		t.Errorf("the profile has version %q, want the set's", p.Version)
	}
}

func TestCanonicalFormRoundTrips(t *testing.T) {
	t.Parallel()
	set, err := Load("../../manifests")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseCanonical(set.Canonical())
	if err != nil {
		t.Fatalf("the canonical form cannot be read: %v", err)
	}
	if again.Version != set.Version {
		t.Errorf("read again it has version %s, not %s", again.Version, set.Version)
	}
	for name, damaged := range map[string][]byte{
		"whitespace": append(set.Canonical(), '\n'),
		"unknown":    bytes.Replace(set.Canonical(), []byte(`"label":`), []byte(`"labell":`), 1),
		"bad role":   bytes.Replace(set.Canonical(), []byte(`"developer"`), []byte(`"emperor"`), 1),
		"cut":        set.Canonical()[:100],
	} {
		if other, err := ParseCanonical(damaged); err == nil && other.Version == set.Version {
			t.Errorf("%s: a damaged canonical form was accepted", name)
		}
	}
}

func TestEveryProblemIsReportedWithItsPlace(t *testing.T) {
	t.Parallel()
	_, err := Parse(map[string][]byte{
		"a.yaml": []byte(`apiVersion: coderflow.dev/v1
kind: Environment
metadata:
  name: staging
spec:
  repositories:
    - {name: acme/shop, id: shop}
    - {name: shop, id: 7}
  description: once
  lable: x
  agent: {preset: exec, command: /bin/true}
  limits:
    memory: lots
    cpus: many
    pids: 1
    wallTime: 30
  gate: {commitMessage: sometimes}
  description: twice
`),
		"b.yaml": []byte(minimalProfile + `---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata: {name: x}
spec: {subject: alice, role: developr, resource: environment/prod}
---
apiVersion: coderflow.dev/v1
kind: GitProvider
metadata: {name: x}
spec: {}
---
apiVersion: v1
kind: Service
`),
		"c.yaml": []byte("a: [1, 2\n"),
	})
	if err == nil {
		t.Fatal("broken manifests were accepted")
	}
	for _, want := range []string{
		`a.yaml:7:29: spec.repositories[0].id: want the repository's numeric id`,
		`a.yaml:8:14: spec.repositories[1].name: want OWNER/NAME, not "shop"`,
		`a.yaml:10:3: spec.lable: unknown key "lable"; did you mean "label"?`,
		`a.yaml:11:34: spec.agent.command: want a list, this is text`,
		`a.yaml:13:13: spec.limits.memory: want a size such as 512MiB or 2GiB, not "lots"`,
		`a.yaml:14:11: spec.limits.cpus: want a number, this is text`,
		`a.yaml:15:11: spec.limits.pids: 1 is not between`,
		`a.yaml:16:15: spec.limits.wallTime: want a duration such as`,
		`a.yaml:17:25: spec.gate.commitMessage: want "proposed" or "written", not "sometimes"`,
		`a.yaml:18:3: spec.description: this key is already set in line 9`,
		`b.yaml:12:17: spec.subject: subject "alice": want HOST:ID`,
		`spec.role: unknown role "developr"; did you mean "developer"?`,
		`spec.resource: there is no environment "prod"`,
		`b.yaml:17:7: spec.credential: this key is required`,
		`b.yaml:17:7: spec: name either a team or repositories`,
		`b.yaml:19:13: apiVersion: want coderflow.dev/v1, not "v1"`,
		`c.yaml:1:`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("got:\n%v", err)
	}
}

func TestCrossChecksRefuse(t *testing.T) {
	t.Parallel()
	binding := "apiVersion: coderflow.dev/v1\nkind: RoleBinding\nmetadata: {name: one}\nspec: {subject: 'github:1', role: developer, resource: environment/staging}\n"
	for name, c := range map[string]struct{ text, want string }{
		"environment twice":         {minimalEnvironment + "---\n" + minimalEnvironment, "already defined"},
		"environment twice by case": {minimalEnvironment + "---\n" + strings.Replace(minimalEnvironment, "staging", "Staging", 1), "case does not tell them apart"},
		"profile twice":             {minimalEnvironment + "---\n" + minimalProfile + "---\n" + minimalProfile, "already has a profile"},
		"profile without a home":    {minimalProfile, `there is no environment "staging"`},
		"binding twice":             {minimalEnvironment + "---\n" + binding + "---\n" + binding, "already a binding"},
		"binding says the same":     {minimalEnvironment + "---\n" + binding + "---\n" + strings.Replace(binding, "name: one", "name: two", 1), "says the same"},
		"admin of one environment":  {minimalEnvironment + "---\n" + strings.Replace(binding, "developer", "server-admin", 1), `server-admin is a role on "*" only`},
		"repository twice":          {strings.Replace(minimalEnvironment, "[{name", "[{name: acme/old, id: 1001}, {name", 1), "listed twice"},
		"reserved variable":         {minimalEnvironment[:len(minimalEnvironment)-2] + ", env: {LD_PRELOAD: x}}\n", "reserved"},
		"nothing":                   {"# only a comment\n", "no manifests"},
		"alias bomb":                {"a: &a [x, x]\nb: [*a, *a]\n", "anchors and aliases are not supported"},
		"deep":                      {strings.Repeat("[", 100000), "nested deeper"},
		"deep by dashes":            {strings.Repeat("- ", 100000), "nested deeper"},
		"not text":                  {"\xff\xfe", "not valid UTF-8"},
		"large":                     {strings.Repeat("# comment\n", 200000), "larger than 256KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(map[string][]byte{"x.yaml": []byte(c.text)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q, got: %v", c.want, err)
			}
		})
	}
}

func TestNoFilesAreAnEmptySetThatPermitsNothing(t *testing.T) {
	t.Parallel()
	set, err := Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseCanonical(set.Canonical()); err != nil || again.Version != set.Version {
		t.Errorf("the empty set does not survive being stored: %v", err)
	}
	user := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1"}, Kind: forge.Person}
	if d := set.Policy().Decide(user, policy.TasksCreate, "staging"); d.Allowed {
		t.Error("the empty set permits something")
	}
	if _, err := Load(); err == nil {
		t.Error("Load without a path was accepted")
	}
}

func TestLoadReadsDirectoriesAndFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"b.yml": minimalEnvironment, "a.yaml": minimalProfile, "README.md": "text: ["} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "kubernetes.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	fromDirectory, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	fromFiles, err := Load(filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if fromDirectory.Version != fromFiles.Version {
		t.Error("directory and files give different sets")
	}
	if _, err := Load(filepath.Join(dir, "missing.yaml")); err == nil {
		t.Error("a missing file was accepted")
	}
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("an empty directory was accepted")
	}
}

func TestArmingIsCompletedAndChecked(t *testing.T) {
	t.Parallel()
	production := strings.NewReplacer("name: staging", "name: production", "label", "label").Replace(minimalEnvironment)
	elsewhere := strings.NewReplacer("name: staging", "name: elsewhere", "1001", "2002").Replace(minimalEnvironment)
	wide := strings.NewReplacer("name: staging", "name: wide", "[{name", "[{name: acme/other, id: 5}, {name").Replace(minimalEnvironment)
	set := parse(t, minimalEnvironment, production, elsewhere, wide, minimalProfile,
		strings.Replace(minimalProfile, "environment: staging", "environment: production", 1),
		strings.Replace(minimalProfile, "environment: staging", "environment: elsewhere", 1))
	var armory approval.Armory = set
	got, err := armory.Check(context.Background(), "staging", approval.Arming{Profile: "publish"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Environment != "staging" || got.Parameters["replicas"] != "3" {
		t.Errorf("the arming was completed to %+v", got)
	}
	if _, err := armory.Check(context.Background(), "staging", approval.Arming{Environment: "production", Profile: "publish"}); err != nil {
		t.Errorf("another environment with the same repository: %v", err)
	}
	if got.Version == "" {
		t.Error("the arming does not pin the profile's content")
	}
	if _, err := armory.Check(context.Background(), "wide", approval.Arming{Environment: "staging", Profile: "publish"}); err == nil {
		t.Error("an environment that does not list all of the task's repositories was accepted")
	}
	for want, a := range map[string]approval.Arming{
		`did you mean "publish"?`:       {Profile: "publsh"},
		"does not list this repository": {Environment: "elsewhere", Profile: "publish"},
		"must be a decimal number":      {Profile: "publish", Parameters: map[string]string{"replicas": "3; rm -rf /"}},
		"is not a parameter":            {Profile: "publish", Parameters: map[string]string{"PATH": "/tmp"}},
		`"absent" does not list this`:   {Environment: "absent", Profile: "publish"},
	} {
		if _, err := armory.Check(context.Background(), "staging", a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got: %v", want, err)
		}
	}
}

func TestAdminsOfTheServerArePartOfThePolicyVersion(t *testing.T) {
	t.Parallel()
	set := parse(t, minimalEnvironment)
	admin := forge.Subject{Host: forge.GitHub, ID: "583231"}
	rules := set.Policy(admin, admin)
	if d := rules.Decide(forge.User{Subject: admin, Kind: forge.Person}, policy.TasksApprove, "staging"); !d.Allowed {
		t.Errorf("an admin of the server may not approve:\n%s", d.Reason)
	}
	if rules.Version == set.Policy().Version || len(rules.Bindings) != 1 {
		t.Errorf("version %s with %d bindings", rules.Version, len(rules.Bindings))
	}
}

func TestBaseBranchesDefaultToTheDefaultBranch(t *testing.T) {
	t.Parallel()
	e := parse(t, minimalEnvironment).Environments["staging"]
	if !e.AllowsBase("main", "main") || e.AllowsBase("other", "main") || e.AllowsBase("", "") {
		t.Error("without a list only the default branch can be a base")
	}
	e.BaseBranches = []string{"release"}
	if !e.AllowsBase("release", "main") || e.AllowsBase("main", "main") {
		t.Error("a list is the whole truth")
	}
}
