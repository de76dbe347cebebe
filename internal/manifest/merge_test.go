package manifest

import (
	"strings"
	"testing"
)

const inForceText = `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{host: github, id: 1, name: acme/x}]
  agent: {preset: exec, command: ["true"]}
---
apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: production}
spec:
  label: ship
  repositories: [{host: github, id: 1, name: acme/x}]
  agent: {preset: exec, command: ["true"]}
---
apiVersion: coderflow.dev/v1
kind: DeploymentProfile
metadata: {name: publish, environment: staging}
spec: {script: "true"}
---
apiVersion: coderflow.dev/v1
kind: Team
metadata: {name: builders}
spec: {members: ["github:1"]}
---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata: {name: one}
spec: {subject: "github:1", role: viewer, resource: environment/staging}
---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata: {name: two}
spec: {subject: "github:2", role: viewer, resource: environment/production}
`

func bindingText(name, subject, role, resource string) string {
	return "apiVersion: coderflow.dev/v1\nkind: RoleBinding\nmetadata: {name: " + name + "}\nspec: {subject: \"" + subject +
		"\", role: " + role + ", resource: \"" + resource + "\"}\n"
}

func files(texts ...string) map[string][]byte {
	m := map[string][]byte{}
	for i, text := range texts {
		m[string(rune('a'+i))+".yaml"] = []byte(text)
	}
	return m
}

func standing(t *testing.T) *Set {
	t.Helper()
	set, err := Parse(files(inForceText))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// changed names what an edit changes, as KIND NAME with a sign.
func changed(t *testing.T, set *Set, e Edit) (string, error) {
	t.Helper()
	after, err := Merge(t.Context(), nil, set, e)
	if err != nil {
		return "", err
	}
	changes, err := Diff(set, after)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range changes {
		names = append(names, string(c.Act)+" "+c.Kind+" "+c.Name)
	}
	return strings.Join(names, ", "), nil
}

func TestMergeChangesWhatIsGivenAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	set := standing(t)
	for name, c := range map[string]struct {
		edit Edit
		want string
	}{
		"one more":     {Edit{Files: files(bindingText("three", "github:3", "viewer", "environment/staging"))}, "added RoleBinding three"},
		"another role": {Edit{Files: files(bindingText("one", "github:1", "developer", "environment/staging"))}, "changed RoleBinding one"},
		"the same":     {Edit{Files: files(inForceText)}, ""},
		"one less":     {Edit{Delete: []Key{{Kind: "binding", Name: "two"}}}, "removed RoleBinding two"},
		"a profile less": {Edit{Delete: []Key{{Kind: KindDeploymentProfile, Name: "publish", Environment: "staging"}}},
			"removed DeploymentProfile staging/publish"},
		"a profile by its whole name": {Edit{Delete: []Key{{Kind: "profile", Name: "staging/publish"}}}, "removed DeploymentProfile staging/publish"},
		"both": {Edit{Files: files(bindingText("three", "github:3", "viewer", "environment/staging")), Delete: []Key{{Kind: KindRoleBinding, Name: "one"}}},
			"added RoleBinding three, removed RoleBinding one"},
		"a team whose environment it names": {Edit{Files: files(bindingText("us", "team:builders", "viewer", "environment/staging"))}, "added RoleBinding us"},
	} {
		if got, err := changed(t, set, c.edit); err != nil || got != c.want {
			t.Errorf("%s: %q, want %q: %v", name, got, c.want, err)
		}
	}
}

func TestMergeChecksTheWhole(t *testing.T) {
	t.Parallel()
	set := standing(t)
	for name, c := range map[string]struct {
		edit Edit
		want string
	}{
		"nothing":                    {Edit{}, "nothing is given"},
		"files without a manifest":   {Edit{Files: files("---\n")}, "nothing is given"},
		"not there":                  {Edit{Delete: []Key{{Kind: "Team", Name: "x"}}}, `there is no Team "x" in force`},
		"no such kind":               {Edit{Delete: []Key{{Kind: "Tea", Name: "x"}}}, `unknown kind "Tea"; did you mean "Team"?`},
		"an environment in use":      {Edit{Delete: []Key{{Kind: "environment", Name: "staging"}}}, `there is no environment "staging"`},
		"given and to be deleted":    {Edit{Files: files(bindingText("one", "github:1", "viewer", "server")), Delete: []Key{{Kind: "binding", Name: "one"}}}, "is given and is to be deleted"},
		"given twice":                {Edit{Files: files(bindingText("x", "github:5", "viewer", "environment/staging"), bindingText("x", "github:6", "viewer", "environment/staging"))}, `there is already a binding "x"`},
		"a login and nobody to ask":  {Edit{Files: files(bindingText("x", "github:@octocat", "viewer", "environment/staging"))}, "only `coderflow apply` asks the forge"},
		"an alias":                   {Edit{Files: files("a: &a [1]\nb: *a\n")}, "anchors and aliases are not supported"},
		"an unknown key":             {Edit{Files: files(bindingText("x", "github:5", "viewer", "environment/staging") + "extra: 1\n")}, `unknown key "extra"`},
		"the same as another":        {Edit{Files: files(bindingText("x", "github:2", "viewer", "environment/production"))}, `binding "x" says the same`},
		"a name that is a directory": {Edit{Delete: []Key{{Kind: "binding", Name: "../one"}}}, "there is no RoleBinding"},
	} {
		_, err := changed(t, set, c.edit)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if len(Problems(err)) == 0 {
			t.Errorf("%s: no problems in %v", name, err)
		}
	}
}

// Whoever sees staging alone learns nothing of production, not even that it is
// there: an environment that exists and one that does not are the same.
func TestThreat49MergeSaysNothingOfWhatItsAuthorMayNotSee(t *testing.T) {
	t.Parallel()
	set := standing(t)
	sees := func(kind, name string) bool {
		return kind == KindEnvironment && name == "staging" || kind == KindRoleBinding && name == "one" || kind == KindDeploymentProfile
	}
	label := strings.Replace(strings.SplitN(inForceText, "---\n", 2)[0], "spec:", "spec:\n  label: ship", 1)
	for name, edit := range map[string]Edit{
		"a binding on it":         {Files: files(bindingText("x", "github:5", "viewer", "environment/ENV"))},
		"a profile in it":         {Files: files("apiVersion: coderflow.dev/v1\nkind: DeploymentProfile\nmetadata: {name: p, environment: ENV}\nspec: {script: \"true\"}\n")},
		"its deletion":            {Delete: []Key{{Kind: "environment", Name: "ENV"}}},
		"its binding's deletion":  {Delete: []Key{{Kind: "binding", Name: "two"}}},
		"a name close to it":      {Files: files(bindingText("x", "github:5", "viewer", "environment/productio"))},
		"its label":               {Files: files(label)},
		"a role that is not one":  {Files: files(bindingText("x", "github:5", "viewe", "environment/staging"))},
		"what makes it senseless": {Delete: []Key{{Kind: "environment", Name: "staging"}}},
	} {
		texts := [2]string{}
		for i, environment := range []string{"production", "elsewhere"} {
			e := Edit{Files: map[string][]byte{}, Delete: append([]Key(nil), edit.Delete...), Sees: sees}
			for file, text := range edit.Files {
				e.Files[file] = []byte(strings.ReplaceAll(string(text), "ENV", environment))
			}
			for k := range e.Delete {
				e.Delete[k].Name = strings.ReplaceAll(e.Delete[k].Name, "ENV", environment)
			}
			_, err := changed(t, set, e)
			if err == nil {
				t.Fatalf("%s: no problem", name)
			}
			texts[i] = strings.ReplaceAll(err.Error(), environment, "ENV")
		}
		if texts[0] != texts[1] || strings.Contains(texts[0], "production") || strings.Contains(texts[1], "production") {
			t.Errorf("%s: %s\nof none: %s", name, texts[0], texts[1])
		}
	}
	_, err := changed(t, set, Edit{Delete: []Key{{Kind: "environment", Name: "staging"}}, Sees: func(kind, name string) bool {
		return kind == KindEnvironment
	}})
	if err == nil || !strings.Contains(err.Error(), "2 objects in force that you may not see would have no meaning any more") {
		t.Errorf("%v", err)
	}
}
