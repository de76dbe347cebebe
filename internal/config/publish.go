package config

import (
	"regexp"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

const (
	defaultPublishBranch   = "coderflow-audit"
	defaultPublishInterval = time.Hour
)

var (
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$`)
	publishBranch  = regexp.MustCompile(`^coderflow-audit[A-Za-z0-9_/-]{0,100}$`)
)

// publish reads where checkpoints of the audit log are published.
func (l *loader) publish(raw publishFile) *Publish {
	p := &Publish{Branch: raw.Branch, Interval: time.Duration(raw.Interval)}
	if p.Branch == "" {
		p.Branch = defaultPublishBranch
	}
	if p.Interval == 0 {
		p.Interval = defaultPublishInterval
	}
	id, err := forge.ParseSubject(raw.Repository) // of the same form
	if err != nil || id.Host != forge.GitHub && id.Host != forge.AzureDevOps {
		l.wrong("audit.publish.repository", "want github: or azuredevops: and the repository's own id, for example github:1296269 or azuredevops:5febef5a-833d-4e14-b9c0-14cb638f91e6")
	}
	if err := forge.CheckAzureRepository(raw.Name); id.Host == forge.AzureDevOps && err != nil {
		l.wrong("audit.publish.name", "%v; for example Web Shop/audit-log; its id decides", err)
	}
	if id.Host != forge.AzureDevOps && !repositoryName.MatchString(raw.Name) {
		l.wrong("audit.publish.name", "want where the repository is, for example acme/audit-log; its id decides")
	}
	if !publishBranch.MatchString(p.Branch) || strings.HasSuffix(p.Branch, "/") || strings.Contains(p.Branch, "//") {
		l.wrong("audit.publish.branch", "want a name that begins with coderflow-audit, not %q: no other branch is for checkpoints", p.Branch)
	}
	if p.Interval < time.Minute || p.Interval > 7*24*time.Hour {
		l.wrong("audit.publish.interval", "want between 1m and 168h, not %s", p.Interval)
	}
	owner, name, _ := strings.Cut(raw.Name, "/")
	p.Repository = forge.RepositoryRef{Host: id.Host, ID: id.ID, Owner: owner, Name: name}
	return p
}

// publishable checks that the server has the forge to publish at.
func (l *loader) publishable(c Config) {
	const missing = "is at %s, and the section %s is missing"
	switch host := c.Publish.Repository.Host; {
	case host == forge.GitHub && c.GitHub == nil:
		l.wrong("audit.publish.repository", missing, "GitHub", "github")
	case host == forge.AzureDevOps && c.AzureDevOps == nil:
		l.wrong("audit.publish.repository", missing, "Azure DevOps", "azureDevOps")
	}
}
