package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
)

// atAzure is a configuration for Azure DevOps alone; more are lines of its section.
func atAzure(more ...string) string {
	return "dataDir: DIR\nazureDevOps:\n  organizationURL: https://dev.azure.com/acme\n  tokenFile: HOOK\n" +
		"  webhook: {username: coderflow, passwordFile: HOOK}\n" + strings.Join(more, "")
}

func TestAzureDevOpsAloneIsAConfiguration(t *testing.T) {
	t.Parallel()
	c, err := Load(write(t, atAzure()), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := AzureDevOps{
		OrganizationURL: "https://dev.azure.com/acme", GitURL: "https://dev.azure.com/acme", Token: "hook-secret",
		Webhook: AzureWebhook{Username: "coderflow", Passwords: []forge.Secret{"hook-secret"}},
	}
	if c.GitHub != nil || !reflect.DeepEqual(*c.AzureDevOps, want) {
		t.Errorf("%+v", c.AzureDevOps)
	}
	if printed := fmt.Sprintf("%+v %#v", *c.AzureDevOps, *c.AzureDevOps); strings.Contains(printed, "hook-secret") {
		t.Error("printing the configuration shows secrets")
	}
	if both, err := Load(write(t, minimal+strings.TrimPrefix(atAzure(), "dataDir: DIR\n")), nil); err != nil || both.GitHub == nil || both.AzureDevOps == nil {
		t.Errorf("both forges: %v", err)
	}
}

func TestAzureDevOpsIsSetByVariables(t *testing.T) {
	t.Parallel()
	path := write(t, minimal)
	secret := filepath.Join(filepath.Dir(path), "hook")
	const section = "CODERFLOW_AZURE_DEV_OPS_"
	c, err := Load(path, []string{
		section + "ORGANIZATION_URL=https://ado.example.com/tfs/Default/", section + "GIT_URL=https://git.example.com/x/",
		section + "ENTRA_TENANT_ID=acme.onmicrosoft.com", section + "ENTRA_CLIENT_ID=5febef5a-833d-4e14-b9c0-14cb638f91e6",
		section + "ENTRA_CLIENT_SECRET_FILE=" + secret, section + "GIT_TOKEN_FILE=" + secret,
		section + "WEBHOOK_USERNAME=hooks", section + "WEBHOOK_PASSWORD_FILES=" + secret + "," + secret,
		section + `WORK_ITEMS=Web Shop=desk, Web Shop\Cash desk\Till=till,Lab=5febef5a-833d-4e14-b9c0-14cb638f91e6`,
	})
	if err != nil {
		t.Fatal(err)
	}
	a := c.AzureDevOps
	want := []WorkItemRule{
		{"Web Shop", "", "desk"}, {"Web Shop", `Web Shop\Cash desk\Till`, "till"}, {"Lab", "", "5febef5a-833d-4e14-b9c0-14cb638f91e6"},
	}
	if a.OrganizationURL != "https://ado.example.com/tfs/Default" || a.GitURL != "https://git.example.com/x" || a.Token != "" ||
		a.Entra.AuthorityURL != "https://login.microsoftonline.com" || a.Entra.ClientSecret.Reveal() != "hook-secret" || a.TokenForGit.Reveal() != "hook-secret" ||
		len(a.Webhook.Passwords) != 2 || !reflect.DeepEqual(a.WorkItems, want) {
		t.Errorf("%+v %+v", a, a.Entra)
	}
}

func TestWorkItemsAreMappedByProjectAndArea(t *testing.T) {
	t.Parallel()
	c, err := Load(write(t, atAzure(`  workItems:
    - {project: Web Shop, repository: Web Shop/desk}
    - {project: Web Shop, areaPath: Till, repository: till}
    - {areaPath: 'Lab\Bench', repository: bench}
`)), nil)
	want := []WorkItemRule{{"Web Shop", "", "Web Shop/desk"}, {"Web Shop", `Web Shop\Till`, "till"}, {"Lab", `Lab\Bench`, "bench"}}
	if err != nil || !reflect.DeepEqual(c.AzureDevOps.WorkItems, want) {
		t.Errorf("%+v, %v", c.AzureDevOps.WorkItems, err)
	}
}

func TestMistakesAboutAzureDevOpsAreNamed(t *testing.T) {
	t.Parallel()
	change := func(from, to string) string { return strings.Replace(atAzure(), from, to, 1) }
	entra := "{tenantID: acme.example, clientID: 5febef5a-833d-4e14-b9c0-14cb638f91e6, clientSecretFile: HOOK}"
	withEntra := func(from, to string) string {
		return change("tokenFile: HOOK", "entra: "+strings.Replace(entra, from, to, 1))
	}
	if _, err := Load(write(t, withEntra("", "")), nil); err != nil {
		t.Errorf("a service principal: %v", err)
	}
	for text, want := range map[string]string{
		change("  organizationURL: https://dev.azure.com/acme\n", ""):                        "azureDevOps.organizationURL: is required, for example https://dev.azure.com/acme",
		change("dev.azure.com/acme", "dev.azure.com/"):                                       "want the address of the organization and nothing behind it",
		change("dev.azure.com/acme", "dev.azure.com/acme/Web%20Shop"):                        "want the address of the organization and nothing behind it",
		change("https://dev.azure.com", "http://dev.azure.com"):                              "or set azureDevOps.allowHTTP: true for a test forge",
		change("https://dev", "https://maria:pw@dev"):                                        "must not hold a user or password",
		change("  tokenFile: HOOK\n", ""):                                                    "azureDevOps.tokenFile: is required: a file, readable by its owner only, with a personal access token of CoderFlow's own account; or configure azureDevOps.entra",
		atAzure("  entra: " + entra + "\n"):                                                  "are two credentials",
		withEntra("tenantID: acme.example, ", ""):                                            "azureDevOps.entra.tenantID: is required",
		withEntra("acme.example", "common"):                                                  `"common" is no tenant`,
		withEntra("5febef5a-833d", "x"):                                                      "azureDevOps.entra.clientID: is required: the application's client id",
		withEntra("clientSecretFile: HOOK", "authorityURL: http://a.b"):                      "azureDevOps.entra.authorityURL: want https",
		withEntra(", clientSecretFile: HOOK", ""):                                            "azureDevOps.entra.clientSecretFile: is required",
		change("username: coderflow, ", ""):                                                  "azureDevOps.webhook.username: is required",
		change("username: coderflow", "username: 'a:b'"):                                     "without spaces and colons",
		change(", passwordFile: HOOK", ""):                                                   "azureDevOps.webhook.passwordFile: is required: a file, readable by its owner only, with the password that service hooks send; without it nobody could tell",
		change("passwordFile: HOOK", "passwordFiles: [HOOK, missing]"):                       "azureDevOps.webhook.passwordFiles[1]: cannot be read",
		atAzure("  gitTokenFile: missing\n"):                                                 "azureDevOps.gitTokenFile: cannot be read",
		atAzure("  token: abc\n"):                                                            `unknown key "token"`,
		atAzure("  workItems: [{project: a}]\n"):                                             "azureDevOps.workItems[0].repository: this key is required",
		atAzure("  workItems: [{project: a/b, repository: c}]\n"):                            "azureDevOps.workItems[0]: project:",
		atAzure("  workItems: [{project: a, repository: b/c/d}]\n"):                          "want NAME in the project, or PROJECT/NAME",
		atAzure("  workItems: [{project: a, areaPath: 'x\\\\y', repository: c}]\n"):          "areaPath:",
		atAzure("  workItems: [{project: a, repository: c}, {project: A, repository: d}]\n"): "azureDevOps.workItems[1]: there is already a rule",
	} {
		_, err := Load(write(t, text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v\n%s", want, err, text)
		}
		if err != nil && (strings.Contains(err.Error(), "pw@") || strings.Contains(err.Error(), "hook-secret")) {
			t.Errorf("the message shows a secret: %v", err)
		}
	}
	if _, err := Load(write(t, atAzure()), []string{"CODERFLOW_AZURE_DEV_OPS_WORK_ITEMS=desk"}); err == nil || !strings.Contains(err.Error(), `want PROJECT=REPOSITORY`) {
		t.Errorf("%v", err)
	}
}

func TestCheckpointsArePublishedAtAForgeThatIsConfigured(t *testing.T) {
	t.Parallel()
	const guid = "5febef5a-833d-4e14-b9c0-14cb638f91e6"
	publish := func(id, name string) string {
		return "audit:\n  publish: {repository: '" + id + "', name: " + name + "}\n"
	}
	c, err := Load(write(t, atAzure(publish("azuredevops:"+guid, "Web Shop/audit log"))), nil)
	if want := (forge.RepositoryRef{Host: forge.AzureDevOps, ID: guid, Owner: "Web Shop", Name: "audit log"}); err != nil || c.Publish.Repository != want {
		t.Errorf("%+v, %v", c.Publish, err)
	}
	for text, want := range map[string]string{
		atAzure(publish("github:7", "acme/evidence")):           "is at GitHub, and the section github is missing",
		minimal + publish("azuredevops:"+guid, "shop/evidence"): "is at Azure DevOps, and the section azureDevOps is missing",
		atAzure(publish("azuredevops:"+guid, "evidence")):       "want PROJECT/REPOSITORY",
		atAzure(publish("azuredevops:7", "shop/evidence")):      "for example github:1296269 or azuredevops:",
		atAzure(publish("service:ci", "shop/evidence")):         "for example github:1296269 or azuredevops:",
	} {
		if _, err := Load(write(t, text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
