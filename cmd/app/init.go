package main

import (
	"context"
	"fmt"

	"github.com/coderflow/coderflow/internal/forge/github/appmanifest"
)

type initCmd struct {
	Github initGitHubCmd `cmd:"" help:"Register the GitHub App in your browser and write its key and secrets (mode 0600)."`
	Azure  initAzureCmd  `cmd:"" name:"azure-devops" help:"Look at an organization of Azure DevOps: credential, rights, service hooks; make what is missing (mode 0600)."`
	Keys   initKeysCmd   `cmd:"" help:"Make the keys that all processes on one database share: of the audit log, and for secrets (mode 0600)."`
}

type initGitHubCmd struct {
	PublicURL    string `required:"" help:"Where GitHub and people reach this CoderFlow, for example https://coderflow.example.com."`
	Dir          string `default:"secrets" type:"path" help:"Where key and secrets are written."`
	Organization string `help:"Organization that will own the App. Default: you."`
	Name         string `help:"Name of the App, unique at the forge." default:"CoderFlow"`
	GithubURL    string `default:"https://github.com" help:"GitHub's pages; for an Enterprise Server its address."`
	APIURL       string `name:"api-url" help:"REST API. Default: the one of --github-url."`
	Listen       string `default:"127.0.0.1:0" help:"Loopback address that your browser comes back to."`
}

// Run registers the App and prints what to put into coderflow.yaml.
func (c initGitHubCmd) Run(ctx context.Context, s streams) error {
	result, err := appmanifest.Run(ctx, appmanifest.Options{
		PublicURL: c.PublicURL, Dir: c.Dir, Organization: c.Organization, Name: c.Name,
		GitHubURL: c.GithubURL, APIURL: c.APIURL, Listen: c.Listen, Out: s.err,
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, `The App %s is registered (%s).

Put this into coderflow.yaml:

%s
Then install it on your repositories: %s
`, result.Slug, result.HTMLURL, result.Config, result.InstallURL())
	return err
}
