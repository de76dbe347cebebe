package emulator

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// AppInfo is a registered App with its secrets.
type AppInfo struct {
	ID                int64  `json:"id"`
	Slug              string `json:"slug"`
	BotLogin          string `json:"botLogin"`
	BotID             int64  `json:"botID"`
	PrivateKeyFile    string `json:"privateKeyFile"`
	WebhookSecret     string `json:"webhookSecret"`
	WebhookSecretFile string `json:"webhookSecretFile"`
}

// CreateApp registers an App with its bot user, key and webhook secret (files of mode 0600 below
// Options.Dir), and pings its webhook address if it has one.
func (f *Forge) CreateApp(manifest AppManifest) (AppInfo, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return AppInfo{}, fmt.Errorf("emulator: making an App key: %w", err)
	}
	return f.createApp(manifest, key)
}

func (f *Forge) createApp(manifest AppManifest, key *rsa.PrivateKey) (AppInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, err := f.registerApp(manifest, key, nil)
	if err != nil {
		return AppInfo{}, err
	}
	return f.appInfo(a), nil
}

func (f *Forge) appInfo(a *app) AppInfo {
	return AppInfo{ID: a.id, Slug: a.slug, BotLogin: a.bot.login, BotID: a.bot.id,
		PrivateKeyFile: f.appFile(a, "private-key.pem"), WebhookSecret: a.webhookSecret,
		WebhookSecretFile: f.appFile(a, "webhook-secret")}
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// registerApp needs the lock.
func (f *Forge) registerApp(manifest AppManifest, key *rsa.PrivateKey, owner *user) (*app, error) {
	slug := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(manifest.Name), "-"), "-")
	if slug == "" || f.appBySlug(slug) != nil {
		return nil, fmt.Errorf("emulator: App name %q is not to be had", manifest.Name)
	}
	if err := validPermissions(manifest.Permissions); err != nil {
		return nil, err
	}
	manifest.Permissions = maps.Clone(manifest.Permissions)
	if manifest.Permissions == nil {
		manifest.Permissions = map[string]string{}
	}
	manifest.Permissions["metadata"] = "read"
	a := &app{id: f.newID(), slug: slug, manifest: manifest, owner: owner, key: key, hookID: f.newID(),
		clientID: "Iv1." + randomHex(8), clientSecret: randomHex(20), webhookSecret: randomHex(20), created: f.now()}
	a.bot = f.newUser(slug+"[bot]", typeBot)
	a.bot.app = a
	f.apps = append(f.apps, a)
	if err := f.writeAppFiles(a); err != nil {
		return nil, err
	}
	if active := manifest.HookAttributes.Active; manifest.HookAttributes.URL != "" && (active == nil || *active) {
		f.setHook(a, manifest.HookAttributes.URL)
	}
	return a, nil
}

func validPermissions(permissions map[string]string) error {
	for name, level := range permissions {
		if !slices.Contains(appPermissions, name) || permissionRank(level) == 0 {
			return fmt.Errorf("emulator: App permission %s: %s is not known", name, level)
		}
	}
	return nil
}

// appPermissions are the repository permissions that an App manifest may name here.
var appPermissions = []string{"actions", "administration", "checks", "contents", "deployments", "environments",
	"issues", "metadata", "pages", "pull_requests", "repository_hooks", "secrets", "statuses", "workflows",
	"members", "repository_projects", "security_events", "vulnerability_alerts"}

// permissionRank orders read < write < admin; 0 is no permission.
func permissionRank(level string) int {
	return slices.Index([]string{"", "read", "write", "admin"}, level)
}

func (f *Forge) appFile(a *app, name string) string {
	return filepath.Join(f.opts.Dir, fmt.Sprintf("app-%d", a.id), name)
}

func (f *Forge) writeAppFiles(a *app) error {
	file := f.appFile(a, "private-key.pem")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("emulator: %w", err)
	}
	return errors.Join(os.WriteFile(file, []byte(a.pem()), 0o600),
		os.WriteFile(f.appFile(a, "webhook-secret"), []byte(a.webhookSecret+"\n"), 0o600),
		os.WriteFile(f.appFile(a, "client-secret"), []byte(a.clientSecret+"\n"), 0o600))
}

// pem is the private key in the PKCS #1 form that GitHub hands out.
func (a *app) pem() string {
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(a.key)}
	return string(pem.EncodeToMemory(block))
}

// SetWebhookURL points the first App's webhook at url, or nowhere if it is empty, and pings it.
//
// At Azure DevOps it makes the subscriptions of the service hooks instead, one for each event and project.
func (f *Forge) SetWebhookURL(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.azure != nil {
		f.setHookURL(url)
		return
	}
	f.setHook(f.apps[0], url)
}

// SetConsoleURL has the pages lead to the App's own ones, at "/tasks" and "/tasks/ID" below the address, as a
// person finds them by the App's comments at GitHub. Empty: they do not.
func (f *Forge) SetConsoleURL(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.console = strings.TrimSuffix(url, "/")
}

// setHook needs the lock.
func (f *Forge) setHook(a *app, url string) {
	a.hookURL = url
	if url != "" {
		f.deliver(a, nil, nil, "ping", obj{"zen": "Design for failure.", "hook_id": a.hookID, "hook": f.hookJSON(a)})
	}
}

// Install installs the first App on repositories of one owner and returns the installation id. Installing
// on more repositories of an owner extends the installation that is there.
//
// At Azure DevOps it gives CoderFlow's account the right to contribute, and returns 0.
func (f *Forge) Install(repos ...string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.azure != nil {
		return 0, f.admitAccount(repos)
	}
	return f.install(f.apps[0], repos...)
}

// InstallApp is Install for the App with that slug.
func (f *Forge) InstallApp(slug string, repos ...string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.appBySlug(slug)
	if a == nil {
		return 0, fmt.Errorf("emulator: no App %q", slug)
	}
	return f.install(a, repos...)
}

func (f *Forge) install(a *app, names ...string) (int64, error) {
	var repos []*repository
	for _, name := range names {
		r := f.repoByName(name)
		if r == nil || len(repos) > 0 && r.owner != repos[0].owner {
			return 0, fmt.Errorf("emulator: %q is no repository of the owner to install on", name)
		}
		repos = append(repos, r)
	}
	if len(repos) == 0 {
		return 0, errors.New("emulator: no repository to install on")
	}
	inst := a.installationOn(repos[0].owner)
	created := inst == nil
	if created {
		inst = &installation{id: f.newID(), app: a, account: repos[0].owner, repos: map[int64]*repository{}, created: f.now()}
		a.installations = append(a.installations, inst)
	}
	inst.updated = f.now()
	for _, r := range repos {
		inst.repos[r.id] = r
	}
	if created {
		f.emitInstallation(inst, "created", repos)
	} else {
		f.emitInstallationRepositories(inst, "added", repos)
	}
	return inst.id, nil
}

// Uninstall takes a repository out of the first App's installation, and ends an installation without any.
func (f *Forge) Uninstall(fullName string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repoByName(fullName)
	if r == nil {
		return fmt.Errorf("emulator: no repository %q", fullName)
	}
	if f.azure != nil {
		delete(r.collaborators, f.azure.account.id)
		return nil
	}
	a := f.apps[0]
	inst := a.installationFor(r)
	if inst == nil {
		return fmt.Errorf("emulator: the App is not installed on %s", fullName)
	}
	delete(inst.repos, r.id)
	if len(inst.repos) > 0 {
		f.emitInstallationRepositories(inst, "removed", []*repository{r})
		return nil
	}
	f.emitInstallation(inst, "deleted", []*repository{r})
	a.installations = slices.DeleteFunc(a.installations, func(i *installation) bool { return i == inst })
	return nil
}

// ExpireTokens ends every installation token now, as an hour's passing would.
func (f *Forge) ExpireTokens() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tokens {
		t.expires = f.now().Add(-time.Second)
	}
}

// installationOn needs the lock.
func (a *app) installationOn(account *user) *installation {
	for _, i := range a.installations {
		if i.account == account {
			return i
		}
	}
	return nil
}

func (a *app) installationFor(r *repository) *installation {
	for _, i := range a.installations {
		if i.repos[r.id] != nil {
			return i
		}
	}
	return nil
}

func (f *Forge) appBySlug(slug string) *app {
	for _, a := range f.apps {
		if a.slug == slug {
			return a
		}
	}
	return nil
}

// ownerOf is who an App belongs to; the built-in App belongs to the first person, or to its own bot.
func (f *Forge) ownerOf(a *app) *user {
	if a.owner != nil {
		return a.owner
	}
	for _, u := range f.users {
		if u.kind == typeUser {
			return u
		}
	}
	return a.bot
}

func (a *app) subscribes(event string) bool {
	switch event {
	case "ping", "installation", "installation_repositories":
		return true
	}
	return slices.Contains(a.manifest.Events, event)
}
