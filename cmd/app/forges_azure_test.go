package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/web"
)

// organization is a local organization of Azure DevOps with a project and people.
type organization struct {
	*emulator.Forge
	info emulator.Info
}

func newOrganization(t *testing.T, change ...func(*emulator.Options)) organization {
	t.Helper()
	options := emulator.Options{Kind: forge.AzureDevOps, Dir: t.TempDir(), Azure: emulator.AzureOptions{NoSubscriptions: true}}
	for _, c := range change {
		c(&options)
	}
	hub, err := emulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(); err != nil {
			t.Errorf("close the forge: %v", err)
		}
		if unknown := hub.Unknown(); len(unknown) > 0 {
			t.Errorf("the forge was asked what it does not know: %q", unknown)
		}
	})
	if err := errors.Join(hub.Start(t.Context()), seed(hub)); err != nil {
		t.Fatal(err)
	}
	return organization{hub, hub.Info()}
}

// config is the section azureDevOps for the organization, with a file for each password.
func (o organization) config() config.AzureDevOps {
	return config.AzureDevOps{
		OrganizationURL: o.info.Azure.OrganizationURL, GitURL: o.info.Azure.OrganizationURL, Token: forge.Secret(o.info.Azure.Token),
		Webhook: config.AzureWebhook{Username: o.info.Azure.WebhookUser, Passwords: []forge.Secret{"former", forge.Secret(o.info.Azure.WebhookPassword)}},
	}
}

func (o organization) person(login string) emulator.UserInfo {
	for _, u := range o.info.Users {
		if u.Login == login {
			return u
		}
	}
	return emulator.UserInfo{}
}

// post does something in the project as a person.
func (o organization) post(t *testing.T, login, path, media, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.info.Azure.OrganizationURL+"/"+sampleOwner+"/_apis"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("", o.ClientFor(login))
	r.Header.Set("Content-Type", media)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s: %s %v\n%s", path, answer.Status, err, said)
	}
}

func TestTheOrganizationIsAskedAboutItsOwn(t *testing.T) {
	t.Parallel()
	o := newOrganization(t)
	c := o.config()
	served, err := newForges(config.Config{AzureDevOps: &c}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range served.probes() {
		if err := p.Check(t.Context()); p.Name != "forge" || err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	maria := o.person(maria)
	environment := `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{host: azuredevops, name: ` + sampleRepo + `, id: ` + o.info.Repositories[0].GUID + `}]
  agent: {preset: exec, command: [/bin/true]}
---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata: {name: maria}
spec: {subject: "azuredevops:@` + maria.Mail + `", role: developer, resource: environment/staging}
`
	set, err := manifest.ParseWith(t.Context(), served, map[string][]byte{"x.yaml": []byte(environment)})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Bindings[0].Subject.String(); got != "azuredevops:"+maria.GUID+" ("+maria.Mail+")" {
		t.Errorf("%s is bound", got)
	}
	repository, err := served.Repository(t.Context(), set.Environments["staging"].Repositories[0].Ref())
	if err != nil || repository.DefaultBranch != "main" {
		t.Errorf("%+v, %v", repository, err)
	}
	if err := served.RevokeTokens(t.Context(), func(forge.RepositoryRef) bool { return true }); err != nil {
		t.Errorf("what cannot be revoked is no failure: %v", err)
	}
	c.GitURL = "https://git.example.com/mirror"
	if served, err = newForges(config.Config{AzureDevOps: &c}, nil); err != nil {
		t.Fatal(err)
	}
	if got := served.GitURL(repository.RepositoryRef); got != "https://git.example.com/mirror/"+sampleOwner+"/_git/"+sampleName {
		t.Errorf("git is at %s", got)
	}
}

// deliveries keeps what was accepted.
type deliveries struct {
	mu  sync.Mutex
	got []forge.Delivery
}

// Accept implements web.Inbox.
func (d *deliveries) Accept(_ context.Context, delivery forge.Delivery) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, delivery)
	return nil
}

func (d *deliveries) events() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, delivery := range d.got {
		names = append(names, delivery.Host+" "+delivery.Event)
	}
	return names
}

func TestServiceHooksAreTakenWithAPasswordOfOurs(t *testing.T) {
	t.Parallel()
	o := newOrganization(t, func(e *emulator.Options) { e.Azure.NoSubscriptions = false })
	c := o.config()
	kept := &deliveries{}
	serve := func(c config.AzureDevOps) *httptest.Server {
		onGitHub, onAzure, err := newWebhooks(config.Config{AzureDevOps: &c})
		if err != nil || onGitHub != nil {
			t.Fatalf("%v, %v", onGitHub, err)
		}
		s := httptest.NewServer(web.New(web.Options{Inbox: kept, AzureDevOps: onAzure, Logger: slog.New(slog.DiscardHandler), Now: time.Now}))
		t.Cleanup(s.Close)
		return s
	}
	server := serve(c)
	o.SetWebhookURL(server.URL + "/webhooks/azuredevops")
	comment := func(text string) {
		o.post(t, maria, "/wit/workItems/1/comments?api-version=7.1-preview.4", "application/json", `{"text": "`+text+`"}`)
		if err := o.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	o.post(t, maria, "/wit/workitems/$Issue?api-version=7.1", "application/json-patch+json", `[{"op": "add", "path": "/fields/System.Title", "value": "Wrong total"}]`)
	comment("one")
	if got := kept.events(); !slices.Contains(got, "azuredevops workitem.commented") {
		t.Errorf("kept: %q", got)
	}
	for _, d := range kept.got {
		for name, value := range d.Headers {
			if strings.EqualFold(name, "Authorization") || strings.Contains(value, "Basic ") {
				t.Errorf("a password is kept: %s", name)
			}
		}
	}
	c.Webhook.Passwords = []forge.Secret{"another"}
	o.SetWebhookURL(serve(c).URL + "/webhooks/azuredevops")
	before := len(kept.events())
	comment("two")
	if after := len(kept.events()); after != before {
		t.Errorf("%d deliveries with a wrong password were kept", after-before)
	}
	all := o.Deliveries()
	if last := all[len(all)-1]; last.Status != http.StatusUnauthorized {
		t.Errorf("a delivery with a wrong password was answered with %d", last.Status)
	}
}

func TestTheWholeSectionIsReadAndWired(t *testing.T) {
	t.Parallel()
	o := newOrganization(t)
	dir := t.TempDir()
	text := "dataDir: " + dir + "\nazureDevOps:\n  organizationURL: " + o.info.Azure.OrganizationURL + "\n  tokenFile: " + o.info.Azure.TokenFile +
		"\n  workItems: [{project: " + sampleOwner + ", repository: " + sampleName + "}]\n  webhook: {username: coderflow, passwordFile: " + o.info.Azure.WebhookPasswordFile + "}\n"
	path := filepath.Join(dir, "coderflow.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	served, err := newForges(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := served.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if served.pipelines() == nil {
		t.Error("the organization's pipelines are not served")
	}
}
