package manifest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

const (
	shopGUID  = "5febef5a-833d-4e14-b9c0-14cb638f91e6"
	mariaGUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	teamGUID  = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c"
)

// atAzure is an environment of a repository at Azure DevOps, in which change was made.
func atAzure(changes ...string) string {
	text := strings.Replace(minimalEnvironment, "{name: acme/shop, id: 1001}", "{host: azuredevops, name: Web Shop/cash desk, id: "+shopGUID+"}", 1)
	return strings.NewReplacer(changes...).Replace(text)
}

func TestRepositoriesAtAzureDevOpsAreNamedByGUID(t *testing.T) {
	t.Parallel()
	set := parse(t, atAzure())
	want := forge.RepositoryRef{Host: forge.AzureDevOps, ID: shopGUID, Owner: "Web Shop", Name: "cash desk"}
	if got := set.Environments["staging"].Repositories[0].Ref(); got != want {
		t.Errorf("%+v", got)
	}
	if again, text := written(t, set); again.Version != set.Version {
		t.Errorf("it does not round-trip:\n%s", text)
	}
	if stored, err := ParseCanonical(set.Canonical()); err != nil || stored.Version != set.Version {
		t.Errorf("it is lost in the database: %v", err)
	}
	both := atAzure("{host: azuredevops", "{name: acme/shop, id: 1001}, {host: azuredevops")
	if hosts := parse(t, both).Environments["staging"].Repositories; hosts[1].Host != forge.GitHub || hosts[0].Host != forge.AzureDevOps {
		t.Errorf("%+v", hosts)
	}
}

func TestRepositoriesAtAzureDevOpsAreStrict(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		atAzure(shopGUID, "1001"):                                "want the repository's GUID in lower case",
		atAzure(shopGUID, strings.ToUpper(shopGUID)):             "at azuredevops the repository's GUID in lower case",
		atAzure("host: azuredevops, ", ""):                       `want OWNER/NAME, not "Web Shop/cash desk"`,
		atAzure("host: azuredevops", "host: azuredevop"):         `unknown forge host "azuredevop"; did you mean "azuredevops"?`,
		atAzure("Web Shop/cash desk", "shop"):                    "want PROJECT/REPOSITORY",
		atAzure("Web Shop/cash desk", "acme/Web Shop/cash desk"): "has the character '/'",
		atAzure("Web Shop/cash desk", `"a/b\"c"`):                `has the character '"'`,
		atAzure("Web Shop/cash desk", `"a/b\u202ec"`):            "has the character",
		atAzure("Web Shop/cash desk", `"a/b\\c"`):                "has the character",
		atAzure("Web Shop/cash desk", `"a/..": `):                "",
		strings.Replace(minimalEnvironment, "1001", shopGUID, 1): "spec.repositories[0].host is github",
	} {
		if want != "" {
			refusedWith(t, want, text)
		} else if _, err := Parse(map[string][]byte{"x.yaml": []byte(text)}); err == nil {
			t.Errorf("accepted:\n%s", text)
		}
	}
}

func TestPeopleAtAzureDevOpsAreBoundByGUID(t *testing.T) {
	t.Parallel()
	subject := "azuredevops:" + mariaGUID
	for _, text := range []string{subject, `"` + subject + ` (maria@example.com)"`, `"` + subject + ` (o'neil_example.com#EXT#@acme.example)"`, `'` + subject + ` (ACME\maria)'`} {
		set := parse(t, atAzure(), bindingOf(text, "developer", "environment/staging"))
		who, err := forge.ParseSubject(subject)
		if err != nil {
			t.Fatal(err)
		}
		if d := set.Policy().Decide(forge.User{Subject: who, Kind: forge.Person}, policy.TasksCreate, "staging"); !d.Allowed {
			t.Errorf("%s:\n%s", text, d.Reason)
		}
		if again, text := written(t, set); again.Version != set.Version {
			t.Errorf("it does not round-trip:\n%s", text)
		}
	}
	for text, want := range map[string]string{
		"azuredevops:" + strings.ToUpper(mariaGUID):   "is not an id there",
		"azuredevops:1002":                            "is not an id there",
		`"azuredevops:@maria"`:                        "want the address that the person signs in with, for example azuredevops:@maria@example.com",
		`"azuredevops:@a@b@c"`:                        "cannot be a login there",
		`"azuredevops:@a b@c"`:                        "cannot be a login there",
		`"` + subject + ` (<b>)"`:                     "is not an id there",
		`"github:7 (o'neil#EXT#@acme.example)"`:       "cannot be a login at github",
		`"azuredevops:@maria@example.com"`:            "write azuredevops:ID here",
		`"gitlab:@maria"`:                             `unknown host "gitlab"`,
		`"azuredevops:@maria@example.com\u202e(tom)"`: "cannot be a login there",
	} {
		refusedWith(t, want, atAzure(), bindingOf(text, "developer", "environment/staging"))
	}
}

// The same login at two forges is two people.
func TestThreat47AddressesAreResolvedOnceAtTheirForge(t *testing.T) {
	t.Parallel()
	var asked []string
	ask := ResolverFunc(func(_ context.Context, host, login string) (forge.User, error) {
		asked = append(asked, host+" "+login)
		switch host + " " + login {
		case "azuredevops maria@example.com":
			return forge.User{Subject: forge.Subject{Host: host, ID: mariaGUID}, Login: "Maria@example.com", Kind: forge.Person}, nil
		case "azuredevops number@example.com": // an id that is none there
			return forge.User{Subject: forge.Subject{Host: host, ID: "7"}, Login: login, Kind: forge.Person}, nil
		case "azuredevops elsewhere@example.com":
			return forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "7"}, Login: login, Kind: forge.Person}, nil
		}
		return forge.User{}, forge.ErrNotFound
	})
	text := atAzure() + "---\n" + bindingOf(`"azuredevops:@maria@example.com"`, "developer", "environment/staging") +
		"---\n" + teamOf(`{members: ["azuredevops:@maria@example.com"]}`)
	set, err := ParseWith(t.Context(), ask, map[string][]byte{"x.yaml": []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Bindings[0].Subject.String(); got != "azuredevops:"+mariaGUID+" (Maria@example.com)" || fmt.Sprint(asked) != "[azuredevops maria@example.com]" {
		t.Errorf("%s, asked %v", got, asked)
	}
	if again, out := written(t, set); again.Version != set.Version {
		t.Errorf("it does not apply again without the forge:\n%s", out)
	}
	for login, want := range map[string]string{
		"nobody@example.com": "there is no account @nobody@example.com at azuredevops", "number@example.com": "somebody else", "elsewhere@example.com": "somebody else",
	} {
		_, err := ParseWith(t.Context(), ask, map[string][]byte{"x.yaml": []byte(strings.ReplaceAll(text, "maria@example.com", login))})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", login, want, err)
		}
	}
}

func TestTeamsOfProjectsAreResolvedAndKeptByGUIDs(t *testing.T) {
	t.Parallel()
	const spec = `{forge: {host: azuredevops, organization: Web Shop, team: Cash Desk Team}}`
	r := &teamResolver{found: forge.TeamRef{Host: forge.AzureDevOps, OrganizationID: shopGUID, ID: teamGUID, Organization: "Web Shop", Slug: "Cash Desk Team"}}
	set, err := ParseWith(t.Context(), r, map[string][]byte{"x.yaml": []byte(teamOf(spec))})
	if err != nil {
		t.Fatal(err)
	}
	if key := set.ForgeTeams()[0].Key(); key != "azuredevops:"+shopGUID+"/"+teamGUID {
		t.Errorf("%s", key)
	}
	if again, text := written(t, set); again.Version != set.Version {
		t.Errorf("it does not round-trip:\n%s", text)
	}
	for want, r := range map[string]*teamResolver{
		"is there a project of that name with such a team": {err: forge.ErrNotFound},
		"answered about another team":                      {found: reviewers},
	} {
		if _, err := ParseWith(t.Context(), r, map[string][]byte{"x.yaml": []byte(teamOf(spec))}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for spec, want := range map[string]string{
		`{forge: {host: azuredevops, organization: shop, team: x, organizationID: 1, teamID: 2}}`:                              `spec.forge.teamID: "2" is no id at azuredevops`,
		`{forge: {organization: acme, team: x, organizationID: ` + shopGUID + `, teamID: 2}}`:                                  "is no id at github: those are numbers",
		`{forge: {host: azuredevops, organization: a/b, team: x, organizationID: ` + shopGUID + `, teamID: ` + teamGUID + `}}`: "cannot be the name of a project, which it is at azuredevops",
		`{forge: {host: azuredevops, organization: a, team: "x\ny"}}`:                                                          "cannot be the name of a team",
	} {
		refusedWith(t, want, teamOf(spec))
	}
}

func TestGitProvidersAreForOneForge(t *testing.T) {
	t.Parallel()
	desk := "repositories: [{name: Web Shop/cash desk, id: " + shopGUID + "}]"
	set := parse(t, atAzure(), providerOf("{host: azuredevops, credential: c, "+desk+"}"))
	ref := forge.RepositoryRef{Host: forge.AzureDevOps, ID: shopGUID}
	if got := set.GitProviders(ref, Push, nil); len(got) != 1 || got[0].Repositories[0].Host != forge.AzureDevOps {
		t.Errorf("%+v", got)
	}
	if again, text := written(t, set); again.Version != set.Version {
		t.Errorf("it does not round-trip:\n%s", text)
	}
	refusedWith(t, "the repository is at azuredevops and the provider is for github: set spec.host",
		atAzure(), providerOf("{credential: c, repositories: [{host: azuredevops, name: Web Shop/cash desk, id: "+shopGUID+"}]}"))
	refusedWith(t, "want OWNER/NAME", atAzure(), providerOf("{credential: c, "+desk+"}"))
}
