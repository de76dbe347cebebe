package emulator

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // names, no secrets
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// firstPull is where pull requests begin to count, so that no number is a work item's as well.
const firstPull = 5001

// beginAzure makes CoderFlow's own account: an ordinary member with a personal access token.
func (f *Forge) beginAzure() error {
	o := f.opts.Azure
	s := &azureState{organization: strings.ToLower(cmp.Or(o.Organization, "acme")), tokens: map[string]*accessToken{},
		principals: map[string]*principal{}, bypass: map[[2]int64]bool{}, lastPull: firstPull - 1,
		hookUser: "coderflow", hookPassword: randomHex(20)}
	if o.NumbersCollide {
		s.lastPull = 0
	}
	f.azure, f.azureLocations = s, azureTable()
	s.tenant = f.guid("tenant", 0)
	name := cmp.Or(o.Account, "CoderFlow")
	a := &app{id: f.newID(), slug: strings.Trim(notSlug.ReplaceAllString(strings.ToLower(name), "-"), "-"), created: f.now()}
	a.manifest = AppManifest{Name: name, Permissions: map[string]string{}}
	s.account = f.newUser(a.slug, typeBot)
	s.account.name, s.account.app, a.bot = name, a, s.account
	f.apps = append(f.apps, a)
	scopes := o.Scopes
	if scopes == nil {
		scopes = AccountScopes()
	}
	s.account.token = f.newToken(s.account, scopes)
	if err := os.MkdirAll(filepath.Dir(f.appFile(a, "token")), 0o700); err != nil {
		return fmt.Errorf("emulator: %w", err)
	}
	return errors.Join(os.WriteFile(f.appFile(a, "token"), []byte(s.account.token+"\n"), 0o600),
		os.WriteFile(f.appFile(a, "webhook-password"), []byte(s.hookPassword+"\n"), 0o600))
}

// newToken makes a personal access token; no scopes are full access. It needs the lock.
func (f *Forge) newToken(u *user, scopes []string) string {
	value := newPAT()
	f.azure.tokens[value] = &accessToken{value: value, user: u, scopes: scopes}
	return value
}

// newPAT has the form of a personal access token: 52 characters of base 32.
func newPAT() string {
	raw, _ := hex.DecodeString(randomHex(32))
	return strings.ToLower(strings.TrimRight(base32.StdEncoding.EncodeToString(raw), "="))
}

// IssueToken makes another personal access token for a person; no scopes are full access.
func (f *Forge) IssueToken(login string, scopes ...string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.userByLogin(login)
	if f.azure == nil || u == nil {
		return "", fmt.Errorf("emulator: no token for %q", login)
	}
	return f.newToken(u, scopes), nil
}

// RevokeToken ends a token at once.
func (f *Forge) RevokeToken(value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.azure.tokens, value)
}

// ServicePrincipal is an application of Microsoft Entra that was added to the organization.
type ServicePrincipal struct {
	GUID, ClientID, ClientSecret, Tenant string
}

// CreateServicePrincipal adds one; it gets tokens at AzureInfo.Authority and has the access that AddCollaborator
// gives to its login.
func (f *Forge) CreateServicePrincipal(login, name string) (ServicePrincipal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.azure == nil || !loginPattern.MatchString(login) || f.userByLogin(login) != nil {
		return ServicePrincipal{}, fmt.Errorf("emulator: login %q is not to be had", login)
	}
	u := f.newUser(login, typeBot)
	u.name, u.principal, u.app = name, true, f.apps[0]
	client := f.guid("client", u.id)
	f.azure.principals[client] = &principal{user: u, secret: randomHex(20)}
	return ServicePrincipal{GUID: f.userGUID(u), ClientID: client, ClientSecret: f.azure.principals[client].secret, Tenant: f.azure.tenant}, nil
}

// guid is the lower-case GUID of an object; the same object has the same one in every run.
func (f *Forge) guid(kind string, id int64) string {
	sum := sha1.Sum(fmt.Appendf(nil, "%s %s %d", f.azure.organization, kind, id)) //nolint:gosec // a name
	s := hex.EncodeToString(sum[:16])
	return fmt.Sprintf("%s-%s-5%s-a%s-%s", s[:8], s[8:12], s[13:16], s[17:20], s[20:])
}

func (f *Forge) userGUID(u *user) string       { return f.guid("user", u.id) }
func (f *Forge) repoGUID(r *repository) string { return f.guid("repository", r.id) }
func (f *Forge) projectGUID(p *user) string    { return f.guid("project", p.id) }
func (f *Forge) teamGUID(t *team) string       { return f.guid("team", t.id) }
func (f *Forge) organizationGUID() string      { return f.guid("organization", 0) }

// moment is the time of an event, in milliseconds; no two events have the same, so that their order can be read.
func (f *Forge) moment() time.Time {
	t := f.opts.Now().UTC().Truncate(time.Millisecond)
	if !t.After(f.azure.moment) {
		t = f.azure.moment.Add(time.Millisecond)
	}
	f.azure.moment = t
	return t
}

// azureDate is the date format of the service.
func azureDate(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z") }

func (f *Forge) azureInfo() Info {
	s, a := f.azure, f.apps[0]
	info := Info{BaseURL: f.base, APIURL: f.orgURL(), GitURL: f.orgURL(), HTMLURL: f.orgURL(), AppSlug: a.slug,
		WebhookSecret: s.hookPassword, WebhookSecretFile: f.appFile(a, "webhook-password"),
		Users: []UserInfo{}, Repositories: []RepositoryInfo{}}
	info.Azure = &AzureInfo{OrganizationURL: f.orgURL(), Organization: s.organization, Account: s.account.login,
		AccountGUID: f.userGUID(s.account), Token: s.account.token, TokenFile: f.appFile(a, "token"), WebhookUser: s.hookUser,
		WebhookPassword: s.hookPassword, WebhookPasswordFile: f.appFile(a, "webhook-password"),
		Authority: f.base + "/" + s.tenant, Projects: []AzureProjectInfo{}}
	for _, u := range f.users {
		if u.kind == typeUser {
			info.Users = append(info.Users, UserInfo{Login: u.login, ID: u.id, Token: u.token, GUID: f.userGUID(u), Mail: f.mail(u)})
		}
	}
	for _, r := range f.repos {
		info.Repositories = append(info.Repositories, RepositoryInfo{FullName: r.fullName(), ID: r.id, GUID: f.repoGUID(r)})
	}
	for _, p := range f.projects() {
		info.Azure.Projects = append(info.Azure.Projects, AzureProjectInfo{Name: p.login, GUID: f.projectGUID(p)})
	}
	return info
}

// orgURL is the address of the organization without a trailing slash.
func (f *Forge) orgURL() string { return f.base + "/" + f.azure.organization }

// projects are the owners of repositories, in the order of the accounts.
func (f *Forge) projects() []*user {
	var out []*user
	for _, u := range f.users {
		if u.kind == typeOrganization || f.owns(u) {
			out = append(out, u)
		}
	}
	return out
}

func (f *Forge) owns(u *user) bool {
	for _, r := range f.repos {
		if r.owner == u {
			return true
		}
	}
	return false
}
