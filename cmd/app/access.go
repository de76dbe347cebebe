package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/strictyaml"
)

type accessCmd struct {
	Explain     accessExplainCmd     `cmd:"" help:"Print why somebody may or may not do something."`
	Who         accessWhoCmd         `cmd:"" help:"List who holds a permission on a resource, and by what."`
	Roles       accessRolesCmd       `cmd:"" help:"List the roles and what each gives."`
	Permissions accessPermissionsCmd `cmd:"" help:"List the permissions and the resources on which they mean something."`
}

// policyFlags are of every command that looks at the policy in force.
type policyFlags struct {
	configFlag
	Output string `short:"o" enum:"table,json" default:"table" help:"table or json."`
}

// withPolicy reads the policy in force, with the server's admins.
func (f policyFlags) withPolicy(ctx context.Context, use func(*policy.Policy) error) error {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	return f.with(ctx, func(db *store.Store) error {
		now, err := readInForce(ctx, db)
		if err != nil {
			return err
		}
		rules, err := now.policy(cfg.Admins)
		if err != nil {
			return err
		}
		return use(rules)
	})
}

type accessExplainCmd struct {
	policyFlags
	Subject    string `arg:"" help:"HOST:ID, or a login as the manifests have it."`
	Permission string `arg:"" help:"For example tasks:approve; coderflow access permissions lists them."`
	Resource   string `arg:"" help:"environment/NAME, team/NAME, server or '*'."`
}

// Help implements kong.HelpProvider.
func (accessExplainCmd) Help() string {
	return `Exit status: 0 they may, 3 they may not.

Examples:

  coderflow access explain github:1002 tasks:approve environment/staging
  coderflow access explain alice teams:manage team/builders -o json`
}

// Run prints the reason tree of one decision.
func (c accessExplainCmd) Run(ctx context.Context, s streams) error {
	return c.withPolicy(ctx, func(p *policy.Policy) error {
		permission, err := permissionNamed(c.Permission)
		if err != nil {
			return err
		}
		if _, _, err := policy.ParseResource(c.Resource); err != nil {
			return err
		}
		user, err := subjectNamed(p, c.Subject)
		if err != nil {
			return err
		}
		d := p.DecideOn(user, permission, c.Resource)
		if c.Output == "json" {
			err = printJSON(s, d)
		} else {
			_, err = fmt.Fprintf(s.out, "%s\npolicy version %s\n", d.Reason, d.PolicyVersion)
		}
		if err == nil && !d.Allowed {
			err = &exitError{refusedStatus, errors.New("refused")}
		}
		return err
	})
}

func permissionNamed(name string) (policy.Permission, error) {
	if p := policy.Permission(name); p.Known() {
		return p, nil
	}
	return "", fmt.Errorf("unknown permission %q%s", name, strictyaml.Nearest(name, policy.PermissionNames()))
}

// subjectNamed reads HOST:ID, or finds a login that the manifests show.
func subjectNamed(p *policy.Policy, text string) (forge.User, error) {
	logins := map[forge.Subject]string{}
	for _, b := range p.Bindings {
		if logins[b.Subject] == "" {
			logins[b.Subject] = b.Login
		}
	}
	for _, t := range p.Teams {
		for _, m := range t.Members {
			if logins[m.Subject] == "" {
				logins[m.Subject] = m.Login
			}
		}
	}
	if strings.Contains(text, ":") {
		subject, err := forge.ParseSubject(text)
		return forge.User{Subject: subject, Login: logins[subject], Kind: subject.Kind()}, err
	}
	var found []forge.User
	for subject, login := range logins {
		if login != "" && strings.EqualFold(login, strings.TrimPrefix(text, "@")) {
			found = append(found, forge.User{Subject: subject, Login: login, Kind: subject.Kind()})
		}
	}
	switch len(found) {
	case 0:
		return forge.User{}, fmt.Errorf("no manifest in force shows the login %q; give HOST:ID, for example github:583231", text)
	case 1:
		return found[0], nil
	}
	return forge.User{}, fmt.Errorf("the manifests in force show the login %q for several people; give HOST:ID", text)
}

type accessWhoCmd struct {
	policyFlags
	Permission string `arg:"" help:"For example tasks:approve."`
	Resource   string `arg:"" help:"environment/NAME, team/NAME, server or '*'."`
}

// Help implements kong.HelpProvider.
func (accessWhoCmd) Help() string {
	return `Example:

  coderflow access who deployments:execute environment/production`
}

// Run lists the holders of a permission.
func (c accessWhoCmd) Run(ctx context.Context, s streams) error {
	return c.withPolicy(ctx, func(p *policy.Policy) error {
		permission, err := permissionNamed(c.Permission)
		if err != nil {
			return err
		}
		holders, err := p.Who(permission, c.Resource)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return printJSON(s, append([]policy.Holder{}, holders...))
		}
		table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "SUBJECT\tLOGIN\tROLE\tON\tBINDING\tTHROUGH TEAM")
		for _, h := range holders {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", h.Subject, h.Login, h.Role, h.Resource, h.Binding, h.Team)
		}
		return table.Flush()
	})
}

type accessRolesCmd struct{ policyFlags }

// Help implements kong.HelpProvider.
func (accessRolesCmd) Help() string {
	return `Example:

  coderflow access roles -o json`
}

// Run lists predefined and custom roles.
func (c accessRolesCmd) Run(ctx context.Context, s streams) error {
	return c.withPolicy(ctx, func(p *policy.Policy) error {
		roles := p.AllRoles()
		if c.Output == "json" {
			return printJSON(s, roles)
		}
		table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "ROLE\tORIGIN\tPERMISSIONS")
		for _, r := range roles {
			origin := map[bool]string{true: "predefined", false: "custom"}[policy.Shadows(r.Name)]
			fmt.Fprintf(table, "%s\t%s\t%s\n", r.Name, origin, joined(r.Permissions))
		}
		return table.Flush()
	})
}

func joined[T ~string](list []T) string {
	texts := make([]string, 0, len(list))
	for _, v := range list {
		texts = append(texts, string(v))
	}
	return strings.Join(texts, " ")
}

type accessPermissionsCmd struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"table or json."`
}

// Run lists every permission. It needs no database.
func (c accessPermissionsCmd) Run(s streams) error {
	if c.Output == "json" {
		return printJSON(s, policy.Permissions())
	}
	table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "PERMISSION\tON\tALLOWS TO")
	for _, info := range policy.Permissions() {
		fmt.Fprintf(table, "%s\t%s\t%s\n", info.Permission, joined(info.On), info.Description)
	}
	return table.Flush()
}
