package manifest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
)

const access = `apiVersion: coderflow.dev/v1
kind: Role
metadata: {name: releaser}
spec: {permissions: ["deployments:execute", "tasks:view"], description: Ships}
---
apiVersion: coderflow.dev/v1
kind: Team
metadata: {name: builders}
spec: {members: ["github:1003 (bob)", "github:1002"]}
---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata: {name: builders-ship}
spec: {subject: team:builders, role: releaser, resource: environment/staging}
---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata: {name: lead}
spec: {subject: github:1004 (carol), role: team-admin, resource: team/builders}
`

// written is the set after it was written out and read again.
func written(t interface {
	Fatalf(string, ...any)
	Helper()
}, s *Set) (*Set, string) {
	t.Helper()
	objects, err := s.Objects()
	if err != nil {
		t.Fatalf("%v", err)
	}
	text := string(YAML(objects))
	again, err := Parse(map[string][]byte{"out.yaml": []byte(text)})
	if err != nil {
		t.Fatalf("what was written does not apply: %v\n%s", err, text)
	}
	return again, text
}

func TestWhatIsInForceAppliesAgainToTheSameVersion(t *testing.T) {
	t.Parallel()
	examples, err := Load("../../manifests")
	if err != nil {
		t.Fatal(err)
	}
	odd := strings.Replace(minimalEnvironment, "agent:", "retention: {workspace: 0s}\n  limits: {wallTime: 90s}\n  agent:", 1)
	for _, s := range []*Set{examples, parse(t, minimalEnvironment, minimalProfile, access), parse(t, odd)} {
		again, text := written(t, s)
		if again.Version != s.Version {
			t.Errorf("version %s became %s:\n%s", s.Version, again.Version, text)
		}
		stored, err := ParseCanonical(s.Canonical())
		if err != nil || stored.Version != s.Version {
			t.Errorf("stored and read: %v", err)
		}
		objects, err := s.Objects()
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(objects[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(map[string][]byte{"one.json": encoded}); err != nil {
			t.Errorf("as JSON it does not apply: %v\n%s", err, encoded)
		}
	}
}

func TestAnyTextRoundTrips(t *testing.T) {
	t.Parallel()
	word := rapid.OneOf(rapid.StringMatching(`[ -~]{0,20}`), rapid.String(), rapid.SampledFrom([]string{
		"true", "null", "~", "1", "-", "- a", "a: b", "#x", "|", ">", "a\n", "a\nb\n", "  a\nb\n", "a \nb\n", "a\n\n", "\n", "\ta\n", "é\u2028", "\u007f", "'", `"`, "y", "0x1", "---", "...", "*a", "&a", "!a", "%a", "@a",
	}))
	text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(word, 1, 4).Draw(t, "lines"), "\n") }).
		Filter(func(s string) bool { return !strings.Contains(s, "\x00") })
	base := parse(t, minimalEnvironment, minimalProfile)
	rapid.Check(t, func(t *rapid.T) {
		e := base.Environments["staging"]
		e.Agent.Command = []string{"sh", text.Draw(t, "argument")}
		e.Agent.Env = map[string]string{rapid.SampledFrom([]string{"A", "null", "y", "NO"}).Draw(t, "name"): text.Draw(t, "value")}
		e.Scripts.Setup = text.Draw(t, "script")
		s := &Set{Environments: map[string]Environment{"staging": e}, Profiles: map[string]map[string]deploy.Profile{}}
		if err := s.seal(); err != nil {
			t.Fatal(err)
		}
		again, out := written(t, s)
		if got := again.Environments["staging"]; fmt.Sprint(got.Agent, got.Scripts) != fmt.Sprint(e.Agent, e.Scripts) {
			t.Fatalf("%q became %q in\n%s", e.Agent, got.Agent, out)
		}
	})
}

func TestDiffNamesObjectsAndFields(t *testing.T) {
	t.Parallel()
	before := parse(t, minimalEnvironment, minimalProfile, access)
	after := parse(t, strings.Replace(minimalEnvironment, "/bin/true", "/bin/false", 1)+"  label: build\n",
		strings.Replace(access, "github:1002", "github:1009", 1), strings.NewReplacer("name: lead", "name: boss").Replace(""))
	changes, err := Diff(before, after)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{Environment staging changed [{spec.label coderflow build} {spec.agent.command [/bin/true] [/bin/false]}]} ` +
		`{DeploymentProfile staging/publish removed []} {Team builders changed [{spec.members [github:1002, github:1003 (bob)] [github:1003 (bob), github:1009]}]}]`
	if got := fmt.Sprint(changes); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if changes, err := Diff(before, before); err != nil || len(changes) > 0 {
		t.Errorf("a set differs from itself: %v %v", changes, err)
	}
	if changes, err := Diff(nil, before); err != nil || len(changes) != 6 || changes[0].Act != Added {
		t.Errorf("from nothing: %v %v", changes, err)
	}
}

func TestSelectFindsWhatPeopleCallIt(t *testing.T) {
	t.Parallel()
	objects, err := parse(t, minimalEnvironment, minimalProfile, access).Objects()
	if err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]int{"": 6, "environments": 1, "Profile publish": 1, "deploymentprofile staging/publish": 1, "rolebindings": 2, "binding lead": 1, "teams builders": 1} {
		kind, name, _ := strings.Cut(words, " ")
		if got, err := Select(objects, kind, name); err != nil || len(got) != want {
			t.Errorf("%q: %d objects, %v", words, len(got), err)
		}
	}
	for words, want := range map[string]string{"taem": `did you mean "Team"?`, "team builder": `did you mean "builders"?`} {
		kind, name, _ := strings.Cut(words, " ")
		if _, err := Select(objects, kind, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", words, err)
		}
	}
}

func TestAccessCrossChecksRefuse(t *testing.T) {
	t.Parallel()
	whole := minimalEnvironment + "---\n" + access
	for name, c := range map[string]struct{ from, to, want string }{
		"shadowed role":       {"metadata: {name: releaser}", "metadata: {name: Developer}", "is a predefined role"},
		"unknown permission":  {"tasks:view", "tasks:vew", `spec.permissions[1]: unknown permission "tasks:vew"; did you mean "tasks:view"?`},
		"permission twice":    {"tasks:view", "deployments:execute", "listed twice"},
		"nested team":         {"github:1002", "team:builders", "teams do not nest"},
		"member twice":        {"github:1002", "github:1003", "github:1003 is listed twice"},
		"unknown team":        {"subject: team:builders", "subject: team:bilders", `there is no team "bilders"; did you mean "builders"?`},
		"unknown team admin":  {"team/builders", "team/other", `there is no team "other"`},
		"unknown role":        {"role: releaser", "role: relaeser", `unknown role "relaeser"; did you mean "releaser"?`},
		"developer on a team": {"role: team-admin", "role: developer", `role "developer" means nothing on a resource of the kind "team"`},
		"releaser on a team":  {"role: team-admin", "role: releaser", `means nothing`},
		"team admin anywhere": {"role: releaser, resource", "role: team-admin, resource", `role "team-admin" means nothing on a resource of the kind "environment"`},
		"nonsense resource":   {"team/builders", "teams/builders", `want environment/NAME, team/NAME, server or "*"`},
		"team of no name":     {"team:builders", "team:", "cannot be the name of a team"},
		"no quotes":           {`"tasks:view"`, "tasks:view", `spec.permissions[1]: want a single value, this is a mapping; in a list in brackets put it in quotes`},
		"login":               {"github:1002", `github:@octocat`, "spec.members[1]: @octocat is a login"},
		"not a login":         {"github:1002", `github:@octo cat`, "cannot be a login"},
	} {
		if !strings.Contains(whole, c.from) {
			t.Errorf("%s: %q is not there", name, c.from)
		}
		_, err := Parse(map[string][]byte{"x.yaml": []byte(strings.Replace(whole, c.from, c.to, 1))})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got: %v", name, c.want, err)
		}
	}
}

// A login is looked up once and kept as a number, so that whoever gets the login
// later gets nothing with it.
func TestThreat47LoginsAreResolvedOnceAndKeptAsNumbers(t *testing.T) {
	t.Parallel()
	asked := map[string]int{}
	people := map[string]forge.User{
		"octocat": {Subject: forge.Subject{Host: forge.GitHub, ID: "583231"}, Login: "octocat", Kind: forge.Person},
		"builder": {Subject: forge.Subject{Host: forge.GitHub, ID: "7"}, Login: "builder", Kind: forge.Bot},
		"liar":    {Subject: forge.Subject{Host: forge.GitHub, ID: "8"}, Login: "somebody", Kind: forge.Person},
	}
	ask := ResolverFunc(func(_ context.Context, host, login string) (forge.User, error) {
		asked[login]++
		if u, ok := people[login]; ok && host == forge.GitHub {
			return u, nil
		}
		return forge.User{}, forge.ErrNotFound
	})
	text := minimalEnvironment + "---\n" + strings.NewReplacer("github:1002", `github:@octocat`, "github:1004 (carol)", `"github:@octocat"`).Replace(access)
	s, err := ParseWith(t.Context(), ask, map[string][]byte{"x.yaml": []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	if lead := s.Bindings[1].Subject; lead.String() != "github:583231 (octocat)" || asked["octocat"] != 1 {
		t.Errorf("%v, asked %v", lead, asked)
	}
	if again, out := written(t, s); again.Version != s.Version {
		t.Errorf("it does not apply again without the forge:\n%s", out)
	}
	for login, want := range map[string]string{
		"nobody": "x.yaml:16:39: spec.members[1]: there is no account @nobody", "builder": "is not a person", "liar": "somebody else",
	} {
		_, err := ParseWith(t.Context(), ask, map[string][]byte{"x.yaml": []byte(strings.Replace(text, "@octocat", "@"+login, 1))})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", login, want, err)
		}
	}
}
