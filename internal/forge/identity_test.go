package forge_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
)

func TestSubjectsAreNumericOrGUID(t *testing.T) {
	t.Parallel()
	for text, valid := range map[string]bool{
		"github:583231": true, "azuredevops:0f8fad5b-d9cb-469f-a165-70867728950e": true,
		"github:octocat": false, "github:0": false, "github:-1": false, "github:": false, "github": false, "": false,
		"service:deploy-pipeline": true, "service:Deploy": false, "service:": false, "oidc:entra/0f8fad5b-d9cb-469f": true,
		"oidc:entra": false, "oidc:entra/": false, "oidc:entra/a b": false, "oidc:entra/a\nb": false,
		"gitlab:1": false, "github:1 ": false, "github:01": false, "azuredevops:1": false, "github:99999999999999999999": false,
	} {
		s, err := forge.ParseSubject(text)
		if (err == nil) != valid {
			t.Errorf("ParseSubject(%q): %v", text, err)
		}
		if valid && s.String() != text {
			t.Errorf("%q comes back as %q", text, s)
		}
	}
}

func TestServicesAreNoPeople(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]forge.UserKind{"service:ci": forge.Bot, "github:7": forge.Person, "oidc:entra/x": forge.Person} {
		s, err := forge.ParseSubject(text)
		if err != nil || s.Kind() != want {
			t.Errorf("%s is a %s, %v", text, s.Kind(), err)
		}
	}
	if kind := (forge.Subject{}).Kind(); kind != forge.Other {
		t.Errorf("nobody is a %s", kind)
	}
}

func TestSubjectRoundTripsThroughJSON(t *testing.T) {
	t.Parallel()
	for _, want := range []forge.Subject{{}, {Host: forge.GitHub, ID: "7"}} {
		text, err := json.Marshal(forge.User{Subject: want})
		if err != nil {
			t.Fatal(err)
		}
		var got forge.User
		if err := json.Unmarshal(text, &got); err != nil || got.Subject != want {
			t.Errorf("%s: %v, %v", text, got.Subject, err)
		}
	}
	var u forge.User
	if err := json.Unmarshal([]byte(`{"subject":"github:octocat"}`), &u); err == nil {
		t.Error("a login was taken for an id")
	}
}

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	token := forge.Token{Value: "hunter2", Source: "test"}
	encoded, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(token), fmt.Sprintf("%v %+v %#v %s %q %x %d", token, token, token, token.Value, token.Value, token.Value, token.Value), string(encoded),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
			t.Errorf("the secret shows in %s", text)
		}
	}
	if token.Value.Reveal() != "hunter2" {
		t.Error("the secret is lost")
	}
}

func TestAccessIsOrderedAndUnknownIsNothing(t *testing.T) {
	t.Parallel()
	if forge.AccessRead >= forge.AccessWrite || forge.AccessTriage >= forge.AccessWrite || forge.AccessMaintain <= forge.AccessWrite {
		t.Error("the levels are not in order")
	}
	if got := forge.Access(99).String(); got != "unknown" {
		t.Errorf("level 99 is %q", got)
	}
}

func TestCommitsCarryTheAddressThatTheForgeLinks(t *testing.T) {
	t.Parallel()
	const guid = "0f8fad5b-d9cb-469f-a165-70867728950e"
	for _, c := range []struct{ host, id, login, want string }{
		{forge.GitHub, "7", "maria", "7+maria@users.noreply.github.com"},
		{forge.AzureDevOps, guid, "Maria.Okafor@example.com", "Maria.Okafor@example.com"},
		{forge.AzureDevOps, guid, "maria_mail.com#EXT#@acme.example", guid + "@azuredevops.invalid"},
		{forge.AzureDevOps, guid, `ACME\maria`, guid + "@azuredevops.invalid"},
		{forge.AzureDevOps, guid, "maria@example.com> <eve@example.com", guid + "@azuredevops.invalid"},
		{forge.AzureDevOps, guid, "", guid + "@azuredevops.invalid"},
	} {
		user := forge.User{Subject: forge.Subject{Host: c.host, ID: c.id}, Login: c.login}
		if got := user.NoreplyEmail(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
