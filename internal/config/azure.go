package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// defaultAuthority is where Microsoft Entra issues tokens.
const defaultAuthority = "https://login.microsoftonline.com"

var (
	tenantID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$`)
	hookUser = regexp.MustCompile(`^[!-9;-~]{1,100}$`) // basic authentication: no colon, RFC 7617
)

func (l *loader) azure(raw azureFile) *AzureDevOps {
	if raw.GitURL == "" {
		raw.GitURL = raw.OrganizationURL
	}
	a := &AzureDevOps{
		OrganizationURL: l.organization(raw), AllowHTTP: raw.AllowHTTP, WorkItems: l.workItems(raw.WorkItems), Webhook: l.azureWebhook(raw.Webhook),
	}
	if raw.OrganizationURL != "" {
		a.GitURL = strings.TrimSuffix(l.url("azureDevOps.gitURL", raw.GitURL, raw.AllowHTTP), "/")
	}
	switch {
	case raw.TokenFile != "" && raw.Entra != nil:
		l.wrong("azureDevOps.tokenFile", "and azureDevOps.entra are two credentials: want one of them; for another token for git alone there is gitTokenFile")
	case raw.Entra != nil:
		a.Entra = l.entra(*raw.Entra, raw.AllowHTTP)
	default:
		a.Token = l.token("azureDevOps.tokenFile", raw.TokenFile,
			"a personal access token of CoderFlow's own account; or configure azureDevOps.entra; `coderflow init azure-devops` says which rights it needs")
	}
	if raw.GitTokenFile != "" {
		a.TokenForGit = l.token("azureDevOps.gitTokenFile", raw.GitTokenFile, "a token for git")
	}
	return a
}

// organization is the address of one organization, not of a project of it.
func (l *loader) organization(raw azureFile) string {
	const key = "azureDevOps.organizationURL"
	if raw.OrganizationURL == "" {
		l.wrong(key, "is required, for example https://dev.azure.com/acme")
		return ""
	}
	text := strings.TrimSuffix(l.url(key, raw.OrganizationURL, raw.AllowHTTP), "/")
	if u, err := url.Parse(text); err == nil && strings.EqualFold(u.Hostname(), "dev.azure.com") &&
		(strings.Trim(u.Path, "/") == "" || strings.Contains(strings.Trim(u.Path, "/"), "/")) {
		l.wrong(key, "want the address of the organization and nothing behind it, for example https://dev.azure.com/acme")
	}
	return text
}

// token reads a secret that is one word.
func (l *loader) token(key, path, what string) forge.Secret {
	token := l.secret(key, path, what)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		l.wrong(key, "is not one token: it holds a character that cannot be in one")
		return ""
	}
	return forge.Secret(token)
}

func (l *loader) entra(raw entraFile, allowHTTP bool) *Entra {
	if raw.AuthorityURL == "" {
		raw.AuthorityURL = defaultAuthority
	}
	e := &Entra{
		TenantID: raw.TenantID, ClientID: raw.ClientID,
		AuthorityURL: strings.TrimSuffix(l.url("azureDevOps.entra.authorityURL", raw.AuthorityURL, allowHTTP), "/"),
		ClientSecret: forge.Secret(l.secret("azureDevOps.entra.clientSecretFile", raw.ClientSecretFile, "the application's client secret")),
	}
	switch {
	case raw.TenantID == "common" || raw.TenantID == "organizations" || raw.TenantID == "consumers":
		l.wrong("azureDevOps.entra.tenantID", "%q is no tenant: an application that signs in by itself does it in one", raw.TenantID)
	case !tenantID.MatchString(raw.TenantID):
		l.wrong("azureDevOps.entra.tenantID", "is required: the tenant's id, or a domain of it")
	}
	if !forge.ValidID(forge.AzureDevOps, strings.ToLower(raw.ClientID)) {
		l.wrong("azureDevOps.entra.clientID", "is required: the application's client id, a GUID, from its page in Entra")
	}
	return e
}

func (l *loader) azureWebhook(raw azureWebhook) AzureWebhook {
	const one, many = "azureDevOps.webhook.passwordFile", "azureDevOps.webhook.passwordFiles"
	const what = "the password that service hooks send; without it nobody could tell a delivery of Azure DevOps from anybody else's"
	w := AzureWebhook{Username: raw.Username}
	switch {
	case raw.Username == "":
		l.wrong("azureDevOps.webhook.username", "is required: the user name that service hooks send; `coderflow init azure-devops` takes coderflow")
	case !hookUser.MatchString(raw.Username):
		l.wrong("azureDevOps.webhook.username", "want up to 100 characters without spaces and colons")
	}
	if raw.PasswordFile != "" || len(raw.PasswordFiles) == 0 {
		w.Passwords = append(w.Passwords, forge.Secret(l.secret(one, raw.PasswordFile, what)))
	}
	for i, path := range raw.PasswordFiles {
		key := many
		if l.set[key] == "" {
			key += "[" + strconv.Itoa(i) + "]"
		}
		w.Passwords = append(w.Passwords, forge.Secret(l.secret(key, path, what)))
	}
	return w
}

func (l *loader) workItems(raw []workItemFile) []WorkItemRule {
	const key = "azureDevOps.workItems"
	var rules []WorkItemRule
	seen := map[string]bool{}
	for i, r := range raw {
		at := key
		if l.set[key] == "" {
			at += "[" + strconv.Itoa(i) + "]"
		}
		rule, err := r.rule()
		if of := strings.ToLower(rule.Project + "\\" + rule.AreaPath); err == nil && seen[of] {
			err = errors.New("there is already a rule for this project and area")
		} else {
			seen[of] = true
		}
		if err != nil {
			l.wrong(at, "%v", err)
			continue
		}
		rules = append(rules, rule)
	}
	return rules
}

// rule completes what is written: an area path begins with its project.
func (r workItemFile) rule() (WorkItemRule, error) {
	rule := WorkItemRule{Project: r.Project, AreaPath: strings.Trim(r.AreaPath, `\`), Repository: r.Repository}
	first, _, deeper := strings.Cut(rule.AreaPath, `\`)
	switch {
	case rule.Project == "":
		rule.Project = first
	case rule.AreaPath != "" && !strings.EqualFold(first, rule.Project):
		rule.AreaPath = rule.Project + `\` + rule.AreaPath
	}
	if rule.AreaPath != "" && !deeper && strings.EqualFold(first, rule.Project) {
		rule.AreaPath = "" // the area of the project itself
	}
	if err := forge.CheckAzureName(rule.Project); err != nil {
		return rule, fmt.Errorf("project: %w", err)
	}
	for node := range strings.SplitSeq(rule.AreaPath, `\`) {
		if rule.AreaPath != "" && (node == "" || strings.ContainsFunc(node, func(c rune) bool { return c < ' ' || strings.ContainsRune(`/:*?"<>|;#$`, c) })) {
			return rule, fmt.Errorf(`areaPath: %q is not a path such as Web Shop\Cash desk`, r.AreaPath)
		}
	}
	if err := checkPlace(rule.Repository); err != nil {
		return rule, fmt.Errorf("repository: want NAME in the project, or PROJECT/NAME: %w", err)
	}
	return rule, nil
}

// checkPlace takes NAME and PROJECT/NAME.
func checkPlace(repository string) error {
	if strings.Contains(repository, "/") {
		return forge.CheckAzureRepository(repository)
	}
	return forge.CheckAzureName(repository)
}

// setWorkItems reads the form that a variable has: PROJECT=REPOSITORY or
// PROJECT\AREA=REPOSITORY, separated by commas, which no name there has.
func setWorkItems(into *[]workItemFile, value string) error {
	*into = nil
	for _, item := range splitList(value) {
		area, repository, found := strings.Cut(item, "=")
		if !found || area == "" {
			return fmt.Errorf(`want PROJECT=REPOSITORY or PROJECT\AREA=REPOSITORY, not %q`, item)
		}
		project, _, _ := strings.Cut(area, `\`)
		*into = append(*into, workItemFile{Project: project, AreaPath: area, Repository: repository})
	}
	return nil
}
