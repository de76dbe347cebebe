package appmanifest

import (
	"path/filepath"

	"github.com/goccy/go-yaml"
	gh "github.com/google/go-github/v62/github"
)

// Result is the registered App. It holds names of files, no secret.
type Result struct {
	AppID             int64
	Slug              string
	HTMLURL           string // the App's page
	ClientID          string
	PrivateKeyFile    string
	WebhookSecretFile string
	ClientSecretFile  string // empty if the forge gave none
	Config            string // the section for coderflow.yaml
}

// InstallURL is where a person chooses the repositories.
func (r Result) InstallURL() string { return r.HTMLURL + "/installations/new" }

// section is `github:` in coderflow.yaml.
type section struct {
	GitHub struct {
		APIURL            string `yaml:"apiURL"`
		GraphQLURL        string `yaml:"graphqlURL"`
		GitURL            string `yaml:"gitURL"`
		AppID             int64  `yaml:"appID"`
		PrivateKeyFile    string `yaml:"privateKeyFile"`
		WebhookSecretFile string `yaml:"webhookSecretFile"`
		OAuth             *oauth `yaml:"oauth,omitempty"`
	} `yaml:"github"`
}

type oauth struct {
	ClientID         string `yaml:"clientID"`
	ClientSecretFile string `yaml:"clientSecretFile"`
}

func resultOf(o Options, app *gh.AppConfig, dir string) Result {
	r := Result{
		AppID: app.GetID(), Slug: app.GetSlug(), HTMLURL: app.GetHTMLURL(), ClientID: app.GetClientID(),
		PrivateKeyFile: filepath.Join(dir, keyFile), WebhookSecretFile: filepath.Join(dir, webhookFile),
	}
	var s section
	s.GitHub.APIURL, s.GitHub.GraphQLURL, s.GitHub.GitURL = o.APIURL, o.GraphQLURL, o.GitHubURL
	s.GitHub.AppID, s.GitHub.PrivateKeyFile, s.GitHub.WebhookSecretFile = r.AppID, r.PrivateKeyFile, r.WebhookSecretFile
	if app.GetClientSecret() != "" {
		r.ClientSecretFile = filepath.Join(dir, oauthFile)
		s.GitHub.OAuth = &oauth{ClientID: r.ClientID, ClientSecretFile: r.ClientSecretFile}
	}
	if text, err := yaml.Marshal(s); err == nil { // of strings and numbers, it cannot fail
		r.Config = string(text)
	}
	return r
}
