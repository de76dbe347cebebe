package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// write puts a configuration and its secrets into a directory of its own. KEY,
// HOOK and DIR in the text stand for the paths.
func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"key.pem": "KEY CONTENT\n", "hook": "hook-secret\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "coderflow.yaml")
	text = strings.NewReplacer("DIR", dir, "KEY", "key.pem", "HOOK", "hook").Replace(text)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const minimal = "dataDir: DIR\ngithub:\n  appID: 7\n  privateKeyFile: KEY\n  webhookSecretFile: HOOK\n"

func TestMinimalConfigurationIsCompleted(t *testing.T) {
	t.Parallel()
	c, err := Load(write(t, minimal), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.GitHub.APIURL != "https://api.github.com/" || c.GitHub.GitURL != "https://github.com" || c.GitHub.AppID != 7 {
		t.Errorf("github: %+v", c.GitHub)
	}
	if c.GitHub.PrivateKey.Reveal() != "KEY CONTENT" || c.GitHub.WebhookSecret.Reveal() != "hook-secret" {
		t.Error("the secrets were not read, or not without their line end")
	}
	if c.Listen != "127.0.0.1:8080" || c.PublicURL != "http://127.0.0.1:8080" || c.Database.Postgres || c.Log.Level != slog.LevelInfo {
		t.Errorf("defaults: %+v", c)
	}
	if printed := fmt.Sprintf("%+v %#v", *c.GitHub, *c.GitHub); strings.Contains(printed, "hook-secret") || strings.Contains(printed, "KEY CONTENT") {
		t.Error("printing the configuration shows secrets")
	}
}

func TestWithoutAFileVariablesAreEnough(t *testing.T) {
	t.Parallel()
	c, err := Load("", []string{"CODERFLOW_DATA_DIR=/srv/coderflow", "PATH=/bin", "CODERFLOW_CONFIG=x", "CODERFLOW_FAILPOINT=y"})
	if err != nil {
		t.Fatal(err)
	}
	if c.GitHub != nil || c.AzureDevOps != nil || c.DataDir != "/srv/coderflow" {
		t.Errorf("%+v", c)
	}
}

func TestVariablesOverrideTheFile(t *testing.T) {
	t.Parallel()
	path := write(t, minimal)
	c, err := Load(path, []string{
		"CODERFLOW_GITHUB_APP_ID=9", "CODERFLOW_PUBLICURL=https://flow.example.com/", "CODERFLOW_ADMINS=github:1, github:2,github:1",
		"CODERFLOW_RECONCILE_INTERVAL=5s", "CODERFLOW_LOG_LEVEL=debug", "CODERFLOW_DATABASE=postgres://u:p@db/flow",
		"CODERFLOW_WORKER_CONCURRENCY=", "CODERFLOW_GITHUB_OAUTH_CLIENT_ID=id", "CODERFLOW_GITHUB_OAUTH_CLIENT_SECRET_FILE=" + filepath.Join(filepath.Dir(path), "hook"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []forge.Subject{{Host: "github", ID: "1"}, {Host: "github", ID: "2"}}
	if c.GitHub.AppID != 9 || c.PublicURL != "https://flow.example.com" || !reflect.DeepEqual(c.Admins, want) ||
		c.Reconcile.Interval != 5*time.Second || c.Log.Level != slog.LevelDebug || !c.Database.Postgres ||
		c.Worker.Concurrency != 2 || c.GitHub.OAuth.ClientID != "id" {
		t.Errorf("%+v", c)
	}
}

func TestEveryKeyHasOneVariable(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"listen": "CODERFLOW_LISTEN", "publicURL": "CODERFLOW_PUBLIC_URL", "github.appID": "CODERFLOW_GITHUB_APP_ID",
		"github.apiURL": "CODERFLOW_GITHUB_API_URL", "github.graphqlURL": "CODERFLOW_GITHUB_GRAPHQL_URL",
		"github.oauth.clientID": "CODERFLOW_GITHUB_OAUTH_CLIENT_ID",
	} {
		if got := Variable(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	seen := map[string]string{}
	for _, key := range Keys() {
		name := squeeze(Variable(key))
		if other, taken := seen[name]; taken {
			t.Errorf("%s and %s have the same variable", key, other)
		}
		seen[name] = key
		if otherVariable(Variable(key)) {
			t.Errorf("%s is hidden by the list of other variables", key)
		}
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range Keys() {
		if row := "| `" + key + "` | `" + Variable(key) + "` |"; !strings.Contains(string(text), row) {
			t.Errorf("docs/configuration.md has no row %s", row)
		}
	}
	if !strings.Contains(string(text), Example()) {
		t.Error("docs/configuration.md does not show the example as `coderflow init` writes it")
	}
}

func TestThreat01ServerNeedsItsWebhookSecret(t *testing.T) {
	t.Parallel()
	_, err := Load(write(t, strings.Replace(minimal, "  webhookSecretFile: HOOK\n", "", 1)), nil)
	if err == nil || !strings.Contains(err.Error(), "github.webhookSecretFile: is required") {
		t.Errorf("without a webhook secret: %v", err)
	}
	path := write(t, minimal)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "hook"), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("with an empty webhook secret: %v", err)
	}
}

func TestSecretFilesOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	path := write(t, minimal)
	key := filepath.Join(filepath.Dir(path), "key.pem")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, nil)
	if err == nil || !strings.Contains(err.Error(), "coderflow.yaml:4:19: github.privateKeyFile: others than its owner") || !strings.Contains(err.Error(), "chmod 600 "+key) {
		t.Errorf("a key that everybody can read: %v", err)
	}
	if strings.Contains(err.Error(), "KEY CONTENT") {
		t.Error("the message shows the key")
	}
}

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	path := write(t, `listen: 8080
publicURL: http://coderflow.example.com
dataDir: DIR
database: mysql://x
docker: {host: tcp://10.0.0.1:2375}
githb: {}
github:
  apiURL: http://127.0.0.1:3000/api/v3
  appID: seven
  privateKeyFile: KEY
  privateKeyFile: KEY
  webhookSecretFile: missing
admins: [alice, "github:1"]
worker: {concurrency: 0}
reconcile: {interval: soon}
log: {level: loud, format: xml}
`)
	_, err := Load(path, []string{"CODERFLOW_GITHUB_APPPID=1", "CODERFLOW_SANDBOX_IMAGE=a b", "CODERFLOW_NONSENSE=1"})
	if err == nil {
		t.Fatal("a broken configuration was accepted")
	}
	for _, want := range []string{
		`:1:9: listen: want text, this is the number 8080; put it in quotes`,
		`:2:12: publicURL: want https`,
		`:4:11: database: want sqlite or postgres`,
		`:5:16: docker.host: want unix`,
		`:6:1: githb: unknown key "githb"; did you mean "github"?`,
		`:8:3: github.graphqlURL: is required when`,
		`:8:3: github.gitURL: is required when`,
		`:9:10: github.appID: want a whole number, this is text`,
		`:11:3: github.privateKeyFile: this key is already set in line 10`,
		`:12:22: github.webhookSecretFile: cannot be read`,
		`:13:10: admins[0]: subject "alice"`,
		`:14:23: worker.concurrency: want between`,
		`:15:23: reconcile.interval: want a duration`,
		`:16:14: log.level: want debug`,
		`:16:28: log.format: want text or json`,
		`CODERFLOW_GITHUB_APPPID: there is no such setting; did you mean "CODERFLOW_GITHUB_APP_ID"?`,
		`CODERFLOW_NONSENSE: there is no such setting`,
		`CODERFLOW_SANDBOX_IMAGE: sandbox.image: "a b" is not an image reference`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("got:\n%v", err)
	}
}

func TestURLsAreHTTPSOrLocal(t *testing.T) {
	t.Parallel()
	urls := func(base, more string) string {
		return minimal + fmt.Sprintf("  apiURL: %[1]s/api/v3\n  graphqlURL: %[1]s/api/graphql\n  gitURL: %[1]s/\n%[2]s", base, more)
	}
	for _, c := range []struct {
		base, more string
		ok         bool
	}{
		{"https://ghe.example.com", "", true},
		{"http://127.0.0.1:3000", "", true},
		{"http://[::1]:3000", "", true},
		{"http://localhost:3000", "", true},
		{"http://127.0.0.1.example.com", "", false},
		{"http://ghe.example.com", "", false},
		{"http://ghe.example.com", "  allowHTTP: true\n", true},
		{"https://user:pw@ghe.example.com", "", false},
		{"ftp://ghe.example.com", "  allowHTTP: true\n", false},
	} {
		got, err := Load(write(t, urls(c.base, c.more)), nil)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.base, err)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Error("the message shows a password")
		}
		if err == nil && (got.GitHub.APIURL != c.base+"/api/v3/" || got.GitHub.GitURL != c.base) {
			t.Errorf("%s became %s and %s", c.base, got.GitHub.APIURL, got.GitHub.GitURL)
		}
	}
}

func TestPasswordInAnOpenFileIsRefused(t *testing.T) {
	t.Parallel()
	path := write(t, "database: postgres://u:pw@db/flow\n")
	if _, err := Load(path, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), "chmod 600") || strings.Contains(err.Error(), "pw@") {
		t.Errorf("a password in a readable file: %v", err)
	}
}

func TestExampleIsAConfiguration(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("/etc/coderflow/github.pem", "KEY", "/etc/coderflow/webhook-secret", "HOOK").Replace(Example())
	c, err := Load(write(t, text), nil)
	if err != nil {
		t.Fatalf("the example does not load: %v", err)
	}
	if len(c.Admins) != 1 || !strings.HasSuffix(c.Bootstrap, "/manifests") || !filepath.IsAbs(c.Bootstrap) {
		t.Errorf("%+v", c)
	}
}

func TestMissingFilesAndDocumentsAreNamed(t *testing.T) {
	t.Parallel()
	if _, err := Load(filepath.Join(t.TempDir(), "coderflow.yaml"), nil); err == nil || !strings.Contains(err.Error(), "coderflow init") {
		t.Errorf("missing file: %v", err)
	}
	if _, err := LoadDefault(filepath.Join(t.TempDir(), "coderflow.yaml"), nil); err != nil {
		t.Errorf("no file at the default place: %v", err)
	}
	if _, err := Load(write(t, "listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2\n"), nil); err == nil || !strings.Contains(err.Error(), "one document") {
		t.Errorf("two documents: %v", err)
	}
	if _, err := Load(write(t, ""), nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestModelsAreReadWithTheirKeys(t *testing.T) {
	t.Parallel()
	path := write(t, minimal+`models:
  claude:
    protocol: anthropic
    keyFile: KEY
    prices:
      claude-sonnet-4-5*: {input: 3, output: 15}
  own-proxy:
    protocol: openai
    url: https://models.example.com/openai/
    keyFile: HOOK
`)
	c, err := Load(path, []string{"CODERFLOW_MODELS_OWN_PROXY_URL=http://127.0.0.1:9/x"})
	if err != nil {
		t.Fatal(err)
	}
	claude, own := c.Models["claude"], c.Models["own-proxy"]
	if claude.URL != "https://api.anthropic.com" || claude.Key.Reveal() != "KEY CONTENT" || claude.Prices["claude-sonnet-4-5*"].Output != 15 {
		t.Errorf("claude: %+v", claude)
	}
	if own.URL != "http://127.0.0.1:9/x" || own.Protocol != "openai" {
		t.Errorf("own-proxy: %+v", own)
	}
	if strings.Contains(fmt.Sprintf("%+v %#v", c.Models, c.Models), "KEY CONTENT") {
		t.Error("printing the configuration shows a key")
	}
}

func TestMistakesInModelsAreNamed(t *testing.T) {
	t.Parallel()
	path := write(t, minimal+`models:
  Bad: {protocol: anthropic, keyFile: KEY}
  a: {protocol: grpc, keyFile: KEY}
  b: {protocol: openai, url: "http://models.example.com", keyFile: KEY}
  c: {protocol: openai}
  d: {protocol: gemini, keyFile: KEY, prices: {m: {input: -1, output: 1}}}
`)
	_, err := Load(path, []string{"CODERFLOW_MODELS_A_COLOUR=x"})
	for _, want := range []string{
		"models.Bad: want a lower-case letter", "models.a.protocol: want one of anthropic, gemini, openai", "models.b.url: want https",
		"models.c.keyFile: is required", "models.d.prices.m: want US dollars", "CODERFLOW_MODELS_A_COLOUR",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

// People's tokens are kept only where somebody says so, and what takes their place
// is only a question then.
func TestPeoplesTokensAreNotKeptUnlessSwitchedOn(t *testing.T) {
	t.Parallel()
	path := write(t, minimal)
	client := []string{"CODERFLOW_GITHUB_OAUTH_CLIENT_ID=id", "CODERFLOW_GITHUB_OAUTH_CLIENT_SECRET_FILE=" + filepath.Join(filepath.Dir(path), "hook")}
	c, err := Load(path, client)
	if err != nil || c.GitHub.OAuth.UseForGit || c.GitHub.OAuth.GitFallback {
		t.Errorf("%+v, %v", c.GitHub.OAuth, err)
	}
	const fallback = "CODERFLOW_GITHUB_OAUTH_GIT_FALLBACK=true"
	c, err = Load(path, append(client, fallback, "CODERFLOW_GITHUB_OAUTH_USE_FOR_GIT=true"))
	if err != nil || !c.GitHub.OAuth.UseForGit || !c.GitHub.OAuth.GitFallback {
		t.Errorf("%+v, %v", c.GitHub.OAuth, err)
	}
	if _, err := Load(path, append(client, fallback)); err == nil || !strings.Contains(err.Error(), "without it there are none") {
		t.Errorf("%v", err)
	}
}
