package manifest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

func bindingOf(subject, role, resource string) string {
	return fmt.Sprintf("apiVersion: coderflow.dev/v1\nkind: RoleBinding\nmetadata: {name: b}\nspec:\n  subject: %s\n  role: %s\n  resource: %s\n", subject, role, resource)
}

func teamOf(spec string) string {
	return "apiVersion: coderflow.dev/v1\nkind: Team\nmetadata: {name: reviewers}\nspec: " + spec + "\n"
}

// refusedWith says that the manifests have a problem in these words.
func refusedWith(t *testing.T, want string, texts ...string) {
	t.Helper()
	_, err := Parse(map[string][]byte{"x.yaml": []byte(strings.Join(texts, "---\n"))})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
}

func TestServicesAndPeopleOfAProviderAreBoundLikePeople(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"service:deploy-pipeline", "oidc:entra/0f8fad5b-d9cb-469f-a165-70867728950e"} {
		set := parse(t, minimalEnvironment, bindingOf(subject, "developer", "environment/staging"))
		parsed, err := forge.ParseSubject(subject)
		if err != nil {
			t.Fatal(err)
		}
		who := forge.User{Subject: parsed, Kind: parsed.Kind()}
		if d := set.Policy().Decide(who, policy.TasksCreate, "staging"); !d.Allowed {
			t.Errorf("%s:\n%s", subject, d.Reason)
		}
		if again, text := written(t, set); again.Version != set.Version {
			t.Errorf("%s does not round-trip:\n%s", subject, text)
		}
	}
	refusedWith(t, `"Robot" is not an id there`, minimalEnvironment, bindingOf("service:Robot", "viewer", "server"))
}

func TestThreat42NoManifestLetsAServiceApprove(t *testing.T) {
	t.Parallel()
	release := "apiVersion: coderflow.dev/v1\nkind: Role\nmetadata: {name: release}\nspec: {permissions: [\"tasks:view\", \"tasks:approve\"]}\n"
	refusedWith(t, `x.yaml:13:9: spec.role: service:ci is a service, and role "environment-admin" includes "tasks:approve", which is for people only`,
		minimalEnvironment, bindingOf("service:ci", "environment-admin", "environment/staging"))
	refusedWith(t, `role "release" includes "tasks:approve"`, minimalEnvironment, release, bindingOf("service:ci", "release", "environment/staging"))
	refusedWith(t, `role "release" includes "tasks:approve"`, minimalEnvironment, release, bindingOf("service:ci", "release", `"*"`))
	refusedWith(t, "service:ci is a service, which is never server-admin", minimalEnvironment, bindingOf("service:ci", "server-admin", `"*"`))
	refusedWith(t, "spec.members[0]: service:ci is a service, and only people are in a team", teamOf(`{members: ["service:ci"]}`))
}

const atForge = `{forge: {organization: acme, team: reviewers}}`

type teamResolver struct {
	Resolver
	found forge.TeamRef
	err   error
	asked int
}

func (r *teamResolver) TeamBySlug(context.Context, string, string, string) (forge.TeamRef, error) {
	r.asked++
	return r.found, r.err
}

var reviewers = forge.TeamRef{Host: forge.GitHub, OrganizationID: "9001", ID: "9101", Organization: "Acme", Slug: "reviewers"}

func TestThreat47ATeamAtTheForgeIsResolvedOnceAndKeptByIDs(t *testing.T) {
	t.Parallel()
	r := &teamResolver{found: reviewers}
	set, err := ParseWith(t.Context(), r, map[string][]byte{"x.yaml": []byte(teamOf(atForge))})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Teams["reviewers"].Forge; got.OrganizationID != "9001" || got.TeamID != "9101" || got.Organization != "Acme" || got.Host != forge.GitHub {
		t.Errorf("%+v", got)
	}
	if again, text := written(t, set); again.Version != set.Version {
		t.Errorf("it does not apply again without the forge:\n%s", text)
	}
	stored, err := ParseCanonical(set.Canonical())
	if err != nil || stored.Teams["reviewers"].Forge.TeamID != "9101" {
		t.Errorf("it is lost in the database: %v", err)
	}
	for want, r := range map[string]Resolver{
		"shows no team acme/reviewers":                      &teamResolver{err: forge.ErrNotFound},
		"could not be asked for team acme/reviewers: down":  &teamResolver{err: errors.New("down")},
		"answered about another team than acme/reviewers":   &teamResolver{found: forge.TeamRef{Host: forge.GitHub, OrganizationID: "1", ID: "2", Slug: "owners"}},
		"it is not asked for teams here; give both ids":     ResolverFunc(nil),
		"only `coderflow apply` asks the forge for the num": nil,
	} {
		_, err := ParseWith(t.Context(), r, map[string][]byte{"x.yaml": []byte(teamOf(atForge))})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestATeamAtTheForgeIsStrict(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		`{members: ["github:1"], forge: {organization: acme, team: x, organizationID: 1, teamID: 2}}`: "either lists members or has spec.forge",
		`{forge: {organization: acme, team: x, organizationID: 1}}`:                                   "want both organizationID and teamID, or neither",
		`{forge: {organization: acme, team: x, organizationID: 1, teamID: two}}`:                      "want the forge's numeric id",
		`{forge: {organization: acme, team: "a/b", organizationID: 1, teamID: 2}}`:                    "want the team's slug",
		`{forge: {organization: "a/b", team: x, organizationID: 1, teamID: 2}}`:                       "cannot be the name of an organization",
		`{forge: {host: gitlab, organization: a, team: x, organizationID: 1, teamID: 2}}`:             `unknown forge host "gitlab"`,
		`{forge: {organisation: acme, team: x}}`:                                                      `unknown key "organisation"`,
	} {
		refusedWith(t, want, teamOf(spec))
	}
}

func TestAPolicySaysWhichMembersItWasMadeWith(t *testing.T) {
	t.Parallel()
	set, err := ParseWith(t.Context(), &teamResolver{found: reviewers}, map[string][]byte{"x.yaml": []byte(strings.Join([]string{
		minimalEnvironment, teamOf(atForge), bindingOf("team:reviewers", "environment-admin", "environment/staging")}, "---\n"))})
	if err != nil {
		t.Fatal(err)
	}
	user := func(id string, kind forge.UserKind) forge.User {
		return forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: id}, Login: "p" + id, Kind: kind}
	}
	bob, eve := user("1003", forge.Person), user("1006", forge.Person)
	with := func(m Membership) *policy.Policy {
		return set.WithMembers(map[string]Membership{reviewers.Key(): m}).Policy()
	}
	both := with(Membership{Members: []forge.User{bob, eve, user("7", forge.Bot)}})
	turned := with(Membership{Members: []forge.User{eve, user("7", forge.Bot), bob}})
	one := with(Membership{Members: []forge.User{bob}})
	unread := with(Membership{Members: []forge.User{bob, eve}, Unread: "the forge is down"})
	versions := map[string]bool{}
	for _, p := range []*policy.Policy{both, one, unread, set.Policy()} {
		versions[p.Version] = true
	}
	if both.Version != turned.Version || len(versions) != 3 || !strings.HasPrefix(both.Version, set.Version+"+members.") { // not asked and not known are one
		t.Errorf("versions %v, %s", versions, turned.Version)
	}
	for name, row := range map[string]struct {
		p    *policy.Policy
		user forge.User
		may  bool
	}{
		"a member": {both, eve, true}, "who left": {one, eve, false}, "nobody knows": {unread, eve, false},
		"never asked": {set.Policy(), bob, false}, "a bot": {both, user("7", forge.Bot), false},
	} {
		if d := row.p.Decide(row.user, policy.TasksApprove, "staging"); d.Allowed != row.may {
			t.Errorf("%s: %v\n%s", name, d.Allowed, d.Reason)
		}
	}
}

func providerOf(spec string) string {
	return "apiVersion: coderflow.dev/v1\nkind: GitProvider\nmetadata: {name: partner}\nspec: " + spec + "\n"
}

func TestGitProvidersAreStrict(t *testing.T) {
	t.Parallel()
	shop := "repositories: [{name: acme/shop, id: 1001}]"
	other := strings.Replace(providerOf("{credential: c, "+shop+"}"), "partner", "other", 1)
	for spec, want := range map[string]string{
		"{" + shop + "}":                                        "spec.credential: this key is required",
		"{credential: ../x, " + shop + "}":                      "want the name of a credential",
		"{credential: c}":                                       "name either a team or repositories",
		"{credential: c, team: builders, " + shop + "}":         "name either a team or repositories",
		"{credential: c, team: builders}":                       `there is no team "builders"`,
		"{credential: c, " + shop + ", operations: [delete]}":   `want "fetch" or "push"`,
		"{credential: c, " + shop + ", operations: [fetch]}":    `git provider "other" is for fetch of repository github:1001 already`,
		"{credential: c, host: gitlab, " + shop + "}":           `unknown forge host "gitlab"`,
		"{credential: c, token: abc, " + shop + "}":             `unknown key "token"`,
		"{credential: c, repositories: [{name: a/b, id: a/b}]}": "numeric id",
	} {
		refusedWith(t, want, other, providerOf(spec))
	}
}

func TestGitProvidersAreAskedOverrideFirst(t *testing.T) {
	t.Parallel()
	ofTeam := strings.Replace(providerOf("{credential: c, team: builders}"), "partner", "a-team", 1)
	set := parse(t, minimalEnvironment, access, ofTeam, providerOf("{credential: d, repositories: [{name: acme/shop, id: 1001}], operations: [push], fallback: true}"))
	if again, text := written(t, set); again.Version != set.Version {
		t.Errorf("it does not round-trip:\n%s", text)
	}
	ref := forge.RepositoryRef{Host: forge.GitHub, ID: "1001"}
	names := func(ref forge.RepositoryRef, o Operation, teams ...string) (list []string) {
		for _, p := range set.GitProviders(ref, o, teams) {
			list = append(list, p.Name)
		}
		return list
	}
	for want, got := range map[string][]string{
		"[partner a-team]": names(ref, Push, "builders"), "[a-team]": names(ref, Fetch, "builders"), "[partner]": names(ref, Push),
		"[]": names(forge.RepositoryRef{Host: forge.GitHub, ID: "9"}, Push),
	} {
		if fmt.Sprint(got) != want {
			t.Errorf("want %s, got %v", want, got)
		}
	}
	// Only who looks after the server changes one.
	before, after := set.Policy(), parse(t, minimalEnvironment, access, ofTeam).Policy()
	bob := policy.Authority{User: forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1003"}}}
	if d := policy.CheckChange(bob, before, after); d.Allowed || !strings.Contains(d.Reason.String(), `changing a git provider takes "server:manage"`) {
		t.Errorf("%s", d.Reason)
	}
}
