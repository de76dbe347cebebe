package emulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	ado "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/location"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// ask makes a raw request below the organization; header lines are "Name: value".
func (w *azureWorld) ask(method, path, token, body string, header ...string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.info.Azure.OrganizationURL+path, strings.NewReader(body))
	must(w.t, err)
	if token != "" {
		req.SetBasicAuth("anything", token)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	must(w.t, err)
	defer res.Body.Close() //nolint:errcheck // read
	text, err := io.ReadAll(res.Body)
	must(w.t, err)
	return res, string(text)
}

func TestAzureStrangersAreLedToSignIn(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	const path = "/_apis/projects?api-version=7.1"
	if res, _ := w.ask("GET", path, "", ""); res.StatusCode != http.StatusFound || !strings.Contains(res.Header.Get("Location"), "/_signin") {
		t.Errorf("without credentials: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	if res, text := w.ask("GET", path, "wrong", ""); res.StatusCode != http.StatusNonAuthoritativeInfo || !strings.Contains(text, "Sign In") {
		t.Errorf("with wrong ones: %d %s", res.StatusCode, text)
	}
	for _, token := range []string{"", "wrong"} {
		res, _ := w.ask("GET", path, token, "", "X-TFS-FedAuthRedirect: Suppress")
		if res.StatusCode != http.StatusUnauthorized || len(res.Header.Values("Www-Authenticate")) != 3 {
			t.Errorf("with %q and no redirect wanted: %d", token, res.StatusCode)
		}
	}
	if res, _ := w.ask("GET", path, "", "", "Authorization: Bearer "+w.info.Azure.Token, "X-TFS-FedAuthRedirect: Suppress"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a personal access token as bearer: %d", res.StatusCode)
	}
}

func TestAzureTokensReachAsFarAsTheirScopes(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	token, err := w.forge.IssueToken("alice", "vso.code")
	must(t, err)
	c, err := git.NewClient(t.Context(), w.connection(token))
	must(t, err)
	_, err = c.GetRepository(t.Context(), git.GetRepositoryArgs{RepositoryId: ptr("widget"), Project: ptr(project)})
	must(t, err)
	wit, err := workitemtracking.NewClient(t.Context(), w.connection(token))
	must(t, err)
	_, err = wit.GetWorkItem(t.Context(), workitemtracking.GetWorkItemArgs{Id: ptr(1)})
	if status, _, message := refused(err); status != 401 || !strings.Contains(message, "TF400813") {
		t.Errorf("work items with a token for code: %v", err)
	}
	dir := w.clone("alice")
	out, err := w.world.git(dir, "any", token, "push", "origin", "HEAD:refs/heads/x")
	if err == nil || !strings.Contains(out, "401") && !strings.Contains(out, "Authentication failed") && !strings.Contains(out, "could not read") {
		t.Errorf("push with a token for reading: %v %s", err, out)
	}
	w.forge.RevokeToken(token)
	if _, err = c.GetRepository(t.Context(), git.GetRepositoryArgs{RepositoryId: ptr("widget"), Project: ptr(project)}); err == nil {
		t.Error("a revoked token is good")
	}
}

func TestAzureAccountHasWhatItNeedsAndNoMore(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	raw, err := os.ReadFile(w.info.Azure.TokenFile)
	must(t, err)
	if strings.TrimSpace(string(raw)) != w.info.Azure.Token {
		t.Error("the file has another token")
	}
	data, err := location.NewClient(t.Context(), w.connection(w.info.Azure.Token)).GetConnectionData(t.Context(), location.GetConnectionDataArgs{})
	must(t, err)
	if data.AuthenticatedUser.Id.String() != w.info.Azure.AccountGUID || *data.AuthenticatedUser.ProviderDisplayName != "CoderFlow" {
		t.Errorf("account: %+v", data.AuthenticatedUser)
	}
	must(t, w.forge.Protect(azureRepo, "main", emulator.Protection{RequiredReviews: 1}))
	dir := w.clone("alice")
	w.world.mustGit(dir, "alice", "commit", "-q", "--allow-empty", "-m", "Empty")
	if out, err := w.world.git(dir, "coderflow", w.info.Azure.Token, "push", "origin", "HEAD:refs/heads/coderflow/one"); err != nil {
		t.Errorf("pushing a branch: %s", out)
	}
	if out, err := w.world.git(dir, "coderflow", w.info.Azure.Token, "push", "origin", "HEAD:main"); err == nil || !strings.Contains(out, "TF402455") {
		t.Errorf("pushing to a protected branch: %s", out)
	}
	if pushes := w.forge.Pushes(azureRepo); pushes[len(pushes)-1].Actor != "coderflow" {
		t.Errorf("pushes: %+v", pushes)
	}
}

func TestAzureServicePrincipalsGetShortLivedTokens(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	sp, err := w.forge.CreateServicePrincipal("robot", "The robot")
	must(t, err)
	must(t, w.forge.AddCollaborator(azureRepo, "robot", "write"))
	form := url.Values{"client_id": {sp.ClientID}, "client_secret": {sp.ClientSecret}, "grant_type": {"client_credentials"}, "scope": {"499b84ac-1321-427f-aa17-267ca6975798/.default"}}
	get := func(form url.Values) (int, map[string]any) {
		res, err := http.PostForm(w.info.Azure.Authority+"/oauth2/v2.0/token", form)
		must(t, err)
		defer res.Body.Close() //nolint:errcheck // read
		var out map[string]any
		must(t, json.NewDecoder(res.Body).Decode(&out))
		return res.StatusCode, out
	}
	status, answer := get(form)
	if status != 200 || answer["token_type"] != "Bearer" {
		t.Fatalf("token: %d %v", status, answer)
	}
	conn := &ado.Connection{AuthorizationString: "Bearer " + answer["access_token"].(string), BaseUrl: w.info.Azure.OrganizationURL, SuppressFedAuthRedirect: true}
	data, err := location.NewClient(t.Context(), conn).GetConnectionData(t.Context(), location.GetConnectionDataArgs{})
	must(t, err)
	if data.AuthenticatedUser.Id.String() != sp.GUID || !strings.HasPrefix(*data.AuthenticatedUser.SubjectDescriptor, "aadsp.") {
		t.Errorf("principal: %+v", data.AuthenticatedUser)
	}
	w.clock.Advance(time.Hour)
	if _, err := location.NewClient(t.Context(), conn).GetConnectionData(t.Context(), location.GetConnectionDataArgs{}); err == nil {
		t.Error("the token is good after an hour")
	}
	form.Set("client_secret", "wrong")
	if status, answer = get(form); status != 401 || answer["error"] != "invalid_client" {
		t.Errorf("wrong secret: %d %v", status, answer)
	}
}

func TestAzureVersionsAreNegotiated(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	token := w.forge.ClientFor("alice")
	for _, c := range []struct {
		method, path, accept, key string
		status                    int
	}{
		{"GET", "/_apis/projects", "", "", 200},
		{"GET", "/_apis/projects", "application/json;api-version=7.1-preview.4", "", 200},
		{"GET", "/_apis/projects?api-version=7.2", "", "VssInvalidPreviewVersionException", 400},
		{"GET", "/_apis/projects?api-version=9.1", "", "VssVersionOutOfRangeException", 400},
		{"GET", "/_apis/connectionData?api-version=7.1", "", "VssInvalidPreviewVersionException", 400},
		{"GET", "/_apis/connectionData?api-version=7.1-preview", "", "", 200},
		{"POST", "/_apis/wit/workItemsBatch", "", "VssVersionNotSpecifiedException", 400},
	} {
		res, text := w.ask(c.method, c.path, token, "", "Accept: "+c.accept)
		var body struct {
			Key string `json:"typeKey"`
			ID  string `json:"$id"`
		}
		_ = json.Unmarshal([]byte(text), &body)
		if res.StatusCode != c.status || body.Key != c.key {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.accept, res.StatusCode, text)
		}
	}
}

func TestAzureUnknownThingsFailLoudly(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	token := w.forge.ClientFor("alice")
	repo := "/shop/_apis/git/repositories/widget"
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/_apis/nothing?api-version=7.1", ""},
		{"GET", repo + "?api-version=7.1&colour=red", ""},
		{"GET", repo + "?api-version=4.1", ""},
		{"POST", repo + "/pullrequests?api-version=7.1", `{"title": "x", "colour": "red"}`},
		{"GET", "/api/v3/repos/shop/widget", ""},
	} {
		before := len(w.forge.Unknown())
		res, text := w.ask(c.method, c.path, token, c.body)
		if strings.HasPrefix(c.path, "/api/v3") {
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("the other face answers: %d", res.StatusCode)
			}
			continue
		}
		if res.StatusCode != http.StatusNotImplemented || len(w.forge.Unknown()) != before+1 {
			t.Errorf("%s %s: %d %s", c.method, c.path, res.StatusCode, text)
		}
	}
}

func TestAzureGitHubsFaceDoesNotAnswerForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/acme/_apis/projects", "/acme/widget/_git/widget/info/refs?service=git-upload-pack"} {
		res, err := http.Get(w.info.BaseURL + path)
		must(t, err)
		must(t, res.Body.Close())
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

func TestAzureFaultsAreTheServicesOwn(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	token := w.forge.ClientFor("alice")
	w.forge.Fail(func(r *http.Request) *emulator.Fault { return emulator.AzureRateLimit("7") })
	res, text := w.ask("GET", "/_apis/projects", token, "")
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "7" || res.Header.Get("X-RateLimit-Remaining") != "0" || !strings.Contains(text, `"$id":"1"`) {
		t.Errorf("limited: %d %v %s", res.StatusCode, res.Header, text)
	}
	w.forge.Fail(nil)
	if res, _ = w.ask("GET", "/_apis/projects", token, ""); res.StatusCode != 200 {
		t.Errorf("after it: %d", res.StatusCode)
	}
}

func TestAzureGitAsksWhoItIs(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	for _, c := range []struct {
		repo, token string
		status      int
	}{{"widget", "", 401}, {"widget", "wrong", 401}, {"widget", w.forge.ClientFor("mallory"), 404}, {"nothing", w.forge.ClientFor("alice"), 404}, {"widget", w.forge.ClientFor("alice"), 200}} {
		res, _ := w.ask("GET", "/shop/_git/"+c.repo+"/info/refs?service=git-upload-pack", c.token, "")
		if res.StatusCode != c.status || c.status == 401 && len(res.Header.Values("Www-Authenticate")) == 0 {
			t.Errorf("%s: %d, not %d", c.repo, res.StatusCode, c.status)
		}
	}
	must(t, w.forge.AddCollaborator(azureRepo, "mallory", "read"))
	res, text := w.ask("GET", "/shop/_git/widget/info/refs?service=git-receive-pack", w.forge.ClientFor("mallory"), "")
	if res.StatusCode != http.StatusForbidden || !strings.Contains(text, "TF401027") {
		t.Errorf("pushing with read access: %d %s", res.StatusCode, text)
	}
}
