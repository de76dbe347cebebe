package appmanifest_test

import (
	"html"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/github"
	"github.com/coderflow/coderflow/internal/forge/github/appmanifest"
)

// The App that the flow registers at the local GitHub is one that the adapter can act as.
func TestRegisteredAppCanBeUsed(t *testing.T) {
	t.Parallel()
	local, err := emulator.New(emulator.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = local.Close() })
	if err := local.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := local.CreateUser("anna", emulator.UserOptions{}); err != nil {
		t.Fatal(err)
	}
	info := local.Info()
	o := appmanifest.Options{
		GitHubURL: strings.TrimSuffix(info.HTMLURL, "/"), APIURL: info.APIURL, GraphQLURL: info.GraphQLURL,
		PublicURL: "https://cf.example", Name: "Anna CoderFlow", Dir: t.TempDir(),
	}
	result, _, err := run(t, o, func(page string) {
		_, form, err := get(page)
		to, carried := action.FindStringSubmatch(form), value.FindStringSubmatch(form)
		if err != nil || to == nil || carried == nil {
			t.Errorf("no form: %v %s", err, form)
			return
		}
		target, err := url.Parse(html.UnescapeString(to[1]))
		if err != nil {
			t.Error(err)
			return
		}
		res, err := http.PostForm(target.String(), url.Values{
			"manifest": {html.UnescapeString(carried[1])}, "as": {"anna"}, "state": {target.Query().Get("state")}})
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("confirmed: %v, %v", res, err)
			return
		}
		_ = res.Body.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(result.PrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	adapter, err := github.New(github.Config{
		APIURL: info.APIURL, GraphQLURL: info.GraphQLURL, GitURL: info.GitURL, AppID: result.AppID, PrivateKey: key})
	if err != nil {
		t.Fatal(err)
	}
	if self, err := adapter.Self(t.Context(), forge.GitHub); err != nil || self.Login != result.Slug+"[bot]" {
		t.Errorf("Self returned %+v, %v", self, err)
	}
}
