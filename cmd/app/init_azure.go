package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
)

type initAzureCmd struct {
	configFlag
	OrganizationURL  string   `name:"organization-url" placeholder:"URL" help:"The organization, for example https://dev.azure.com/acme. Default: the configuration's."`
	Project          []string `sep:"none" placeholder:"NAME" help:"A project with repositories or work items; may be repeated. Default: those of the manifests in force."`
	URL              string   `name:"url" aliases:"public-url" placeholder:"URL" help:"Where Azure DevOps and people reach this CoderFlow. Default: the configuration's publicURL."`
	TokenFile        string   `type:"path" placeholder:"FILE" help:"A personal access token of CoderFlow's own account, mode 0600."`
	TenantID         string   `name:"tenant-id" help:"With --client-id and --client-secret-file instead of --token-file: a service principal of Microsoft Entra."`
	ClientID         string   `name:"client-id" help:"The application's client id."`
	ClientSecretFile string   `type:"path" placeholder:"FILE" help:"Its client secret, mode 0600."`
	AuthorityURL     string   `name:"authority-url" hidden:"" help:"Where Entra issues tokens."`
	AdminTokenFile   string   `type:"path" placeholder:"FILE" help:"A token of a project administrator, which makes the service hooks. It is used once and kept nowhere. Default: CoderFlow's own credential."`
	Out              string   `default:"secrets" type:"path" help:"Directory for the passwords of service hooks."`
	AllowHTTP        bool     `name:"allow-http" help:"Permit plain http to another machine, for a test forge only."`
}

// Help implements kong.HelpProvider.
func (initAzureCmd) Help() string {
	return `Looks whether the credential is taken, says of each right that CoderFlow needs whether its account has it, makes the
service hooks that are missing, each with a password of its own, and writes the section azureDevOps: into the file that
--config names if that has none yet, else to standard output. What is there already is left as it is, so that the command
can be repeated, also with more projects. Rights and branch policies are changed by no one but you.

Examples:

  coderflow init azure-devops --organization-url https://dev.azure.com/acme --project "Web Shop" --url https://coderflow.example.com --token-file azure-devops-token --config coderflow.yaml
  coderflow init azure-devops --project "Web Shop" --admin-token-file mine   the rest is in coderflow.yaml`
}

// azureSetup is one run of the command.
type azureSetup struct {
	cmd     initAzureCmd
	file    string // of the configuration; empty: none
	known   *config.AzureDevOps
	want    config.AzureDevOps
	public  string
	account *azuredevops.Adapter // CoderFlow's own
	admin   *azuredevops.Adapter // makes service hooks
	out     io.Writer
	todo    []string
}

// Run sets CoderFlow up at an organization.
func (c initAzureCmd) Run(ctx context.Context, s streams) error {
	setup, err := c.prepare(ctx, s.out)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{setup.credential, setup.rights, setup.hooks, setup.section} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return setup.next()
}

// prepare finds out what it was not told.
func (c initAzureCmd) prepare(ctx context.Context, out io.Writer) (*azureSetup, error) {
	s := &azureSetup{cmd: c, file: c.Config, out: out}
	if _, err := os.Stat("coderflow.yaml"); s.file == "" && err == nil {
		s.file = "coderflow.yaml"
	}
	var cfg config.Config
	if _, err := os.Stat(s.file); s.file != "" && err == nil {
		cfg, _ = config.Salvage(s.file, os.Environ()) // what is wrong with the rest is not this command's
	}
	s.known = cfg.AzureDevOps
	if s.known != nil {
		s.want = *s.known
	}
	s.public = strings.TrimSuffix(c.URL, "/")
	if s.public == "" {
		s.public = cfg.PublicURL
	}
	if c.OrganizationURL != "" {
		s.want.OrganizationURL = strings.TrimSuffix(c.OrganizationURL, "/")
	}
	if s.want.Webhook.Username == "" {
		s.want.Webhook.Username = "coderflow"
	}
	if len(c.Project) == 0 && s.known != nil {
		for _, r := range lookAtDatabase(ctx, cfg).Repositories {
			if r.Host == forge.AzureDevOps && !slices.Contains(s.cmd.Project, r.Owner) {
				s.cmd.Project = append(s.cmd.Project, r.Owner)
			}
		}
	}
	if err := s.complete(); err != nil {
		return nil, err
	}
	return s, s.connect()
}

// complete checks that everything is known.
func (s *azureSetup) complete() error {
	c := s.cmd
	switch entra := c.TenantID + c.ClientID + c.ClientSecretFile; {
	case c.TokenFile != "" && entra != "":
		return usage("want --token-file, or --tenant-id, --client-id and --client-secret-file: one credential")
	case entra != "" && (c.TenantID == "" || c.ClientID == "" || c.ClientSecretFile == ""):
		return usage("a service principal takes --tenant-id, --client-id and --client-secret-file")
	}
	var missing []string
	for flag, there := range map[string]bool{
		"--organization-url": s.want.OrganizationURL != "", "--project": len(c.Project) > 0, "--url": s.public != "",
		"--token-file (or --tenant-id, --client-id and --client-secret-file)": c.TokenFile != "" || c.TenantID != "" || s.want.Token != "" || s.want.Entra != nil,
	} {
		if !there {
			missing = append(missing, flag)
		}
	}
	if slices.Sort(missing); len(missing) > 0 {
		return usage("missing: %s; a configuration with the section azureDevOps would tell (--config)", strings.Join(missing, ", "))
	}
	for _, project := range c.Project {
		if err := forge.CheckAzureName(project); err != nil {
			return usage("--project: %w", err)
		}
	}
	return nil
}

func (s *azureSetup) connect() (err error) {
	c := s.cmd
	switch {
	case c.TokenFile != "":
		s.want.Entra = nil
		s.want.Token, err = config.ReadSecret(c.TokenFile)
	case c.TenantID != "":
		s.want.Token, s.want.Entra = "", &config.Entra{TenantID: c.TenantID, ClientID: c.ClientID, AuthorityURL: c.AuthorityURL}
		s.want.Entra.ClientSecret, err = config.ReadSecret(c.ClientSecretFile)
	}
	if err != nil {
		return err
	}
	s.want.AllowHTTP = s.want.AllowHTTP || c.AllowHTTP
	if u := s.want.OrganizationURL; strings.HasPrefix(u, "http:") && !s.want.AllowHTTP && !config.OnThisMachine(u) {
		return usage("--organization-url: want https: the token would travel in the clear; --allow-http is for a test forge")
	}
	own, err := newAzureDevOps(s.want, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return err
	}
	s.account, s.admin = own.Adapter, own.Adapter
	if c.AdminTokenFile == "" {
		return nil
	}
	admin := s.want
	admin.Entra = nil
	if admin.Token, err = config.ReadSecret(c.AdminTokenFile); err != nil {
		return err
	}
	theirs, err := newAzureDevOps(admin, slog.New(slog.DiscardHandler), nil)
	s.admin = theirs.Adapter
	return err
}

func (s *azureSetup) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

// credential looks whether the organization takes it.
func (s *azureSetup) credential(ctx context.Context) error {
	self, err := s.account.Self(ctx, forge.AzureDevOps)
	if err != nil {
		return fmt.Errorf("%s does not take the credential: %w", s.want.OrganizationURL, err)
	}
	s.say("%s knows CoderFlow as %s (%s).", s.want.OrganizationURL, self.Name, self.Login)
	if s.want.Entra == nil {
		s.say("Its token needs these scopes, and no others:")
		for _, scope := range azuredevops.Scopes() {
			s.say("    %-28s %s%s", scope.Name, map[bool]string{true: "only for "}[scope.Optional], scope.Why)
		}
	}
	return nil
}

// rights prints what the account may do in each repository. Nobody but an administrator
// changes that.
func (s *azureSetup) rights(ctx context.Context) error {
	for _, project := range s.cmd.Project {
		repositories, err := s.account.RepositoriesOf(ctx, project)
		if errors.Is(err, forge.ErrNotFound) {
			return fmt.Errorf("%w; is there such a project, and is CoderFlow's account a member of it?", err)
		}
		if err != nil {
			return err
		}
		s.say("\nProject %s, repositories: %d", project, len(repositories))
		for _, r := range repositories {
			s.say("  {host: azuredevops, name: %s, id: %s}", r.FullName(), r.ID)
			rights, err := s.account.Rights(ctx, r)
			if err != nil {
				s.missing("the rights in %s cannot be read: %v", r.FullName(), err)
			}
			for _, right := range rights {
				s.right(right)
			}
			s.policies(ctx, r)
		}
	}
	return nil
}

func (s *azureSetup) right(r azuredevops.Right) {
	switch {
	case !r.OK():
		s.missing("%s", r.Says())
	case r.Unwanted:
		s.say("    ok       not %q, which would let it be used %s", r.Name, r.Why)
	default:
		s.say("    ok       %q, %s", r.Name, r.Why)
	}
}

// policies prints what guards the default branch.
func (s *azureSetup) policies(ctx context.Context, r forge.RepositoryRef) {
	p, err := s.account.Policies(ctx, r)
	if err != nil {
		s.missing("the branch policies of %s cannot be read: %v", r.FullName(), err)
		return
	}
	for i, said := range p.Says() {
		if i == 0 && !p.Gate {
			s.missing("%s", said)
			continue
		}
		s.say("    ok       %s", said)
	}
}

func (s *azureSetup) missing(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	s.say("    missing  %s", what)
	s.todo = append(s.todo, what)
}

// next says what is to be done, in order.
func (s *azureSetup) next() error {
	s.say("\nNext:")
	n := 0
	step := func(format string, args ...any) {
		n++
		s.say("  %d. %s", n, fmt.Sprintf(format, args...))
	}
	if len(s.todo) > 0 {
		step("What is marked missing above (%d): an administrator of the project changes it.", len(s.todo))
	}
	step("Write the repositories into manifests, with the lines above: manifests/README.md")
	where := "coderflow.yaml"
	if s.file != "" {
		where = filepath.Base(s.file)
	}
	step("coderflow doctor -c %s, which looks at the same again, and coderflow serve -c %s", where, where)
	return nil
}
