package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/doctor"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// bench is where somebody sets CoderFlow up at a local organization.
type bench struct {
	organization
	t                *testing.T
	dir, file, admin string
}

const publicAddress = "https://coderflow.example.com"

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{organization: newOrganization(t), t: t, dir: t.TempDir()}
	b.file, b.admin = filepath.Join(b.dir, "coderflow.yaml"), filepath.Join(b.dir, "admin-token")
	if _, err := b.CreateUser("olga", emulator.UserOptions{Name: "Olga Owner"}); err != nil {
		t.Fatal(err)
	}
	if err := b.AddCollaborator(sampleRepo, "olga", "admin"); err != nil {
		t.Fatal(err)
	}
	b.write(b.admin, b.ClientFor("olga")+"\n", 0o600)
	return b
}

func (b *bench) write(path, text string, mode os.FileMode) {
	b.t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) read(path string) string {
	b.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// init runs the command in the directory; nothing of a secret is ever said.
func (b *bench) init(status int, arguments ...string) string {
	b.t.Helper()
	cmd := exec.Command(binary, append([]string{"init", "azure-devops"}, arguments...)...)
	cmd.Dir = b.dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != status {
		b.t.Fatalf("%q: %v\n%s", arguments, err, out)
	}
	secrets := []string{b.info.Azure.Token, b.ClientFor("olga")}
	for _, path := range b.passwords() {
		secrets = append(secrets, strings.TrimSpace(b.read(path)))
	}
	for _, secret := range secrets {
		if bytes.Contains(out, []byte(secret)) {
			b.t.Errorf("a secret is printed:\n%s", out)
		}
	}
	return string(out)
}

// all are the arguments of a first run.
func (b *bench) all(more ...string) []string {
	return append([]string{"--organization-url", b.info.Azure.OrganizationURL, "--project", sampleOwner, "--url", publicAddress,
		"--token-file", b.info.Azure.TokenFile}, more...)
}

func (b *bench) passwords() []string {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, "secrets", "*"))
	if err != nil {
		b.t.Fatal(err)
	}
	return files
}

func TestInitSetsAnOrganizationUpAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write(b.file, "# ours\nlisten: 127.0.0.1:8081\ndataDir: "+b.dir+"/data\npublicURL: "+publicAddress, 0o640)
	said := b.init(0, b.all("--admin-token-file", b.admin, "--config", b.file)...)
	for _, want := range []string{
		"knows CoderFlow as", "{host: azuredevops, name: " + sampleRepo + ", id: " + b.info.Repositories[0].GUID + "}",
		`ok       "Contribute", to push`, `ok       not "Bypass policies when pushing"`, "missing  nothing keeps a proposal from being completed", "Code (Read & write)", "made     workitem.commented in " + sampleOwner,
		"The section azureDevOps is in " + b.file, "Next:\n  1. What is marked missing above (1)", "coderflow doctor -c coderflow.yaml",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(said)
	}
	files := b.passwords()
	if len(files) != len(azuredevops.EventTypes()) {
		t.Errorf("%d service hooks, %d passwords", len(azuredevops.EventTypes()), len(files))
	}
	for i, path := range files {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
		for _, other := range files[:i] {
			if b.read(path) == b.read(other) {
				t.Errorf("%s and %s are one password", path, other)
			}
		}
	}
	whole := b.read(b.file)
	if info, err := os.Stat(b.file); err != nil || info.Mode().Perm() != 0o640 || !strings.HasPrefix(whole, "# ours\nlisten: 127.0.0.1:8081\n") {
		t.Errorf("the rest of the file changed: %v\n%s", err, whole)
	}
	cfg, err := config.Load(b.file, nil)
	if err != nil || cfg.AzureDevOps.OrganizationURL != b.info.Azure.OrganizationURL || len(cfg.AzureDevOps.Webhook.Passwords) != len(files) {
		t.Fatalf("%+v, %v\n%s", cfg.AzureDevOps, err, whole)
	}

	again := b.init(0, "--project", sampleOwner) // the rest is in coderflow.yaml
	if strings.Contains(again, "made ") || !strings.Contains(again, "has the section azureDevOps and every password") || b.read(b.file) != whole || !slices.Equal(b.passwords(), files) {
		t.Errorf("the second time:\n%s", again)
	}
}

func TestInitWithoutAFilePrintsTheSection(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	said := b.init(0, b.all("--admin-token-file", b.admin)...)
	_, section, found := strings.Cut(said, "Put this into coderflow.yaml:\n\n")
	section, _, _ = strings.Cut(section, "\n\nNext:")
	b.write(b.file, "dataDir: "+b.dir+"\n"+section, 0o600)
	if cfg, err := config.Load(b.file, nil); !found || err != nil || cfg.AzureDevOps == nil {
		t.Errorf("%v\n%s", err, said)
	}
}

func TestInitNamesWhatIsMissingAndWhatToDo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if said := b.init(2); !strings.Contains(said, "missing: --organization-url, --project, --token-file (or --tenant-id, --client-id and --client-secret-file), --url") {
		t.Errorf("%s", said)
	}
	if said := b.init(2, b.all("--tenant-id", "x")...); !strings.Contains(said, "one credential") {
		t.Errorf("%s", said)
	}
	if said := b.init(2, b.all("--project", "a/b")...); !strings.Contains(said, "--project") {
		t.Errorf("%s", said)
	}
	if said := b.init(1, b.all("--project", "Nowhere")...); !strings.Contains(said, "is there such a project") {
		t.Errorf("%s", said)
	}
	// CoderFlow's own account is no administrator, and should be none.
	if said := b.init(1, b.all()...); !strings.Contains(said, "--admin-token-file") {
		t.Errorf("%s", said)
	}
	wrong := filepath.Join(b.dir, "wrong")
	b.write(wrong, "nonsense\n", 0o600)
	if said := b.init(1, "--organization-url", b.info.Azure.OrganizationURL, "--project", sampleOwner, "--url", publicAddress, "--token-file", wrong); !strings.Contains(said, "does not take the credential") {
		t.Errorf("%s", said)
	}
	b.write(wrong, "nonsense\n", 0o644)
	if err := os.Chmod(wrong, 0o644); err != nil {
		t.Fatal(err)
	}
	if said := b.init(1, "--organization-url", b.info.Azure.OrganizationURL, "--project", sampleOwner, "--url", publicAddress, "--token-file", wrong); !strings.Contains(said, "chmod 600") {
		t.Errorf("%s", said)
	}
	b.init(0, b.all("--admin-token-file", b.admin)...)
	if err := os.Remove(b.passwords()[0]); err != nil {
		t.Fatal(err)
	}
	if said := b.init(0, b.all("--admin-token-file", b.admin)...); !strings.Contains(said, "is there, and its password is not: delete the subscription") {
		t.Errorf("%s", said)
	}
}

func TestInitTakesAServicePrincipal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	principal, err := b.CreateServicePrincipal("flow", "Flow")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.AddCollaborator(sampleRepo, "flow", "write"); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(b.dir, "client-secret")
	b.write(secret, principal.ClientSecret+"\n", 0o600)
	authority := strings.TrimSuffix(b.info.Azure.Authority, "/"+principal.Tenant)
	said := b.init(0, "--organization-url", b.info.Azure.OrganizationURL, "--project", sampleOwner, "--url", publicAddress,
		"--tenant-id", principal.Tenant, "--client-id", principal.ClientID, "--client-secret-file", secret, "--authority-url", authority,
		"--admin-token-file", b.admin, "--config", b.file)
	cfg, err := config.Load(b.file, []string{"CODERFLOW_DATA_DIR=" + b.dir})
	if err != nil || cfg.AzureDevOps.Entra == nil || cfg.AzureDevOps.Entra.ClientID != principal.ClientID {
		t.Fatalf("%+v, %v\n%s", cfg.AzureDevOps, err, said)
	}
	served, err := newForges(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := served.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDoctorLooksAtAnOrganization(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	manifests := filepath.Join(b.dir, "manifests")
	if err := os.Mkdir(manifests, 0o700); err != nil {
		t.Fatal(err)
	}
	b.write(filepath.Join(manifests, "a.yaml"), `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{host: azuredevops, name: `+sampleRepo+`, id: `+b.info.Repositories[0].GUID+`}]
  agent: {preset: exec, command: [/bin/true]}
`, 0o600)
	b.write(b.file, "dataDir: "+b.dir+"/data\nbootstrap: "+manifests+"\npublicURL: "+publicAddress+"\n", 0o600)
	b.init(0, b.all("--admin-token-file", b.admin, "--config", b.file)...)
	levels := func() map[string]doctor.Level {
		report, _ := examineInstallation(t, b.file)
		got := map[string]doctor.Level{}
		for check, f := range found(report) {
			if strings.HasPrefix(check, "azure-") {
				got[check] = f.Level
				t.Logf("%s: %s", check, f.Said)
			}
		}
		return got
	}
	first := levels()
	for check, want := range map[string]doctor.Level{
		"azure-devops": doctor.OK, "azure-clock": doctor.OK, "azure-account": doctor.OK, "azure-hooks": doctor.OK, "azure-rights": doctor.OK, "azure-policies": doctor.Warning,
	} {
		if got := first[check]; got != want {
			t.Errorf("%s is %s, want %s", check, got, want)
		}
	}
	for _, p := range []emulator.BranchPolicy{
		{Status: &emulator.StatusPolicy{Genre: "coderflow", Name: "gate"}}, {Reviewers: &emulator.ReviewersPolicy{Minimum: 1}},
	} {
		if _, err := b.AddPolicy(sampleRepo, "main", p); err != nil {
			t.Fatal(err)
		}
	}
	if got := levels()["azure-policies"]; got != doctor.OK {
		t.Errorf("with the policies they are %s", got)
	}
	if err := b.AllowBypass(sampleRepo, b.info.Azure.Account); err != nil {
		t.Fatal(err)
	}
	if got := levels()["azure-rights"]; got != doctor.Warning {
		t.Errorf("with the right to bypass them the rights are %s", got)
	}
	b.RevokeToken(b.info.Azure.Token)
	if got := levels(); got["azure-account"] != doctor.Problem || got["azure-hooks"] != doctor.Warning {
		t.Errorf("with a token that was revoked: %v", got)
	}
	if b.info.Azure.AccountGUID == "" || !forge.ValidID(forge.AzureDevOps, b.info.Azure.AccountGUID) {
		t.Errorf("the account has no id")
	}
}
