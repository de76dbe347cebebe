package config

import (
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

const (
	defaultImage    = "coderflow/sandbox:dev"
	defaultInterval = 2 * time.Minute
	defaultEvidence = time.Hour
	defaultBaseAge  = 14 * 24 * time.Hour
	defaultBaseSize = 50 << 30
)

// check turns the raw file into a Config and reports every bad value.
func (l *loader) check(raw file) Config {
	c := Config{
		Listen: raw.Listen, DataDir: l.path("dataDir", raw.DataDir), Bootstrap: l.path("bootstrap", raw.Bootstrap),
		Reconcile: Reconcile{Interval: time.Duration(raw.Reconcile.Interval), Evidence: time.Duration(raw.Reconcile.Evidence)},
		Sandbox: Sandbox{
			Image: raw.Sandbox.Image, Guest: l.path("sandbox.guest", raw.Sandbox.Guest), Workspaces: raw.Sandbox.Workspaces,
			BaseAge: time.Duration(raw.Sandbox.BaseAge), BaseSize: int64(raw.Sandbox.BaseSize),
		},
	}
	l.checkListen(raw.Listen)
	c.PublicURL = l.publicURL(raw)
	if raw.DataDir == "" {
		l.wrong("dataDir", "is required")
	}
	c.Database = l.database(raw, c.SQLitePath())
	c.Docker = l.docker(raw.Docker)
	if raw.GitHub != nil {
		c.GitHub = l.github(*raw.GitHub)
	}
	if raw.AzureDevOps != nil {
		c.AzureDevOps = l.azure(*raw.AzureDevOps)
	}
	c.Admins = l.admins(raw.Admins)
	if raw.Audit.Publish != nil {
		c.Publish = l.publish(*raw.Audit.Publish)
		l.publishable(c)
	}
	c.MetricsFrom = l.metricsFrom(raw.Metrics.From)
	c.Log = l.log(raw.Log)
	c.Tracing = l.tracing(raw.Tracing)
	c.Models = l.models(raw.Models)
	c.GitCredentials = l.gitCredentials(raw.GitCredentials)
	c.OIDC = l.oidc(raw.OIDC)
	c.Worker = l.worker(raw.Worker, c.Database.Postgres)
	if c.Reconcile.Interval < time.Second || c.Reconcile.Interval > 24*time.Hour {
		l.wrong("reconcile.interval", "want between 1s and 24h, not %s", c.Reconcile.Interval)
	}
	if c.Reconcile.Evidence < time.Minute || c.Reconcile.Evidence > 7*24*time.Hour {
		l.wrong("reconcile.evidence", "want between 1m and 168h, not %s", c.Reconcile.Evidence)
	}
	if strings.TrimSpace(raw.Sandbox.Image) == "" || strings.ContainsAny(raw.Sandbox.Image, " \t\n") || strings.HasPrefix(raw.Sandbox.Image, "-") {
		l.wrong("sandbox.image", "%q is not an image reference", raw.Sandbox.Image)
	}
	if !slices.Contains([]string{"auto", "overlay", "copy"}, raw.Sandbox.Workspaces) {
		l.wrong("sandbox.workspaces", "want auto, overlay or copy, not %q", raw.Sandbox.Workspaces)
	}
	if c.Sandbox.BaseAge < time.Minute {
		l.wrong("sandbox.baseAge", "want at least 1m, not %s", c.Sandbox.BaseAge)
	}
	if c.Sandbox.BaseSize < 1<<20 {
		l.wrong("sandbox.baseSize", "want at least 1MiB")
	}
	return c
}

func (l *loader) checkListen(address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		l.wrong("listen", "want HOST:PORT, not %q", address)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		l.wrong("listen", "the port %q is not a number from 0 to 65535 (%d)", port, n)
	}
	if strings.ContainsAny(host, "/ ") {
		l.wrong("listen", "want HOST:PORT, not %q", address)
	}
}

func (l *loader) publicURL(raw file) string {
	if raw.PublicURL == "" {
		return "http://" + raw.Listen
	}
	return strings.TrimSuffix(l.url("publicURL", raw.PublicURL, false), "/")
}

// url checks an absolute URL. Plain http is for this machine only, unless the
// administrator said otherwise: tokens and approvals travel over it.
func (l *loader) url(key, text string, allowHTTP bool) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		l.wrong(key, "want an absolute https URL") // not shown: it may hold a password
	case u.User != nil:
		l.wrong(key, "must not hold a user or password")
	case u.RawQuery != "" || u.Fragment != "":
		l.wrong(key, "must not have a query or fragment")
	case u.Scheme == "http" && !allowHTTP && !isLoopback(u.Hostname()):
		hint := ""
		if section, _, _ := strings.Cut(key, "."); section == "github" || section == "azureDevOps" {
			hint = ", or set " + section + ".allowHTTP: true for a test forge"
		}
		l.wrong(key, "want https: plain http is for this machine only%s", hint)
	}
	return text
}

// OnThisMachine reports whether the host of a URL is this machine, by its name.
func OnThisMachine(text string) bool {
	u, err := url.Parse(text)
	return err == nil && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

func (l *loader) database(raw file, sqlite string) Database {
	if raw.Database == "sqlite" {
		return Database{DSN: forge.Secret(sqlite)}
	}
	u, err := url.Parse(raw.Database)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Path == "" {
		l.wrong("database", "want sqlite or postgres://USER@HOST/DATABASE")
		return Database{}
	}
	if _, password := u.User.Password(); password && l.openFile && l.set["database"] == "" {
		l.wrong("database", "holds a password and others than its owner can read this file; run chmod 600 on it, or use a password file (PGPASSFILE)")
	}
	return Database{Postgres: true, DSN: forge.Secret(raw.Database)}
}

func (l *loader) github(raw githubFile) *GitHub {
	l.completeURLs(&raw)
	g := &GitHub{
		APIURL:     strings.TrimSuffix(l.url("github.apiURL", raw.APIURL, raw.AllowHTTP), "/") + "/",
		GraphQLURL: l.url("github.graphqlURL", raw.GraphQLURL, raw.AllowHTTP),
		GitURL:     strings.TrimSuffix(l.url("github.gitURL", raw.GitURL, raw.AllowHTTP), "/"),
		AllowHTTP:  raw.AllowHTTP, AppID: raw.AppID,
		PrivateKey: forge.Secret(l.secret("github.privateKeyFile", raw.PrivateKeyFile, "the App's private key (PEM); `coderflow init github` makes one")),
		WebhookSecret: forge.Secret(l.secret("github.webhookSecretFile", raw.WebhookSecretFile,
			"the App's webhook secret; without it nobody could tell a delivery of GitHub from anybody else's")),
	}
	if raw.AppID <= 0 {
		l.wrong("github.appID", "is required: the number on the App's settings page")
	}
	if raw.OAuth != nil {
		g.OAuth = &OAuth{
			ClientID:     raw.OAuth.ClientID,
			ClientSecret: forge.Secret(l.secret("github.oauth.clientSecretFile", raw.OAuth.ClientSecretFile, "the App's client secret")),
		}
		g.OAuth.UseForGit, g.OAuth.GitFallback = raw.OAuth.UseForGit, raw.OAuth.GitFallback
		if raw.OAuth.GitFallback && !raw.OAuth.UseForGit {
			l.wrong("github.oauth.gitFallback", "is about tokens that useForGit keeps: without it there are none")
		}
		if raw.OAuth.ClientID == "" {
			l.wrong("github.oauth.clientID", "is required: it is on the App's settings page")
		}
	}
	return g
}

// completeURLs fills in github.com, and refuses a mixture: a token for one
// server must not be sent to another because a key was forgotten.
func (l *loader) completeURLs(raw *githubFile) {
	keys := []struct {
		key, fallback string
		value         *string
	}{
		{"github.apiURL", defaultAPIURL, &raw.APIURL},
		{"github.graphqlURL", defaultGraphQLURL, &raw.GraphQLURL},
		{"github.gitURL", defaultGitURL, &raw.GitURL},
	}
	own := false
	for _, k := range keys {
		own = own || (*k.value != "" && strings.TrimSuffix(*k.value, "/") != strings.TrimSuffix(k.fallback, "/"))
	}
	for _, k := range keys {
		if *k.value == "" && own {
			l.wrong(k.key, "is required when another of apiURL, graphqlURL and gitURL is not GitHub's")
		}
		if *k.value == "" {
			*k.value = k.fallback
		}
	}
}

func (l *loader) admins(texts []string) []forge.Subject {
	var admins []forge.Subject
	for i, text := range texts {
		subject, err := forge.ParseSubject(text)
		if err != nil {
			key := "admins"
			if l.set[key] == "" {
				key += "[" + strconv.Itoa(i) + "]"
			}
			l.wrong(key, "%v", err)
			continue
		}
		if subject.Kind() != forge.Person {
			l.wrong("admins["+strconv.Itoa(i)+"]", "%s is a service, which is never server admin; bind it the roles that it needs", subject)
			continue
		}
		if !slices.Contains(admins, subject) {
			admins = append(admins, subject)
		}
	}
	return admins
}

func (l *loader) log(raw logFile) Log {
	result := Log{Format: raw.Format}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, raw.Level) || result.Level.UnmarshalText([]byte(raw.Level)) != nil {
		l.wrong("log.level", "want debug, info, warn or error, not %q", raw.Level)
		result.Level = slog.LevelInfo
	}
	if raw.Format != "text" && raw.Format != "json" {
		l.wrong("log.format", "want text or json, not %q", raw.Format)
	}
	return result
}
