package main

import (
	"context"
	"fmt"

	"github.com/coderflow/coderflow/internal/client"
)

type contextCmd struct {
	List   contextListCmd   `cmd:"" default:"1" help:"List the contexts."`
	Use    contextUseCmd    `cmd:"" help:"Make a context the current one."`
	Add    contextAddCmd    `cmd:"" help:"Add a context with a token that you have."`
	Remove contextRemoveCmd `cmd:"" help:"Remove a context and its token from this machine."`
	Show   contextShowCmd   `cmd:"" help:"Show a context; without a name the current one."`
}

// contextReport is a context without its token.
type contextReport struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	Server  string `json:"server"`
	Subject string `json:"subject,omitempty"`
}

func reportContext(all *client.Contexts, c client.Context) contextReport {
	return contextReport{c.Name, c.Name == all.Chosen, c.Server, c.Subject}
}

type contextListCmd struct{ outputFlag }

// Help implements kong.HelpProvider.
func (contextListCmd) Help() string {
	return `Example:

  coderflow context list -o json`
}

// Run lists contexts.
func (c contextListCmd) Run(s streams) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	list := []contextReport{}
	for _, one := range all.List {
		list = append(list, reportContext(all, one))
	}
	return c.print(s, list, func(t *table) {
		t.row("CURRENT", "NAME", "SERVER", "SUBJECT")
		for _, r := range list {
			t.row(map[bool]string{true: "*"}[r.Current], r.Name, r.Server, r.Subject)
		}
	})
}

type contextShowCmd struct {
	outputFlag
	Name string `arg:"" optional:"" predictor:"context" help:"Name of the context."`
}

// Help implements kong.HelpProvider.
func (contextShowCmd) Help() string {
	return `It never shows the token.

Examples:

  coderflow context show
  coderflow context show work -o yaml`
}

// Run shows a context.
func (c contextShowCmd) Run(s streams) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	if c.Name == "" {
		if c.Name = all.Chosen; c.Name == "" {
			return notFound("no context is the current one; `coderflow context use NAME` makes it one")
		}
	}
	found, err := all.Get(c.Name)
	if err != nil {
		return err
	}
	r := reportContext(all, found)
	return c.print(s, r, func(t *table) {
		t.row("name", r.Name)
		t.row("server", r.Server)
		t.row("subject", dash(r.Subject))
		t.row("current", r.Current)
	})
}

type contextUseCmd struct {
	Name string `arg:"" predictor:"context" help:"Name of the context."`
}

// Help implements kong.HelpProvider.
func (contextUseCmd) Help() string {
	return `Commands that are told nothing else work there from then on.

Example:

  coderflow context use work`
}

// Run makes a context the current one.
func (c contextUseCmd) Run(s streams) error {
	return editContexts(s, "in use: "+c.Name, func(all *client.Contexts) error { return all.Use(c.Name) })
}

type contextRemoveCmd struct {
	Name string `arg:"" predictor:"context" help:"Name of the context."`
}

// Help implements kong.HelpProvider.
func (contextRemoveCmd) Help() string {
	return `The token stays good until it expires or is revoked: coderflow tokens revoke.

Example:

  coderflow context remove work`
}

// Run removes a context.
func (c contextRemoveCmd) Run(s streams) error {
	return editContexts(s, "removed: "+c.Name, func(all *client.Contexts) error { return all.Remove(c.Name) })
}

type contextAddCmd struct {
	Name      string `arg:"" help:"Name of the context."`
	Server    string `required:"" placeholder:"URL" help:"Address of the server: https://coderflow.example.com"`
	TokenFile string `required:"" type:"path" help:"File with an API token; it is copied."`
	Use       bool   `help:"Make it the current one."`
}

// Help implements kong.HelpProvider.
func (contextAddCmd) Help() string {
	return `The server is asked whose the token is. A context of the same name is replaced; the first one becomes the
current one. 'coderflow login' adds one by signing in.

Example:

  coderflow context add work --server https://coderflow.example.com --token-file ~/.coderflow-token`
}

// Run adds a context.
func (c contextAddCmd) Run(ctx context.Context, s streams) error {
	value, _, err := client.ReadToken(c.TokenFile)
	if err != nil {
		return fmt.Errorf("--token-file: %w", err)
	}
	server, err := client.New(c.Server, value)
	if err != nil {
		return usage("--server: %w", err)
	}
	me, err := server.Whoami(ctx)
	if err != nil {
		return err
	}
	added := client.Context{Name: c.Name, Server: server.Server(), Token: value, Subject: me.Subject}
	return editContexts(s, fmt.Sprintf("added: %s, %s at %s", c.Name, me.Subject, server.Server()), func(all *client.Contexts) error {
		if err := all.Put(added); err != nil || (!c.Use && len(all.List) > 1) {
			return err
		}
		return all.Use(c.Name)
	})
}

// editContexts changes the contexts and says so.
func editContexts(s streams, said string, change func(*client.Contexts) error) error {
	path, err := client.DefaultPath()
	if err != nil {
		return err
	}
	if err := client.Edit(path, change); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, visible(said))
	return err
}
