package appmanifest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/coderflow/coderflow/internal/forge/github"
	"github.com/coderflow/coderflow/internal/forge/github/appmanifest"
)

// run runs the flow with a browser, which is a function of the first page.
func run(t *testing.T, o appmanifest.Options, browser func(page string)) (appmanifest.Result, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	done := make(chan struct{})
	o.Out, o.Open = &out, func(page string) error {
		go func() { defer close(done); browser(page) }()
		return nil
	}
	result, err := appmanifest.Run(ctx, o)
	<-done
	return result, out.String(), err
}

func options(f *fakeForge, dir string) appmanifest.Options {
	return appmanifest.Options{GitHubURL: f.URL, Dir: dir, PublicURL: "https://cf.example/", Name: "Acme CoderFlow"}
}

func TestRegistrationWritesSecretsOnlyForTheirOwner(t *testing.T) {
	t.Parallel()
	f, dir := newFakeForge(t), filepath.Join(t.TempDir(), "new", "secrets")
	o := options(f, dir)
	o.Organization = "acme"
	result, out, err := run(t, o, func(page string) {
		status, text, err := confirm(page)
		if err != nil || status != http.StatusOK || !strings.Contains(text, "https://github.example/apps/acme-coderflow/installations/new") {
			t.Errorf("the browser ended at %d %s, %v", status, text, err)
		}
		if strings.Contains(text, "s3cret") {
			t.Error("the page shows a secret")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if f.page != "/organizations/acme/settings/apps/new" || result.AppID != 77 || result.Slug != "acme-coderflow" {
		t.Errorf("page %s, result %+v", f.page, result)
	}
	for path, want := range map[string]string{
		result.PrivateKeyFile:    "-----BEGIN RSA PRIVATE KEY-----\nkey-s3cret\n-----END RSA PRIVATE KEY-----\n",
		result.WebhookSecretFile: "hook-s3cret", result.ClientSecretFile: "oauth-s3cret",
	} {
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", path, got, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if strings.Contains(out+fmt.Sprintf("%+v", result), "s3cret") {
		t.Error("a secret is printed")
	}
}

func TestManifestAsksForWhatTheCodeUses(t *testing.T) {
	t.Parallel()
	f := newFakeForge(t)
	if _, _, err := run(t, options(f, t.TempDir()), func(page string) { _, _, _ = confirm(page) }); err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(map[string]any{
		"name": "Acme CoderFlow", "description": f.manifest["description"], "url": "https://cf.example",
		"hook_attributes": map[string]any{"url": "https://cf.example/webhooks/github", "active": true},
		"redirect_url":    f.manifest["redirect_url"], "callback_urls": []string{"https://cf.example/auth/github/callback"},
		"public": false, "default_permissions": github.AppPermissions(), "default_events": github.AppEvents(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(f.manifest); err != nil || string(got) != string(want) {
		t.Errorf("manifest\n%s, want\n%s (%v)", got, want, err)
	}
}

func TestConfigIsTheSectionOfCoderflowYAML(t *testing.T) {
	t.Parallel()
	f, dir := newFakeForge(t), t.TempDir()
	result, _, err := run(t, options(f, dir), func(page string) { _, _, _ = confirm(page) })
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]map[string]any
	if err := yaml.Unmarshal([]byte(result.Config), &config); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(map[string]any{
		"apiURL": f.URL + "/api/v3/", "graphqlURL": f.URL + "/api/graphql", "gitURL": f.URL, "appID": 77,
		"privateKeyFile":    filepath.Join(dir, "github-private-key.pem"),
		"webhookSecretFile": filepath.Join(dir, "github-webhook-secret"),
		"oauth":             map[string]any{"clientID": "Iv1.abc", "clientSecretFile": filepath.Join(dir, "github-oauth-client-secret")},
	})
	if got := fmt.Sprint(config["github"]); got != want {
		t.Errorf("config\n%s, want\n%s", got, want)
	}
}

func TestReturnWithAnotherStateEndsNothing(t *testing.T) {
	t.Parallel()
	f := newFakeForge(t)
	_, _, err := run(t, options(f, t.TempDir()), func(page string) {
		for _, query := range []string{"code=c0de-1", "code=c0de-1&state=", "code=c0de-1&state=guess"} {
			if status, _, err := get(page + "created?" + query); err != nil || status != http.StatusForbidden {
				t.Errorf("%s: %d, %v", query, status, err)
			}
		}
		if f.exchanged != 0 {
			t.Error("a foreign return was exchanged")
		}
		if status, _, err := confirm(page); err != nil || status != http.StatusOK {
			t.Errorf("the right return: %d, %v", status, err)
		}
	})
	if err != nil || f.exchanged != 1 {
		t.Errorf("Run returned %v after %d exchanges", err, f.exchanged)
	}
}

func TestPageIsNotServedUnderAForeignName(t *testing.T) {
	t.Parallel()
	f := newFakeForge(t)
	_, _, err := run(t, options(f, t.TempDir()), func(page string) {
		req, _ := http.NewRequest(http.MethodGet, page, nil)
		req.Host = "evil.example"
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("answered %v, %v", res, err)
		}
		_ = res.Body.Close()
		_, _, _ = confirm(page)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestExistingSecretIsNotOverwrittenAndNothingRegistered(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"github-private-key.pem", "github-webhook-secret", "github-oauth-client-secret"} {
		f, dir := newFakeForge(t), t.TempDir()
		if err := os.Symlink("/nonexistent", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		_, err := appmanifest.Run(t.Context(), options(f, dir))
		if err == nil || !strings.Contains(err.Error(), name) || f.page != "" {
			t.Errorf("%s: Run returned %v, page %q", name, err, f.page)
		}
	}
}

func TestSecretsThatCannotBeWrittenAreRescued(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	f, dir := newFakeForge(t), filepath.Join(t.TempDir(), "secrets")
	respond := f.answer
	f.answer = func(w http.ResponseWriter) { // the directory turns into something else meanwhile
		if err := errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
			t.Error(err)
		}
		respond(w)
	}
	_, _, err := run(t, options(f, dir), func(page string) {
		if status, text, err := confirm(page); err != nil || status != http.StatusBadGateway || strings.Contains(text, "s3cret") {
			t.Errorf("the browser ended at %d %s, %v", status, text, err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), temp) || strings.Contains(err.Error(), "s3cret") {
		t.Fatalf("Run returned %v, want the rescue's place below %s", err, temp)
	}
	found, globErr := filepath.Glob(filepath.Join(temp, "coderflow-github-app-*", "github-*"))
	if globErr != nil || len(found) != 3 {
		t.Errorf("rescued %v, %v", found, globErr)
	}
}

func TestRefusedCodeIsAnErrorWithoutTheCode(t *testing.T) {
	t.Parallel()
	f := newFakeForge(t)
	f.answer = func(w http.ResponseWriter) { http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound) }
	_, _, err := run(t, options(f, t.TempDir()), func(page string) { _, _, _ = confirm(page) })
	if err == nil || !strings.Contains(err.Error(), "404: Not Found") || strings.Contains(err.Error(), "c0de-1") {
		t.Errorf("Run returned %v", err)
	}
}

func TestNobodyConfirmingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	f := newFakeForge(t)
	o := options(f, t.TempDir())
	o.Timeout = 50 * time.Millisecond
	if _, err := appmanifest.Run(t.Context(), o); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run returned %v", err)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	good := appmanifest.Options{Dir: t.TempDir(), PublicURL: "https://cf.example", Timeout: time.Millisecond}
	for name, change := range map[string]func(*appmanifest.Options){
		"no public URL":      func(o *appmanifest.Options) { o.PublicURL = "" },
		"relative URL":       func(o *appmanifest.Options) { o.GitHubURL = "github.com" },
		"open listener":      func(o *appmanifest.Options) { o.Listen = "0.0.0.0:0" },
		"listener no port":   func(o *appmanifest.Options) { o.Listen = "127.0.0.1" },
		"organization path":  func(o *appmanifest.Options) { o.Organization = "../x" },
		"name with markup":   func(o *appmanifest.Options) { o.Name = "<b>" },
		"no directory":       func(o *appmanifest.Options) { o.Dir = "" },
		"password in an URL": func(o *appmanifest.Options) { o.APIURL = "https://u:p@api.example/" },
	} {
		o := good
		change(&o)
		if _, err := appmanifest.Run(t.Context(), o); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: Run returned %v", name, err)
		}
	}
}
