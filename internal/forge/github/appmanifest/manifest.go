// Package appmanifest registers CoderFlow's GitHub App for a person who is signed
// in to GitHub in a browser, and keeps the App's secrets in files that only their
// owner can read. It is the library of `coderflow init github`.
//
// The flow is GitHub's:
// https://docs.github.com/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
package appmanifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/forge/github"
)

// Options say what to register and where.
type Options struct {
	PublicURL    string // where GitHub and people reach this CoderFlow
	Dir          string // where the secrets go; made with mode 0700 if missing
	Organization string // owner of the App; empty is the person who is signed in
	Name         string // of the App, unique at the forge; empty is "CoderFlow"

	GitHubURL  string // pages for people; empty is https://github.com
	APIURL     string // empty is the API of GitHubURL
	GraphQLURL string // empty is the GraphQL endpoint beside APIURL

	Listen    string            // loopback address for the browser to return to; empty is 127.0.0.1:0
	Transport http.RoundTripper // for the API; nil is http.DefaultTransport
	Timeout   time.Duration     // for the person to finish; 0 is an hour, after which GitHub's code ends
	Out       io.Writer         // what to do next, for the person
	// Open shows a page to the person; nil leaves it to them.
	Open func(page string) error
}

var (
	organizationShape = regexp.MustCompile(`^[A-Za-z0-9](-?[A-Za-z0-9]){0,38}$`)
	nameShape         = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,33}$`) // GitHub's limit is 34
)

// normal fills in what is empty and refuses what cannot work.
func (o Options) normal() (Options, error) {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&o.Name, "CoderFlow")
	fill(&o.GitHubURL, "https://github.com")
	fill(&o.Listen, "127.0.0.1:0")
	o.GitHubURL, o.PublicURL = strings.TrimRight(o.GitHubURL, "/"), strings.TrimRight(o.PublicURL, "/")
	if o.GitHubURL == "https://github.com" {
		fill(&o.APIURL, "https://api.github.com/")
	}
	fill(&o.APIURL, o.GitHubURL+"/api/v3/")
	o.APIURL = strings.TrimRight(o.APIURL, "/") + "/"
	fill(&o.GraphQLURL, strings.TrimSuffix(strings.TrimSuffix(o.APIURL, "/"), "/v3")+"/graphql")
	if o.Timeout == 0 {
		o.Timeout = time.Hour
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	for name, text := range map[string]string{
		"public URL": o.PublicURL, "GitHub URL": o.GitHubURL, "API URL": o.APIURL, "GraphQL URL": o.GraphQLURL,
	} {
		if u, err := url.Parse(text); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return o, fmt.Errorf("%s %q: want an absolute http or https URL", name, text)
		}
	}
	switch {
	case o.Dir == "":
		return o, errors.New("no directory to write the App's secrets to")
	case o.Organization != "" && !organizationShape.MatchString(o.Organization):
		return o, fmt.Errorf("organization %q: not a name that GitHub gives", o.Organization)
	case !nameShape.MatchString(o.Name):
		return o, fmt.Errorf("name %q: want 1 to 34 letters, digits, spaces, dots or hyphens", o.Name)
	}
	return o, checkLoopback(o.Listen)
}

// checkLoopback: whoever can reach the listener could have the App's secrets written for them.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen address %q: want a loopback address; from another machine, forward the port with ssh -L", address)
	}
	return nil
}

// manifest is the JSON that GitHub takes.
type manifest struct {
	Name         string            `json:"name"`
	Description  string            `json:"description"`
	URL          string            `json:"url"`
	Hook         hook              `json:"hook_attributes"`
	RedirectURL  string            `json:"redirect_url"`
	CallbackURLs []string          `json:"callback_urls"`
	Public       bool              `json:"public"`
	Permissions  map[string]string `json:"default_permissions"`
	Events       []string          `json:"default_events"`
}

type hook struct {
	URL    string `json:"url"`
	Active bool   `json:"active"`
}

func (o Options) manifest(redirect string) (string, error) {
	text, err := json.Marshal(manifest{
		Name:         o.Name,
		Description:  "Coding agents in a sandbox; nothing leaves it without a reviewer's approval.",
		URL:          o.PublicURL,
		Hook:         hook{URL: o.PublicURL + "/webhooks/github", Active: true},
		RedirectURL:  redirect,
		CallbackURLs: []string{o.PublicURL + "/auth/github/callback"},
		Permissions:  github.AppPermissions(),
		Events:       github.AppEvents(),
	})
	return string(text), err
}

// newAppURL is the page that takes the manifest.
func (o Options) newAppURL(state string) string {
	path := "/settings/apps/new"
	if o.Organization != "" {
		path = "/organizations/" + o.Organization + path
	}
	return o.GitHubURL + path + "?state=" + url.QueryEscape(state)
}
