package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// tokensCmd is for whoever runs the server: it works on the database itself.
type tokensCmd struct {
	Create tokensCreateCmd `cmd:"" help:"Make a token and print it, once."`
	List   tokensListCmd   `cmd:"" help:"List tokens, newest first."`
	Revoke tokensRevokeCmd `cmd:"" help:"End a token at once."`
}

// outputFlag chooses how a command prints.
type outputFlag struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"How to print: table or json."`
}

type tokensCreateCmd struct {
	configFlag
	outputFlag
	For         string              `required:"" placeholder:"HOST:ID" help:"Whose token it is, by numeric id: github:583231. It is never more than they are."`
	Name        string              `required:"" help:"What its owner knows it by."`
	Expires     string              `default:"30d" help:"How long it lives: 30d, 12h; at most 365d."`
	Permission  []policy.Permission `help:"Narrow it to this permission; may be repeated."`
	Environment []string            `help:"Narrow it to this environment; may be repeated."`
}

// tokenReport is a token as the commands print it as JSON.
type tokenReport struct {
	ID           string              `json:"id"`
	Token        string              `json:"token,omitempty"` // only when it is made
	Name         string              `json:"name"`
	Owner        string              `json:"owner"`
	Permissions  []policy.Permission `json:"permissions,omitempty"`
	Environments []string            `json:"environments,omitempty"`
	CreatedAt    time.Time           `json:"createdAt"`
	CreatedBy    string              `json:"createdBy"`
	ExpiresAt    time.Time           `json:"expiresAt"`
	LastUsedAt   *time.Time          `json:"lastUsedAt,omitempty"`
	RevokedAt    *time.Time          `json:"revokedAt,omitempty"`
	State        string              `json:"state"` // active, expired or revoked
}

func reportToken(k token.Token) tokenReport {
	r := tokenReport{
		ID: k.ID, Name: k.Name, Owner: k.Owner.String(), Permissions: k.Scope.Permissions, Environments: k.Scope.Environments,
		CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy, ExpiresAt: k.ExpiresAt, State: k.Ended(time.Now()),
		LastUsedAt: moment(k.LastUsedAt), RevokedAt: moment(k.RevokedAt),
	}
	if r.State == "" {
		r.State = "active"
	}
	return r
}

// moment is a time that may not have come; absent then.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Run makes a token.
func (c tokensCreateCmd) Run(ctx context.Context, s streams) error {
	k, err := c.token(time.Now())
	if err != nil {
		return err
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	value := token.New()
	err = c.with(ctx, func(db *store.Store) error {
		p, err := (&rules{store: db, admins: cfg.Admins, image: cfg.Sandbox.Image}).Policy(ctx)
		if err != nil {
			return fmt.Errorf("read who may do what: %w; apply manifests first", err)
		}
		if err := fits(p, k); err != nil {
			return err
		}
		return db.InTx(ctx, func(tx *store.Tx) error {
			if err := tx.InsertToken(ctx, k, value.Hash()); err != nil {
				return err
			}
			return auditToken(ctx, tx, k.CreatedAt, k.CreatedBy, token.Created, k.ID, map[string]any{
				"owner": k.Owner, "name": k.Name, "scope": k.Scope, "expiresAt": k.ExpiresAt,
			})
		})
	})
	if err != nil {
		return err
	}
	if c.Output == "json" {
		report := reportToken(k)
		report.Token = value.Reveal()
		return printJSON(s, report)
	}
	fmt.Fprintf(s.err, "Token %s of %s, good until %s. It is shown this once; keep it where only its owner can read it.\n",
		k.ID, k.Owner, k.ExpiresAt.Format(time.RFC3339))
	_, err = fmt.Fprintln(s.out, value.Reveal())
	return err
}

// token is what the flags ask for.
func (c tokensCreateCmd) token(now time.Time) (token.Token, error) {
	owner, err := forge.ParseSubject(c.For)
	if err != nil {
		return token.Token{}, fmt.Errorf("--for: %w", err)
	}
	life, err := token.ParseLifetime(c.Expires)
	if err != nil {
		return token.Token{}, fmt.Errorf("--expires: %w", err)
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
	configFlag
	outputFlag
}

// Run lists tokens.
func (c tokensListCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error {
		tokens, err := db.Tokens(ctx)
		if err != nil {
			return err
		}
		reports := make([]tokenReport, len(tokens))
		for i, k := range tokens {
			reports[i] = reportToken(k)
		}
		if c.Output == "json" {
			return printJSON(s, reports)
		}
		table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "TOKEN\tSTATE\tNAME\tOWNER\tNARROWED TO\tEXPIRES\tLAST USED")
		for _, r := range reports {
			used := "never"
			if r.LastUsedAt != nil {
				used = r.LastUsedAt.Format("2006-01-02 15:04")
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.State, r.Name, r.Owner, r.narrowed(), r.ExpiresAt.Format("2006-01-02 15:04"), used)
		}
		return table.Flush()
	})
}

func (r tokenReport) narrowed() string {
	var list []string
	for _, p := range r.Permissions {
		list = append(list, string(p))
	}
	if list = append(list, r.Environments...); len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ",")
}

type tokensRevokeCmd struct {
	configFlag
	Token string `arg:"" help:"Id of the token, as tokens list shows it."`
}

// Run revokes a token. Doing it again is no error.
func (c tokensRevokeCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error {
		now := time.Now()
		err := db.InTx(ctx, func(tx *store.Tx) error {
			fresh, err := tx.RevokeToken(ctx, c.Token, operator(), now)
			if err != nil || !fresh {
				return err
			}
			return auditToken(ctx, tx, now, operator(), token.Revoked, c.Token, map[string]any{})
		})
		if errors.Is(err, task.ErrNotFound) {
			return c.unknown()
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.out, "revoked:", c.Token)
		return err
	})
}

// unknown does not repeat what was given if it is the token itself, which then
// stands in a shell's history already.
func (c tokensRevokeCmd) unknown() error {
	if strings.HasPrefix(c.Token, token.Prefix) {
		return errors.New("that is a token, not its id; `coderflow tokens list` shows the ids")
	}
	return fmt.Errorf("there is no token %q; `coderflow tokens list` shows them", c.Token)
}
