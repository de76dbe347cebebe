package main

import (
	"context"
	"time"

	"github.com/coderflow/coderflow/internal/client"
)

type whoamiCmd struct {
	whereFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (whoamiCmd) Help() string {
	return `At a server: whose the token is and what it reaches at this moment. On the server's machine: who you are in
the audit log.

Examples:

  coderflow whoami
  coderflow whoami --server https://coderflow.example.com --token-file ~/.coderflow-token -o json`
}

// Run tells in whose name the commands act.
func (c whoamiCmd) Run(ctx context.Context, s streams) error {
	p, err := c.place(s.err)
	if err != nil {
		return err
	}
	if p.server == nil {
		return c.here(s)
	}
	me, err := p.server.Whoami(ctx)
	if err != nil {
		return err
	}
	return c.print(s, me, func(t *table) { drawIdentity(t, me) })
}

func (c whoamiCmd) here(s streams) error {
	me := client.Identity{Subject: operator(), Rights: []client.Rights{}}
	return c.print(s, struct {
		Subject string `json:"subject"`
	}{me.Subject}, func(t *table) {
		t.line("%s, on this machine: whoever can open the database may do everything but remove the last server admin", me.Subject)
	})
}

func drawIdentity(t *table, me client.Identity) {
	t.line("%s, by token %s (%s), good until %s", me.Subject, me.Token.ID, me.Token.Name, me.Token.ExpiresAt.UTC().Format(time.RFC3339))
	if k := me.Kept; k != nil {
		until := "it is revoked"
		if k.GoodUntil != nil {
			until = k.GoodUntil.UTC().Format(time.RFC3339)
		}
		t.line("Git works in your name with a token that is kept since %s, until %s; 'coderflow logout' forgets it.", k.KeptAt.UTC().Format(time.RFC3339), until)
	}
	if len(me.Rights) == 0 {
		t.line("It may nothing: no role is bound to its owner that it reaches.")
	}
	for _, right := range me.Rights {
		t.line("  %s: %s", right.Resource, joinedBy(", ", right.Permissions))
	}
}
