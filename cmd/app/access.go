package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/strictyaml"
)

type accessCmd struct {
	Explain     accessExplainCmd     `cmd:"" help:"Print why somebody may or may not do something."`
	Who         accessWhoCmd         `cmd:"" help:"List who holds a permission on a resource, and by what."`
	Roles       accessRolesCmd       `cmd:"" help:"List the roles and what each gives."`
	Permissions accessPermissionsCmd `cmd:"" help:"List the permissions and the resources on which they mean something."`
}

type accessExplainCmd struct {
	whereFlags
	outputFlag
	Subject    string `arg:"" help:"HOST:ID, service:NAME, \"me\" at a server, or on its machine a login as the manifests have it."`
	Permission string `arg:"" predictor:"permission" help:"For example tasks:approve; coderflow access permissions lists them."`
	Resource   string `arg:"" help:"environment/NAME, team/NAME, server or '*'."`
}

// Help implements kong.HelpProvider.
func (accessExplainCmd) Help() string {
	return `Exit status: 0 they may, 3 they may not, or you may not ask about them.

Examples:

  coderflow access explain github:1002 tasks:approve environment/staging
  coderflow access explain me tasks:cancel environment/staging
  coderflow access explain alice teams:manage team/builders -o json`
}

// Run prints the reason tree of one decision.
func (c accessExplainCmd) Run(ctx context.Context, s streams) error {
	permission, err := c.permission()
	if err != nil {
		return err
	}
	d, err := ask(ctx, c.whereFlags, s,
		func(l local) (client.Explanation, error) { return l.explain(ctx, c.Subject, permission, c.Resource) },
		func(server *client.Client) (client.Explanation, error) {
			subject, err := c.subjectThere()
			if err != nil {
				return client.Explanation{}, err
			}
			return server.Explain(ctx, subject, string(permission), c.Resource)
		})
	if err != nil {
		return err
	}
	err = c.print(s, d, func(t *table) { t.line("%s\npolicy version %s", d.Reason, d.PolicyVersion) })
	if err == nil && !d.Allowed {
		err = &exitError{refusedStatus, errors.New("refused")}
	}
	return err
}

// permission is the one that is asked about, and the resource is in order.
func (c accessExplainCmd) permission() (policy.Permission, error) {
	if _, _, err := policy.ParseResource(c.Resource); err != nil {
		return "", usage("%w", err)
	}
	return permissionNamed(c.Permission)
}

// subjectThere is the subject for a server, which reads no logins.
func (c accessExplainCmd) subjectThere() (string, error) {
	if c.Subject == "me" {
		return "", nil
	}
	subject, err := forge.ParseSubject(c.Subject)
	if err != nil {
		return "", usage("at a server the subject is HOST:ID, service:NAME or \"me\": %w", err)
	}
	return subject.String(), nil
}

func (l local) explain(ctx context.Context, subject string, permission policy.Permission, resource string) (client.Explanation, error) {
	p, err := l.rules(ctx)
	if err != nil {
		return client.Explanation{}, err
	}
	user, err := subjectNamed(p, subject)
	if err != nil {
		return client.Explanation{}, err
	}
	return client.Explanation{
		Subject: user.Subject.String(), Permission: string(permission), Resource: resource, Decision: p.DecideOn(user, permission, resource),
	}, nil
}

func permissionNamed(name string) (policy.Permission, error) {
	if p := policy.Permission(name); p.Known() {
		return p, nil
	}
	return "", usage("unknown permission %q%s", name, strictyaml.Nearest(name, policy.PermissionNames()))
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
	whereFlags
	outputFlag
	Permission string `arg:"" predictor:"permission" help:"For example tasks:approve."`
	Resource   string `arg:"" help:"environment/NAME, team/NAME, server or '*'."`
}

// Help implements kong.HelpProvider.
func (accessWhoCmd) Help() string {
	return `At a server this takes bindings:manage on the resource.

Example:

  coderflow access who deployments:execute environment/production`
}

// Run lists the holders of a permission.
func (c accessWhoCmd) Run(ctx context.Context, s streams) error {
	permission, err := permissionNamed(c.Permission)
	if err != nil {
		return err
	}
	holders, err := ask(ctx, c.whereFlags, s,
		func(l local) ([]policy.Holder, error) {
			p, err := l.rules(ctx)
			if err != nil {
				return nil, err
			}
			return p.Who(permission, c.Resource)
		},
		func(server *client.Client) ([]policy.Holder, error) {
			return server.Who(ctx, string(permission), c.Resource)
		})
	if err != nil {
		return err
	}
	return c.print(s, append([]policy.Holder{}, holders...), func(t *table) {
		t.row("SUBJECT", "LOGIN", "ROLE", "ON", "BINDING", "THROUGH TEAM")
		for _, h := range holders {
			t.row(h.Subject, h.Login, h.Role, h.Resource, h.Binding, h.Team)
		}
	})
}

type accessRolesCmd struct {
	whereFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (accessRolesCmd) Help() string {
	return `Example:

  coderflow access roles -o json`
}

// Run lists predefined and custom roles.
func (c accessRolesCmd) Run(ctx context.Context, s streams) error {
	roles, err := ask(ctx, c.whereFlags, s,
		func(l local) ([]client.Role, error) { return l.roles(ctx) },
		func(server *client.Client) ([]client.Role, error) { return server.Roles(ctx) })
	if err != nil {
		return err
	}
	return c.print(s, roles, func(t *table) {
		t.row("ROLE", "ORIGIN", "PERMISSIONS")
		for _, r := range roles {
			t.row(r.Name, map[bool]string{true: "predefined", false: "custom"}[r.Predefined], joined(r.Permissions))
		}
	})
}

func (l local) roles(ctx context.Context) ([]client.Role, error) {
	p, err := l.rules(ctx)
	if err != nil {
		return nil, err
	}
	roles := []client.Role{}
	for _, r := range p.AllRoles() {
		roles = append(roles, client.Role{Name: r.Name, Description: r.Description, Predefined: policy.Shadows(r.Name), Permissions: r.Permissions})
	}
	return roles, nil
}

func joined[T ~string](list []T) string { return joinedBy(" ", list) }

func joinedBy[T ~string](separator string, list []T) string {
	texts := make([]string, 0, len(list))
	for _, v := range list {
		texts = append(texts, string(v))
	}
	return strings.Join(texts, separator)
}

type accessPermissionsCmd struct {
	whereFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (accessPermissionsCmd) Help() string {
	return `On the server's machine it lists those of this program, and needs no database.

Example:

  coderflow access permissions`
}

// Run lists every permission.
func (c accessPermissionsCmd) Run(ctx context.Context, s streams) error {
	p, err := c.place(s.err)
	if err != nil {
		return err
	}
	list := policy.Permissions()
	if p.server != nil {
		if list, err = p.server.Permissions(ctx); err != nil {
			return err
		}
	}
	return c.print(s, list, func(t *table) {
		t.row("PERMISSION", "ON", "ALLOWS TO")
		for _, info := range list {
			t.row(info.Permission, joined(info.On), info.Description)
		}
	})
}
