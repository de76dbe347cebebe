package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// tokensCmd works on the caller's own tokens at a server, and on everybody's on
// its machine.
type tokensCmd struct {
	Create tokensCreateCmd `cmd:"" help:"Make a token and print it, once."`
	List   tokensListCmd   `cmd:"" help:"List tokens, newest first."`
	Revoke tokensRevokeCmd `cmd:"" help:"End a token at once."`
}

type tokensCreateCmd struct {
	whereFlags
	outputFlag
	For         string              `placeholder:"HOST:ID" help:"Whose token it is: github:583231 or service:NAME. It is never more than they are. At a server your own, unless it is a service's."`
	Name        string              `required:"" help:"What its owner knows it by."`
	Expires     string              `default:"30d" help:"How long it lives: 30d, 12h; at most 365d."`
	Permission  []policy.Permission `predictor:"permission" help:"Narrow it to this permission; may be repeated."`
	Environment []string            `help:"Narrow it to this environment; may be repeated."`
}

// Help implements kong.HelpProvider.
func (tokensCreateCmd) Help() string {
	return `Only the token itself goes to standard output.

Examples:

  coderflow tokens create --name laptop --expires 12h
  coderflow tokens create --for service:nightly --name ci --permission tasks:view --environment staging
  coderflow tokens create -c coderflow.yaml --for github:583231 --name ci > token`
}

// Run makes a token.
func (c tokensCreateCmd) Run(ctx context.Context, s streams) error {
	made, err := ask(ctx, c.whereFlags, s,
		func(l local) (client.Token, error) { return c.here(ctx, l) },
		func(server *client.Client) (client.Token, error) {
			return server.CreateToken(ctx, client.NewToken{
				Name: c.Name, Expires: c.Expires, Permissions: c.Permission, Environments: c.Environment, Owner: c.For,
			})
		})
	if err != nil {
		return err
	}
	if c.format() != "table" {
		return c.print(s, made, nil)
	}
	fmt.Fprintln(s.err, visible(fmt.Sprintf("Token %s of %s, good until %s. It is shown this once; keep it where only its owner can read it.",
		made.ID, made.Owner, made.ExpiresAt.UTC().Format(time.RFC3339))))
	_, err = fmt.Fprintln(s.out, visible(made.Token))
	return err
}

// here makes a token on the database, for whomever.
func (c tokensCreateCmd) here(ctx context.Context, l local) (client.Token, error) {
	k, err := c.token(time.Now())
	if err != nil {
		return client.Token{}, err
	}
	cfg, err := l.cfg()
	if err != nil {
		return client.Token{}, err
	}
	p, err := (&rules{store: l.Store, admins: cfg.Admins, image: cfg.Sandbox.Image}).Policy(ctx)
	if err != nil {
		return client.Token{}, fmt.Errorf("read who may do what: %w; apply manifests first", err)
	}
	if err := fits(p, k); err != nil {
		return client.Token{}, err
	}
	value := token.New()
	err = l.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.InsertToken(ctx, k, value.Hash()); err != nil {
			return err
		}
		return auditToken(ctx, tx, k.CreatedAt, k.CreatedBy, token.Created, k.ID, map[string]any{
			"owner": k.Owner, "name": k.Name, "scope": k.Scope, "expiresAt": k.ExpiresAt,
		})
	})
	made := reportToken(k)
	made.Token = value.Reveal()
	return made, err
}

// token is what the flags ask for.
func (c tokensCreateCmd) token(now time.Time) (token.Token, error) {
	if c.For == "" {
		return token.Token{}, usage("--for: say whose token it is: on the server's machine nobody is signed in")
	}
	owner, err := forge.ParseSubject(c.For)
	if err != nil {
		return token.Token{}, usage("--for: %w", err)
	}
	life, err := token.ParseLifetime(c.Expires)
	if err != nil {
		return token.Token{}, usage("--expires: %w", err)
	}
	now = now.UTC().Truncate(time.Microsecond)
	k := token.Token{
		ID: string(task.NewID()), Name: c.Name, Owner: owner, CreatedBy: operator(), CreatedAt: now, ExpiresAt: now.Add(life),
	}
	if len(c.Permission) > 0 {
		k.Scope.Permissions = c.Permission
	}
	if len(c.Environment) > 0 {
		k.Scope.Environments = c.Environment
	}
	return k, k.Check()
}

// reportToken is a token as the API gives it.
func reportToken(k token.Token) client.Token {
	r := client.Token{
		ID: k.ID, Name: k.Name, Owner: k.Owner.String(), SignIn: k.SignIn, Permissions: k.Scope.Permissions, Environments: k.Scope.Environments,
		CreatedAt: k.CreatedAt.UTC(), CreatedBy: k.CreatedBy, ExpiresAt: k.ExpiresAt.UTC(), State: k.Ended(time.Now()),
		LastUsedAt: moment(k.LastUsedAt), RevokedAt: moment(k.RevokedAt),
	}
	if r.State == "" {
		r.State = "active"
	}
	return r
}

// fits refuses a token that its owner could never use as it is narrowed: with an
// environment that does not exist, or a permission that they hold nowhere. What
// they hold later is looked at in every request.
func fits(p *policy.Policy, k token.Token) error {
	known := slices.Sorted(maps.Keys(p.Environments))
	resources := []string{policy.Server}
	for _, name := range known {
		resources = append(resources, policy.EnvironmentResource(name))
	}
	if k.Scope.Environments != nil {
		resources = nil
	}
	for _, name := range k.Scope.Environments {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no environment %q; there are: %s", name, strings.Join(known, ", "))
		}
		resources = append(resources, policy.EnvironmentResource(name))
	}
	owner := forge.User{Subject: k.Owner, Kind: k.Owner.Kind()}
	for _, permission := range k.Scope.Permissions {
		var why policy.Reason
		holds := slices.ContainsFunc(resources, func(resource string) bool {
			if reason := p.HoldsOn(owner, permission, resource); !why.OK {
				why = reason
			}
			return why.OK
		})
		if !holds {
			return fmt.Errorf("a token is at most what its owner is, and %s does not hold %q there:\n%s", k.Owner, permission, why)
		}
	}
	return nil
}

type tokensListCmd struct {
	whereFlags
	outputFlag
	For string `placeholder:"HOST:ID" help:"Those of this owner."`
	All bool   `help:"Everybody's; at a server that takes tokens:manage. On the server's machine it is always everybody's."`
}

// Help implements kong.HelpProvider.
func (tokensListCmd) Help() string {
	return `At a server it lists your own, unless told otherwise.

Examples:

  coderflow tokens list
  coderflow tokens list --for service:nightly
  coderflow tokens list --all -o yaml`
}

// Run lists tokens.
func (c tokensListCmd) Run(ctx context.Context, s streams) error {
	if c.All && c.For != "" {
		return usage("--all and --for do not go together")
	}
	tokens, err := ask(ctx, c.whereFlags, s,
		func(l local) ([]client.Token, error) { return l.tokens(ctx, c.For) },
		func(server *client.Client) ([]client.Token, error) { return server.Tokens(ctx, c.For, c.All) })
	if err != nil {
		return err
	}
	return c.print(s, tokens, func(t *table) {
		t.row("TOKEN", "STATE", "NAME", "OWNER", "NARROWED TO", "EXPIRES", "LAST USED")
		for _, k := range tokens {
			used := "never"
			if k.LastUsedAt != nil {
				used = k.LastUsedAt.UTC().Format(minutes)
			}
			t.row(k.ID, k.State, k.Name, k.Owner, narrowed(k), k.ExpiresAt.UTC().Format(minutes), used)
		}
	})
}

func (l local) tokens(ctx context.Context, owner string) ([]client.Token, error) {
	tokens, err := l.Tokens(ctx)
	reports := []client.Token{}
	for _, k := range tokens {
		if owner == "" || owner == k.Owner.String() {
			reports = append(reports, reportToken(k))
		}
	}
	return reports, err
}

func narrowed(k client.Token) string {
	list := append(strings.Fields(joined(k.Permissions)), k.Environments...)
	return dash(strings.Join(list, ","))
}

type tokensRevokeCmd struct {
	whereFlags
	outputFlag
	Token string `arg:"" help:"Id of the token, as tokens list shows it."`
}

// Help implements kong.HelpProvider.
func (tokensRevokeCmd) Help() string {
	return `Doing it again is no error.

Example:

  coderflow tokens revoke zzp6hr35kqtq`
}

// Run revokes a token.
func (c tokensRevokeCmd) Run(ctx context.Context, s streams) error {
	if strings.HasPrefix(c.Token, token.Prefix) {
		return c.unknown() // and is not sent
	}
	ended, err := ask(ctx, c.whereFlags, s,
		func(l local) (client.Token, error) { return l.revoke(ctx, c.Token) },
		func(server *client.Client) (client.Token, error) { return server.RevokeToken(ctx, c.Token) })
	switch {
	case errors.Is(err, task.ErrNotFound):
		return c.unknown()
	case err != nil:
		return err
	}
	return c.print(s, ended, func(t *table) { t.line("revoked: %s", c.Token) })
}

func (l local) revoke(ctx context.Context, id string) (ended client.Token, err error) {
	now := time.Now()
	err = l.InTx(ctx, func(tx *store.Tx) error {
		fresh, err := tx.RevokeToken(ctx, id, operator(), now)
		if err != nil || !fresh {
			return err
		}
		return auditToken(ctx, tx, now, operator(), token.Revoked, id, map[string]any{})
	})
	if err != nil {
		return ended, err
	}
	all, err := l.tokens(ctx, "")
	for _, k := range all {
		if k.ID == id {
			return k, nil
		}
	}
	return client.Token{ID: id, State: "revoked"}, err // too old for the list
}

// unknown does not repeat what was given if it is the token itself, which then
// stands in a shell's history already.
func (c tokensRevokeCmd) unknown() error {
	if strings.HasPrefix(c.Token, token.Prefix) {
		return usage("that is a token, not its id; `coderflow tokens list` shows the ids")
	}
	return notFound("there is no token %q; `coderflow tokens list` shows them", c.Token)
}
